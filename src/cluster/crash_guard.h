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

/*
 * The moment until which a process has to wait after so many crashes, up to a minute; the
 * log is told, in the words that problem gets.  0: it need not.
 */
extern int64 crash_guard_wait(const char *who, int crashes, char *problem, size_t size);

#endif							/* HUBSPOT_CRASH_GUARD_H */
