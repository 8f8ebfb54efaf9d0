/*
 * pairs.c
 *		The lane of pairs: which records are associated, with which labels, and which are not.
 *
 * A row waits until the rows of both records that are in the window are done, in whatever order
 * they were queued, then asks the tables for both record ids, then HubSpot.  What neither has told
 * may yet come: the row waits for it outside of the window (wait/awaited.h).
 *
 *	find			the record of an end, by its unique property, or a company by its domain
 *	link			pairs without a label
 *	read labels		which labels two types have; one row asks for all
 *	read labelled	which labels pairs have ...
 *	link labelled	... for HubSpot replaces them: those and the row's are written
 *	unlink			pairs that are to be none
 *	unlabel			pairs that lose a label, and stay
 *	create label
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/hubspot.h"
#include "crm/records.h"
#include "pair/labels.h"
#include "pair/pair.h"
#include "pair/pair_schema.h"
#include "queue/accounts.h"
#include "store/record_map.h"
#include "wait/await.h"
#include "wait/awaited.h"
#include "wait/tell.h"

/* ---- what a row waits for ------------------------------------------------------------------ */

/* Rows of either record that are in the window; whether the key has been sent away. */
static bool
await_ends(WorkKey *key, const RowPair *pair)
{
	for (int i = 0; i < 2; i++)
		if (ends_await_rows(key, &pair->ends[i], pair_record(key_head(key), i)[0] != '\0'))
			return true;
	return false;
}

/* Rows that may tell an end and are not in the window yet. */
static bool
await_readers(WorkKey *key, const RowPair *pair)
{
	for (int i = 0; i < 2; i++)
		if (pair_record(key_head(key), i)[0] == '\0' &&
			ends_await_reader(key, pair->ends[i].object))
			return true;
	return false;
}

/* Whether all that can be told of both records without asking HubSpot is told. */
static bool
is_settled(WorkKey *key, const RowPair *pair)
{
	Row		   *row = key_head(key);

	if (await_ends(key, pair))
		return false;
	if (pair_unknown(row) < 0)
		return true;
	if (row_was(row, ONCE_WITHOUT_RECORD) && !row_was(row, ONCE_SOUGHT))
		return true;			/* what the tables say has turned out to be old */
	if (row->looked != LOOKED_NOT)
		return !await_readers(key, pair);
	row->looked = LOOKED_ONCE;
	for (int i = 0; i < 2; i++)
		if (pair_record(row, i)[0] == '\0')
			awaited_note(key, &pair->ends[i]);
	await_look_up(key);
	return false;
}

/* The addresses that userIds have turned out to be, a line for each end. */
static void
keep_told(Row *row, const char *const *told)
{
	char	   *lines = psprintf("%s\n%s\n", told[0] != NULL ? told[0] : "",
								 told[1] != NULL ? told[1] : "");

	if (row->held != NULL)
		pfree(row->held);
	row->held = told[0] == NULL && told[1] == NULL
		? NULL : MemoryContextStrdup(window.memory, lines);
	/* an address that has just been told may be in hubspot.suppressed */
	row->looked_at = 0;
	pfree(lines);
}

static void
look_up_pair(WorkKey *key)
{
	Row		   *row = key_head(key);
	const char *told[2] = {NULL, NULL};
	RowPair		pair;

	/* a userId may mean another contact than at the last look */
	if (row->held != NULL)
		pfree(row->held);
	row->held = NULL;
	if (!pair_read(row, &pair))
		return;
	for (int i = 0; i < 2; i++)
	{
		bool		by_user_id = ends_is_by_user_id(&pair.ends[i]);
		const char *found = ends_look_up(key, &pair.ends[i]);

		if (by_user_id && !ends_is_by_user_id(&pair.ends[i]))
			told[i] = pair.ends[i].key;
		if (found != NULL)
			strlcpy(pair_record(row, i), found, RECORD_ID_BYTES);
	}
	keep_told(row, told);
}

