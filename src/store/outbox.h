/*
 * outbox.h
 *		The columns of hubspot.outbox, in the order of the script.
 */
#ifndef HUBSPOT_OUTBOX_H
#define HUBSPOT_OUTBOX_H

/* Attribute numbers of hubspot.outbox. */
enum OutboxAttribute
{
	AT_ID = 1, AT_XID, AT_CREATED_AT, AT_SERVER, AT_CALL, AT_OBJECT, AT_SOURCE, AT_PARENT,
	AT_DEADLINE, AT_BACKFILL, AT_MODE, AT_REPLAY_OF, AT_CALLED_AT, AT_KEY_PROPERTY, AT_KEY, AT_PROBLEM, AT_MESSAGE
#define AT_LAST	AT_MESSAGE
};

#endif							/* HUBSPOT_OUTBOX_H */
