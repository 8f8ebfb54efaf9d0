/*
 * unchanged.c
 *		Only what changed is sent: the SERVER option skip_unchanged.
 *
 * Called by records.c while a request is put together, by records_answer.c when the answer
 * is there.
 *
 * What may be left out is decided per input.  Nothing is left out when one of its rows may have
 * been sent before without an answer (the values in HubSpot may be that row's) or repeats an
 * earlier one (HubSpot may have lost what it confirmed), nor when the request goes by another
 * record than the one that is known.  A record that was refused, archived, or found to be another
 * one is forgotten.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "queue/known.h"
#include "request/unchanged.h"

TimestampTz
unchanged_since(const AccountOptions *options)
{
	return GetCurrentTimestamp() - options->confirmed_for;
}

/* ---- hashes ------------------------------------------------------------------------- */

static uint64
hash_text(const char *text, int len, uint64 seed)
{
	return hash_bytes_extended((const unsigned char *) text, len, seed);
}

uint64
unchanged_seed(const char *base_url, int64 portal_id, const char *fingerprint)
{
	uint64		hash = hash_text(base_url, strlen(base_url), GetWALInsertionTimeLine());

	hash = hash_combine64(hash, GetSystemIdentifier());
	hash = hash_combine64(hash, MyDatabaseId);
	return portal_id != 0 ? hash_combine64(hash, (uint64) portal_id)
		: hash_text(fingerprint, strlen(fingerprint), hash);
}

/* account-info may have told of another token than the one in use, and not of this one. */
static uint64
seed_of(const Account *account)
{
	return unchanged_seed(account->options->base_url,
						  account->info_of_token == account->secret.hash ? account->portal_id : 0,
						  account->secret.fingerprint);
}

/* Name and value stand side by side as they are sent. */
static ConfirmedPair
pair_of(const Mapping *mapping, const MappingName *name, uint64 seed, TimestampTz now)
{
	const char *json = mapping->json->data;
	ConfirmedPair pair = {
		.name = hash_bytes((const unsigned char *) json + name->offset, name->len),
		.at = (uint32) (now / USECS_PER_SEC),
		.value = hash_text(json + name->offset, name->value_offset + name->value_len - name->offset,
						   seed)
	};

	if (pair.value == 0)
		pair.value = 1;
	return pair;
}

static int
place_of(const Mapping *mapping, const char *property)
{
	for (int i = 0; i < mapping->nnames; i++)
		if (mapping->names[i].len == strlen(property) &&
			memcmp(mapping->json->data + mapping->names[i].offset, property,
				   mapping->names[i].len) == 0)
			return i;
	return -1;
}

/* HubSpot looks for a stage in the pipeline of the same request: neither goes without the other. */
static void
keep_together(const Mapping *mapping, bool *found)
{
	int			pipeline = place_of(mapping, mapping->rules->pipeline_property);
	int			stage = place_of(mapping, mapping->rules->stage_property);

	if (pipeline >= 0 && stage >= 0)
		found[pipeline] = found[stage] = found[pipeline] && found[stage];
}

bool *
unchanged_find(const Mapping *mapping, const Confirmed *confirmed, uint64 seed, TimestampTz since,
			   ConfirmedPair *pairs)
{
	bool	   *found = palloc0(sizeof(bool) * (mapping->nnames + 1));
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < mapping->nnames; i++)
	{
		pairs[i] = pair_of(mapping, &mapping->names[i], seed, now);
		/* what a change comes to depends on what is there */
		if (mapping_is_change(mapping, &mapping->names[i]))
			pairs[i].value = 0;
		found[i] = confirmed != NULL && confirmed_has(confirmed, &pairs[i], since);
	}
	if (mapping->rules->pipelines != NULL)
		keep_together(mapping, found);
	return found;
}

/* ---- what is sent ------------------------------------------------------------------------- */

/* What the record that a request goes by is known to hold; NULL: nothing may be left out. */
static const Confirmed *
known_for(const Batch *batch, const Input *input)
{
	const Confirmed *confirmed = input->key->confirmed;

	if (confirmed == NULL || input->whole || batch->lane->strangers > 0 ||
		(batch->kind->by_record && strcmp(confirmed->name.record_id, input->key->record_id) != 0))
		return NULL;
	for (int i = 0; i < input->nrows; i++)
		if (row_may_have_arrived(input->rows[i]) || input->rows[i]->identity != input->rows[i]->id)
			return NULL;
	return confirmed;
}

static bool
is_stage(const Mapping *mapping, const MappingName *name)
{
	const char *stage = object_types[mapping->rules->object].stage_property;

	return stage != NULL && name->len == strlen(stage) &&
		memcmp(mapping->json->data + name->offset, stage, name->len) == 0;
}

bool
unchanged_leave_out(const Batch *batch, Input *input, Mapping *mapping)
{
	const Account *account = batch->lane->account;
	const Confirmed *confirmed = known_for(batch, input);
	Written    *written;
	TimestampTz since;
	bool	   *found;

	if (!known_is_kept(account))
		return false;
	since = unchanged_since(account->options);
	written = palloc(offsetof(Written, pairs) + sizeof(ConfirmedPair) * mapping->nnames);

	/* Taken before the request leaves, so that it is never later than HubSpot's write. */
	written->sent_at = GetCurrentTimestamp();
	written->npairs = 0;
	written->stage = -1;
	found = unchanged_find(mapping, confirmed, seed_of(account), since, written->pairs);
	input->left_out = false;
	for (int i = 0; i < mapping->nnames; i++)
	{
		input->left_out |= found[i];
		if (found[i])
			continue;
		if (is_stage(mapping, &mapping->names[i]))
			written->stage = written->npairs;
		written->pairs[written->npairs++] = written->pairs[i];
	}
	mapping_leave_out(mapping, found);
	pfree(found);
	input->written = written;
	return written->npairs == 0 && confirmed != NULL && confirmed_exists(confirmed, since);
}

const char *
unchanged_record(const Input *input)
{
	return input->key->confirmed->name.record_id;
}

Written *
unchanged_copy(const Written *written)
{
	Size		size;

	if (written == NULL)
		return NULL;
	size = offsetof(Written, pairs) + sizeof(ConfirmedPair) * written->npairs;
	return memcpy(palloc(size), written, size);
}

/* ---- what is learnt ------------------------------------------------------------------------- */

bool
unchanged_is_elsewhere(const Input *input, const char *record_id)
{
	const Confirmed *confirmed = input->key->confirmed;

	return input->left_out &&
		(record_id == NULL || input->created == 1 || confirmed == NULL ||
		 strcmp(confirmed->name.record_id, record_id) != 0);
}

void
unchanged_learn(Input *input, const char *record_id)
{
	WorkKey    *key = input->key;
	Written    *written = input->written;
	Confirmed  *confirmed;

	if (!known_is_kept(key->lane->account) || written == NULL)
		return;
	if (record_id == NULL)
	{
		known_forget(key);
		return;
	}
	/* HubSpot may have kept another stage than the one that was sent */
	if (written->stage >= 0 && input->stage != NULL && !input->stage_taken)
		written->pairs[written->stage].value = 0;
	confirmed = confirmed_learn(key->lane->account->server, key->lane->family, record_id,
								written->pairs, written->npairs, written->sent_at,
								input->created == 1);
	known_set(key, confirmed);
}
