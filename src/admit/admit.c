/*
 * admit.c
 *		Rows of the outbox on their way into the worker's memory.
 *
 * Anybody with the right to can put anything into the outbox by hand: each
 * row gets a lane or a verdict here, and none keeps others from being sent.
 *
 * Locks: ACCESS SHARE on result children.  Memory: rows in "hubspot window".
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "executor/tuptable.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "admit/admit.h"
#include "admit/begun.h"
#include "admit/type_bound.h"
#include "base/clock.h"
#include "cluster/shared.h"
#include "cluster/suspect.h"
#include "queue/accounts.h"
#include "queue/known.h"
#include "ring/ring.h"
#include "store/ack.h"
#include "text/encoding.h"

static TimestampTz nobody_since;	/* when the worker before this one had ended */

void
admit_start(void)
{
	nobody_since = shared_workers_ended_at();
	result_probe_start();
}

/* ---- whose row it is ------------------------------------------------------------ */

const Refusal admit_server_dropped =
{VERDICT_CANCELLED, "server_dropped",
"the SERVER that this row was queued for does not exist any more"};

static Lane *
refuse(Refusal *why, Verdict verdict, const char *category, const char *message)
{
	why->verdict = verdict;
	why->category = category;
	why->message = message;
	return NULL;
}

/*
 * A row that we can see may be of a SERVER whose creation we have not been
 * told of: a transaction becomes visible a moment before its messages arrive.
 * Then the row is read again.
 */
static Account *
find_account(Oid server)
{
	Account    *account = accounts_find(server);

	if (account == NULL && account_exists(server))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("a SERVER that rows were queued for has been created this moment"),
				 errdetail("The rows are read again at once.")));
	return account;
}

/*
 * The row of a deletion whose traces, its own included, have been removed, but not its
 * verdict written.
 */
static bool
is_erasure_done(TupleTableSlot *slot)
{
	bool		isnull;
	text	   *key = DatumGetTextPP(slot_getattr(slot, Anum_outbox_key, &isnull));
	Oid			call = DatumGetObjectId(slot_getattr(slot, Anum_outbox_call, &isnull));

	return VARSIZE_ANY_EXHDR(key) == 0 && call == ring_catalog(false)->call[CALL_DELETE];
}

/* What HubSpot could not read is not sent. */
static const char *
objection_to_encoding(TupleTableSlot *slot)
{
	bool		isnull;
	bool		by_address;
	Datum		property;
	Datum		key;

	if (GetDatabaseEncoding() == PG_UTF8)
		return NULL;
	property = slot_getattr(slot, Anum_outbox_key_property, &by_address);
	key = slot_getattr(slot, Anum_outbox_key, &isnull);
	return encoding_objection(by_address ? NULL : TextDatumGetCString(property),
							  TextDatumGetCString(key),
							  DatumGetJsonbP(slot_getattr(slot, Anum_outbox_message, &isnull)));
}

Lane *
admit_lane(TupleTableSlot *slot, Refusal *why)
{
	bool		isnull;
	Datum		problem = slot_getattr(slot, Anum_outbox_problem, &isnull);
	Account    *account;
	text	   *word;
	Lane	   *lane;
	const char *objection;

	if (!isnull)
		return refuse(why, VERDICT_REJECTED, "bad_message", TextDatumGetCString(problem));
	/* Before the row is used any further: two processes died at it. */
	if (suspect_is_held(SUSPECT_ROW, DatumGetInt64(slot_getattr(slot, Anum_outbox_id, &isnull))))
		return refuse(why, VERDICT_REJECTED, SUSPECT_CATEGORY, SUSPECT_REASON("this row"));
	if (begun_before(DatumGetInt64(slot_getattr(slot, Anum_outbox_id, &isnull))))
	{
		*why = begun_refusal;
		return NULL;
	}
	if (is_erasure_done(slot))
		return refuse(why, VERDICT_DELIVERED, NULL, NULL);
	account = find_account(DatumGetObjectId(slot_getattr(slot, Anum_outbox_server, &isnull)));
	if (account == NULL)
	{
		*why = admit_server_dropped;
		return NULL;
	}
	if (!type_bound_admits(account, slot))
		return refuse(why, VERDICT_REJECTED, "bad_message",
					  psprintf("rows of this account name more than %d types of records",
							   TYPES_OF_ACCOUNT));
	word = DatumGetTextPP(slot_getattr(slot, Anum_outbox_object, &isnull));
	lane = accounts_open_lane(account, object_of_text(word));
	if (lane == NULL)
		return refuse(why, VERDICT_REJECTED, "bad_message",
					  psprintf("there is no object \"%s\"", text_to_cstring(word)));
	(void) slot_getattr(slot, Anum_outbox_message, &isnull);
	if (isnull)
		return refuse(why, VERDICT_REJECTED, "bad_message", "the row has no message");
	/* Last, because it reads the whole message. */
	objection = objection_to_encoding(slot);
	if (objection != NULL)
		return refuse(why, VERDICT_REJECTED, "bad_message", objection);
	return lane;
}

