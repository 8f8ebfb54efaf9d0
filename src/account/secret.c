/*
 * secret.c
 *		Tokens: files named by a SERVER's option "secret".
 *
 * Called by the worker only, outside of transactions; raises no error.  A token is one
 * malloc'd block, which is overwritten before it is freed.  The directory belongs to the
 * administrator.  It may contain symbolic links (containers mount secrets that way), but
 * their targets must be below it.
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sha2.h"
#include "utils/resowner.h"

#include "base/hubspot.h"
#include "account/secret.h"
#include "text/digest.h"

bool
secret_name_is_valid(const char *name)
{
	size_t		len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return len >= 1 && len <= SECRET_NAME_MAX && name[len] == '\0';
}

static bool
fail(char *problem, const char *format, const char *name)
{
	snprintf(problem, 256, format, name);
	return false;
}

/* The file's real path, if it lies below the directory's real path. */
static bool
find_file(const char *directory, const char *name, char *path, char *problem)
{
	char		root[PATH_MAX];
	char		wanted[PATH_MAX];
	size_t		len;

	if (directory == NULL || directory[0] == '\0')
		return fail(problem, "hubspot.secret_directory is not set%s", "");
	if (!secret_name_is_valid(name))
		return fail(problem, "\"%.63s\" is no name of a secret", name);
	if (realpath(directory, root) == NULL)
		return fail(problem, "hubspot.secret_directory cannot be read: %s", strerror(errno));
	if (snprintf(wanted, sizeof(wanted), "%s/%s", root, name) >= (int) sizeof(wanted))
		return fail(problem, "hubspot.secret_directory has too long a path%s", "");
	if (realpath(wanted, path) == NULL)
		return fail(problem, errno == ENOENT ? "there is no file \"%s\" in hubspot.secret_directory"
					: "file \"%s\" in hubspot.secret_directory cannot be read", name);
	len = strlen(root);
	if (strncmp(path, root, len) != 0 || path[len] != '/')
		return fail(problem, "file \"%s\" leads out of hubspot.secret_directory", name);
	return true;
}

/* Check that only the server's user (or root) can change the file. */
static bool
file_is_safe(int fd, const char *name, char *problem)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return fail(problem, "\"%s\" in hubspot.secret_directory is no regular file", name);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return fail(problem,
					"file \"%s\" in hubspot.secret_directory must be owned by the server's "
					"user or by root", name);
	if ((st.st_mode & (S_IWGRP | S_IRWXO)) != 0 || ((st.st_mode & S_IRGRP) != 0 && st.st_uid != 0))
		return fail(problem,
					"file \"%s\" in hubspot.secret_directory has too wide permissions (chmod 600)",
					name);
	if (st.st_size > SECRET_MAX_BYTES)
		return fail(problem, "file \"%s\" in hubspot.secret_directory is longer than 4096 bytes",
					name);
	return true;
}

static ssize_t
read_all(int fd, char *buffer, size_t size)
{
	size_t		used = 0;

	while (used < size)
	{
		ssize_t		n = read(fd, buffer + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

/* Line ends behind the token do not belong to it. */
static size_t
token_length(const char *buffer, ssize_t len)
{
	while (len > 0 && (buffer[len - 1] == '\n' || buffer[len - 1] == '\r'))
		len--;
	return len > 0 ? len : 0;
}

/* Why these bytes are no token, in words that quote none of them; NULL if they are one. */
static const char *
token_problem(const char *buffer, size_t len)
{
	static const char mark[] = "\xEF\xBB\xBF";
	static const char scheme[] = "Bearer ";

	if (len == 0)
		return "is empty";
	if (len >= strlen(mark) && memcmp(buffer, mark, strlen(mark)) == 0)
		return "begins with a byte-order mark: save it without one";
	if (len >= strlen(scheme) && pg_strncasecmp(buffer, scheme, strlen(scheme)) == 0)
		return "begins with \"Bearer\": only the token belongs there";
	for (size_t i = 0; i < len; i++)
	{
		if (buffer[i] == '\n' || buffer[i] == '\r')
			return "has more than one line";
		if (buffer[i] == ' ' || buffer[i] == '\t')
			return "has a space in it: only the token belongs there";
		if (buffer[i] < ' ' || buffer[i] >= 0x7f)
			return "has a character in it that is not printable ASCII";
	}
	return NULL;
}

static bool
fingerprint(Secret *secret)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	if (!digest_text(PG_SHA256, secret->token, digest, sizeof(digest)))
		return false;
	secret->hash = 0;
	for (int i = 0; i < 8; i++)
	{
		snprintf(secret->fingerprint + 2 * i, 3, "%02x", digest[i]);
		secret->hash = (secret->hash << 8) | digest[i];
	}
	if (secret->hash == 0)
		secret->hash = 1;
	return true;
}

static bool
keep_token(Secret *secret, const char *buffer, size_t len, char *problem)
{
	Secret		fresh = {.token = malloc(len + 1)};

	if (fresh.token == NULL)
		return fail(problem, "out of memory%s", "");
	memcpy(fresh.token, buffer, len);
	fresh.token[len] = '\0';
	if (!fingerprint(&fresh))
	{
		secret_forget(&fresh);
		return fail(problem, "SHA-256 is not available%s", "");
	}
	*secret = fresh;
	return true;
}

bool
secret_read(const char *directory, const char *name, Secret *secret, char *problem)
{
	char		path[PATH_MAX];
	char		buffer[SECRET_MAX_BYTES + 1];
	ssize_t		len;
	size_t		token_len;
	const char *wrong;
	int			fd;
	bool		done = false;

	if (!find_file(directory, name, path, problem))
		return false;

	/*
	 * The path is resolved, so that a link at its end was put there since: refused. O_NONBLOCK,
	 * because a FIFO would block the worker.
	 */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail(problem, "file \"%s\" in hubspot.secret_directory cannot be opened", name);
	/* Checked on the open file: another file may stand under the name by now. */
	if (file_is_safe(fd, name, problem))
	{
		len = read_all(fd, buffer, sizeof(buffer));
		token_len = token_length(buffer, len);
		wrong = len < 0 ? "cannot be read" : len > SECRET_MAX_BYTES ? "is longer than 4096 bytes"
			: token_problem(buffer, token_len);
		if (wrong != NULL)
			snprintf(problem, 256, "file \"%s\" in hubspot.secret_directory %s", name, wrong);
		else
			done = keep_token(secret, buffer, token_len, problem);
		/* The stack must not keep a copy of the token. */
		explicit_bzero(buffer, sizeof(buffer));
	}
	close(fd);
	return done;
}

void
secret_forget(Secret *secret)
{
	if (secret->token != NULL)
	{
		explicit_bzero(secret->token, strlen(secret->token));
		free(secret->token);
	}
	memset(secret, 0, sizeof(*secret));
}
