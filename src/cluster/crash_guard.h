/*
 * crash_guard.h
 *		A process that crashes the server must not do so all day.
 */
#ifndef HUBSPOT_CRASH_GUARD_H
#define HUBSPOT_CRASH_GUARD_H

/*
 * Note durably that this database's process of this kind starts, "worker" or
 * "refresher".  Returns how many starts before this one ended in a crash of the
 * server, in a row and without having got anything done.  One that starts while another
 * one of its kind still runs is noted together with that.
 */
extern int	crash_guard_start(const char *kind, bool beside_another);

/* The process got something done, or ends in order: the row of crashes is over. */
extern void crash_guard_clear(void);

/* In another process: those of this kind have all ended in order. */
extern void crash_guard_forget(const char *kind);

/* Seconds to wait after so many crashes: 0 for the first ones, then up to a minute. */
extern int	crash_guard_delay(int crashes);

#endif							/* HUBSPOT_CRASH_GUARD_H */
