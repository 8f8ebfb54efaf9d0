/*
 * random.c
 *	  Random numbers; see random.h.
 */
#include "random.h"

#include <stdio.h>

#define FIRST_STATE	UINT64_C(0x853C49E6748FEA9B)

static uint64_t random_state = FIRST_STATE;

void
random_restart(void)
{
	random_state = FIRST_STATE;
}

uint64_t
random_next(void)
{
	return random_step(&random_state);
}

void
random_uuid(char out[37])
{
	uint64_t	a = random_next();
	uint64_t	b = random_next();

	snprintf(out, 37, "%08x-%04x-4%03x-%04x-%012llx",
			 (unsigned) (a >> 32), (unsigned) (a >> 16) & 0xffff, (unsigned) a & 0xfff,
			 0x8000 | ((unsigned) (b >> 48) & 0x3fff),
			 (unsigned long long) (b & UINT64_C(0xffffffffffff)));
}
