/*
 * trigger_creator.h
 *		Who creates a trigger that queues calls needs a right of his own.
 */
#ifndef HUBSPOT_TRIGGER_CREATOR_H
#define HUBSPOT_TRIGGER_CREATOR_H

/* From _PG_init: installs the hook. */
extern void trigger_creator_init(void);

/* The table that the trigger, or the one that it is a copy of, was created on. */
extern Oid	trigger_creator_table(Oid trigger);

/* The owner of that table needs USAGE. */
extern void trigger_creator_check_usage(Oid relation, Oid server);

#endif							/* HUBSPOT_TRIGGER_CREATOR_H */
