/*
 * send.h
 *		Requests go out, answers come in.
 */
#ifndef HUBSPOT_SEND_H
#define HUBSPOT_SEND_H

/*
 * Send what lanes and meters allow; returns µs until more may be possible, -1: no time of its own.
 */
extern int64 send_what_may(bool more_to_read);

/* Deal with all finished transfers; returns how many there were. */
extern int	send_collect(void);

/*
 * Batches that must not be sent twice have their places, and wait for their notes in hubspot.begun.
 * They are sent when these are on disk, or else go back to their lane.
 */
extern bool send_awaits_notes(void);
extern void send_noted(bool noted);

/*
 * The worker ends.  Whether an answer to something that must not be sent twice is awaited; its rows
 * end as if it were lost.
 */
extern bool send_awaits_once(void);
extern void send_give_up(void);

/* Outbox ids of a transfer under way, for the views; returns how many. */
extern int	send_flight_ids(int slot, int64 *ids, int max);

/* Requests sent since the start. */
extern int64 send_requests(void);

#endif							/* HUBSPOT_SEND_H */
