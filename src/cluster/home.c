/*
 * home.c
 *		Which data directory is this?
 *
 * The file is small and readable; it is replaced by rename, never changed.  It contains
 * its own inode number and time of birth, because cp, rsync, tar, base backups and
 * restores all create new files.  Nobody can set the time of birth, so it decides if the
 * file system has it.  Otherwise the inode number decides alone, although another file
 * system may use the same number.
 *
 * A copy below the level of files (a snapshot of the volume) cannot be recognized:
 * hubspot.cluster_guard is for that.
 *
 * Called by the postmaster (home_note_start), the launcher (home_settle),
 * workers and sessions.  The result stands in shared memory, under
 * control->lock, which is not held during I/O.  Nothing is allocated.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "fmgr.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "cluster/home.h"
#include "cluster/shared.h"

#define HOME_TEMPORARY	HOME_FILE ".new"
#define ID_HEX			(2 * UUID_LEN)

PG_FUNCTION_INFO_V1(hubspot_home_id);

/* How the postmaster started; later processes inherit it. */
static HomeOrigin began_as = HOME_NEW;

static const char *const origin_words[HOME_ORIGINS] = {
	"unsettled", "new", "copied", "restored", "backup", "changed", "promoted"
};

/* Attributes that a copy of a file does not share. */
typedef struct FileIdentity
{
	uint64		inode;
	int64		born_s;			/* 0: not known to the file system */
	uint32		born_ns;
} FileIdentity;

/* The content of the file. */
typedef struct HomeNote
{
	char		id[ID_HEX + 1];
	HomeOrigin	origin;
	TimestampTz promoted_at;
	TimeLineID	timeline;
	TimestampTz server_start;	/* of the server that wrote the file */
	FileIdentity file;
} HomeNote;

#define NOTE_FIELDS 8

void
home_note_start(void)
{
	static const struct
	{
		const char *file;
		HomeOrigin	origin;
	}			signs[] = {
		/* if both signals exist PostgreSQL takes the first */
		{"standby.signal", HOME_PROMOTED},
		{"recovery.signal", HOME_RESTORED},
		{"backup_label", HOME_FROM_BACKUP}
	};

	for (int i = 0; i < lengthof(signs); i++)
		if (access(signs[i].file, F_OK) == 0)
		{
			began_as = signs[i].origin;
			break;
		}

	/*
	 * A restored directory must get a new id even if this start fails after PostgreSQL has removed
	 * the signal: without the file the next start takes it for new.
	 */
	if (began_as == HOME_RESTORED || began_as == HOME_FROM_BACKUP)
		(void) unlink(HOME_FILE);
}

/* ---- the file -------------------------------------------------------------------- */

static bool
identify_file(int fd, FileIdentity *file)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return false;
	memset(file, 0, sizeof(*file));
	file->inode = status.st_ino;
#ifdef STATX_BTIME
	{
		struct statx more;

		if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &more) == 0 &&
			(more.stx_mask & STATX_BTIME) != 0)
		{
			file->born_s = more.stx_btime.tv_sec;
			file->born_ns = more.stx_btime.tv_nsec;
		}
	}
#endif
	return true;
}

static bool
is_same_file(const FileIdentity *noted, const FileIdentity *found)
{
	if (noted->born_s != 0 && found->born_s != 0)
		return noted->born_s == found->born_s && noted->born_ns == found->born_ns;
	return noted->inode == found->inode;
}

static int
print_note(const HomeNote *note, char *text, size_t size)
{
	return snprintf(text, size,
					"id %s\norigin %s\npromoted " INT64_FORMAT "\ntimeline %u\nserver " INT64_FORMAT
					"\ninode " UINT64_FORMAT "\nborn " INT64_FORMAT ".%09u\n",
					note->id, origin_words[note->origin], note->promoted_at, note->timeline,
					note->server_start, note->file.inode, note->file.born_s, note->file.born_ns);
}

static bool
parse_note(const char *text, HomeNote *note)
{
	char		origin[16];

	if (sscanf(text,
			   "id %32[0-9a-f]\norigin %15[a-z]\npromoted " INT64_FORMAT
			   "\ntimeline %u\nserver " INT64_FORMAT
			   "\ninode " UINT64_FORMAT "\nborn " INT64_FORMAT ".%u",
			   note->id, origin, &note->promoted_at, &note->timeline,
			   &note->server_start, &note->file.inode, &note->file.born_s, &note->file.born_ns) !=
		NOTE_FIELDS)
		return false;
	for (int i = HOME_UNSETTLED + 1; i < HOME_ORIGINS; i++)
		if (strcmp(origin, origin_words[i]) == 0)
		{
			note->origin = i;
			return strlen(note->id) == ID_HEX;
		}
	return false;
}

static void
explain(char *problem, const char *action)
{
	snprintf(problem, HOME_PROBLEM, "could not %s file \"%s\": %s", action, HOME_FILE,
			 strerror(errno));
}

/*
 * Whether there is a file; on an error "problem" is set.  An unreadable file (id "")
 * belongs to nobody.
 */
static bool
read_note(HomeNote *note, FileIdentity *found, char *problem)
{
	char		text[512];
	int			len = -1;
	int			fd = OpenTransientFile(HOME_FILE, O_RDONLY | PG_BINARY);

	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd >= 0 && identify_file(fd, found))
		len = read(fd, text, sizeof(text) - 1);
	if (len < 0)
		explain(problem, "read");
	if (fd >= 0)
		CloseTransientFile(fd);
	if (len >= 0)
	{
		text[len] = '\0';
		if (!parse_note(text, note))
			memset(note, 0, sizeof(*note));
	}
	return len >= 0;
}

/*
 * Replace the file durably.  The new file's identity is written into it, and does not
 * change with the rename.
 */
