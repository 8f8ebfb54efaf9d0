/*
 * batch_rows.c
 *		Rows of the fuzz target "batch": how they come in, and that each ends once.
 *
 * Stands between the lanes and ack.c: every verdict passes here.
 */
#include "postgres.h"

#include "access/genam.h"
#include "executor/tuptable.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "base/hubspot.h"
#include "admit/admit.h"
#include "http/wire.h"
#include "mapping/record_message.h"
#include "worker/send.h"
#include "backend.h"
#include "batch_fuzz.h"
#include "fuzz.h"

#define MAX_ROWS	64
#define FIRST_ID	1000

typedef struct FuzzRow
{
	const Lane *lane;
	char	   *name;			/* property and key */
	bool		ended;
	int			seen;			/* slot that it was last seen in, + 1 */
} FuzzRow;

static FuzzRow rows[MAX_ROWS];
static int	nrows;

extern void __real_ack_result(const AckResult *result);
extern void __wrap_ack_result(const AckResult *result);

/* ---- verdicts --------------------------------------------------------------------- */

static FuzzRow *
row_of(int64 id)
{
	expect(id >= FIRST_ID && id < FIRST_ID + nrows, "a verdict is of a row that there is");
	return &rows[id - FIRST_ID];
}

static void
expect_text(const char *text)
{
	expect(text == NULL || pg_verify_mbstr(PG_UTF8, text, strlen(text), true), "what is written is valid text");
}

static bool
has_text(const char *text)
{
	return text != NULL && text[0] != '\0';
}

void
__wrap_ack_result(const AckResult *result)
{
	FuzzRow    *row = row_of(result->id);

	expect(!row->ended, "a row ends once");
	row->ended = true;
	expect(result->verdict < VERDICT_COUNT, "a verdict is one of its words");
	expect((result->merged_into != 0) == (result->verdict == VERDICT_COALESCED), "a merged row names its carrier");
	if (result->merged_into != 0)
		(void) row_of(result->merged_into);
	expect(result->verdict != VERDICT_REJECTED || has_text(result->category) || has_text(result->message),
		   "a rejection has a reason");
	expect_text(result->category);
	expect_text(result->message);
	expect_text(result->record_id);
	expect(result->warnings == NULL || backend_jsonb(result->warnings, strlen(result->warnings)) != NULL,
		   "warnings are JSON");
	__real_ack_result(result);
}

int
rows_left(const Lane *lane)
{
	int			left = 0;

	for (int i = 0; i < nrows; i++)
		left += !rows[i].ended && (lane == NULL || rows[i].lane == lane);
	return left;
}

void
rows_look_at_request(int slot)
{
	int64		ids[MAX_ROWS + 1];
	int			n = send_flight_ids(slot, ids, lengthof(ids));

	expect(n <= MAX_ROWS, "a request has no row twice");
	for (int i = 0; i < n; i++)
	{
		FuzzRow    *row = row_of(ids[i]);

		expect(!row->ended, "no row under way has ended");
		expect(row->seen == 0, "a row is under way once");
		for (int j = 0; j < nrows; j++)
			expect(rows[j].seen == 0 || rows[j].seen == slot + 1 || rows[j].lane != row->lane ||
				   strcmp(rows[j].name, row->name) != 0, "a key is in one request only");
		row->seen = slot + 1;
	}
	if (slot == WIRE_MAX_TRANSFERS - 1)
		for (int i = 0; i < nrows; i++)
			rows[i].seen = 0;
}

/* ---- coming in ---------------------------------------------------------------------- */

/* The object that the row of a call writes, or the one that the input says. */
static Object
object_of(Call call, JsonbContainer *description)
{
	const char *text = member_text(description, "object");

	if (text != NULL && strcmp(text, "association") == 0)
		return OBJECT_IS_ASSOCIATION;
	if (call >= CALL_ADD_TO_LIST)
		return OBJECT_IS_LIST;
	if (call == CALL_DELETE && text != NULL && strcmp(text, "company") == 0)
		return OBJECT_IS_COMPANY;
	return call == CALL_TRACK || call == CALL_PAGE ? OBJECT_IS_EVENT : call == CALL_GROUP ? OBJECT_IS_COMPANY :
		call == CALL_FORM ? OBJECT_IS_FORM : OBJECT_IS_CONTACT;
}

