/*
 * labels.h
 *		Labels of associations that an account is known to have, by name.
 *
 * HubSpot's requests go by (category, number), which differ by account and by direction.  They are
 * read per ordered pair of types when a row names one, and remembered in memory for an hour.
 * Entries are good until the next call that makes one.
 */
#ifndef HUBSPOT_LABELS_H
#define HUBSPOT_LABELS_H

#include "message/pair.h"
#include "request/batch.h"

typedef struct Label
{
	bool		is_own;			/* the account's, not HubSpot's: the two count apart */
	int64		type_id;
	char	   *name;			/* NULL: it is the type without a label */
} Label;

typedef struct KnownLabels
{
	Object		from;
	Object		to;
	MemoryContext context;
	int			nlabels;
	Label	   *labels;
	int64		told_us;		/* when HubSpot told, µs of the monotonic clock; 0: never */
	TimestampTz told_at;
	char	   *asker;			/* key whose row asks, while it does; NULL: none */
} KnownLabels;

/* What is known of a label that a row names. */
typedef enum LabelState
{
	LABEL_UNREAD,				/* HubSpot is to be asked */
	LABEL_KNOWN,
	LABEL_UNKNOWN				/* it has been asked since the row was queued */
} LabelState;

extern KnownLabels *labels_known(Account *account, Object from, Object to);
extern LabelState labels_find(const KnownLabels *known, const char *name, const Row *row,
							  const Label **label);

/*
 * HubSpot has told the row of a key, or what it told is old.  False: the question was asked before
 * something changed, and its answer says nothing of that.
 */
extern bool labels_told(KnownLabels *known, const WorkKey *key, const Reply *reply);
extern void labels_forget(Account *account, Object from, Object to);
extern void labels_forget_all(Account *account);

/* The key whose row asks for them just now; NULL: none does. */
extern void labels_ask(KnownLabels *known, const WorkKey *key);
extern WorkKey *labels_asker(const KnownLabels *known, const Lane *lane);

/* "Billing contact", "Primary": those that there are, for people; palloc'd. */
extern char *labels_list(const KnownLabels *known);

/* The category in HubSpot's words. */
extern const char *labels_category(bool is_own);

#endif							/* HUBSPOT_LABELS_H */
