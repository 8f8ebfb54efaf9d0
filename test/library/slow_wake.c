/*
 * slow_wake.c
 *		A session that is slow between waking the worker and the end of its commit, for test/t/055_transactions.pl.
 *
 * The process whose id stands in the file SLOW_WAKE sleeps when it has
 * signalled another one's latch: its transaction is visible then, and what it
 * did to the catalogs has not been told to anybody.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
is_slow(void)
{
	const char *name = getenv("SLOW_WAKE");
	FILE	   *file = name == NULL ? NULL : fopen(name, "r");
	int			pid = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%d", &pid) != 1)
		pid = 0;
	fclose(file);
	return pid == getpid();
}

int
kill(pid_t pid, int signal)
{
	int			(*real) (pid_t, int) = (int (*) (pid_t, int)) dlsym(RTLD_NEXT, "kill");
	int			result = real(pid, signal);

	if (signal == SIGURG && is_slow())
		usleep(2500000);
	return result;
}
