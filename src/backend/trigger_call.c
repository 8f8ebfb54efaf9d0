/*
 * trigger_call.c
 *		Checks how a trigger function of ours is called.
 *
 * Each trigger function calls this first.  Locks, memory: none.
 */
#include "postgres.h"

#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/hubspot.h"
#include "backend/trigger_call.h"

static bool
fits(const TriggerUse *use, TriggerEvent event)
{
	return (event & TRIGGER_EVENT_TIMINGMASK) == use->timing &&
		(use->events & (1 << (event & TRIGGER_EVENT_OPMASK))) != 0 &&
		(TRIGGER_FIRED_FOR_ROW(event) ? use->for_row : use->for_statement);
}

TriggerData *
trigger_call(FunctionCallInfo fcinfo, const TriggerUse *use, Oid relation)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	/*
	 * In the order in which the facts can be read: without a trigger there is no relation, event
	 * or argument.
	 */
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s can only be called as a trigger", use->function)));
	if (OidIsValid(relation) && RelationGetRelid(trigger->tg_relation) != relation)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s is not for table \"%s\"", use->function,
						RelationGetRelationName(trigger->tg_relation)),
				 errdetail("It is for the trigger of table \"%s.%s\".",
						   get_namespace_name(get_rel_namespace(relation)),
						   get_rel_name(relation))));
	if (!fits(use, trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s must be fired %s", use->function, use->expected),
				 use->hint != NULL ? errhint("%s", use->hint) : 0));
	if (trigger->tg_trigger->tgnargs < use->min_args ||
		trigger->tg_trigger->tgnargs > use->max_args)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 use->min_args == use->max_args
				 ? errmsg_plural("%s needs %d argument", "%s needs %d arguments", use->min_args,
								 use->function, use->min_args)
				 : errmsg("%s needs %d to %d arguments", use->function, use->min_args,
						  use->max_args),
				 use->args_hint != NULL ? errhint("%s", use->args_hint) : 0));
	return trigger;
}
