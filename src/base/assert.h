/*
 * assert.h
 *		Assertions of ours, in a build with -DHUBSPOT_ASSERTS.
 *
 * PostgreSQL's own need a server that was built with them, which packages are
 * not.  In our build Assert() of our code writes a line that the tests look for,
 * and ends the process as PostgreSQL's would.
 */
#ifndef HUBSPOT_ASSERT_H
#define HUBSPOT_ASSERT_H

#if defined(HUBSPOT_ASSERTS) && !defined(USE_ASSERT_CHECKING)

/* The tests look for these words in the server's log. */
#define ASSERT_FAILED	"hubspot: assertion failed"

#define assert_or_abort(condition) \
	((condition) ? (void) 0 : \
	 (write_stderr("%s: %s, %s:%d\n", ASSERT_FAILED, #condition, __FILE__, __LINE__), abort()))

#undef Assert
#define Assert(condition) assert_or_abort(condition)
#define USES_ASSERTS 1

#elif defined(USE_ASSERT_CHECKING)
#define USES_ASSERTS 1
#endif

#endif							/* HUBSPOT_ASSERT_H */
