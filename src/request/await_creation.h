/*
 * await_creation.h
 *		Rows that wait for what was queued to be created before them.
 *
 * So that a property, or an event, may be created and used in one transaction.
 */
#ifndef HUBSPOT_AWAIT_CREATION_H
#define HUBSPOT_AWAIT_CREATION_H

#include "request/batch.h"

/*
 * What a row needs (a property, an event) is not in the schema.  Whether its
 * creation was queued before the row and may yet come about: then the input is
 * not to be sent (BUILD_WAIT), and await_creation_send_away() has its key wait.
 * Where it is not the first row that waits, those before it go first, alone.
 */
extern bool await_creation_is_due(const Row *row, Object part, const char *name);
extern bool await_creation(Input *input, Row *row, Object part, const char *name);

/* The rows of the input are back in their key: that waits, if it has to. */
extern void await_creation_send_away(WorkKey *key, const char *awaits);

/* Whether the lane of the schema may create at all. */
extern bool await_creation_may_come(const Lane *lane);

#endif							/* HUBSPOT_AWAIT_CREATION_H */
