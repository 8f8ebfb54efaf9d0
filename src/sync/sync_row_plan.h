/*
 * sync_row_plan.h
 *		The plan of a definition's messages; private to sync_row.c and sync_rows.c.
 */
#ifndef HUBSPOT_SYNC_ROW_PLAN_H
#define HUBSPOT_SYNC_ROW_PLAN_H

#include "enqueue/row_column.h"
#include "sync/sync_row.h"

/* Where a column stands in the message. */
typedef enum Place
{
	PLACE_TOP,					/* beside the traits */
	PLACE_TRAITS,				/* or the properties of an event */
	PLACE_MESSAGE_ID,			/* part of it */
	PLACE_ASSOCIATIONS			/* what the record is associated with */
} Place;

/* A column of the message.  The key's column may be there twice. */
typedef struct Member
{
	Place		place;
	bool		is_key;
	RowColumn	column;
	RowColumn	end;			/* of PLACE_TOP and PLACE_ASSOCIATIONS: the same as an end of a
								 * pair */
	const char *object;			/* of PLACE_ASSOCIATIONS: whose key it holds */
	int			compared;		/* number in SyncRowPlan.compared; -1: in none */
} Member;

/* Whether it is the time of an event. */
extern bool sync_row_is_time(const Member *member);

/* Whether a member of PLACE_ASSOCIATIONS has another value. */
extern bool sync_row_association_differs(const SyncRowPlan *plan, const Member *member,
										 TupleTableSlot *before, TupleTableSlot *now);

/* A column that is compared between two rows. */
typedef struct Compared
{
	AttrNumber	attno;
	bool		by_value;
	int16		len;
} Compared;

struct SyncRowPlan
{
	const Sync *sync;
	Call		call;
	const char *container;		/* of PLACE_TRAITS */
	int			nmembers;
	Member	   *members;
	int			ncompared;		/* the key's first; of an event behind it the time's alone */
	Compared   *compared;
};


#endif							/* HUBSPOT_SYNC_ROW_PLAN_H */