void
admit_refuse(int64 id, const Refusal *why)
{
	AckResult	result = {.id = id, .verdict = why->verdict, .created = -1,
	.category = why->category, .message = why->message};

	ack_result(&result);
	begun_end(id);
}

/* ---- into the window ---------------------------------------------------------------- */

bool
admit_is_backfill(TupleTableSlot *slot)
{
	bool		is_live;
	Datum		backfill = slot_getattr(slot, Anum_outbox_backfill, &is_live);

	return !is_live && DatumGetBool(backfill);
}

Size
admit_size(TupleTableSlot *slot)
{
	bool		isnull;

	return sizeof(Row) + toast_raw_datum_size(slot_getattr(slot, Anum_outbox_message, &isnull));
}

/* Notes whether the domain that a row tells of its company is a further one, see queue.h. */
static void
find_further_domain(const Row *row)
{
	WorkKey    *key = row->key;
	MessageParts parts;
	MessageProblem problem;
	const char *domain = message_read(row->message, &parts, &problem)
	? message_company_domain(row->call, &parts) : NULL;
	const char *found;

	if (domain == NULL || queue_is_further_domain(key, domain))
		return;
	found = record_map_find(key->lane->account->server, OBJECT_IS_COMPANY,
							MESSAGE_FURTHER_DOMAINS, domain);
	if (found != NULL && strcmp(found, key->record_id) == 0)
		queue_note_further_domain(key, domain);
}

/* What is known of the record is looked up at once where requests differ by it. */
static void
find_record(Row *row)
{
	WorkKey    *key = row->key;
	Oid			server = key->lane->account->server;
	const CrmType *type = &object_types[key->lane->family];
	const char *property = object_key_property(key->property);

	const char *found = NULL;

	if (key->lane->family == FAMILY_EVENTS)
		found = record_map_find(server, OBJECT_IS_CONTACT, property, key->key);
	else if (type->is_record && (!type->natural_key_is_unique || row->mode != MODE_UPSERT) &&
			 key->record_id[0] == '\0')
		found = record_map_find(server, key->lane->family, property, key->key);
	if (found != NULL)
		strlcpy(key->lane->family == FAMILY_EVENTS ? row->record_id : key->record_id, found,
				RECORD_ID_BYTES);
	if (type->further_keys != NULL && key->record_id[0] != '\0' &&
		strcmp(property, type->natural_key) != 0)
		find_further_domain(row);
	known_look_up(row);
}

