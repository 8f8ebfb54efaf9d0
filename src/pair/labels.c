/*
 * labels.c
 *		Labels of associations that an account is known to have, by name.
 *
 * Memory: the account's list of entries in "hubspot work", the labels of each in a context of its
 * own.
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "pair/labels.h"

#define MAX_KNOWN		1000	/* of an account; beyond it all are forgotten */
#define MAX_LABELS		1000	/* of an ordered pair of types; HubSpot allows some tens */
#define KEEPS_US		(3600 * USECS_PER_SEC)	/* a label may be renamed in HubSpot */
#define MISS_KEEPS_US	(30 * USECS_PER_SEC)	/* it may have been made by now */

static void
drop(KnownLabels *known)
{
	MemoryContextReset(known->context);
	known->labels = NULL;
	known->nlabels = 0;
	known->asker = NULL;
	known->told_us = 0;
}

KnownLabels *
labels_known(Account *account, Object from, Object to)
{
	KnownLabels *known;
	MemoryContext old;
	ListCell   *cell;

	foreach(cell, account->labels)
	{
		known = lfirst(cell);
		if (known->from == from && known->to == to)
			return known;
	}
	/* more types than anybody has: a bound, so that rows cannot fill the memory */
	if (list_length(account->labels) >= MAX_KNOWN)
	{
		foreach(cell, account->labels)
			MemoryContextDelete(((KnownLabels *) lfirst(cell))->context);
		list_free_deep(account->labels);
		account->labels = NIL;
	}
	old = MemoryContextSwitchTo(WorkerContext);
	known = palloc0(sizeof(KnownLabels));
	known->from = from;
	known->to = to;
	known->context =
		AllocSetContextCreate(WorkerContext, "hubspot labels", ALLOCSET_SMALL_SIZES);
	account->labels = lappend(account->labels, known);
	MemoryContextSwitchTo(old);
	return known;
}

/* As it is, else in whatever case: people type them. */
static const Label *
find(const KnownLabels *known, const char *name)
{
	for (int i = 0; i < known->nlabels; i++)
		if (known->labels[i].name != NULL && strcmp(known->labels[i].name, name) == 0)
			return &known->labels[i];
	for (int i = 0; i < known->nlabels; i++)
		if (known->labels[i].name != NULL && pg_strcasecmp(known->labels[i].name, name) == 0)
			return &known->labels[i];
	return NULL;
}

LabelState
labels_find(const KnownLabels *known, const char *name, const Row *row, const Label **label)
{
	int64		age = clock_us() - known->told_us;

	*label = NULL;
	if (known->told_us == 0 || age >= KEEPS_US)
		return LABEL_UNREAD;
	*label = find(known, name);
	if (*label != NULL)
		return LABEL_KNOWN;
	return row->created_at <= known->told_at || age < MISS_KEEPS_US
		? LABEL_UNKNOWN : LABEL_UNREAD;
}

bool
labels_told(KnownLabels *known, const WorkKey *key, const Reply *reply)
{
	MemoryContext old;
	ReplyLabel	told;

	/* labels_forget() has been called since: a label was made that the answer may lack */
	if (known->asker == NULL || strcmp(known->asker, key->key) != 0)
		return false;
	drop(known);
	old = MemoryContextSwitchTo(known->context);
	known->labels = palloc(sizeof(Label) * MAX_LABELS);
	for (int i = 0; known->nlabels < MAX_LABELS && reply_label(reply, i, &told); i++)
	{
		Label	   *label = &known->labels[known->nlabels];

		if (told.category == NULL || told.type_id <= 0)
			continue;
		label->is_own = strcmp(told.category, labels_category(false)) != 0;
		label->type_id = told.type_id;
		label->name = told.label == NULL || told.label[0] == '\0' ? NULL : pstrdup(told.label);
		known->nlabels++;
	}
	MemoryContextSwitchTo(old);
	known->told_us = clock_us();
	known->told_at = GetCurrentTimestamp();
	return true;
}

void
labels_forget(Account *account, Object from, Object to)
{
	drop(labels_known(account, from, to));
	drop(labels_known(account, to, from));
}

void
labels_forget_all(Account *account)
{
	ListCell   *cell;

	foreach(cell, account->labels)
		drop(lfirst(cell));
}

void
labels_ask(KnownLabels *known, const WorkKey *key)
{
	drop(known);
	known->asker = MemoryContextStrdup(known->context, key->key);
}

/* A row that has ended without an answer asks no longer. */
WorkKey *
labels_asker(const KnownLabels *known, const Lane *lane)
{
	WorkKey    *key = known->asker == NULL ? NULL : queue_find(lane, MESSAGE_PAIR, known->asker);

	if (key == NULL && known->asker != NULL)
		key = queue_find(lane, MESSAGE_LABEL, known->asker);
	return key != NULL && key_is_in_batch(key) ? key : NULL;
}

char *
labels_list(const KnownLabels *known)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < known->nlabels; i++)
		if (known->labels[i].name != NULL)
			appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "", known->labels[i].name);
	return names.len > 0 ? names.data : pstrdup("none");
}

const char *
labels_category(bool is_own)
{
	return is_own ? "USER_DEFINED" : "HUBSPOT_DEFINED";
}
