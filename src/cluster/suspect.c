/*
 * suspect.c
 *		What a process was working on when it died.
 *
 * One small file of the data directory per database and kind of process, mapped into
 * memory.  A store into it survives the death of the process and of all shared memory,
 * and costs no system call and no I/O that anybody waits for.  A crash of the machine may
 * leave an older name in the file; but only two deaths make a suspect held.
 *
 * The postmaster sends SIGQUIT to all processes when one has crashed, or in an immediate
 * shutdown.  The handler removes the name, so that only the crashed process leaves one.
 *
 * Where the file cannot be mapped, names are lost with the process, and the crash
 * guard spaces the crashes as ever.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "cluster/suspect.h"

#define MAGIC		0x48535033	/* of this layout */
#define ENTRIES		32			/* the oldest makes way */
#define DEATHS		2
#define REMEMBER_US	(24 * USECS_PER_HOUR)	/* older deaths do not count */

typedef struct SuspectEntry
{
	uint32		kind;			/* SUSPECT_NONE: free */
	uint32		deaths;
	int64		id;
	TimestampTz died_at;		/* time of its last death */
} SuspectEntry;

/* What a process works on. */
typedef struct SuspectPlace
{
	volatile uint32 kind;		/* SUSPECT_NONE: nothing that counts */
	volatile int64 id;
} SuspectPlace;

/*
 * Of several processes that run each writes its own place.  The entries are written by one that
 * starts, and suspect_end() forgets one.
 */
typedef struct SuspectFile
{
	uint32		magic;
	uint32		next;			/* the entry to be replaced next */
	SuspectPlace places[SUSPECT_PLACES];
	SuspectEntry entries[ENTRIES];
} SuspectFile;

static SuspectFile unmapped;
static SuspectFile *file = &unmapped;
static SuspectPlace *mine = &unmapped.places[0];
static char name[64];

/* Like SignalHandlerForCrashExit(), but removes the name first. */
static void
on_quit(SIGNAL_ARGS)
{
	mine->kind = SUSPECT_NONE;
	_exit(2);
}

/*
 * Allocate all bytes of the file on disk: a store into a hole would end the process by
 * SIGBUS if the disk is full.  A file that was written before is not touched, because
 * another process may be writing into it.
 */
static bool
fill_file(int fd)
{
	SuspectFile image;

	if (pg_pread(fd, &image, sizeof(image), 0) == sizeof(image) && image.magic == MAGIC)
		return true;
	memset(&image, 0, sizeof(image));
	image.magic = MAGIC;
	errno = 0;
	if (pg_pwrite(fd, &image, sizeof(image), 0) == sizeof(image))
		return true;
	if (errno == 0)
		errno = ENOSPC;
	return false;
}

static bool
map_file(void)
{
	int			fd = OpenTransientFile(name, O_RDWR | O_CREAT | PG_BINARY);
	void	   *memory = MAP_FAILED;
	int			save_errno;

	if (fd < 0)
		return false;
	if (fill_file(fd))
		memory = mmap(NULL, sizeof(SuspectFile), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	save_errno = errno;
	CloseTransientFile(fd);
	errno = save_errno;
	if (memory == MAP_FAILED)
		return false;
	file = memory;
	return true;
}

static SuspectEntry *
find_entry(SuspectKind kind, int64 id)
{
	for (int i = 0; i < ENTRIES; i++)
		if (file->entries[i].kind == kind && file->entries[i].id == id)
			return &file->entries[i];
	return NULL;
}

static void
note_death(SuspectKind kind, int64 id)
{
	SuspectEntry *entry = find_entry(kind, id);
	TimestampTz now = GetCurrentTimestamp();

	if (entry == NULL)
	{
		entry = &file->entries[file->next++ % ENTRIES];
		entry->deaths = 0;
		entry->id = id;
		entry->kind = kind;
	}
	if (entry->deaths < DEATHS && now - entry->died_at > REMEMBER_US)
		entry->deaths = 0;
	entry->deaths++;
	entry->died_at = now;
	ereport(LOG,
			(errmsg("the last hubspot process of this kind in the database died while it "
					"worked on something"),
			 errdetail("Kind %d, number %lld, deaths: %u.", (int) kind, (long long) id,
					   entry->deaths)));
}

/* Remove the file if there is nothing to remember. */
void
suspect_stop(bool others_run)
{
	mine->kind = SUSPECT_NONE;
	if (others_run || file == &unmapped)
		return;
	for (int i = 0; i < ENTRIES; i++)
		if (file->entries[i].kind != SUSPECT_NONE)
			return;
	(void) unlink(name);
}

/*
 * What stands in the places of processes that do not run.  It is taken back first, lest it is
 * counted twice.
 */
static void
note_deaths(uint32 others)
{
	for (int i = 0; i < SUSPECT_PLACES; i++)
	{
		SuspectPlace *place = &file->places[i];
		SuspectKind kind = place->kind;

		if (others & (1U << i))
			continue;
		place->kind = SUSPECT_NONE;
		if (kind != SUSPECT_NONE)
			note_death(kind, place->id);
	}
}

void
suspect_start(const char *process, int place, uint32 others)
{
	Assert(place >= 0 && place < SUSPECT_PLACES);
	snprintf(name, sizeof(name), "hubspot_%s_suspects.%u", process, MyDatabaseId);
	if (!map_file())
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not map file \"%s\": %m", name)));
	mine = &file->places[place];
	pqsignal(SIGQUIT, on_quit);
	note_deaths(others);
}

Suspect
suspect_begin(SuspectKind kind, int64 id)
{
	Suspect		outer = {mine->kind, mine->id};

	mine->kind = SUSPECT_NONE;
	pg_compiler_barrier();
	mine->id = id;
	pg_compiler_barrier();
	mine->kind = kind;
	return outer;
}

void
suspect_end(Suspect outer)
{
	/*
	 * The task of a definition has succeeded as a whole.  Rows and lanes are met many times, so
	 * one success says nothing.
	 */
	if (file->next != 0 && (mine->kind == SUSPECT_REFRESH || mine->kind == SUSPECT_FILL))
		suspect_forget(mine->kind, mine->id);
	(void) suspect_begin(outer.kind, outer.id);
}

void
suspect_clear(void)
{
	mine->kind = SUSPECT_NONE;
}

bool
suspect_is_held(SuspectKind kind, int64 id)
{
	const SuspectEntry *entry = file->next != 0 ? find_entry(kind, id) : NULL;

	return entry != NULL && entry->deaths >= DEATHS;
}

bool
suspect_next_held(SuspectKind kind, int64 *id)
{
	for (int i = 0; i < ENTRIES; i++)
		if (file->entries[i].kind == kind && file->entries[i].deaths >= DEATHS)
		{
			*id = file->entries[i].id;
			return true;
		}
	return false;
}

void
suspect_forget(SuspectKind kind, int64 id)
{
	SuspectEntry *entry = kind != SUSPECT_NONE ? find_entry(kind, id) : NULL;

	if (entry != NULL)
		memset(entry, 0, sizeof(*entry));
}
