/*
 * coverage.c
 *		What the schedules have reached, and what none has.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "model.h"

void
coverage_request(const char *path, const char *what)
{
}

void
coverage_print(void)
{
}
