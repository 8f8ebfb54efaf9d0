/*
 * trigger_creator.h
 *		The creator of a trigger that queues calls needs USAGE.
 */
#ifndef HUBSPOT_TRIGGER_CREATOR_H
#define HUBSPOT_TRIGGER_CREATOR_H

/* From _PG_init: installs the hook. */
extern void trigger_creator_init(void);

/* The table on which the trigger, or the original of a copy, was created. */
extern Oid	trigger_creator_table(Oid trigger);

/* The owner of that table; InvalidOid if the table does not exist. */
extern Oid	trigger_creator_owner(Oid relation);

#endif							/* HUBSPOT_TRIGGER_CREATOR_H */
