/*
 * crash_guard.h
 *		A process that crashes the server must not do so all day.
 */
#ifndef HUBSPOT_CRASH_GUARD_H
#define HUBSPOT_CRASH_GUARD_H

/*
 * Store durably that this database's process of this kind ("worker" or "refresher")
 * starts.  Returns how many starts in a row before this one ended in a crash of the
 * server without having done anything.  A process that starts while another one of its
 * kind still runs is counted together with that one.
 */
extern int	crash_guard_start(const char *kind, bool beside_another);

/* The process got something done, or ends in order: the row of crashes is over. */
extern void crash_guard_clear(void);

/* In another process: those of this kind have all ended in order. */
extern void crash_guard_forget(const char *kind);

/* Seconds to wait after so many crashes: 0 for the first ones, then up to a minute. */
extern int	crash_guard_delay(int crashes);

#endif							/* HUBSPOT_CRASH_GUARD_H */
