/*
 * url.h
 *		Which URLs a setting or an option may hold.
 *
 * Only the shape is judged; nothing is resolved or contacted.
 */
#ifndef HUBSPOT_URL_H
#define HUBSPOT_URL_H

typedef enum UrlUse
{
	URL_API,					/* where requests go: https, or http to loopback */
	URL_PROXY					/* through what they go: http, https or socks */
} UrlUse;

/*
 * Why this URL may not be used, as a sentence, or NULL when it may.  The
 * sentence is a constant: it never repeats the URL, which could hold a
 * password.  Allocates nothing that outlives the call; raises no error: without
 * memory to read the URL, it returns url_no_memory.
 */
extern const char *url_problem(const char *url, UrlUse use);
extern const char *const url_no_memory;

#endif							/* HUBSPOT_URL_H */
