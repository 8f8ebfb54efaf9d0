/*
 * trigger_creator.h
 *		Who creates a trigger that queues calls needs a right of his own.
 */
#ifndef HUBSPOT_TRIGGER_CREATOR_H
#define HUBSPOT_TRIGGER_CREATOR_H

/* From _PG_init: installs the hook. */
extern void trigger_creator_init(void);

#endif							/* HUBSPOT_TRIGGER_CREATOR_H */
