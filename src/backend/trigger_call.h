/*
 * trigger_call.h
 *		How a trigger function of ours may be called.
 *
 * Whoever may CREATE TRIGGER puts a function on any table of his, at any time,
 * level and event, so a trigger function must know how it was called before
 * it reads anything.  trigger_call() is the only way to the TriggerData; make lint
 * finds another one.
 */
#ifndef HUBSPOT_TRIGGER_CALL_H
#define HUBSPOT_TRIGGER_CALL_H

#include "commands/trigger.h"
#include "fmgr.h"

#define TRIGGER_ON_INSERT		(1 << TRIGGER_EVENT_INSERT)
#define TRIGGER_ON_DELETE		(1 << TRIGGER_EVENT_DELETE)
#define TRIGGER_ON_UPDATE		(1 << TRIGGER_EVENT_UPDATE)
#define TRIGGER_ON_TRUNCATE		(1 << TRIGGER_EVENT_TRUNCATE)
#define TRIGGER_ON_ANY			(TRIGGER_ON_INSERT | TRIGGER_ON_DELETE | TRIGGER_ON_UPDATE | \
								 TRIGGER_ON_TRUNCATE)

typedef struct TriggerUse
{
	const char *function;		/* its name */
	TriggerEvent timing;		/* TRIGGER_EVENT_BEFORE, .._AFTER or .._INSTEAD */
	int			events;			/* TRIGGER_ON_.., together */
	bool		for_row;
	bool		for_statement;
	int			min_args;
	int			max_args;
	const char *expected;		/* all that in words, behind "must be fired" */
	const char *hint;			/* NULL: none */
	const char *args_hint;		/* when the number of arguments is wrong */
} TriggerUse;

/*
 * The call's data, when it is as declared, and of this table (InvalidOid: any);
 * an error otherwise.
 */
extern TriggerData *trigger_call(FunctionCallInfo fcinfo, const TriggerUse *use, Oid relation);

#endif							/* HUBSPOT_TRIGGER_CALL_H */
