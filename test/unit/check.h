/*
 * check.h
 *		One line of TAP for each thing that a unit test asks for, and their count.
 */
#ifndef HUBSPOT_TEST_CHECK_H
#define HUBSPOT_TEST_CHECK_H

#include <stdbool.h>
#include <stdio.h>

static int	passed;
static int	failed;

static void
check(bool good, const char *what)
{
	if (good)
		passed++;
	else
		failed++;
	printf("%s %d - %s\n", good ? "ok" : "not ok", passed + failed, what);
}

/* The plan, the count, and the exit status. */
static int
check_end(void)
{
	printf("1..%d\n%d passed, %d failed\n", passed + failed, passed, failed);
	return failed == 0 ? 0 : 1;
}

#endif							/* HUBSPOT_TEST_CHECK_H */
