/*
 * random.h
 *	  Random numbers of one fixed sequence: the same run gives the same ids.
 */
#ifndef SIMULATOR_RANDOM_H
#define SIMULATOR_RANDOM_H

#include <stdint.h>

/* splitmix64: what lies between two states of a sequence, and the number that a state gives. */
#define RANDOM_STEP	UINT64_C(0x9E3779B97F4A7C15)

static inline uint64_t
random_of(uint64_t state)
{
	state = (state ^ (state >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	state = (state ^ (state >> 27)) * UINT64_C(0x94D049BB133111EB);
	return state ^ (state >> 31);
}

/* The next number of a sequence whose state is the caller's. */
static inline uint64_t
random_step(uint64_t *state)
{
	return random_of(*state += RANDOM_STEP);
}

/* The simulator's own sequence, and its beginning once more. */
extern uint64_t random_next(void);
extern void random_uuid(char out[37]);
extern void random_restart(void);

#endif
