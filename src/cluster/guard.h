/*
 * guard.h
 *		May this very database send?
 *
 * A copied data directory, a restored backup, a stale standby or a database
 * made from a template holds the same outbox as its original, and must not
 * send it again.  A standby that takes over from its primary must.
 */
#ifndef HUBSPOT_GUARD_H
#define HUBSPOT_GUARD_H

/*
 * NULL when it may; else the reason, palloc'd, in printable ASCII and short enough for the worker's
 * slot.  Inside a transaction, in which hubspot.installation may be written: where this
 * database is at home from now on, or why it is held until hubspot_arm() is called.
 * Then *look_ms is when to look again: soon where the reason may go by itself.
 */
extern char *guard_problem(int *look_ms);

/* What was last told in the log, by an earlier worker perhaps: each reason is told once. */
extern void guard_start(const char *told);

/*
 * Inside a transaction: the worker that may send is alive.  To be told again after
 * guard_alive_us().
 */
extern void guard_tell_alive(void);
extern int64 guard_alive_us(void);

#endif							/* HUBSPOT_GUARD_H */
