/*
 * crash_guard.c
 *		A process that crashes the server must not do so all day.
 *
 * A crash destroys the launcher's data in shared memory.  So the number of crashes stands
 * in a small file of the data directory, one per database and kind of process.  The
 * process writes the file at each start and removes it as soon as it has done something
 * or ends in order.  After three crashes in a row the process is most likely their cause,
 * and waits before it does anything.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "cluster/crash_guard.h"

#define FREE_CRASHES	3
#define MAX_DELAY_S		60

static const char *noted = NULL;	/* the kind of process, while a start is noted; or NULL */

/* The name is relative to the data directory, which is every server process's current directory. */
static void
file_name(const char *kind, char *name, size_t size)
{
	snprintf(name, size, "hubspot_%s_starts.%u", kind, MyDatabaseId);
}

static int
read_count(const char *name)
{
	char		text[16] = "";
	int			fd = OpenTransientFile(name, O_RDONLY | PG_BINARY);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	CloseTransientFile(fd);
	return Max(atoi(text), 0);
}

int
crash_guard_start(const char *kind, bool beside_another)
{
	char		name[64];
	char		text[16];
	int			count;
	int			fd;

	file_name(kind, name, sizeof(name));
	count = read_count(name);
	if (beside_another)
		count = Max(count - 1, 0);
	snprintf(text, sizeof(text), "%d\n", Min(count + 1, 1000));
	fd = OpenTransientFile(name, O_RDWR | O_CREAT | O_TRUNC | PG_BINARY);
	if (fd < 0 || write(fd, text, strlen(text)) != strlen(text) || pg_fsync(fd) != 0)
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", name)));
	if (fd >= 0)
		CloseTransientFile(fd);
	noted = kind;
	return count;
}

void
crash_guard_clear(void)
{
	char		name[64];

	if (noted == NULL)
		return;
	file_name(noted, name, sizeof(name));
	noted = NULL;
	(void) unlink(name);
}

void
crash_guard_forget(const char *kind)
{
	char		name[64];

	file_name(kind, name, sizeof(name));
	(void) unlink(name);
}

int64
crash_guard_wait(const char *who, int crashes, char *problem, size_t size)
{
	int			seconds;

	if (crashes < FREE_CRASHES)
		return 0;
	seconds = crashes >= FREE_CRASHES + 6
		? MAX_DELAY_S : Min(1 << (crashes - FREE_CRASHES), MAX_DELAY_S);
	snprintf(problem, size,
			 "the server crashed %d times in a row while %s ran: it waits %d s before it goes on",
			 crashes, who, seconds);
	ereport(WARNING, (errmsg("%s", problem)));
	return clock_us() + (int64) seconds * 1000000;
}
