/*
 * refresh_compare.h
 *		The differences between a compared source and hubspot.member.
 */
#ifndef HUBSPOT_REFRESH_COMPARE_H
#define HUBSPOT_REFRESH_COMPARE_H

#include "utils/jsonb.h"

#include "refresh/refresh_source.h"

typedef enum RefreshChange
{
	REFRESH_ENTERED,
	REFRESH_CHANGED,			/* another value, or the last call must be repeated */
	REFRESH_EXITED,
	REFRESH_FAILED,				/* no change, but HubSpot rejected the last call */
	REFRESH_GONE				/* left before; its row can be deleted once HubSpot knows */
#define REFRESH_CHANGES (REFRESH_GONE + 1)
} RefreshChange;

extern const char *const refresh_change_names[REFRESH_CHANGES];

typedef struct RefreshDifference
{
	RefreshChange change;
	const char *key;
	int64		digest;			/* of the value, as in hubspot.member */
	Jsonb	   *value;			/* the present value; NULL: none */
	Jsonb	   *noted;			/* the value in hubspot.member; NULL: none */
	bool		is_known;		/* has a row in hubspot.member */
	bool		repeats;		/* repeats the last change, is no new one */
	bool		lacked;			/* repeats it only for what HubSpot lacked and has by now */
	Datum		left_out;		/* then: properties that were left out (array of text); 0: the call
								 * failed, and all of it is sent */
	bool		event_failed;	/* the event of its last change never reached HubSpot */
	bool		event_again;	/* and may be sent again: it was not too late */
	const char *reason;			/* why a call of its last change failed; NULL: none did */
} RefreshDifference;

/* So many records are sent again at once for what HubSpot lacked: the others by another refresh. */
#define REFRESH_LACKING	100000

/* Returns false if it wants no more differences. */
typedef bool (*RefreshFunction) (const RefreshDifference *difference, void *arg);

/*
 * Call the function for each difference, in the order of the keys; of associations those first that
 * have gone, as one may be there under another spelling.  A key that the source
 * returns twice comes twice if it differs. resend: keys without a difference come, too,
 * as changed.  The difference is valid until the function returns.  The function runs as
 * the extension's owner.
 */
extern void refresh_compare(const Sync *sync, RefreshSource *source, bool resend,
							RefreshFunction function, void *arg);

#endif							/* HUBSPOT_REFRESH_COMPARE_H */
