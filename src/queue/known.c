/*
 * known.c
 *		What the record of a key is known to hold, with skip_unchanged.
 *
 * Called by admit.c, as rows come into the window, and by those who read
 * answers.  A record that was refused, archived, or found to be another one is
 * forgotten.
 *
 * Memory: confirmed.c's.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "queue/known.h"
#include "store/record_map.h"

bool
known_is_kept(const Account *account)
{
	return account->options != NULL && account->options->skip_unchanged;
}

static bool
has_records(const WorkKey *key)
{
	return object_types[key->lane->family].is_record &&
		(key->property == NULL || strcmp(key->property, MESSAGE_USER_ID) != 0);
}

/* Whether a row that may have been sent is of a contact that is not known yet. */
static bool
is_stranger(const Row *row)
{
	return row_may_have_arrived(row) && row->key->lane->family == FAMILY_CONTACTS &&
		!has_records(row->key);
}

void
known_look_up(Row *row)
{
	WorkKey    *key = row->key;
	Account    *account = key->lane->account;
	Object		object = key->lane->family;
	const char *record_id = key->record_id;

	if (!known_is_kept(account) || key->confirmed != NULL || !has_records(key) ||
		(key_has_rows(key) && key_head(key)->id < row->id))
		return;
	if (record_id[0] == '\0')
		record_id = record_map_find(account->server, object, queue_id_property(key), key->key);
	if (record_id != NULL)
		key->confirmed = confirmed_open(account->server, object, record_id);
}

void
known_note_stranger(Row *row)
{
	if (!is_stranger(row))
		return;
	row->is_stranger = true;
	row->key->lane->strangers++;
}

void
known_forget(const WorkKey *key)
{
	Oid			server = key->lane->account->server;

	if (key->confirmed != NULL)
		confirmed_forget(server, key->confirmed->name.object, key->confirmed->name.record_id);
	if (!known_is_kept(key->lane->account))
		return;
	if (has_records(key) && key->record_id[0] != '\0')
		confirmed_forget(server, key->lane->family, key->record_id);
	else if (key->lane->family == FAMILY_CONTACTS && !has_records(key))
		key->lane->account->sheds_confirmed = true; /* it may be any contact */
}

void
known_set(WorkKey *key, Confirmed *confirmed)
{
	if (confirmed == key->confirmed)
		return;
	confirmed_share(confirmed);
	if (key->confirmed != NULL)
		confirmed_close(key->confirmed);
	key->confirmed = confirmed;
}
