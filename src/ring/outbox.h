/*
 * outbox.h
 *		The columns of hubspot.outbox: the one list of them in C.
 *
 * hubspot.deferred and hubspot.dead begin with the same columns, in this
 * order.  ring_outbox_catalog() compares the list with the catalogs before
 * anything goes by it: a library that is newer than the extension's script
 * would write rows of another shape.
 */
#ifndef HUBSPOT_OUTBOX_H
#define HUBSPOT_OUTBOX_H

/* In the order of the script; FIRST and NEXT make of a name what is wanted. */
#define OUTBOX_COLUMNS(FIRST, NEXT) \
	FIRST(id) \
	NEXT(xid) \
	NEXT(created_at) \
	NEXT(server) \
	NEXT(call) \
	NEXT(source) \
	NEXT(report) \
	NEXT(parent) \
	NEXT(deadline) \
	NEXT(backfill) \
	NEXT(mode) \
	NEXT(replay_of) \
	NEXT(called_at) \
	NEXT(object) \
	NEXT(key_property) \
	NEXT(key) \
	NEXT(problem) \
	NEXT(message)

/* Attribute numbers Anum_outbox_id and so on, and how many there are. */
#define OUTBOX_FIRST_NUMBER(name)	Anum_outbox_##name = 1,
#define OUTBOX_NEXT_NUMBER(name)	Anum_outbox_##name,
enum OutboxColumn
{
	OUTBOX_COLUMNS(OUTBOX_FIRST_NUMBER, OUTBOX_NEXT_NUMBER)
	OutboxColumnsEnd
};
#define Natts_outbox	(OutboxColumnsEnd - 1)

/* The names, in an array and as a list for a statement. */
#define OUTBOX_ENTRY(name)		#name,
#define OUTBOX_FIRST_NAME(name) #name
#define OUTBOX_NEXT_NAME(name)	", " #name
#define OUTBOX_COLUMN_NAMES OUTBOX_COLUMNS(OUTBOX_FIRST_NAME, OUTBOX_NEXT_NAME)

#endif							/* HUBSPOT_OUTBOX_H */
