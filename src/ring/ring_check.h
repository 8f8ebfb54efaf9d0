/*
 * ring_check.h
 *		Do the tables keep what they promise to each other?
 *
 * In the manner of amcheck: what must hold of the outbox, verdicts, copies, the
 * checkpoint, the sequences and the record map is looked for row by row; what
 * does not is a finding.  Used by hubspot_check() all at once, by the worker in
 * slices, each in a transaction of its own.
 *
 * A slice sees everything with one snapshot, and the checkpoint is at most as
 * young as that, so that nothing that goes on meanwhile is taken for a fault: a
 * verdict, the copy's removal and a checkpoint that counts on them are committed
 * in this order or together.
 */
#ifndef HUBSPOT_RING_CHECK_H
#define HUBSPOT_RING_CHECK_H

#include "ring/ring.h"
#include "ring/snapshot.h"

#define CHECK_MAX_FINDINGS	1000

typedef enum FindingKind
{
	FOUND_NO_VERDICT,
	FOUND_TWO_VERDICTS,
	FOUND_NO_ROW,
	FOUND_COPY_AND_VERDICT,
	FOUND_DEAD_BY_HALF,
	FOUND_OUTSIDE,
	FOUND_SEQUENCE,
	FOUND_REQUEST_SEQUENCE,
	FOUND_CHECKPOINT,
	FOUND_KEY_HASH,
	FOUND_KEY_TWICE
#define FINDING_KINDS (FOUND_KEY_TWICE + 1)
} FindingKind;

typedef struct Finding
{
	FindingKind kind;
	int64		id;				/* of the outbox, or what the kind is about */
} Finding;

typedef enum CheckStage
{
	CHECK_CHECKPOINT, CHECK_RINGS, CHECK_SEQUENCES, CHECK_DEFERRED, CHECK_DEAD, CHECK_RECORDS,
	CHECK_ENDED
} CheckStage;

#define CHECK_ALL_CHILDREN	((1U << RING_CHILDREN) - 1)

typedef struct RingCheck
{
	uint32		children;		/* of the outbox, a bit each; not all: nothing else is looked at */
	Snap	   *checkpoint;		/* NULL: none was found, nothing is covered */
	CheckStage	stage;
	int			child;
	int64		position;		/* rows up to this id, or hash, are done */
	bool		begun;			/* with the child, or the table */
	int64		highest;		/* id of the outbox that was met */
	int64		generation[RING_CHILDREN];	/* that was looked at; -1: the child was empty */
	int64		rows;			/* looked at */
	int64		nfindings;		/* more than there is room for, perhaps */
	Finding		findings[CHECK_MAX_FINDINGS];
} RingCheck;

/* A check of these children of the outbox; of all of them: of everything. */
extern void ring_check_begin(RingCheck *check, uint32 children);

/*
 * Go on until the processor's clock says so, inside a transaction with an active
 * snapshot; false when all is done.  What it keeps is palloc'd in the given context.
 */
extern bool ring_check_step(RingCheck *check, MemoryContext context, int64 until_cpu_us);

/* Whether a row of the outbox without verdict and copy was found in a generation. */
extern bool ring_check_lacks_verdict(const RingCheck *check, int64 generation);

/* A finding in words; id: 0 when it is about none.  Palloc'd. */
extern const char *finding_what(const Finding *finding);
extern int64 finding_id(const Finding *finding);
extern char *finding_detail(const Finding *finding);
extern char *finding_remedy(const Finding *finding);

#endif							/* HUBSPOT_RING_CHECK_H */
