/*
 * end_rows.c
 *		Rows that wait, and end because what they are about is gone.
 *
 * A contact that is erased takes along what still waits of it; a record that is deleted takes along
 * the associations that wait for the other end.  Called by crm/ and purge.c, outside of
 * transactions. Memory: nothing that stays.
 */
#include "postgres.h"

#include "nodes/pg_list.h"

#include "base/hubspot.h"
#include "erase/end_rows.h"
#include "queue/accounts.h"
#include "wait/defer.h"

void
end_rows_before(WorkKey *key, int64 before, const char *category, const char *why)
{
	while (key_has_rows(key) && key_head(key)->id < before)
		batch_end_unsent(key_head(key), VERDICT_CANCELLED, category, why);
	if (key->rows.ndeferred > 0)
		defer_end_key(key, before, VERDICT_CANCELLED, category, why);
	else
		queue_drop_idle(key);
}

/* ---- pairs ---------------------------------------------------------------------------- */

static int
compare_gone(const void *a, const void *b)
{
	return strcmp(((const GoneEnd *) a)->text, ((const GoneEnd *) b)->text);
}

/* Since which row one of a key's ends is gone; 0: neither is. */
static int64
gone_since(const WorkKey *key, const GoneEnd *gone, int ngone)
{
	int64		before = 0;

	for (int i = 0; i < 2; i++)
	{
		GoneEnd		wanted = {.text = message_pair_key_end(key->key, i)};
		const GoneEnd *found = wanted.text == NULL
		? NULL : bsearch(&wanted, gone, ngone, sizeof(GoneEnd), compare_gone);

		if (found != NULL)
			before = Max(before, found->before);
	}
	return before;
}

static void
add_name(List **names, const WorkKey *key, const GoneEnd *gone, int ngone)
{
	if (key->property != NULL && strcmp(key->property, MESSAGE_PAIR) == 0 &&
		gone_since(key, gone, ngone) > 0)
		*names = lappend(*names, pstrdup(key->key));
}

/*
 * By name, as a key may be found twice, and be gone with its last row.  The whole lane is gone
 * through, which is empty as a rule: who deletes pays, not who associates.
 */
void
end_pairs_of(Account *account, GoneEnd *gone, int ngone, const char *category, const char *why)
{
	Lane	   *lane = accounts_lane(account, OBJECT_IS_PAIR);
	List	   *names = NIL;
	dlist_iter	iter;
	ListCell   *cell;

	if (lane->rows == 0 && lane->keys.ndeferred == 0)
		return;
	qsort(gone, ngone, sizeof(GoneEnd), compare_gone);
	dlist_foreach(iter, &window.rows)
	{
		const Row  *row = dlist_container(Row, order, iter.cur);

		if (row->key->lane == lane && key_has_rows(row->key) && key_head(row->key) == row)
			add_name(&names, row->key, gone, ngone);
	}
	for (int state = KEY_DEFERRED; state <= KEY_RECALLED; state++)
		dlist_foreach(iter, &lane->keys.in[state])
			add_name(&names, dlist_container(WorkKey, stand.node, iter.cur), gone, ngone);
	foreach(cell, names)
	{
		WorkKey    *key = queue_find(lane, MESSAGE_PAIR, lfirst(cell));

		if (key != NULL)
			end_rows_before(key, gone_since(key, gone, ngone), category, why);
	}
	list_free_deep(names);
}

static void
add_gone(GoneEnd *gone, int *ngone, Object object, const char *property, const char *key,
		 int64 before)
{
	PairEnd		end = {.object = object, .property = property, .key = key};

	gone[(*ngone)++] = (GoneEnd)
	{
		.text = message_pair_end_text(&end), .before = before
	};
}

void
end_pairs_of_archived(const Batch *batch)
{
	GoneEnd    *gone = palloc(sizeof(GoneEnd) * batch->ninputs * 2);
	Object		object = batch->lane->family;
	int			ngone = 0;

	for (int i = 0; i < batch->ninputs; i++)
	{
		const Input *input = &batch->inputs[i];
		int64		before = input->rows[0]->id;

		add_gone(gone, &ngone, object, input->key->property, input->key->key, before);
		if (input->key->record_id[0] != '\0')
			add_gone(gone, &ngone, object, RECORD_ID_PROPERTY,
					 pstrdup(input->key->record_id), before);
	}
	end_pairs_of(batch->lane->account, gone, ngone, "record_deleted",
				 psprintf("the %s was deleted before it could be associated",
						  object_types[object].name));
}
