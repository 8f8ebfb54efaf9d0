/*
 * domain.c
 *		Host names: of e-mail addresses, and of companies.
 *
 * Pure.  Names outside ASCII go through libidn2, in UTF-8: libcurl's conversion takes names in
 * the encoding of the process's locale, which is the one of the database.
 */
#include "postgres.h"

#include <idn2.h>

#include "base/hubspot.h"
#include "text/ascii.h"
#include "text/domain.h"
#include "text/encoding.h"
#include "text/invisible.h"

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
	return is_ascii(text, strlen(text));
}

char *
domain_to_ascii(const char *domain)
{
	uint8_t    *name = NULL;
	char	   *result;
	int			rc = idn2_lookup_u8((const uint8_t *) domain, &name,
									IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);

	/* as browsers and libcurl do: names that were registered by the older rules */
	if (rc != IDN2_OK && rc != IDN2_MALLOC)
		rc = idn2_lookup_u8((const uint8_t *) domain, &name, IDN2_NFC_INPUT | IDN2_TRANSITIONAL);
	if (rc == IDN2_MALLOC)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (rc != IDN2_OK)
		return NULL;
	result = pstrdup((char *) name);
	idn2_free(name);
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

	invisible_trim(&start, len);
	end = start + *len;
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

char *
domain_invisible(const char *text)
{
	pg_wchar	c = invisible_in(text, strlen(text));

	return c == 0 ? NULL : psprintf("It has the character U+%04X, which nobody sees.", c);
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

const char *
domain_of_address(const char *address)
{
	const char *at = address == NULL ? NULL : strrchr(address, '@');

	return at == NULL ? NULL : at + 1;
}

char *
domain_of_website(const char *text, int len, const char **why)
{
	char	   *host;

	text = encoding_to_wire(text, &len);
	find_host(&text, &len);
	host = pnstrdup(text, len);
	*why = domain_invisible(host);
	if (*why != NULL)
		return NULL;
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
