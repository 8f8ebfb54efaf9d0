/*
 * lists_known.c
 *		Static lists that an account is known to have, by name.
 *
 * Memory: the account's list of entries and their texts in "hubspot work".
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "activity/lists.h"
#include "base/clock.h"
#include "base/worker_context.h"

#define MAX_KNOWN		1000	/* of an account; beyond it all are forgotten */
#define ID_KEEPS_US		(3600 * USECS_PER_SEC)	/* a list may be renamed in HubSpot */
#define OBJECTION_KEEPS_US	(10 * USECS_PER_SEC)	/* it may have been made by now */

static void
drop_asker(KnownList *known)
{
	if (known->asker != NULL)
		pfree(known->asker);
	if (known->asker_property != NULL)
		pfree(known->asker_property);
	known->asker = known->asker_property = NULL;
}

static void
drop_all(Account *account)
{
	ListCell   *cell;

	foreach(cell, account->lists)
		drop_asker(lfirst(cell));
	list_free_deep(account->lists);
	account->lists = NIL;
}

KnownList *
lists_known(Account *account, const MessageList *list)
{
	KnownList  *known;
	MemoryContext old;
	ListCell   *cell;

	foreach(cell, account->lists)
	{
		known = lfirst(cell);
		if (known->object == list->object && known->name_len == list->len &&
			memcmp(known->name, list->name, list->len) == 0)
			return known;
	}
	if (list_length(account->lists) >= MAX_KNOWN)
		drop_all(account);
	old = MemoryContextSwitchTo(WorkerContext);
	known = palloc0(offsetof(KnownList, name) + list->len);
	known->object = list->object;
	known->name_len = list->len;
	memcpy(known->name, list->name, list->len);
	account->lists = lappend(account->lists, known);
	MemoryContextSwitchTo(old);
	return known;
}

void
lists_told(KnownList *known, const char *id, const char *category)
{
	strlcpy(known->id, id != NULL ? id : "", sizeof(known->id));
	known->category = category;
	known->told_us = clock_us();
	known->told_at = GetCurrentTimestamp();
	drop_asker(known);
}

void
lists_forget(KnownList *known)
{
	known->id[0] = '\0';
	known->category = NULL;
	known->told_us = 0;
}

void
lists_forget_all(Account *account)
{
	ListCell   *cell;

	foreach(cell, account->lists)
		lists_forget(lfirst(cell));
}

bool
lists_has_id(const KnownList *known)
{
	return known->id[0] != '\0' && clock_us() - known->told_us < ID_KEEPS_US;
}

const char *
lists_objection(const KnownList *known, const Row *row)
{
	return known->category != NULL && row->created_at <= known->told_at &&
		clock_us() - known->told_us < OBJECTION_KEEPS_US
		? known->category : NULL;
}

void
lists_ask(KnownList *known, const WorkKey *key)
{
	drop_asker(known);
	known->asker = MemoryContextStrdup(WorkerContext, key->key);
	known->asker_property = key->property != NULL
		? MemoryContextStrdup(WorkerContext, key->property) : NULL;
}

/* A row that has ended without an answer asks no longer. */
WorkKey *
lists_asker(const KnownList *known, const Lane *lane)
{
	WorkKey    *key = known->asker == NULL
	? NULL : queue_find(lane, known->asker_property, known->asker);

	return key != NULL && key_is_in_batch(key) ? key : NULL;
}

void
lists_append_change_path(char *path, size_t size, const char *id)
{
	size_t		len = strlen(path);

	snprintf(path + len, size - len, "/%s/memberships/add-and-remove", id);
}
