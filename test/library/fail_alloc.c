/*
 * fail_alloc.c
 *		Lets one allocation of a process fail, to be preloaded into a server.
 *
 * The environment variable FAIL_ALLOC names a file of numbers, struct Control,
 * which a test writes and reads while the server runs.  Counted are allocations
 * that the chosen code asks for, told by the address that it is called from: the
 * extension with libcurl and json-c, or the whole process.
 *
 * json-c's calls of strdup() stay out of this: version 0.16 does not check them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_RANGES	32

typedef struct Control
{
	int64_t		pid;			/* 0: no process, -1: any */
	int64_t		everything;		/* not only what the libraries ask for */
	int64_t		countdown;		/* to the allocation that fails, 0: none does */
	int64_t		seen;			/* allocations */
	int64_t		failed;
} Control;

typedef struct Range
{
	uintptr_t	start;
	uintptr_t	end;
	bool		is_json_c;
} Range;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static volatile Control *control;
static Range ranges[MAX_RANGES];
static int	nranges;
static int64_t ranges_of;		/* process that they were looked up in */

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("FAIL_ALLOC");
	int			fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void	   *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		control = map;
}

/* Where the code of the extension and of its libraries lies. */
static int
note_ranges(struct dl_phdr_info *info, size_t size, void *arg)
{
	static const char *const names[] = {"/hubspot.so", "/libcurl.so", "/libjson-c.so"};

	(void) size;
	(void) arg;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (int j = 0; strstr(info->dlpi_name, names[i]) != NULL && j < info->dlpi_phnum; j++)
			if (info->dlpi_phdr[j].p_type == PT_LOAD && nranges < MAX_RANGES)
			{
				uintptr_t	start = info->dlpi_addr + info->dlpi_phdr[j].p_vaddr;

				ranges[nranges++] = (Range)
				{
					start, start + info->dlpi_phdr[j].p_memsz, i == 2
				};
			}
	return 0;
}

static const Range *
range_of(const void *caller)
{
	for (int i = 0; i < nranges; i++)
		if ((uintptr_t) caller >= ranges[i].start && (uintptr_t) caller < ranges[i].end)
			return &ranges[i];
	return NULL;
}

/* For who wants to know which one it was. */
static void
tell(const void *caller)
{
	char		line[256];
	Dl_info		info;
	int			len;

	if (dladdr(caller, &info) == 0 || info.dli_fname == NULL)
		return;
	len = snprintf(line, sizeof(line), "fail_alloc: %.150s+0x%lx %.60s\n", info.dli_fname,
				   (unsigned long) ((const char *) caller - (const char *) info.dli_fbase),
				   info.dli_sname != NULL ? info.dli_sname : "");
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

static bool
fails(const void *caller, bool is_strdup)
{
	int64_t		me;
	const Range *range;

	if (control == NULL || control->pid == 0)
		return false;
	me = getpid();
	if (control->pid > 0 && control->pid != me)
		return false;
	if (ranges_of != me)
	{
		ranges_of = me;
		nranges = 0;
		dl_iterate_phdr(note_ranges, NULL);
	}
	range = range_of(caller);
	if ((range == NULL && !control->everything) || (range != NULL && range->is_json_c && is_strdup))
		return false;
	control->seen++;
	if (control->countdown == 0 || --control->countdown > 0)
		return false;
	control->failed++;
	tell(caller);
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return fails(__builtin_return_address(0), false) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails(__builtin_return_address(0), false) ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return fails(__builtin_return_address(0), false) ? NULL : __libc_realloc(old, size);
}

char *
strdup(const char *text)
{
	size_t		size = strlen(text) + 1;
	char	   *copy = fails(__builtin_return_address(0), true) ? NULL : __libc_malloc(size);

	return copy == NULL ? NULL : memcpy(copy, text, size);
}
