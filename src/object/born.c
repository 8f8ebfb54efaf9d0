/*
 * born.c
 *		The lanes of records that are created with an association, or not at all.
 *
 * HubSpot's upsert takes no associations.  So HubSpot is asked first whether it has the record: it
 * is updated then, whatever the message says of associations.  Else the records that it may be
 * associated with are found out as those of a pair are, and it is created with all that are known
 * when nothing more can be found out without waiting.  Where none is, the row waits as a pair does,
 * outside of the window; where the message names none, it is refused.
 *
 *	seek		whether HubSpot has the record, by the account's unique property of the type
 *	find		the record of an end, see pair/ends.h
 *	create
 *	update		by record id
 *	resolve		HubSpot has the record after all, by that property
 *
 * The property is unique, so that a create that is repeated, as its answer was lost, is refused,
 * and leads to an update.  A row of another worker begins anew: is it there?
 *
 * What the message says of associations are rows of the lane "pairs" as well (enqueue/): these add
 * labels, and the records that were not known at birth.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "crm/deletes.h"
#include "crm/modes.h"
#include "crm/record_kinds.h"
#include "object/born.h"
#include "object/families.h"
#include "object/records_lane.h"
#include "pair/ends.h"
#include "wait/await.h"
#include "wait/awaited.h"
#include "wait/tell.h"

static const RequestKind create_born;

/* ---- what a row knows -------------------------------------------------------------------- */

/* The first parent that HubSpot can be asked for; -1: there is none. */
static int
to_be_found(const Parent *parents, int nparents)
{
	for (int i = 0; i < nparents; i++)
		if (parents[i].record_id[0] == '\0' && !parents[i].is_missing &&
			ends_kind_to_find(&parents[i].end) != NULL)
			return i;
	return -1;
}

/*
 * In the tables.  Not after HubSpot has refused what they know: until it has been asked itself, who
 * they are is in doubt.
 */
static void
look_up_parents(WorkKey *key, Row *row)
{
	bool		in_doubt = row_was(row, ONCE_DOUBTED) && !row_was(row, ONCE_SOUGHT);
	Parent		parents[BIRTH_MAX];
	int			nparents;

	/* a userId may mean another contact than at the last look */
	if (row->held != NULL)
		pfree(row->held);
	row->held = NULL;
	nparents = born_read(row, parents);
	for (int i = 0; i < nparents; i++)
	{
		const char *found;

		awaited_note(key, &parents[i].end);
		found = ends_look_up(key, &parents[i].end);
		if (found != NULL && !in_doubt)
			strlcpy(parents[i].record_id, found, sizeof(parents[i].record_id));
	}
	born_keep(row, parents, nparents);
}

static void
look_up_born(WorkKey *key)
{
	await_look_up_record(key);
	if (key->record_id[0] == '\0')
		look_up_parents(key, key_head(key));
}

/* ---- what HubSpot says of a parent ------------------------------------------------------- */

static PairEnd
sought(Row *row)
{
	Parent		parents[BIRTH_MAX];
	int			nparents = born_read(row, parents);

	return parents[Max(to_be_found(parents, nparents), 0)].end;
}

static void
note_parent(Row *row, const char *record_id)
{
	Parent		parents[BIRTH_MAX];
	int			nparents = born_read(row, parents);
	int			i = to_be_found(parents, nparents);

	if (i < 0)
		return;
	if (record_id == NULL)
		parents[i].is_missing = true;
	else
		strlcpy(parents[i].record_id, record_id, sizeof(parents[i].record_id));
	row_note(row, ONCE_SOUGHT);
	born_keep(row, parents, nparents);
}

static void
take_parent(Input *input, const char *record_id)
{
	note_parent(input->rows[0], record_id);
}

/* It may yet come, or another one is there. */
static void
miss_parent(Input *input, const char *message, const Reply *reply, AckRequest *request)
{
	Row		   *row = input->rows[0];
	PairEnd		end = sought(row);

	if (row_was(row, ONCE_DOUBTED))
		ends_forget(input->key, &end);
	note_parent(row, NULL);
	batch_put_back(input->key, input->rows, input->nrows);
}

static const EndSeeker seeker = {
	.sought = sought,
	.found = take_parent,
	.missing = miss_parent,
};

/* ---- create ------------------------------------------------------------------------------ */

static BuildResult
append_born(Batch *batch, Input *input, const MessageParts *parts)
{
	StringInfo	body = &batch->body;
	Parent		parents[BIRTH_MAX];
	int			nparents = born_read(input->rows[0], parents);
	BuildResult result;

	if (!born_is_possible(parents, nparents))
	{
		/* the row that it was found out for is not to be sent any more */
		input->rows[0]->looked = LOOKED_NOT;
		return BUILD_WAIT;
	}
	input->whole = true;
	input->created = 1;
	records_begin_input(body, NULL, NULL, input->trace);
	result = records_append_properties(batch, input, parts, true);
	records_begin_associations(body);
	for (int i = 0; i < nparents; i++)
		if (parents[i].record_id[0] != '\0')
			records_append_association(body, parents[i].record_id, parents[i].type_id);
	records_end_associations(body);
	return result;
}

static const RequestKind create_born = {
	.repeat = REPEAT_REFUSED,
	.path = PATH_CREATE,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.collects = true,
	.is_list = true,
	.one_property = true,
	.append_input = append_born,
	.answered = records_answered,
};

