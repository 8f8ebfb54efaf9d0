/*
 * url.c
 *		Which URLs a setting or an option may hold.
 *
 * Called by the check hook of hubspot.proxy, in the postmaster too, and by
 * the validator of SERVER options.  A token is sent to the URLs of a SERVER,
 * so they are read by libcurl's own parser: what we judge is what libcurl
 * will connect to.  That parser needs no curl_global_init().
 *
 * Memory: libcurl's, freed before return.  Locks: none.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/url.h"

#define URL_MAX_LENGTH 1024

const char *const url_no_memory = "Out of memory.";

static const char *const api_schemes[] = {"https", "http", NULL};
static const char *const proxy_schemes[] = {
	"http", "https", "socks4", "socks4a", "socks5", "socks5h", NULL
};

static bool
is_one_of(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
	{
		if (strcmp(word, *words) == 0)
			return true;
	}
	return false;
}

/* An address of this machine by itself; a name but "localhost" may be anything. */
static bool
is_loopback(const char *host)
{
	char		bare[INET6_ADDRSTRLEN + 2];
	size_t		len = strlen(host);
	struct in_addr v4;
	struct in6_addr v6;

	if (pg_strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;

	/* libcurl hands out [::1] with its brackets */
	if (len < 3 || len >= sizeof(bare) || host[0] != '[' || host[len - 1] != ']')
		return false;
	memcpy(bare, host + 1, len - 2);
	bare[len - 2] = '\0';
	return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* What can be said without taking the URL apart. */
static const char *
text_problem(const char *url)
{
	const unsigned char *c;

	if (strlen(url) > URL_MAX_LENGTH)
		return "The URL is longer than 1024 bytes.";
	for (c = (const unsigned char *) url; *c; c++)
	{
		if (*c <= ' ' || *c >= 127 || *c == '\\' || *c == '"')
			return "The URL contains a space or a character that is not allowed in a URL.";
	}
	if (strchr(url, '@') != NULL)
		return "The URL must not contain a user name or password.";
	if (strpbrk(url, "?#") != NULL)
		return "The URL must not contain a query or a fragment.";
	return NULL;
}

static const char *
parts_problem(const char *scheme, const char *host, const char *path, UrlUse use)
{
	if (use == URL_PROXY)
	{
		if (!is_one_of(scheme, proxy_schemes))
			return "The scheme must be http, https, socks4, socks4a, socks5 or socks5h.";
		if (path != NULL && strcmp(path, "/") != 0)
			return "The URL of a proxy must not contain a path.";
		return NULL;
	}
	if (!is_one_of(scheme, api_schemes))
		return "The scheme must be https.";
	if (strcmp(scheme, "http") == 0 && !is_loopback(host))
		return "The scheme must be https; http is allowed only to a loopback address.";
	return NULL;
}

/* Get scheme and host, which every URL has; the caller frees both. */
static CURLUcode
take_apart(CURLU * parts, const char *url, char **scheme, char **host)
{
	CURLUcode	code = curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);

	if (code == CURLUE_OK)
		code = curl_url_get(parts, CURLUPART_SCHEME, scheme, 0);
	if (code == CURLUE_OK)
		code = curl_url_get(parts, CURLUPART_HOST, host, 0);
	return code;
}

const char *
url_problem(const char *url, UrlUse use)
{
	const char *problem = text_problem(url);
	char	   *scheme = NULL;
	char	   *host = NULL;
	char	   *path = NULL;
	CURLU	   *parts;
	CURLUcode	code;

	if (problem != NULL)
		return problem;
	parts = curl_url();

	/*
	 * libcurl's own parser: what is accepted here must mean the same host when wire.c sends the
	 * token there.
	 */
	code = parts == NULL ? CURLUE_OUT_OF_MEMORY : take_apart(parts, url, &scheme, &host);
	if (code == CURLUE_OK)
		code = curl_url_get(parts, CURLUPART_PATH, &path, 0);

	if (code == CURLUE_OUT_OF_MEMORY)
		problem = url_no_memory;
	else if (scheme == NULL || host == NULL || host[0] == '\0' || strstr(url, "://") == NULL)
		problem = "A URL like \"https://host\" or \"https://host:port/path\" is expected.";
	else
		problem = parts_problem(scheme, host, path, use);

	curl_free(scheme);
	curl_free(host);
	curl_free(path);
	curl_url_cleanup(parts);
	return problem;
}
