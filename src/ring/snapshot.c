/*
 * snapshot.c
 *		Snapshots that outlive their transaction, and marks.
 *
 * The worker compares what was visible at an earlier time with what is visible now.  The
 * layout of the server's type pg_snapshot is private; its text form "xmin:xmax:xip,..."
 * is documented, and is used here.  Results are palloc'd in the current context; a mark's
 * snapshot in "hubspot work".
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/hubspot.h"
#include "base/worker_context.h"
#include "ring/snapshot.h"

static FullTransactionId
next_xid(char **text)
{
	FullTransactionId xid = FullTransactionIdFromU64(strtou64(*text, text, 10));

	if (**text != '\0')
		(*text)++;				/* skip the ":" or "," after it */
	return xid;
}

Snap *
snapshot_from_datum(Datum datum)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(pg_snapshot_out, datum));
	char	   *next = text;
	int			commas = 0;
	Snap	   *snap;

	for (char *c = text; *c != '\0'; c++)
		if (*c == ',')
			commas++;
	/* zeroed, because snapshots are compared as bytes */
	snap = palloc0(offsetof(Snap, xip) + sizeof(FullTransactionId) * (commas + 1));
	snap->xmin = next_xid(&next);
	snap->xmax = next_xid(&next);
	snap->nxip = 0;
	while (*next != '\0')
		snap->xip[snap->nxip++] = next_xid(&next);
	pfree(text);
	return snap;
}

Snap *
snapshot_take(void)
{
	return snapshot_from_datum(DirectFunctionCall1(pg_current_snapshot, (Datum) 0));
}

Datum
snapshot_to_datum(const Snap *snap)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, UINT64_FORMAT ":" UINT64_FORMAT ":",
					 U64FromFullTransactionId(snap->xmin), U64FromFullTransactionId(snap->xmax));
	for (int i = 0; i < snap->nxip; i++)
		appendStringInfo(&text, "%s" UINT64_FORMAT, i > 0 ? "," : "",
						 U64FromFullTransactionId(snap->xip[i]));
	return DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(text.data));
}

static Size
snapshot_size(const Snap *snap)
{
	return offsetof(Snap, xip) + sizeof(FullTransactionId) * snap->nxip;
}

Snap *
snapshot_copy(const Snap *snap)
{
	return memcpy(palloc(snapshot_size(snap)), snap, snapshot_size(snap));
}

bool
snapshot_equal(const Snap *a, const Snap *b)
{
	return a->nxip == b->nxip && memcmp(a, b, snapshot_size(a)) == 0;
}

bool
snapshot_sees(const Snap *snap, FullTransactionId xid)
{
	int			low = 0;
	int			high = snap->nxip;

	if (FullTransactionIdPrecedes(xid, snap->xmin))
		return true;
	if (!FullTransactionIdPrecedes(xid, snap->xmax))
		return false;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (FullTransactionIdEquals(snap->xip[middle], xid))
			return false;
		if (FullTransactionIdPrecedes(snap->xip[middle], xid))
			low = middle + 1;
		else
			high = middle;
	}
	return true;
}

void
mark_free(Mark *mark)
{
	if (mark->snap != NULL)
		pfree(mark->snap);
	mark->snap = NULL;
}

void
mark_set(Mark *mark, const Mark *value)
{
	MemoryContext old = MemoryContextSwitchTo(WorkerContext);
	Snap	   *snap = snapshot_copy(value->snap);

	mark_free(mark);
	*mark = *value;
	mark->snap = snap;
	MemoryContextSwitchTo(old);
}
