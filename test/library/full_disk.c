/*
 * full_disk.c
 *		A disk that is full for a while, for the fault campaign (test/perl/HubSpotTortureFaults.pm).
 *
 * While the file FULL_DISK exists, no file of a database (base/ in the data directory)
 * grows: what is written beyond its end fails with ENOSPC, as on a file system or in a
 * tablespace without space.  What is within it is written, and so is everything else:
 * without space for WAL PostgreSQL ends itself, which the campaign does by other means.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* Whether a write that ends there would need space that there is not. */
static int
is_full(int fd, off_t end)
{
	const char *name = getenv("FULL_DISK");
	char		link[64];
	char		path[4096];
	ssize_t		length;
	struct stat status;

	if (name == NULL || access(name, F_OK) != 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return 0;
	path[length] = '\0';
	return strstr(path, "/base/") != NULL && fstat(fd, &status) == 0 && end > status.st_size;
}

static off_t
size_of(const struct iovec *pieces, int count)
{
	off_t		size = 0;

	for (int i = 0; i < count; i++)
		size += pieces[i].iov_len;
	return size;
}

#define REAL(name)	((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

#define WRITE(name) \
ssize_t \
name(int fd, const void *data, size_t size, off_t offset) \
{ \
	if (is_full(fd, offset + (off_t) size)) \
	{ \
		errno = ENOSPC; \
		return -1; \
	} \
	return REAL(name)(fd, data, size, offset); \
}

#define WRITE_PIECES(name) \
ssize_t \
name(int fd, const struct iovec *pieces, int count, off_t offset) \
{ \
	if (is_full(fd, offset + size_of(pieces, count))) \
	{ \
		errno = ENOSPC; \
		return -1; \
	} \
	return REAL(name)(fd, pieces, count, offset); \
}

#define RESERVE(name) \
int \
name(int fd, off_t offset, off_t size) \
{ \
	return is_full(fd, offset + size) ? ENOSPC : REAL(name)(fd, offset, size); \
}

WRITE(pwrite)
WRITE(pwrite64)
WRITE_PIECES(pwritev)
WRITE_PIECES(pwritev64)
RESERVE(posix_fallocate)
RESERVE(posix_fallocate64)
