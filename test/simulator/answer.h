/*
 * answer.h
 *	  The ways in which HubSpot may put one and the same answer.
 *
 * Where the notes leave a shape open, or where two sources show two, each is a
 * variant that a test can switch on: by name in the setting "answers", or by
 * the setting "answer_seed", which chooses among all of them.  None is on at
 * the start: then answers are as they were recorded.
 */
#ifndef SIMULATOR_ANSWER_H
#define SIMULATOR_ANSWER_H

#include "http.h"

typedef enum Variant
{
	ANSWER_NUMBER_IDS,			/* ids are numbers where they were recorded as strings ... */
	ANSWER_TEXT_IDS,			/* ... and the other way round */
	ANSWER_ONE_DIRECTION,		/* a default association is told once, not in both directions */
	ANSWER_FORWARD_FIRST,		/* of both directions the one that was asked for comes first */
	ANSWER_ABSENT_ERRORS,		/* an end of an association that is not there is an error */
	ANSWER_ERRORS_IN_200,		/* records that failed stand in a 200, not in a 207 */
	ANSWER_CREATED_200,			/* what was created is told by 200, not by 201 */
	ANSWER_NO_COUNT,			/* no numErrors beside the errors */
	ANSWER_EMPTY_ERRORS,		/* "numErrors": 0 and "errors": [] when all went well */
	ANSWER_NULL_MEMBERS,		/* optional members are there, and null */
	ANSWER_MORE_MEMBERS,		/* members that nobody has heard of */
	ANSWER_FEWER_MEMBERS,		/* optional members are missing */
	ANSWER_ECHOED_TRACES,		/* results have the objectWriteTraceId of their input */
	ANSWER_BACKWARDS,			/* results and errors in the opposite order */
	ANSWER_BARE_404,			/* a 404 has no category */
	ANSWER_LIST_400,			/* a list that is not there is 400, in these words */
	ANSWER_REDIRECT,			/* a form's answer is a redirectUri, not an inlineMessage */
	ANSWER_CURSORS,				/* the next page goes by a text that is no number */
	ANSWER_REQUIRED_CONTEXT,	/* what a new record lacks stands in the context alone */
	ANSWER_DEFINITION_404,		/* an event definition that is not there is 404 */
	ANSWER_TYPED_VALUES			/* values of records are numbers and booleans where they can */
#define VARIANT_COUNT (ANSWER_TYPED_VALUES + 1)
} Variant;

/* Is the variant on? */
extern bool answer_is(Variant variant);

/* Its name in the settings; NULL beyond the last. */
extern const char *answer_name(int variant);

/* The variants that a seed switches on, one bit each; none for 0. */
extern uint64_t answer_choice(int64_t seed);

/* Puts a finished answer in the words of the variants that are on. */
extern void answer_vary(Request *request);

#endif