/* The key by the message, as the SQL functions find it; false when there is none. */
static bool
find_key(const Account *account, Call call, Object object, Jsonb *message, MessageKey *key)
{
	const AccountOptions *options = account->options;
	MessageParts parts;
	MessageProblem problem;

	if (!message_read(message, &parts, &problem))
		return false;
	switch (object)
	{
		case OBJECT_IS_EVENT:
			return message_event_key(call, &parts, options->id_property[OBJECT_IS_CONTACT], key, &problem);
		case OBJECT_IS_COMPANY:
			return message_company_key(CALL_GROUP, &parts, options->id_property[OBJECT_IS_COMPANY], key, &problem);
		case OBJECT_IS_FORM:
			return message_form_key(&parts, key, &problem);
		case OBJECT_IS_LIST:
			return message_member_key(call, &parts, (const char *const *) options->id_property, key, &problem);
		case OBJECT_IS_ASSOCIATION:
			return false;
		default:
			return message_known_contact_key(call, &parts, options->id_property[OBJECT_IS_CONTACT], key, &problem);
	}
}

static bool
describe(const Account *account, JsonbContainer *description, Call *call, Object *object, Jsonb **message, MessageKey *key)
{
	const char *name = member_text(description, "call");
	JsonbValue	value;

	for (*call = CALL_IDENTIFY; *call < CALL_COUNT; (*call)++)
		if (name != NULL && strcmp(call_names[*call], name) == 0)
			break;
	if (*call == CALL_COUNT || (*call > CALL_DELETE && *call < CALL_ADD_TO_LIST) ||
		getKeyJsonValueFromContainer(description, "message", strlen("message"), &value) == NULL)
		return false;
	*message = JsonbValueToJsonb(&value);
	*object = object_of(*call, description);
	key->key = member_text(description, "key");
	key->property = member_text(description, "property");
	if (key->property != NULL && (key->property[0] == '\0' || strlen(key->property) > 100))
		key->property = NULL;
	return key->key != NULL ? strlen(key->key) <= MESSAGE_MAX_KEY
		: find_key(account, *call, *object, *message, key);
}

/* As admit.c finds it in the outbox. */
static void
admit(Account *account, JsonbContainer *description, TupleTableSlot *slot)
{
	const Catalog *catalog = ring_catalog(false);
	Call		call;
	Object		object;
	Jsonb	   *message;
	MessageKey	key;
	const char *mode = member_text(description, "mode");
	FuzzRow    *row = &rows[nrows];
	Refusal		why;
	Lane	   *lane;

	if (nrows == MAX_ROWS || !describe(account, description, &call, &object, &message, &key))
		return;
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
#define PUT(attribute, datum) \
	(slot->tts_values[(attribute) - 1] = (datum), slot->tts_isnull[(attribute) - 1] = false)
	PUT(Anum_outbox_id, Int64GetDatum(FIRST_ID + nrows));
	PUT(Anum_outbox_created_at, TimestampTzGetDatum(GetCurrentTimestamp()));
	PUT(Anum_outbox_server, ObjectIdGetDatum(account->server));
	PUT(Anum_outbox_call, ObjectIdGetDatum(catalog->call[call]));
	PUT(Anum_outbox_object, object_datum(object));
	if (member_is_true(description, "overdue"))
		PUT(Anum_outbox_deadline, TimestampTzGetDatum(GetCurrentTimestamp()));
	if (member_is_true(description, "backfill"))
		PUT(Anum_outbox_backfill, BoolGetDatum(true));
	if (mode != NULL && (mode[0] == MODE_UPDATE || mode[0] == MODE_CREATE))
		PUT(Anum_outbox_mode, CharGetDatum(mode[0]));
	if (key.property != NULL)
		PUT(Anum_outbox_key_property, CStringGetTextDatum(key.property));
	PUT(Anum_outbox_key, CStringGetTextDatum(key.key));
	PUT(Anum_outbox_message, JsonbPGetDatum(message));
#undef PUT
	ExecStoreVirtualTuple(slot);

	nrows++;
	row->ended = false;
	row->seen = 0;
	row->name = psprintf("%s %s", key.property != NULL ? key.property : "", key.key);
	row->lane = lane = admit_lane(slot, &why);
	if (lane == NULL)
		admit_refuse(FIRST_ID + nrows - 1, &why);
	else
		admit_row(lane, slot, member_is_true(description, "lost"));
}

void
rows_admit(Account *account, JsonbContainer *descriptions)
{
	Relation	outbox = RelationIdGetRelation(ring_catalog(false)->outbox[0]);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(outbox), &TTSOpsVirtual);
	int			n;

	nrows = 0;
	record_map_open();
	(void) element(descriptions, 0, &n);
	for (int i = 0; i < n; i++)
	{
		JsonbContainer *description = element(descriptions, i, &n);

		if (description != NULL)
			admit(account, description, slot);
	}
	record_map_close();
	ExecDropSingleTupleTableSlot(slot);
	RelationClose(outbox);
}
