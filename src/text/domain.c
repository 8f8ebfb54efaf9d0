/*
 * domain.c
 *		Host names: of e-mail addresses, and of companies.
 *
 * Pure.  Names outside ASCII go through libcurl, which knows IDNA.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "base/hubspot.h"
#include "text/domain.h"

#define MAX_DOMAIN	253

/* Providers of mailboxes for people of all companies; sorted. */
static const char *const mailbox_providers[] = {
	"126.com", "163.com", "aol.com", "bluewin.ch", "comcast.net", "fastmail.com", "free.fr",
	"gmail.com", "gmx.at", "gmx.ch", "gmx.com", "gmx.de", "gmx.net", "googlemail.com", "hey.com",
	"hotmail.co.uk", "hotmail.com", "hotmail.de", "hotmail.fr", "hotmail.it", "icloud.com",
	"laposte.net", "libero.it", "live.com", "mac.com", "mail.com", "mail.ru", "me.com", "msn.com",
	"naver.com", "orange.fr", "outlook.com", "outlook.de", "pm.me", "proton.me", "protonmail.com",
	"qq.com", "rediffmail.com", "sbcglobal.net", "t-online.de", "tutanota.com", "uol.com.br",
	"verizon.net", "web.de", "yahoo.co.jp", "yahoo.co.uk", "yahoo.com", "yahoo.de", "yahoo.fr",
	"yandex.com", "yandex.ru", "ymail.com", "zoho.com"
};

bool
domain_is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if (IS_HIGHBIT_SET(*text))
			return false;
	return true;
}

char *
domain_to_ascii(const char *domain)
{
	char	   *result = NULL;
#ifdef CURLU_PUNYCODE
	CURLU	   *url = curl_url();
	char	   *host = NULL;

	if (url == NULL)
		return NULL;
	if (curl_url_set(url, CURLUPART_SCHEME, "https", 0) == CURLUE_OK &&
		curl_url_set(url, CURLUPART_HOST, domain, 0) == CURLUE_OK &&
		curl_url_get(url, CURLUPART_HOST, &host, CURLU_PUNYCODE) == CURLUE_OK)
		result = pstrdup(host);
	curl_free(host);
	curl_url_cleanup(url);
#endif
	return result;
}

bool
domain_is_well_formed(const char *domain)
{
	int			label = 0;
	int			labels = 1;
	bool		alphabetic = true;	/* of the last label: a top-level domain does not begin with a
									 * digit */

	for (const char *c = domain; *c != '\0'; c++)
	{
		if (*c == '.')
		{
			if (label == 0 || c[-1] == '-')
				return false;
			label = 0;
			labels++;
			alphabetic = true;
		}
		else if ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ||
				 (*c == '-' && label > 0))
		{
			if (++label > 63)
				return false;
			if (*c >= '0' && *c <= '9' && label == 1)
				alphabetic = false;
		}
		else
			return false;
	}
	return labels >= 2 && label >= 2 && alphabetic && domain[strlen(domain) - 1] != '-';
}

/* Reduce the text to the host name of a URL; brackets stay. */
static void
find_host(const char **text, int *len)
{
	const char *start = *text;
	const char *end = start + *len;
	const char *at;

	while (start < end && isspace((unsigned char) *start))
		start++;
	while (end > start && isspace((unsigned char) end[-1]))
		end--;
	at = start;
	while (at < end && (isalnum((unsigned char) *at) || *at == '+' || *at == '-' || *at == '.'))
		at++;
	if (end - at >= 3 && memcmp(at, "://", 3) == 0)
		start = at + 3;
	else if (end - start >= 2 && memcmp(start, "//", 2) == 0)
		start += 2;
	/* The path is cut first: an "@" or ":" in it does not belong to the host. */
	for (at = start; at < end; at++)
		if (strchr("/?#\\", *at) != NULL)
			end = at;
	for (at = start; at < end; at++)
		if (*at == '@')
			start = at + 1;
	if (start < end && *start != '[')
		for (at = start; at < end; at++)
			if (*at == ':')
				end = at;
	while (end > start && end[-1] == '.')
		end--;
	*text = start;
	*len = end - start;
}

static int
compare_provider(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *) element);
}

static bool
is_address_of_machine(const char *host)
{
	return host[0] == '[' || strspn(host, "0123456789.") == strlen(host);
}

char *
domain_of_website(const char *text, int len, const char **why)
{
	char	   *host;

	find_host(&text, &len);
	host = pnstrdup(text, len);
	for (char *c = host; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	/* Only if a dot remains: "www.com" is a name of its own. */
	if (strncmp(host, "www.", 4) == 0 && strchr(host + 4, '.') != NULL)
		host += 4;
	if (!domain_is_ascii(host))
		host = domain_to_ascii(host);
	if (host == NULL || len == 0)
		*why = "It names no host.";
	else if (is_address_of_machine(host))
		*why = "The address of a machine is no company's name.";
	else if (strchr(host, '.') == NULL)
		*why = "A name without a dot is known in one network only.";
	else if (strlen(host) > MAX_DOMAIN || !domain_is_well_formed(host))
		*why = "Its host is not a name such as example.com.";
	else if (bsearch(host, mailbox_providers, lengthof(mailbox_providers), sizeof(char *),
					 compare_provider) != NULL)
		*why = "A provider of mailboxes is not the company of those who use it.";
	else
		return host;
	return NULL;
}