/* ---- what HubSpot says of an end ------------------------------------------------------------ */

static PairEnd
sought(Row *row)
{
	RowPair		pair = pair_of(row);

	return pair.ends[Max(pair_unknown(row), 0)];
}

static void
take_end(Input *input, const char *record_id)
{
	Row		   *row = pair_row(input);

	strlcpy(pair_record(row, pair_unknown(row)), record_id, RECORD_ID_BYTES);
}

/* Where one of the two is not there they are not associated; else it may yet come. */
static void
miss_end(Input *input, const char *message, const Reply *reply, AckRequest *request)
{
	Row		   *row = pair_row(input);
	PairEnd		end = sought(row);

	if (row->call == CALL_DISSOCIATE)
	{
		batch_reject(input, VERDICT_UNCHANGED, records_not_found(end.object), message,
					 reply->status, request);
		return;
	}

	/* what the tables know has turned out to be gone */
	if (row_was(row, ONCE_WITHOUT_RECORD))
		ends_forget(input->key, &end);
	row_note(row, ONCE_SOUGHT);
	row->looked = LOOKED_NOT;
	batch_put_back(input->key, input->rows, input->nrows);
}

static const EndSeeker seeker = {
	.sought = sought,
	.found = take_end,
	.missing = miss_end,
};

/* ---- labels -------------------------------------------------------------------------------- */

static LabelState
find_label(const Row *row, const PairMessage *message, const Label **label)
{
	const KnownLabels *known =
	labels_known(row->key->lane->account, message->from.object, message->to.object);

	return labels_find(known, message->label, row, label);
}

/*
 * The request that a row with a label needs: what labels there are is asked by one row for all; a
 * label that a row before this one creates is waited for.
 */
static const RequestKind *
kind_for_label(WorkKey *key, const PairMessage *message)
{
	Row		   *row = key_head(key);
	MessageKey	creator = message_label_key(message->from.object, message->to.object,
											message->label);
	const Label *label;
	KnownLabels *known;
	WorkKey    *asker;

	if (await_other(key, queue_find(key->lane, creator.property, creator.key), true))
		return NULL;
	switch (find_label(row, message, &label))
	{
		case LABEL_UNREAD:
			break;
		case LABEL_KNOWN:
			return row->call == CALL_ASSOCIATE ? &pair_read_labelled : &pair_unlabel;
		case LABEL_UNKNOWN:
			return &pair_link;	/* with a warning; or check_pair() refuses it */
	}

	/* one asks for all: else each of a thousand pairs would */
	known = labels_known(key->lane->account, message->from.object, message->to.object);
	asker = labels_asker(known, key->lane);
	if (asker == NULL)
		return &pair_read_labels;
	await_key(key, asker);
	return NULL;
}

static const RequestKind *
kind_of_label(WorkKey *key)
{
	PairLabel	label;
	KnownLabels *known;
	WorkKey    *asker;

	if (!message_read_label(key_head(key)->message, &label))
		return &pair_create_label;	/* check_pair() says why not */
	known = labels_known(key->lane->account, label.from, label.to);
	if (pair_label_is_settled(known, key_head(key)))
		return &pair_create_label;
	asker = labels_asker(known, key->lane);
	if (asker == NULL)
		return &pair_read_labels;
	await_key(key, asker);
	return NULL;
}

/* ---- which request ------------------------------------------------------------------------- */

/* One record by two names. */
static bool
is_one_record(Row *row, const RowPair *pair)
{
	return pair->ends[0].object == pair->ends[1].object &&
		strcmp(pair_record(row, 0), pair_record(row, 1)) == 0;
}

