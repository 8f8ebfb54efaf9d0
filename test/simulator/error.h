/*
 * error.h
 *	  Error bodies, in the several forms that HubSpot has.
 *
 * Every function fills the reply of the request; the caller returns after
 * it.  Problems are what is wrong with the property values of records; they
 * live in scratch memory.
 */
#ifndef SIMULATOR_ERROR_H
#define SIMULATOR_ERROR_H

#include "http.h"

typedef struct Problem
{
	const char *code;
	const char *property;
	const char *message;
	struct Problem *next;
} Problem;

typedef struct ProblemList
{
	Problem    *first;
	Problem    *last;
} ProblemList;

extern void problem_add(ProblemList *list, const char *code, const char *property,
						const char *format,...) __attribute__((format(printf, 4, 5)));
extern void problems_join(ProblemList *list, const ProblemList *more);

/* "Property values were not valid: [...]", the text as HubSpot embeds it. */
extern char *problems_message(const ProblemList *list);

/* 400 for a whole request whose values were not valid. */
extern void reply_problems(Request *request, const ProblemList *list);

/* The general form; category may be NULL as in some recorded bodies. */
extern void reply_error(Request *request, int status, const char *category,
						const char *format,...) __attribute__((format(printf, 4, 5)));

/* The same with "context": {key: [value, ...]} in front of the category. */
extern void reply_error_context(Request *request, int status, const char *category,
								const char *message, const char *key,
								const char *const *values, int count);

/* 400 of a body that cannot be read as what it has to be; no category. */
extern void reply_invalid_json(Request *request, const char *format,...)
			__attribute__((format(printf, 2, 3)));

/* 401, 403, 404 and 429 as recorded. */
extern void reply_unauthenticated(Request *request);
extern void reply_missing_scope(Request *request, const char *scope, const char *other);
extern void reply_not_found(Request *request);
extern void reply_no_such_path(Request *request);
extern void reply_rate_limited(Request *request, const char *policy);

/* Any other answer: JSON text that is already in the reply buffer. */
extern void reply_json(Request *request, int status);
extern void reply_empty(Request *request, int status);

#endif
