/*
 * draft.h
 *	  One input of a write: what it asks, what is wrong with it, its effect.
 *
 * A draft is made from a JSON input, checked against the schema and the
 * unique values, and then either applied or reported.  It lives in scratch
 * memory and borrows from the request's JSON.
 */
#ifndef SIMULATOR_DRAFT_H
#define SIMULATOR_DRAFT_H

#include <json-c/json.h>

#include "error.h"
#include "http.h"
#include "property.h"

typedef enum Operation
{
	OP_UPSERT,
	OP_CREATE,
	OP_UPDATE
} Operation;

typedef struct Setting
{
	Property   *property;
	const char *text;			/* checked */
} Setting;

typedef struct Draft
{
	ObjectType *type;
	Operation	operation;
	bool		is_strict;		/* under a version that enforces what the account demands */
	const char *id;				/* as sent; NULL for a create */
	const char *trace;
	Property   *id_property;	/* NULL: id is a record id */
	const char *key;			/* the id in the form of the index */
	struct json_object *properties;
	struct json_object *associations;

	Object	   *target;			/* NULL: to be created */
	bool		missing;		/* an update without its record */
	bool		stumbled;		/* failed for no reason of its own */
	bool		created;
	Setting    *settings;
	int			setting_count;
	ProblemList problems;
	bool		conflict;		/* an address belongs to another contact */
	Object	   *holder;			/* to that one, when it is stored already */
	const char *refused;		/* what is wrong with it beside its values, or NULL */
} Draft;

/*
 * Reads the shape of an input.  Returns false after filling the reply when
 * it is not what the operation can read at all.
 */
extern bool draft_read(Request *request, Draft *draft, struct json_object *input);

/*
 * Finds the record and checks values and uniqueness.  claims holds the
 * unique values of earlier drafts that wait to be applied together with this
 * one; NULL when each is applied at once.
 */
extern void draft_check(Draft *draft, Table *claims);

/* Is there anything that forbids applying it? */
extern bool draft_failed(const Draft *draft);

/* Does it, and writes the journal's line. */
extern void draft_apply(Request *request, Draft *draft);

/* The result object of an applied draft. */
extern void draft_render(Buffer *out, const Draft *draft);

/* The error item of a failed one, for a 207. */
extern void draft_render_error(Buffer *out, const Draft *draft);

#endif
