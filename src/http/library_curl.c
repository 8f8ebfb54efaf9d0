/*
 * library_curl.c
 *		What we lean on in libcurl and can try without a peer; see library.h.
 */
#include <curl/curl.h>
#include <string.h>

#include "http/library.h"

static const curl_version_info_data *
info(void)
{
	return curl_version_info(CURLVERSION_NOW);
}

static const char *
version(void)
{
	return info()->version;
}

/* 7.85.0 has CURLOPT_PROTOCOLS_STR, which binds a request to one protocol. */
static bool
is_new_enough(void)
{
	return info()->version_num >= 0x075500;
}

static bool
speaks(const char *protocol)
{
	for (const char *const *it = info()->protocols; *it != NULL; it++)
		if (strcmp(*it, protocol) == 0)
			return true;
	return false;
}

static bool
speaks_both(void)
{
	return speaks("http") && speaks("https");
}

static bool
has_tls(void)
{
	return (info()->features & CURL_VERSION_SSL) != 0;
}

static bool
looks_up_beside(void)
{
	return (info()->features & CURL_VERSION_ASYNCHDNS) != 0;
}

static bool
inflates(void)
{
	return (info()->features & CURL_VERSION_LIBZ) != 0;
}

static bool
has_http2(void)
{
	return (info()->features & CURL_VERSION_HTTP2) != 0;
}

/* True if libcurl has no memory for a handle: that is no fault of the library. */
static bool
binds_to_protocol(void)
{
	CURL	   *easy = curl_easy_init();
	CURLcode	only_https;
	CURLcode	unknown;

	if (easy == NULL)
		return true;
	only_https = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	unknown = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "nonsense");
	curl_easy_cleanup(easy);
	return (only_https == CURLE_OK || only_https == CURLE_OUT_OF_MEMORY) && unknown != CURLE_OK;
}

/* Whether libcurl reads these parts in the URL.  host NULL: libcurl must refuse the URL. */
static bool
url_is(const char *url, const char *scheme, const char *host)
{
	CURLU	   *parts = curl_url();
	CURLUcode	code =
	(parts == NULL ? CURLUE_OUT_OF_MEMORY : curl_url_set(parts, CURLUPART_URL, url, 0));
	char	   *is_scheme = NULL;
	char	   *is_host = NULL;
	bool		good = true;

	if (code == CURLUE_OK)
		good = host != NULL &&
			(curl_url_get(parts, CURLUPART_SCHEME, &is_scheme, 0) != CURLUE_OK ||
			 strcmp(is_scheme, scheme) == 0) &&
			(curl_url_get(parts, CURLUPART_HOST, &is_host, 0) != CURLUE_OK ||
			 strcmp(is_host, host) == 0);
	else if (code != CURLUE_OUT_OF_MEMORY)
		good = host == NULL;
	curl_free(is_scheme);
	curl_free(is_host);
	curl_url_cleanup(parts);
	return good;
}

/* wire.c decides by scheme and host whether plain HTTP is allowed. */
static bool
reads_urls(void)
{
	return url_is("https://api.hubapi.com/crm?a=b", "https", "api.hubapi.com") &&
		url_is("HTTP://127.0.0.1:8080/", "http", "127.0.0.1") &&
		url_is("http://[::1]:8080", "http", "[::1]") &&
		url_is("http://localhost:x@example.com/", "http", "example.com") &&
		url_is("http://127.0.0.1@example.com", "http", "example.com") &&
		url_is("http://example.com/@localhost", "http", "example.com") &&
		url_is("http://exa mple.com/", NULL, NULL) &&
		url_is("localhost", NULL, NULL);
}

static const LibraryRule rules[] = {
	{"it is 7.85 or newer", is_new_enough, NULL},
	{"it speaks http and https", speaks_both, NULL},
	{"it has TLS", has_tls, NULL},
	{"a request can be bound to one protocol", binds_to_protocol, NULL},
	{"the host of an address is what the request goes to", reads_urls, NULL},
	{"names are looked up without making anybody wait", looks_up_beside,
	"a slow look-up holds up all accounts of a database"},
	{"answers are inflated", inflates, "answers come as they are, and take longer"},
	{"it speaks HTTP/2", has_http2, "requests take a connection each"},
};

const Library library_curl = {
	.name = "libcurl",
	.built_with = LIBCURL_VERSION,
	.version = version,
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
};
