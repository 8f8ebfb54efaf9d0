/*
 * settings.h
 *		Settings of our background processes and of our own SQL, independent of the database's.
 */
#ifndef HUBSPOT_SETTINGS_H
#define HUBSPOT_SETTINGS_H

/* After connecting: set what our process needs, over the database's and the role's settings. */
extern void settings_pin(void);

/* Verdicts and positions wait for the disk only if hubspot.ack_synchronous_commit is on. */
extern void settings_pin_commit(void);

/* After connecting, for a process that also runs users' queries. */
extern void settings_pin_for_queries(void);

/* Set what a statement of ours depends on, until the end of the GUC nesting level. */
extern void settings_pin_for_statement(void);
extern void settings_pin_for_chunk(void);

#endif							/* HUBSPOT_SETTINGS_H */
