/*
 * ring_id.c
 *		The last id of a ring that was handed out.
 *
 * Called by the worker, for its marks and for the rotation.
 *
 * nextval() changes a sequence's tuple where it lies, twice each time that it
 * writes WAL: to the value that a crash would leave, up to 32 further on, and
 * then to the true one.  In between it holds the lock on the buffer's content,
 * and nothing else keeps others from reading.  So the tuple is read under that
 * lock.  A mark whose "low" is too high would hide rows of younger
 * transactions for ever (outbox_reader.c).
 *
 * Needs nothing of the extension, so that test/sequence can load this file by itself.
 *
 * Locks: ACCESS SHARE on the sequence, and the content lock of its one buffer
 * for the time of a copy.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "commands/sequence.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/rel.h"

#include "ring/ring.h"

int64
ring_last_id(Oid sequence)
{
	Relation	rel = relation_open(sequence, AccessShareLock);
	Buffer		buffer = ReadBuffer(rel, 0);
	Page		page = BufferGetPage(buffer);
	HeapTupleHeader tuple;
	Form_pg_sequence_data data;
	int64		last;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	tuple = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, FirstOffsetNumber));
	data = (Form_pg_sequence_data) ((char *) tuple + tuple->t_hoff);
	/* a value that was set and not yet handed out is the next one, not the last */
	last = data->is_called ? data->last_value : 0;
	UnlockReleaseBuffer(buffer);
	relation_close(rel, AccessShareLock);
	return last;
}
