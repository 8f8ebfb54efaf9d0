/*
 * lacking.h
 *		What went without a property, or an option, that HubSpot has by now.
 */
#ifndef HUBSPOT_LACKING_H
#define HUBSPOT_LACKING_H

#include "sync/sync.h"

/*
 * A condition in SQL on t, a row of hubspot.sync_trouble; server: the SERVER's oid.  It ends to
 * hold when the record is sent again, in a row of its own: that has a higher id than the change of
 * the property, so that a value which is still no option is not sent for ever.
 */
#define LACKED_IS_THERE(server, more) \
	"EXISTS (SELECT FROM hubspot.property p WHERE p.server = " server \
	" AND p.object = t.object AND p.name = ANY (t.lacks) AND t.outbox_id <= p.changed_id" more ")"

/* The columns of a definition, and the properties that they become; in the current context. */
typedef struct LackingColumns LackingColumns;
extern LackingColumns *lacking_columns(const Sync *sync);

/*
 * The columns, by the names that the mapping gives them (List of char *), that become one of these
 * properties (array of text); NIL if none is known to.
 */
extern List *lacking_choose(const LackingColumns *columns, Datum properties);

#endif							/* HUBSPOT_LACKING_H */
