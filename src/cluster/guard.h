/*
 * guard.h
 *		May this very database send?
 *
 * A copied data directory, a restored backup, a stale standby or a database made from a
 * template holds the same outbox as its original and must not send it again.  A standby
 * that takes over from its primary must send it.
 */
#ifndef HUBSPOT_GUARD_H
#define HUBSPOT_GUARD_H

/*
 * Returns NULL if the database may send, else the reason: palloc'd, printable ASCII,
 * short enough for the worker's slot.  Call it inside a transaction; it may write
 * hubspot.installation: the database's new home, or why it is held until hubspot_arm().
 * With a reason, *look_ms is when to ask again: soon if the reason may go away by itself.
 */
extern char *guard_problem(int *look_ms);

/* The reason that was logged last, perhaps by an earlier worker: each reason is logged once. */
extern void guard_start(const char *told);

/*
 * Inside a transaction: store that the sending worker is alive.  To be called again after
 * guard_alive_us().
 */
extern void guard_tell_alive(void);
extern int64 guard_alive_us(void);

#endif							/* HUBSPOT_GUARD_H */
