/*
 * simulated.h
 *		HubSpot as the model sees it: the tests' simulator, without its sockets.
 *
 * A request is performed at once, in this thread.  Texts live until the next
 * one.  No header of the simulator comes with this one: its names stay its own.
 */
#ifndef HUBSPOT_MODEL_SIMULATED_H
#define HUBSPOT_MODEL_SIMULATED_H

#include <stddef.h>

typedef struct SimulatedAnswer
{
	int			status;			/* 0: the connection was closed without an answer */
	const char *body;
	size_t		len;
	int			nheaders;
	const char *names[24];
	const char *values[24];
} SimulatedAnswer;

/* Once per process; and between two schedules: no records, no journal, no faults. */
extern void simulated_start(void);
extern void simulated_reset(void);

/* A rule of test/simulator/fault.c for the next request; NULL: no rule. */
extern void simulated_fault(const char *rule);

/* path with its query, token or NULL, body or NULL. */
extern void simulated_ask(const char *method, const char *path, const char *token, const char *body,
						  SimulatedAnswer *answer);

/* The lines of the applied journal since the last call, each ended by a line feed. */
extern const char *simulated_applied(void);

#endif							/* HUBSPOT_MODEL_SIMULATED_H */