/* The columns that a row is made of, beside message and key. */
static void
read_columns(Row *row, TupleTableSlot *slot)
{
	const Catalog *catalog = ring_catalog(false);
	bool		isnull;
	Datum		datum;

	row->id = DatumGetInt64(slot_getattr(slot, Anum_outbox_id, &isnull));
	row->created_at = DatumGetTimestampTz(slot_getattr(slot, Anum_outbox_created_at, &isnull));
	datum = slot_getattr(slot, Anum_outbox_parent, &isnull);
	row->parent = isnull ? 0 : DatumGetInt64(datum);
	datum = slot_getattr(slot, Anum_outbox_deadline, &isnull);
	row->deadline = isnull ? 0 : DatumGetTimestampTz(datum);
	datum = slot_getattr(slot, Anum_outbox_backfill, &isnull);
	row->backfill = !isnull && DatumGetBool(datum);
	datum = slot_getattr(slot, Anum_outbox_mode, &isnull);
	row->mode = isnull ? MODE_UPSERT : (RowMode) DatumGetChar(datum);
	datum = slot_getattr(slot, Anum_outbox_report, &isnull);
	row->report = isnull ? 0 : DatumGetInt32(datum);
	datum = slot_getattr(slot, Anum_outbox_replay_of, &isnull);
	row->identity = isnull ? row->id : DatumGetInt64(datum);
	datum = slot_getattr(slot, Anum_outbox_called_at, &isnull);
	row->called_at = isnull ? row->created_at : DatumGetTimestampTz(datum);
	row->call = (Call) ring_enum_position(catalog->call, CALL_COUNT,
										  DatumGetObjectId(slot_getattr(slot, Anum_outbox_call,
																		&isnull)));
	row->is_sync =
		DatumGetObjectId(slot_getattr(slot, Anum_outbox_source,
									  &isnull)) == catalog->source[SOURCE_SYNC];
	row->erases = row->call == CALL_DELETE && message_erases(row->message);
}

/*
 * Whether a contact may have got values of rows behind this one.  A record that no answer has told
 * of, and that no request is about, has not.
 */
static bool
may_have_younger(const Lane *lane, const char *address)
{
	const WorkKey *key = queue_find(lane, NULL, address);

	return (key != NULL && key_is_in_batch(key)) ||
		record_map_find(lane->account->server, OBJECT_IS_CONTACT, object_key_property(NULL),
						address) != NULL;
}

/* A contact's values; the company that it belongs to in the first place is one of them. */
static bool
writes_values(const Lane *lane)
{
	return lane->family == FAMILY_CONTACTS || lane->family == FAMILY_ASSOCIATIONS;
}

/*
 * The row that tells may stand before one that has waited for it, if it was committed later: what
 * is younger than both may have been sent by then.
 */
char *
admit_address_of(const Lane *lane, int64 id, const char *user_id, bool has_waited, bool *is_late)
{
	int64		told_by;
	char	   *address = record_map_find_told(lane->account->server, user_id, id, &told_by);

	*is_late = address != NULL && (has_waited || told_by > id) && writes_values(lane) &&
		may_have_younger(lane, address);
	return address;
}

void
admit_has_waited(Row *row)
{
	const WorkKey *key = row->key;

	row->is_late = row->is_late ||
		(row->by_user_id && writes_values(key->lane) && may_have_younger(key->lane, key->key));
}

/*
 * A row that names its contact by a userId alone is a row of the address that
 * this was told with, so that it keeps its place among those.
 */
bool
admit_resolve(const Lane *lane, int64 id, const char **property, const char **key)
{
	const char *address;
	bool		is_late;

	if (*property == NULL || strcmp(*property, MESSAGE_USER_ID) != 0)
		return false;
	address = admit_address_of(lane, id, *key, false, &is_late);
	if (address == NULL)
		return false;
	*property = NULL;
	*key = address;
	return is_late;
}

/*
 * Who is told behind a deletion is somebody to stay: there was nothing to delete when it was
 * called.
 */
static bool
is_told_before(const Lane *lane, int64 id, const char *user_id)
{
	int64		told_by;

	return record_map_find_told(lane->account->server, user_id, id, &told_by) != NULL &&
		told_by < id;
}

/* All that may fail: the row is in no list yet. */
static void
fill_row(Row *row, Lane *lane, TupleTableSlot *slot, bool maybe_sent)
{
	bool		isnull;
	Datum		datum = slot_getattr(slot, Anum_outbox_message, &isnull);
	struct varlena *message = PG_DETOAST_DATUM(datum);
	const char *key = TextDatumGetCString(slot_getattr(slot, Anum_outbox_key, &isnull));
	const char *property;
	bool		by_user_id;

	memset(row, 0, sizeof(Row));
	row->message = (Jsonb *) memcpy(row + 1, message, VARSIZE(message));
	row->bytes = GetMemoryChunkSpace(row);
	if ((Pointer) message != DatumGetPointer(datum))
		pfree(message);
	read_columns(row, slot);

	/*
	 * A row that may have been sent by an earlier process; one that is younger than the last
	 * process that could send cannot have been.
	 */
	if (maybe_sent && row->created_at <= nobody_since)
		row_note_fate(row, FATE_SENT_BEFORE);
	datum = slot_getattr(slot, Anum_outbox_key_property, &isnull);
	property = isnull ? NULL : TextDatumGetCString(datum);
	by_user_id = property != NULL && strcmp(property, MESSAGE_USER_ID) == 0;
	if (!by_user_id || row->call != CALL_DELETE || is_told_before(lane, row->id, key))
		row->is_late = admit_resolve(lane, row->id, &property, &key);
	row->by_user_id = by_user_id && property == NULL;
	row->key = queue_make(lane, property, key);
	find_record(row);
}

