/*
 * clock.c
 *		The time of day, as a schedule of the model says.
 *
 * Loaded before the server's program, so that all of its own look-ups of the
 * time come here, too: clock_timestamp(), a transaction's start.  Before
 * somebody sets model_clock_us it is the machine's.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

int64_t		model_clock_us;		/* since 1970; 0: the machine's */

int
clock_gettime(clockid_t id, struct timespec *time)
{
	static int	(*real) (clockid_t, struct timespec *);

	if (model_clock_us != 0)
	{
		time->tv_sec = model_clock_us / 1000000;
		time->tv_nsec = model_clock_us % 1000000 * 1000;
		return 0;
	}
	if (real == NULL)
		real = (int (*) (clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
	return real(id, time);
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec time;

	(void) zone;
	(void) clock_gettime(CLOCK_REALTIME, &time);
	now->tv_sec = time.tv_sec;
	now->tv_usec = time.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}
