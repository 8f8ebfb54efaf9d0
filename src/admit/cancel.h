/*
 * cancel.h
 *		What hubspot_cancel() means, for rows that are about to come into the window.
 *
 * A command to cancel is carried out at once for rows that are there (command.c), and, as long
 * as rows that it may mean have not been read, for each row on its way.
 */
#ifndef HUBSPOT_CANCEL_H
#define HUBSPOT_CANCEL_H

#include "executor/tuptable.h"
#include "nodes/pg_list.h"

#include "admit/admit.h"

/* Rows that a command means: all that is given has to fit. */
typedef struct Command
{
	MemoryContext context;
	int64		id;
	bool		cancels;		/* else deferred rows are tried at once */
	int64		last_id;		/* rows queued up to then */
	uint64		looks;			/* of the reader when the command was read */
	int64	   *ids;			/* ascending; NULL: not restricted to these */
	int			nids;
	Oid			server;			/* each of these InvalidOid or NULL: any */
	Oid			call;
	const char *object;
	const char *key;
	int			backfill;		/* 1, 0, or -1: either */
} Command;

/* What a command looks at, of a row in whatever form. */
typedef struct Subject
{
	int64		id;
	Oid			server;
	Oid			call;
	const char *object;
	const char *key;
	bool		backfill;
} Subject;

extern bool cancel_means(const Command *command, const Subject *subject);

/* Commands that rows still to be read are looked at for. */
extern List *cancel_commands;

/* Whether a row of the outbox that is about to come into the window is not wanted any more. */
extern bool cancel_wants(TupleTableSlot *slot);
extern const Refusal cancel_refusal;	/* its verdict then */

#endif							/* HUBSPOT_CANCEL_H */
