/*
 * rights.h
 *		Who sees texts that may quote customers' data.
 */
#ifndef HUBSPOT_RIGHTS_H
#define HUBSPOT_RIGHTS_H

/*
 * Inside a transaction: whether the role may read HubSpot's reasons for rows, and with them all
 * others.
 */
extern bool rights_may_read_texts(Oid role);

/* The same: whether it may read whose rows there are, the column "key" of hubspot.outbox_status. */
extern bool rights_may_read_keys(Oid role);

#endif							/* HUBSPOT_RIGHTS_H */
