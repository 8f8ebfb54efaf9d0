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
 * The ASCII (IDNA) form of a host name, palloc'd; NULL when it has none.
 * libcurl is built with IDNA support where the system has it.
 */
extern char *domain_to_ascii(const char *domain);

/* Letters, digits and hyphens in labels of 1 to 63, two labels at least, the last no number. */
extern bool domain_is_well_formed(const char *domain);

/*
 * The domain that a website (or a domain) names a company by: without scheme,
 * user, port, path, leading "www." and trailing dot, in lower case.  NULL, with
 * the reason (a constant) in *why, for what is nobody's own: addresses of
 * machines, single labels, providers of mailboxes.
 */
extern char *domain_of_website(const char *text, int len, const char **why);

#endif							/* HUBSPOT_DOMAIN_H */
