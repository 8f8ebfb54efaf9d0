/*
 * refresh_compare.h
 *		What a compared source and hubspot.member differ in.
 */
#ifndef HUBSPOT_REFRESH_COMPARE_H
#define HUBSPOT_REFRESH_COMPARE_H

#include "utils/jsonb.h"

#include "refresh/refresh_source.h"

typedef enum RefreshChange
{
	REFRESH_ENTERED,
	REFRESH_CHANGED,			/* another value, or its last call is to be repeated */
	REFRESH_EXITED,
	REFRESH_FAILED,				/* no change, but HubSpot has rejected the last one */
	REFRESH_GONE				/* exited before; its row may go once HubSpot knows */
#define REFRESH_CHANGES (REFRESH_GONE + 1)
} RefreshChange;

extern const char *const refresh_change_names[REFRESH_CHANGES];

typedef struct RefreshDifference
{
	RefreshChange change;
	const char *key;
	int64		digest;			/* of the value, as in hubspot.member */
	Jsonb	   *value;			/* that it has now; NULL: none */
	bool		is_known;		/* has a row in hubspot.member */
	bool		repeats;		/* the last change again, not a new one */
	bool		event_failed;	/* the event of its last change never reached HubSpot */
	const char *reason;			/* why a call of its last change failed; NULL: none did */
} RefreshDifference;

/* Returns false when it has seen enough. */
typedef bool (*RefreshFunction) (const RefreshDifference *difference, void *arg);

/*
 * Give each difference to the function, in the order of the keys (a key that
 * the source has twice comes twice when it differs).  resend: keys without a
 * difference, too, as changed.  What a difference points to lives until the
 * function returns.  The function runs as the extension's owner.
 */
extern void refresh_compare(const Sync *sync, RefreshSource *source, bool resend,
							RefreshFunction function, void *arg);

#endif							/* HUBSPOT_REFRESH_COMPARE_H */
