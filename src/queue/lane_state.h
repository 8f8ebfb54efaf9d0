/*
 * lane_state.h
 *		A lane of an account: the unit that trouble stops.
 *
 * There is one for each family of requests.  The states that trouble brings
 * about are in account/lane.h; here is what a worker holds.
 *
 * Memory: in the Account.
 */
#ifndef HUBSPOT_LANE_STATE_H
#define HUBSPOT_LANE_STATE_H

#include "lib/ilist.h"

#include "account/lane.h"
#include "account/path.h"
#include "base/rate.h"
#include "base/words.h"
#include "queue/key_state.h"
#include "queue/unfinished.h"

struct Reader;					/* outbox_reader.c */

typedef struct Lane
{
	struct Account *account;
	LaneFamily	family;			/* of requests; the object that its rows are about */
	const struct FamilyWork *work;	/* its requests */
	LaneStatus	status;
	LaneStatus	pause;			/* in RUN unless somebody paused the lane */
	LaneKeys	keys;
	Unfinished	unfinished;		/* its rows that were read and have not ended */
	int64		nrecalled;		/* rows with a copy there that are in the window */
	struct Parked *parked;		/* of its back-fill, see park.h; NULL: nothing */
	int64		nparked;		/* parked rows, also of single keys */
	int64		nbackfill;		/* rows of a back-fill in the window */
	dlist_head	again;			/* batches to be sent as they are */
	struct Reader *reader;		/* follows behind the main one while the lane lags */
	int64		skipped;		/* rows the main reader left to that reader */
	int64		strangers;		/* # of possibly sent rows in the window whose userId has no known
								 * contact yet */
	int64		rows;			/* in the window, in flight or not */
	int64		bytes;
	int64		in_flight;		/* rows in requests under way */
	int			transfers;		/* requests under way */
	int64		held_since;		/* µs: a partial batch waits for more rows; 0: none */
	int64		successes;		/* answers about records since the start */
	int64		worked[PATH_COUNT]; /* answers that show that HubSpot has this path, see
									 * batch_not_found() */
	uint32		trusted;		/* such paths at the present address, a bit each */
	int			strays;			/* requests since then that met a 404 which says nothing */
	int64		splits;			/* inputs that could not stay merged, since the start */
	int64		done;			/* rows with a verdict since the start */
	Rate		rate;			/* of verdicts */
	uint32		saved;			/* hash of the status that hubspot.rate_limit shows, 0: none */
	uint32		saving;			/* and of the one that is being written */
} Lane;

#endif							/* HUBSPOT_LANE_STATE_H */