/* HubSpot does not have the record. */
static void
absent(Input *input)
{
	Parent		parents[BIRTH_MAX];
	int			nparents = born_read(input->rows[0], parents);

	row_note(input->rows[0], ONCE_ABSENT);
	/* who it is to be created with may be in hubspot.suppressed */
	input->rows[0]->looked_at = 0;
	if (born_is_possible(parents, nparents))
		input->onward = &create_born;
	else
		batch_put_back(input->key, input->rows, input->nrows);
}

/*
 * HubSpot has refused to create it, and not for a property: perhaps it has forgotten a record that
 * we remember.  They are asked for, once.
 */
static bool
doubt_parents(Batch *batch, Input *input)
{
	Row		   *row = input->rows[0];
	Parent		parents[BIRTH_MAX];
	int			nparents;

	if (batch->kind != &create_born || batch_was_once(input, ONCE_DOUBTED))
		return false;
	batch_note_once(input, ONCE_DOUBTED);
	row_forget(row, ONCE_SOUGHT);
	nparents = born_read(row, parents);
	for (int i = 0; i < nparents; i++)
		parents[i].record_id[0] = '\0';
	born_keep(row, parents, nparents);
	batch_put_back(input->key, input->rows, input->nrows);
	return true;
}

static const RecordKinds kinds = {
	RECORD_KINDS_OF_ALL,
	.resolve = &records_lane_resolve,
	.absent = absent,
	.doubts = doubt_parents,
};

/* ---- which request ----------------------------------------------------------------------- */

/* Rows about the parents that may tell them; returns whether the key was sent away. */
static bool
await_parents(WorkKey *key, const Parent *parents, int nparents)
{
	for (int i = 0; i < nparents; i++)
		if (ends_await_rows(key, &parents[i].end, parents[i].record_id[0] != '\0'))
			return true;
	for (int i = 0; i < nparents; i++)
		if (parents[i].record_id[0] == '\0' && ends_await_reader(key, parents[i].end.object))
			return true;
	return false;
}

/* HubSpot does not have the record.  Of one that cannot be created check_born() says why not. */
static const RequestKind *
kind_to_create(WorkKey *key)
{
	Parent		parents[BIRTH_MAX];
	int			nparents = born_read(key_head(key), parents);
	int			wanted;

	if (nparents == 0)
		return &create_born;
	if (await_parents(key, parents, nparents))
		return NULL;
	wanted = to_be_found(parents, nparents);
	if (wanted >= 0)
		return ends_kind_to_find(&parents[wanted].end);
	if (born_is_possible(parents, nparents) || awaited_is_hopeless(key))
		return &create_born;
	/* what waits for its rows need not wait in the window, see ends_await_rows() */
	if (key_is_deferred(key))
		queue_wake_waiters(key);
	return NULL;
}

static const RequestKind *
kind_of_born(WorkKey *key)
{
	Row		   *row = key_head(key);

	if (modes_awaits_record(key))
		return NULL;
	if (row->call == CALL_DELETE)
		return deletes_kind_of(key);
	/* who only updates, or goes by HubSpot's own id, creates nothing */
	if (row->mode == MODE_UPDATE || object_key_is_record_id(key->property))
		return modes_kind_of(key);
	if (key->record_id[0] != '\0')
		return row->mode == MODE_CREATE ? &records_seek : &records_update;
	if (row->looked == LOOKED_NOT || !born_is_read(row))
	{
		row->looked = LOOKED_ONCE;
		await_look_up(key);
		return NULL;
	}
	return row_was(row, ONCE_ABSENT) ? kind_to_create(key) : &records_seek;
}

/* ---- rows that are one, rows that cannot be sent ----------------------------------------- */

static int
count_parents(const Row *row)
{
	Parent		parents[BIRTH_MAX];

	return born_read(row, parents);
}

/* The first row is the one that says what a new record is associated with. */
static bool
born_joins(const Row *first, Row *next)
{
	return modes_join(first, next) &&
		(first->key->record_id[0] != '\0' || count_parents(first) > 0 || count_parents(next) == 0);
}

static bool
check_born(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	const CrmType *type = records_type(row->key->lane);
	Parent		parents[BIRTH_MAX];
	int			nparents;

	if (!records_lane_check(row, parts, category, problem))
		return false;
	if (row->call == CALL_DELETE || row->key->record_id[0] != '\0' || !row_was(row, ONCE_ABSENT))
		return true;
	nparents = born_read(row, parents);
	*category = "required_association";
	*problem = psprintf("HubSpot does not have the %s, and a new one is created with an "
						"association to %s: \"associations\" of the message names none",
						type->name, message_birth_words(type));
	if (nparents == 0)
		return false;
	/* until its time is over, that none is known is no reason to end */
	*category = records_not_found(parents[0].end.object);
	*problem = ends_problem(&parents[0].end);
	return born_is_possible(parents, nparents) || !born_is_read(row) || tell_left_us(row) > 0 ||
		to_be_found(parents, nparents) >= 0;
}

const FamilyWork object_born_work = {
	.kind = &records_seek,
	.records = &kinds,
	.seeker = &seeker,
	.kind_of = kind_of_born,
	.joins = born_joins,
	.check = check_born,
	.look_up = look_up_born,
};