/*
 * An error, as of a table that somebody has locked, leaves the row where it was, to be read again:
 * one that was in the window by then would be sent twice.
 */
Row *
admit_row(Lane *lane, TupleTableSlot *slot, bool maybe_sent)
{
	Row		   *row = MemoryContextAlloc(window.memory, admit_size(slot));

	PG_TRY();
	{
		fill_row(row, lane, slot, maybe_sent);
	}
	PG_CATCH();
	{
		pfree(row);
		PG_RE_THROW();
	}
	PG_END_TRY();
	queue_add(row->key, row);
	known_note_stranger(row);
	queue_note_deadline(row);
	return row;
}

/* ---- what a row tells ---------------------------------------------------------------- */

/* Calls that write a contact by its address tell; one that deletes it does not. */
char *
admit_user_id_told(const Lane *lane, TupleTableSlot *slot)
{
	const Catalog *catalog = ring_catalog(false);
	bool		isnull;
	Datum		datum;
	Jsonb	   *message;
	char	   *user_id;
	char	   *address;

	if (lane->family != FAMILY_CONTACTS ||
		DatumGetObjectId(slot_getattr(slot, Anum_outbox_call,
									  &isnull)) == catalog->call[CALL_DELETE])
		return NULL;
	(void) slot_getattr(slot, Anum_outbox_key_property, &isnull);
	if (!isnull)
		return NULL;
	datum = slot_getattr(slot, Anum_outbox_message, &isnull);
	message = DatumGetJsonbP(datum);
	user_id = message_find_user_id(message);
	if ((Pointer) message != DatumGetPointer(datum))
		pfree(message);			/* a page has many rows, and it may be large */
	if (user_id == NULL)
		return NULL;
	address = TextDatumGetCString(slot_getattr(slot, Anum_outbox_key, &isnull));
	return pg_strcasecmp(user_id, address) != 0 ? user_id : NULL;
}

/* ---- what an earlier worker has learnt ---------------------------------------------- */

void
admit_remember(const Lane *lane, TupleTableSlot *slot, const ResultProbe *probe)
{
	bool		is_contact = lane->family == OBJECT_IS_CONTACT;
	Object		object = lane->family;
	Oid			server = lane->account->server;
	bool		isnull;
	bool		by_address;
	Datum		property = slot_getattr(slot, Anum_outbox_key_property, &by_address);
	char	   *key = TextDatumGetCString(slot_getattr(slot, Anum_outbox_key, &isnull));
	const char *name = object_key_property(by_address ? NULL : TextDatumGetCString(property));
	Datum		record_id;
	Oid			call = DatumGetObjectId(slot_getattr(slot, Anum_outbox_call, &isnull));

	if (!object_types[object].is_record || strcmp(name, MESSAGE_USER_ID) == 0)
		return;
	record_id = slot_getattr(probe->scan.slot, Anum_result_record_id, &isnull);
	if (call == ring_catalog(false)->call[CALL_DELETE] && is_contact && !isnull)
		record_map_archive(server, name, key, clock_us());
	else if (call == ring_catalog(false)->call[CALL_DELETE])
		record_map_remove(server, object, name, key, clock_us());

	/*
	 * false: the record was new when the answer came, but the table may hold it by now, so that it
	 * is looked up.
	 */
	else if (!isnull)
		record_map_add(server, object, name, key, TextDatumGetCString(record_id), false,
					   clock_us());
}