/* A row that cannot be sent is taken as if it could: check_pair() says why not. */
static const RequestKind *
kind_of_pair(WorkKey *key)
{
	Row		   *row = key_head(key);
	const RequestKind *find;
	RowPair		pair;
	int			unknown;

	if (row->call == CALL_CREATE_LABEL)
		return kind_of_label(key);
	if (!pair_read(row, &pair))
		return &pair_link;
	if (!is_settled(key, &pair))
		return NULL;
	unknown = pair_unknown(row);

	/* HubSpot is asked once: whoever tells the record later wakes the key */
	if (unknown >= 0)
	{
		find = row_was(row, ONCE_SOUGHT) ? NULL : ends_kind_to_find(&pair.ends[unknown]);
		if (find != NULL)
			return find;
		return awaited_is_hopeless(key) ? &pair_link : NULL;
	}
	if (pair.message.label != NULL && !is_one_record(row, &pair))
		return kind_for_label(key, &pair.message);
	return row->call == CALL_ASSOCIATE ? &pair_link : &pair_unlink;
}

/* ---- rows that are one, rows that cannot be sent ------------------------------------------- */

/*
 * Rows of one pair that say the same are one, and so are those that add labels in one direction, as
 * far as these are known to be there.
 */
static bool
pair_joins(const Row *first, Row *next)
{
	RowPair		one;
	RowPair		other;
	const Label *label;

	if (first->call != next->call || first->call == CALL_CREATE_LABEL)
		return false;
	if (VARSIZE(first->message) == VARSIZE(next->message) &&
		memcmp(first->message, next->message, VARSIZE(first->message)) == 0)
		return true;
	return first->call == CALL_ASSOCIATE &&
		pair_read(first, &one) && pair_read(next, &other) && one.turned == other.turned &&
		one.message.label != NULL && other.message.label != NULL &&
		find_label(first, &one.message, &label) == LABEL_KNOWN &&
		find_label(next, &other.message, &label) == LABEL_KNOWN;
}

/* Whether the row is at its end for want of a record. */
static bool
is_given_up(Row *row, const RowPair *pair, int unknown)
{
	return row->looked != LOOKED_NOT && tell_left_us(row) <= 0 &&
		(row_was(row, ONCE_SOUGHT) || ends_kind_to_find(&pair->ends[unknown]) == NULL);
}

/* A label that HubSpot does not have: what is to be taken away, or may not be passed over. */
static bool
check_label(Row *row, const PairMessage *message, const char **category, const char **problem)
{
	const AccountOptions *options = row->key->lane->account->options;
	const Label *label;

	if (message->label == NULL || find_label(row, message, &label) != LABEL_UNKNOWN ||
		(row->call == CALL_ASSOCIATE && options->unknown_properties == UNKNOWN_DROP))
		return true;
	*category = "unknown_label";
	*problem = pair_unknown_label(row->key->lane->account, message);
	return false;
}

static bool
check_pair(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	PairLabel	label;
	RowPair		pair;
	int			unknown;

	*category = "bad_message";
	*problem = "this version knows no such call about pairs of records";
	if (row->call != CALL_ASSOCIATE && row->call != CALL_DISSOCIATE &&
		row->call != CALL_CREATE_LABEL)
		return false;
	*problem = "the row names no two records";
	if (row->call == CALL_CREATE_LABEL)
		return message_read_label(row->message, &label);
	if (!pair_read(row, &pair))
		return false;
	unknown = pair_unknown(row);

	/* until its time is over, a record that is not known is no reason to end */
	if (unknown >= 0)
	{
		*category = records_not_found(pair.ends[unknown].object);
		*problem = ends_problem(&pair.ends[unknown]);
		return !is_given_up(row, &pair, unknown);
	}
	*category = "self_association";
	*problem = "HubSpot knows both ends as one record";
	if (is_one_record(row, &pair))
		return false;
	return check_label(row, &pair.message, category, problem);
}

const FamilyWork pairs_work = {
	.kind = &pair_link,
	.seeker = &seeker,
	.kind_of = kind_of_pair,
	.joins = pair_joins,
	.check = check_pair,
	.look_up = look_up_pair,
};