static bool
write_note(HomeNote *note, char *problem)
{
	char		text[512];
	int			len;
	bool		written = false;
	int			fd;

	(void) unlink(HOME_TEMPORARY);
	fd = OpenTransientFile(HOME_TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY);
	if (fd >= 0 && identify_file(fd, &note->file))
	{
		len = print_note(note, text, sizeof(text));
		errno = ENOSPC;			/* for a short write(), which sets no errno */
		written = write(fd, text, len) == len && pg_fsync(fd) == 0;
	}
	if (!written)
		explain(problem, "write");
	if (fd >= 0)
		CloseTransientFile(fd);
	if (written && durable_rename(HOME_TEMPORARY, HOME_FILE, LOG) != 0)
	{
		explain(problem, "rename");
		written = false;
	}
	if (!written)
		(void) unlink(HOME_TEMPORARY);
	return written;
}

/* ---- the decision ------------------------------------------------------------------ */

/* What happened to the directory since the file was written; HOME_UNSETTLED: nothing. */
static HomeOrigin
what_happened(const HomeNote *note, bool is_ours, TimeLineID timeline)
{
	/*
	 * After a crash of another process the launcher starts again in the same server: the file is
	 * already up to date.
	 */
	if (is_ours && note->server_start == PgStartTime && note->timeline == timeline)
		return HOME_UNSETTLED;
	if (began_as != HOME_NEW)
		return began_as;
	if (note->id[0] == '\0')
		return HOME_NEW;
	if (!is_ours)
		return HOME_COPIED;
	return note->timeline == timeline ? HOME_UNSETTLED : HOME_CHANGED;
}

static bool
make_id(char *hex)
{
	unsigned char bytes[UUID_LEN];

	if (!pg_strong_random(bytes, sizeof(bytes)))
		return false;
	for (int i = 0; i < UUID_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

static void
log_event(HomeOrigin event, const FileIdentity *noted, const FileIdentity *found)
{
	if (event == HOME_COPIED)
		ereport(LOG,
				(errmsg("hubspot takes this data directory for a copy"),
				 errdetail("File \"%s\" has inode " UINT64_FORMAT " and was born at " INT64_FORMAT
						   ".%09u; "
						   "it was written as inode " UINT64_FORMAT ", born at " INT64_FORMAT
						   ".%09u.",
						   HOME_FILE, found->inode, found->born_s, found->born_ns,
						   noted->inode, noted->born_s, noted->born_ns)));
	else
		ereport(DEBUG1,
				(errmsg_internal("hubspot names this data directory: %s", origin_words[event])));
}

/* Find the note for this directory and write it if it has changed; false with "problem" set. */
static bool
settle(HomeNote *note, char *problem)
{
	FileIdentity found = {0};
	FileIdentity noted;
	TimeLineID	timeline = GetWALInsertionTimeLine();
	bool		exists;
	bool		is_ours;
	HomeOrigin	event;

	memset(note, 0, sizeof(*note));
	exists = read_note(note, &found, problem);
	if (problem[0] != '\0')
		return false;
	/* A copy: write_note() below overwrites the identity, which the log message needs. */
	noted = note->file;
	is_ours = exists && note->id[0] != '\0' && is_same_file(&noted, &found);
	event = what_happened(note, is_ours, timeline);
	if (event == HOME_UNSETTLED)
		return true;

	/*
	 * Only a promoted standby with its own file keeps its id: everything else is another
	 * directory.
	 */
	if (!(event == HOME_PROMOTED && is_ours) && !make_id(note->id))
	{
		strlcpy(problem, "could not generate a random number", HOME_PROBLEM);
		return false;
	}
	note->origin = event;
	note->promoted_at = event == HOME_PROMOTED ? GetCurrentTimestamp() : 0;
	note->timeline = timeline;
	note->server_start = PgStartTime;

	/*
	 * Durable before the id is used: a database must never store a home that a crash could take
	 * away.
	 */
	if (!write_note(note, problem))
		return false;
	log_event(event, &noted, &found);
	return true;
}

static uint8
hex_digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

void
home_settle(void)
{
	HomeNote	note;
	Home		home;
	char		told[HOME_PROBLEM];

	home_read(&home);
	if (home.origin != HOME_UNSETTLED)
		return;

	/* Each problem is logged once, not at every attempt. */
	strlcpy(told, home.problem, sizeof(told));
	memset(&home, 0, sizeof(home));
	if (settle(&note, home.problem))
	{
		home.origin = note.origin;
		home.promoted_at = note.promoted_at;
		for (int i = 0; i < UUID_LEN; i++)
			home.id.data[i] = hex_digit(note.id[2 * i]) << 4 | hex_digit(note.id[2 * i + 1]);
	}
	else if (strcmp(told, home.problem) != 0)
		ereport(WARNING,
				(errmsg("hubspot cannot tell whether this data directory is a copy, "
						"and sends nothing"),
				 errdetail("%s.", home.problem)));

	/* After all I/O: the lock is held for the copy only. */
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	hubspot_shared->home = home;
	LWLockRelease(hubspot_shared->lock);
}

void
home_read(Home *home)
{
	if (hubspot_shared == NULL)
	{
		memset(home, 0, sizeof(*home));
		return;
	}
	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	*home = hubspot_shared->home;
	LWLockRelease(hubspot_shared->lock);
}

/* The id; NULL while it is not known. */
Datum
hubspot_home_id(PG_FUNCTION_ARGS)
{
	Home		home;
	pg_uuid_t  *id;

	home_read(&home);
	if (home.origin == HOME_UNSETTLED)
		PG_RETURN_NULL();
	id = palloc(sizeof(*id));
	*id = home.id;
	PG_RETURN_UUID_P(id);
}
