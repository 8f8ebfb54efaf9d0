/*
 * row.h
 *		A row of the outbox that was read and has no verdict yet.
 *
 * A row belongs to its key until a batch takes it, then to the batch's input,
 * and ends by ack_result().
 *
 * Memory: "hubspot window", counted against window_rows and window_memory.
 */
#ifndef HUBSPOT_ROW_H
#define HUBSPOT_ROW_H

#include "lib/ilist.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/words.h"
#include "queue/key.h"

/* How often the tables were asked for the record of a row. */
typedef enum Looked
{
	LOOKED_NOT,
	LOOKED_ONCE,
	LOOKED_LAST					/* after all that came before was done: what is not there now is
								 * not there */
} Looked;

/*
 * What is done once for a row: a second refusal for the same reason is the end, one for another
 * reason is not.  Numbers of bits, so that no two reasons share one.
 */
typedef enum Once
{
	ONCE_MAPPED_ANEW,			/* HubSpot's properties turned out to be others than we knew */
	ONCE_WITHOUT_RECORD,		/* the record that we went by is gone: by the key, or looked for
								 * anew */
	ONCE_AFTER_CONFLICT,		/* nobody had the key or the address that was said to be taken */
	ONCE_LIST_ANEW,				/* the list is gone, or another one by now */
	ONCE_WITHOUT_HUTK,			/* HubSpot did not know the browser's token */
	ONCE_REFRESH,				/* a refresh of the schema has begun for this row */
	ONCE_COMPANY_FIRST,			/* it has waited for the company of its contact's domain */
	ONCE_WITHOUT_OWNER,			/* HubSpot has refused an owner */
	ONCE_SOUGHT,				/* HubSpot does not have a record that it needs: of a pair */
	ONCE_WITHOUT_LABEL,			/* HubSpot has refused a label that it had when labels were read */
	ONCE_ABSENT,				/* HubSpot does not have its own record, which is to be born with
								 * an association */
	ONCE_DOUBTED				/* HubSpot has refused to make that with those we know of */
#define ONCE_COUNT (ONCE_DOUBTED + 1)
} Once;

/* Where a row of the window stands; written by key.c alone. */
typedef enum RowState
{
	ROW_NEW,					/* of zeros: in no key yet */
	ROW_WAITS,					/* linked in its key */
	ROW_IN_INPUT,				/* of a batch, or on its way there or from there */
	ROW_LEAVES					/* neither: it ends, is put off, or goes to another key */
#define ROW_STATE_COUNT (ROW_LEAVES + 1)
} RowState;

/*
 * Whether HubSpot may have the row although it has no verdict, as an answer was lost.  It only
 * grows: what may have arrived once may have arrived.
 */
typedef enum RowFate
{
	FATE_UNSENT,				/* certainly not */
	FATE_SENT_BEFORE,			/* sent by a worker before this one, perhaps */
	FATE_SENT					/* sent by this worker: it cannot be cancelled any more */
} RowFate;

typedef struct Row
{
	dlist_node	order;			/* in the window, by time of reading */
	dlist_node	node;			/* in its key, while it waits */
	int64		id;
	int64		parent;			/* 0: none */
	uint64		seq;			/* number of the reading */
	uint32		looked_at;		/* look at hubspot.suppressed that found nothing against it, see
								 * consent/suppress.h; 0: none has */
	TimestampTz created_at;
	int64		identity;		/* of the call: its first row, when this one repeats it */
	TimestampTz called_at;		/* when that was queued */
	TimestampTz deadline;		/* 0: none */
	Size		bytes;
	int			attempt;		/* faults of its own so far */
	Call		call;
	RowMode		mode;
	int			report;			/* of a definition's row: what it is counted under; 0: of none */
	char		record_id[RECORD_ID_BYTES]; /* of an event's contact, of an association's company,
											 * of the contact that a company's row names; "": not
											 * known */
	uint8		looked;			/* Looked */
	uint8		state;			/* RowState */
	uint8		fate;			/* RowFate: row_may_have_arrived(), row_was_sent() */
	uint16		once;			/* what was done: row_was(), row_note() */

	/* what it is, from when it is read on */
	bool		backfill;		/* makes way for live rows */
	bool		erases;			/* a deletion without a trace */
	bool		is_sync;		/* of a declared sync, audience or trait */
	bool		by_user_id;		/* its contact was named by a userId, and is that of the key */
	bool		is_late;		/* the same, and it was told by a later row or waited to be told,
								 * and HubSpot may have got younger values before this one: it
								 * overwrites none */

	/* what has been noted of it; each has an owner, who counts or writes something with it */
	bool		begun;			/* begun.c: noted in hubspot.begun, or to be */
	bool		is_stranger;	/* known.c: counts as such in its lane */
	bool		deferred;		/* defer.c: has a copy in hubspot.deferred */
	bool		is_suspect;		/* defer.c: made requests fail as a whole: sent alone */
	bool		begins;			/* await_creation.c: is not merged with rows before it, as it waits
								 * for what they do not need */
	bool		looked_for_first;	/* repeats.c: of an event that repeats another: whether that
									 * one, or another repeat, has arrived was looked up ... */
	bool		is_repeat;		/* ... and one has */
	uint64		occurrence;		/* of an event with a messageId: hash of both; 0: none */
	WorkKey    *key;
	Jsonb	   *message;		/* behind the struct */
	char	   *held;			/* of a late row: the properties that HubSpot has a value of, a
								 * line each; NULL: not asked.  Of a pair: the addresses that its
								 * userIds have turned out to be, a line for each end.  Of a
								 * subscription whose type is not known: which types there are.  Of
								 * a record that is born with an association: see born_row.c */
	const char *warnings;		/* JSON array or NULL; in its batch's context */
} Row;

StaticAssertDecl(ONCE_COUNT <= 16, "row->once has a bit for each reason");

/* What became of it is not known; the same, and this worker has sent it. */
static inline bool
row_may_have_arrived(const Row *row)
{
	return row->fate != FATE_UNSENT;
}

static inline bool
row_was_sent(const Row *row)
{
	return row->fate == FATE_SENT;
}

static inline void
row_note_fate(Row *row, RowFate fate)
{
	row->fate = Max(row->fate, fate);
}

/* Whether this was done for the row; it has been done now. */
static inline bool
row_was(const Row *row, Once once)
{
	return (row->once & (1 << once)) != 0;
}

static inline void
row_note(Row *row, Once once)
{
	row->once |= 1 << once;
}

/* What it has led to counts no longer: it may be done again. */
static inline void
row_forget(Row *row, Once once)
{
	row->once &= ~(1 << once);
}

#endif							/* HUBSPOT_ROW_H */
