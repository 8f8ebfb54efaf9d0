/*
 * known.h
 *		What the record of a key is known to hold, with skip_unchanged.
 *
 * Looked up when a row comes into the window, and forgotten as soon as
 * anything makes it doubtful.  What is left out for it: request/unchanged.c.
 */
#ifndef HUBSPOT_KNOWN_H
#define HUBSPOT_KNOWN_H

#include "queue/queue.h"
#include "store/confirmed.h"

extern bool known_is_kept(const Account *account);

/*
 * A row comes into the window: read what is known of its record, before the key has the row, and in
 * a reading transaction; then count it, if that contact is not known yet.
 */
extern void known_look_up(Row *row);
extern void known_note_stranger(Row *row);

/* HubSpot has confirmed a record: it is the key's. */
extern void known_set(WorkKey *key, Confirmed *confirmed);

/* What the record of a key holds is not known any more. */
extern void known_forget(const WorkKey *key);

#endif							/* HUBSPOT_KNOWN_H */
