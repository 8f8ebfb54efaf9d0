/*
 * domain.h
 *		Host names: of e-mail addresses, and of companies.
 *
 * Pure; memory is the current context's.
 */
#ifndef HUBSPOT_DOMAIN_H
#define HUBSPOT_DOMAIN_H

/* Whether all bytes are ASCII. */
extern bool domain_is_ascii(const char *text);

/*
 * The ASCII (IDNA) form of a host name in UTF-8, palloc'd; NULL when it has none.
 */
extern char *domain_to_ascii(const char *domain);

/*
 * Whether it has at least two labels of 1 to 63 letters, digits and hyphens, and the last
 * is no number.
 */
extern bool domain_is_well_formed(const char *domain);

/* What is said of a text in UTF-8 with a character that nobody sees; NULL: it has none. */
extern char *domain_invisible(const char *text);

/* The domain of an e-mail address, within it; NULL: there is none, or no address (NULL). */
extern const char *domain_of_address(const char *address);

/*
 * The domain of a company's website (or of a domain): without scheme, user, port, path,
 * leading "www." and trailing dot, in lower case.  NULL, and a reason in *why,
 * if the host belongs to no company: addresses of machines, single labels, providers of
 * mailboxes.
 */
extern char *domain_of_website(const char *text, int len, const char **why);

#endif							/* HUBSPOT_DOMAIN_H */
