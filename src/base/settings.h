/*
 * settings.h
 *		Settings of our background processes and of our own SQL, whatever those of the database are.
 */
#ifndef HUBSPOT_SETTINGS_H
#define HUBSPOT_SETTINGS_H

/* After connecting: the database's and role's settings are for people; these are for us. */
extern void settings_pin(void);

/* Verdicts and positions wait for the disk only when hubspot.ack_synchronous_commit says so. */
extern void settings_pin_commit(void);

/* After connecting, for a process that runs users' queries as well. */
extern void settings_pin_for_queries(void);

/* Until the end of the GUC nesting level: what a statement of ours depends on. */
extern void settings_pin_for_statement(void);
extern void settings_pin_for_chunk(void);

#endif							/* HUBSPOT_SETTINGS_H */
