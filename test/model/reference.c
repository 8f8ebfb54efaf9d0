/*
 * reference.c
 *		What must hold, whatever happens: docs/how-it-works.md and the promises, in other words.
 *
 * Of contacts, companies, events and forms; objects.c has the rest.
 *
 * Knows what the sessions called, what was sent and answered, what HubSpot did,
 * and which verdicts stand in the tables; nothing of how the worker comes to
 * them.  Every value that a call writes names the call: "v<number>".
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "ring/ring.h"
#include "ring/ring_scan.h"
#include "ring/snapshot.h"
#include "reference.h"
#include "simulated.h"

#include <json-c/json.h>

#define MAX_FACTS		2048
#define MAX_RECORDS		64

typedef enum FactKind
{
	FACT_VALUE,					/* a contact's property was written */
	FACT_EXTRA,					/* the same of one that a call creates */
	FACT_COMPANY,				/* a company's name was written */
	FACT_EVENT,
	FACT_ASSOCIATION,
	FACT_FORM,
	FACT_DELETE					/* a contact was archived */
} FactKind;

/* HubSpot did something. */
typedef struct Fact
{
	FactKind	kind;
	int			moment;
	int			life;			/* of the worker that had sent it */
	int			call;			/* whose value; -1: of an association */
	int			contact;		/* number of its address; -1: none that we know */
	int			company;
	int			property;
} Fact;

static Fact facts[MAX_FACTS];
static int	nfacts;
static Record records[MAX_RECORDS];
static int	nrecords;
static Verdicts verdicts[MAX_CALLS * 4];
static int	nverdicts;
static bool unmarked_refused;	/* a request that names no call was refused */
static bool unmarked_troubled;
static bool excused;
static bool has_ended[MAX_CALLS][4];
static Snap *covered;			/* by the checkpoint that is being written */
static MemoryContext context;

extern void __real_checkpoint_write(void);
extern void __wrap_checkpoint_write(void);
extern Datum __real_snapshot_to_datum(const Snap *snap);
extern Datum __wrap_snapshot_to_datum(const Snap *snap);

void
reference_begin(void)
{
	nfacts = nrecords = nverdicts = 0;
	unmarked_refused = unmarked_troubled = excused = false;
	memset(has_ended, 0, sizeof(has_ended));
	covered = NULL;
	context = CurrentMemoryContext;
	objects_begin();
}

bool
reference_is_excused(void)
{
	return excused;
}

/* ---- who is meant ---------------------------------------------------------------------------- */

bool
is_success(const char *word)
{
	Assert(word != NULL);		/* read only of rows that have ended */
	return strcmp(word, "delivered") == 0 || strcmp(word, "unchanged") == 0 || strcmp(word, "coalesced") == 0;
}

const Verdicts *
verdict_of(int64 id)
{
	for (int i = 0; i < nverdicts; i++)
		if (verdicts[i].id == id)
			return &verdicts[i];
	return NULL;
}

const Verdicts *
carrier(int64 id)
{
	const Verdicts *verdict = verdict_of(id);

	for (int i = 0; verdict != NULL && verdict->merged_into != 0 && i < MAX_CALLS; i++)
		verdict = verdict_of(verdict->merged_into);
	return verdict;
}

int64
row_of(const ModelCall *call, int object)
{
	for (int i = 0; i < call->nrows; i++)
		if (call->object[i] == object)
			return call->row[i];
	return 0;
}

static bool
tells(const ModelCall *teller, int user)
{
	return teller->kind == KIND_IDENTIFY && teller->user == user && teller->committed != 0;
}

static bool
told_well(const ModelCall *teller)
{
	const Verdicts *verdict = carrier(teller->id);

	return verdict != NULL && is_success(verdict->word);
}

/*
 * By a userId it is the contact told by the youngest row before it; rows that were committed after
 * it may have come in time, or not.  If no row before it tells one, a later one may.
 */
int
contacts_told(const ModelCall *call, int user, bool *certain)
{
	int			contacts = 0;
	int64		below = call->id;

	*certain = true;
	for (;;)
	{
		const ModelCall *youngest = NULL;

		for (int i = 0; i < ncalls; i++)
			if (tells(&calls[i], user) && calls[i].id < below &&
				(youngest == NULL || calls[i].id > youngest->id))
				youngest = &calls[i];
		if (youngest == NULL)
			break;
		contacts |= 1 << youngest->contact;
		if (youngest->committed <= call->committed && told_well(youngest))
			return contacts;
		below = youngest->id;
	}
	*certain = false;
	for (int i = 0; i < ncalls; i++)
		if (tells(&calls[i], user))
			contacts |= 1 << calls[i].contact;
	return contacts;
}

/* The contacts that a call may be about, a bit each. */
static int
contacts_of(const ModelCall *call, bool *certain)
{
	*certain = true;
	return call->contact >= 0 ? 1 << call->contact : contacts_told(call, call->user, certain);
}

bool
may_be_deleted(int contacts, const ModelCall *behind)
{
	for (int i = 0; i < ncalls; i++)
	{
		bool		certain;

		if (calls[i].kind == KIND_DELETE && calls[i].committed != 0 &&
			(contacts_of(&calls[i], &certain) & contacts) != 0 &&
			(behind == NULL || calls[i].id > behind->id || calls[i].committed >= behind->committed))
			return true;
	}
	return false;
}

/* ---- what HubSpot did --------------------------------------------------------------------------- */

const char *
member(struct json_object *object, const char *name)
{
	struct json_object *value;

	if (object == NULL || !json_object_object_get_ex(object, name, &value) ||
		!json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static Record *
record_of(const char *id, RecordSort sort)
{
	for (int i = 0; id != NULL && i < nrecords; i++)
		if (strcmp(records[i].id, id) == 0 && records[i].sort == sort)
			return &records[i];
	return NULL;
}

static void
note_record(const char *id, RecordSort sort, int number)
{
	if (record_of(id, sort) != NULL || nrecords == MAX_RECORDS)
		return;
	strlcpy(records[nrecords].id, id, sizeof(records[0].id));
	records[nrecords].sort = sort;
	records[nrecords++].number = number;
}

/* A record that something else has made: HubSpot is asked who it is. */
Record *
find_record(const char *id, RecordSort sort)
{
	for (int i = 0; record_of(id, sort) == NULL && i < sorts[sort].records; i++)
	{
		RecordName	name = record_name(sort, i, -1);
		SimulatedAnswer answer;
		struct json_object *root;
		struct json_object *results;

		simulated_ask("GET", psprintf("/_sim/objects/%s?key=%s&property=%s", sorts[sort].path, name_key(&name),
									  sorts[sort].property), NULL, NULL, &answer);
		root = json_tokener_parse(answer.body);
		if (json_object_object_get_ex(root, "results", &results))
			for (size_t j = 0; j < json_object_array_length(results); j++)
				note_record(member(json_object_array_get_idx(results, j), "id"), sort, i);
		json_object_put(root);
	}
	return record_of(id, sort);
}

bool
has_had(RecordSort sort, int number, const char *id)
{
	const Record *record = record_of(id, sort);

	return record != NULL && record->number == number;
}

int
count_records(RecordSort sort, int number)
{
	int			n = 0;

	for (int i = 0; i < nrecords; i++)
		n += records[i].sort == sort && records[i].number == number;
	return n;
}

/* What an address, a domain, another key says: its number; -1: none of ours. */
static int
number_of(const char *key, RecordSort sort)
{
	for (int i = 0; key != NULL && i < sorts[sort].records; i++)
	{
		RecordName	name = record_name(sort, i, -1);

		if (strcmp(name_key(&name), key) == 0)
			return i;
	}
	return -1;
}

int
learn_record(struct json_object *line, struct json_object *properties, RecordSort sort)
{
	const char *id = member(line, "id");
	int			number = number_of(member(properties, sorts[sort].property), sort);
	Record	   *record;

	if (number < 0)
		number = number_of(member(line, "key"), sort);
	if (id != NULL && number >= 0)
		note_record(id, sort, number);
	record = record_of(id, sort);
	if (record != NULL && number >= 0)
		record->number = number;
	if (record == NULL && id != NULL)
		record = find_record(id, sort);
	return record != NULL ? record->number : -1;
}

/* The calls whose values a body has; -1 at the end.  *at: where to go on. */
static int
next_marker(const char **at)
{
	while ((*at = strstr(*at, "\"v")) != NULL)
	{
		int			number = atoi(*at + 2);

		*at += 2;
		if ((*at)[0] >= '0' && (*at)[0] <= '9' && number < ncalls)
			return number;
	}
	return -1;
}

int
call_of(const char *value)
{
	int			number;

	if (value == NULL || sscanf(value, "v%d", &number) != 1)
		return -1;
	if (number < 0 || number >= ncalls)
		violated("HubSpot gets what was called", "%s was not", value);
	return number;
}

static void
add_fact(FactKind kind, int call, int contact, int company, int property)
{
	static const char *const words[] = {"a value", "a new property's value", "a company", "an event", "an association", "a form", "a deletion"};

	if (call >= 0 && calls[call].committed == 0)
		violated("what is not committed is not sent", "%s of call %d", words[kind], call);
	if (nfacts == MAX_FACTS)
		violated("HubSpot has no end of work", "%d records written", nfacts);
	facts[nfacts++] = (Fact)
	{
		kind, moment, life, call, contact, company, property
	};
}

static void
note_values(struct json_object *properties, int contact)
{
	static const char *const names[PROPERTIES] = {"city", "firstname", "lastname"};

	for (int i = 0; i < PROPERTIES; i++)
	{
		int			call = call_of(member(properties, names[i]));

		if (call >= 0)
			add_fact(FACT_VALUE, call, contact, -1, i);
	}
	for (int i = 0; i < EXTRAS; i++)
	{
		int			call = call_of(member(properties, psprintf("extra%d", i)));

		if (call >= 0)
			add_fact(FACT_EXTRA, call, contact, -1, i);
	}
}

static void
note_line(struct json_object *line)
{
	const char *op = member(line, "op");
	const char *object = member(line, "object");
	struct json_object *properties = NULL;

	(void) json_object_object_get_ex(line, "properties", &properties);
	for (RecordSort sort = SORT_DEAL; sort < SORT_COUNT; sort++)
		if (strcmp(object, sorts[sort].path) == 0)
		{
			if (strcmp(op, "archive") == 0)
				objects_note_archive(line, sort);
			else
				objects_note_record(line, properties, sort);
			return;
		}
	if (strcmp(op, "archive") == 0)
		add_fact(FACT_DELETE, -1, learn_record(line, NULL, SORT_CONTACT), -1, -1);
	else if (strcmp(object, "contacts") == 0)
		note_values(properties, learn_record(line, properties, SORT_CONTACT));
	else if (strcmp(object, "companies") == 0)
	{
		int			company = learn_record(line, properties, SORT_COMPANY);
		int			call = call_of(member(properties, "name"));

		if (call >= 0)
			add_fact(FACT_COMPANY, call, -1, company, -1);
	}
	else if (strcmp(op, "event") == 0)
	{
		/* one for an address that nobody has makes the contact */
		add_fact(FACT_EVENT, call_of(member(properties, "marker")), learn_record(line, line, SORT_CONTACT), -1, -1);
	}
	else if (strcmp(op, "form") == 0)
	{
		const char *text = json_object_to_json_string(line);

		add_fact(FACT_FORM, next_marker(&text), -1, -1, -1);
	}
	else if (strcmp(object, "associations") == 0)
	{
		if (strcmp(op, "associate") == 0 && member(line, "contact") != NULL)
		{
			Record	   *contact = find_record(member(line, "contact"), SORT_CONTACT);
			Record	   *company = find_record(member(line, "company"), SORT_COMPANY);

			add_fact(FACT_ASSOCIATION, -1, contact != NULL ? contact->number : -1,
					 company != NULL ? company->number : -1, -1);
		}
		if (strcmp(op, "unlabel") != 0)
			objects_note_pair(line, strcmp(op, "associate") == 0);
	}
}

void
reference_applied(void)
{
	char	   *copy = strdup(simulated_applied());

	moment++;
	for (char *at = copy; *at != '\0';)
	{
		char	   *end = strchr(at, '\n');
		struct json_object *line;

		*end = '\0';
		line = json_tokener_parse(at);
		note_line(line);
		json_object_put(line);
		at = end + 1;
	}
	free(copy);
}

/* ---- what is sent ------------------------------------------------------------------------------------ */

void
reference_sent(const char *body)
{
	int			number;

	if (body == NULL)
		return;
	while ((number = next_marker(&body)) >= 0)
	{
		if (calls[number].committed == 0)
			violated("what is not committed is not sent", "call %d", number);
		calls[number].sent = true;
	}
}

/* Between a worker's note that a form begins and the form's way, nothing but the worker goes on. */
void
reference_worker_ends(bool at_rest)
{
	for (int i = 0; i < ncalls; i++)
		calls[i].interrupted |= calls[i].sent || (!at_rest && calls[i].committed != 0);
}

void
reference_trouble(const char *path, const char *body, bool is_refusal)
{
	bool		marked = false;
	int			number;

	for (int i = 0; i < ncalls; i++)
		if (objects_concern(&calls[i], path, body))
		{
			calls[i].troubled++;
			calls[i].refused += is_refusal;
		}
	while (body != NULL && (number = next_marker(&body)) >= 0)
	{
		marked = true;
		calls[number].troubled++;
		calls[number].refused += is_refusal;
	}
	if (!marked)
	{
		unmarked_troubled = true;
		unmarked_refused |= is_refusal;
	}
}

static bool
are_of_one_record(const ModelCall *a, const ModelCall *b)
{
	if (a->kind == KIND_RECORD || b->kind == KIND_RECORD)
		return a->kind == b->kind && a->end[0].sort == b->end[0].sort && a->end[0].number == b->end[0].number;
	return (a->contact >= 0 && a->contact == b->contact) || (a->company >= 0 && a->company == b->company) ||
		(a->user >= 0 && a->user == b->user);
}

/* What befalls a row is once for all that may be merged with it. */
bool
reference_was_mended(const char *body, int trouble)
{
	bool		marked = false;
	int			number;

	while (body != NULL && (number = next_marker(&body)) >= 0)
	{
		marked = true;
		for (int i = 0; i < ncalls; i++)
			if ((calls[i].mended & (1U << trouble)) != 0 &&
				(i == number || are_of_one_record(&calls[i], &calls[number])))
				return true;
	}
	return !marked;
}

void
reference_mended(const char *body, int trouble)
{
	int			number;

	while (body != NULL && (number = next_marker(&body)) >= 0)
		calls[number].mended |= 1U << trouble;
}

void
reference_excuse(void)
{
	excused = true;
}

/* ---- the tables --------------------------------------------------------------------------------------- */

/* Whether a row has its verdict, or a copy in hubspot.deferred. */
static bool
is_there(Oid heap, Oid index, int64 id)
{
	RingScan	scan;
	bool		found;

	PushActiveSnapshot(GetTransactionSnapshot());
	ring_scan_open(&scan, heap, index, 1);
	found = ring_scan_find(&scan, id);
	ring_scan_close(&scan);
	PopActiveSnapshot();
	return found;
}

static bool
row_has_ended(int call, int i)
{
	const Catalog *catalog = ring_catalog(false);
	int64		id = calls[call].row[i];

	if (!has_ended[call][i])
		has_ended[call][i] = is_there(catalog->result[RING_CHILD(id)], catalog->result_id[RING_CHILD(id)], id);
	return has_ended[call][i];
}

bool
reference_all_ended(void)
{
	for (int i = 0; i < ncalls; i++)
		for (int j = 0; calls[i].committed != 0 && j < calls[i].nrows; j++)
			if (!row_has_ended(i, j))
				return false;
	return true;
}

Datum
__wrap_snapshot_to_datum(const Snap *snap)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	covered = snapshot_copy(snap);
	MemoryContextSwitchTo(old);
	return __real_snapshot_to_datum(snap);
}

static bool checkpoint_is_written;

void
__wrap_checkpoint_write(void)
{
	__real_checkpoint_write();
	checkpoint_is_written = true;
}

void
reference_transaction_begins(void)
{
	checkpoint_is_written = false;
}

/* A transaction of the worker has committed; perhaps it has written a checkpoint. */
void
reference_checkpoint(void)
{
	if (!checkpoint_is_written)
		return;
	checkpoint_is_written = false;
	for (int i = 0; i < ncalls; i++)
		for (int j = 0; calls[i].committed != 0 && j < calls[i].nrows; j++)
			if (snapshot_sees(covered, FullTransactionIdFromU64(calls[i].xid)) && !row_has_ended(i, j) &&
				!is_there(ring_catalog(false)->deferred, ring_catalog(false)->deferred_id, calls[i].row[j]))
				violated("a checkpoint covers only rows with a verdict or a deferred copy", "row " INT64_FORMAT " of call %d",
						 calls[i].row[j], i);
}

/* ---- at the end ------------------------------------------------------------------------------------------ */

static void
read_verdicts(void)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	(void) statement_execute("SELECT id, verdict::pg_catalog.text, coalesce(merged_into, 0), "
							 "coalesce(category, ''), coalesce(message, '') FROM hubspot.result "
							 "ORDER BY id", 0, NULL, NULL, NULL, true, 0);
	nverdicts = 0;
	for (uint64 i = 0; i < SPI_processed && nverdicts < lengthof(verdicts); i++)
	{
		Verdicts   *verdict = &verdicts[nverdicts++];
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;

		verdict->id = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
		verdict->merged_into = DatumGetInt64(SPI_getbinval(tuple, desc, 3, &isnull));
		strlcpy(verdict->word, SPI_getvalue(tuple, desc, 2), sizeof(verdict->word));
		strlcpy(verdict->category, SPI_getvalue(tuple, desc, 4), sizeof(verdict->category));
		strlcpy(verdict->message, SPI_getvalue(tuple, desc, 5), sizeof(verdict->message));
		say("verdict of " INT64_FORMAT ": %s %s %s", verdict->id, verdict->word, verdict->category,
			verdict->message);
	}
	SPI_finish();
	PopActiveSnapshot();
}

static void
check_each_has_one(void)
{
	for (int i = 0; i < nverdicts; i++)
	{
		bool		known = false;

		if (i > 0 && verdicts[i].id == verdicts[i - 1].id)
			violated("each row has one verdict", "row " INT64_FORMAT " has two: %s, %s", verdicts[i].id,
					 verdicts[i - 1].word, verdicts[i].word);
		for (int j = 0; j < ncalls && !known; j++)
			for (int k = 0; calls[j].committed != 0 && k < calls[j].nrows; k++)
				known |= calls[j].row[k] == verdicts[i].id;
		if (!known)
			violated("only committed rows have verdicts", "row " INT64_FORMAT, verdicts[i].id);
	}
	for (int i = 0; i < ncalls; i++)
		for (int j = 0; calls[i].committed != 0 && j < calls[i].nrows; j++)
			if (verdict_of(calls[i].row[j]) == NULL)
				violated("each committed row has a verdict", "row " INT64_FORMAT " of call %d has none", calls[i].row[j], i);
}

bool
is_made_before(const ModelCall *call, int contacts)
{
	for (int i = 0; i < ncalls; i++)
		if (calls[i].kind == KIND_IDENTIFY && calls[i].committed != 0 && calls[i].committed <= call->committed &&
			calls[i].id < call->id && contacts == 1 << calls[i].contact && told_well(&calls[i]))
			return true;
	return false;
}

/* Whether what a call is about may be missing, or refused. */
static bool
may_fail(const ModelCall *call, int object)
{
	bool		certain;
	int			contacts = contacts_of(call, &certain);

	if (!certain || excused)
		return true;
	if (call->refused > 0 || call->is_bad)
		return true;
	if (object == OBJECT_IS_CONTACT && call->kind == KIND_DELETE)
		return unmarked_refused;
	if (object == OBJECT_IS_EVENT || object == OBJECT_IS_ASSOCIATION)
		if (may_be_deleted(contacts, NULL))
			return true;
	if (object != OBJECT_IS_ASSOCIATION && object != OBJECT_IS_COMPANY)
		return false;
	if (unmarked_refused)
		return true;
	if (object == OBJECT_IS_ASSOCIATION && !is_made_before(call, contacts))
		return true;
	/* an association needs both, and other calls may make them */
	for (int i = 0; i < ncalls; i++)
		if ((calls[i].refused > 0 || calls[i].is_bad || calls[i].cancelled || calls[i].has_deadline) &&
			(calls[i].company == call->company || (calls[i].contact >= 0 && (contacts & (1 << calls[i].contact)))))
			return true;
	return false;
}

static const ModelCall *
call_of_row(int64 id)
{
	for (int i = 0; i < ncalls; i++)
		for (int j = 0; j < calls[i].nrows; j++)
			if (calls[i].row[j] == id)
				return &calls[i];
	return NULL;
}

/* What goes together with others may not end badly for their sake. */
static void
check_merged(const ModelCall *call, int object, const Verdicts *verdict)
{
	const Verdicts *last = carrier(verdict->id);
	const ModelCall *other = last == NULL ? NULL : call_of_row(last->id);

	if (other == NULL || is_success(last->word) || !other->is_bad || other->refused > 0 || may_fail(call, object) ||
		strcmp(last->category, "INVALID_ALPHA") != 0)
		return;
	violated("no row dies of its neighbour", "row " INT64_FORMAT " of call %d went with row " INT64_FORMAT ": %s, %s",
			 verdict->id, call->number, last->id, last->word, last->message);
}

static void
check_verdict(const ModelCall *call, int object, const Verdicts *verdict)
{
	if (object == OBJECT_IS_RECORD || object == OBJECT_IS_PAIR || call->kind == KIND_REMOVE || call->kind == KIND_CREATE)
	{
		objects_check_verdict(call, object, verdict);
		return;
	}
	if (strcmp(verdict->word, "coalesced") == 0)
		check_merged(call, object, verdict);
	/* whatever else happens to a row, these have a reason of their own */
	if (strcmp(verdict->word, "expired") == 0 ? call->has_deadline
		: strcmp(verdict->word, "cancelled") == 0 ? call->cancelled
		: is_success(verdict->word) || may_fail(call, object))
		return;
	if ((call->troubled > 0 || call->interrupted) && object == OBJECT_IS_FORM && strcmp(verdict->word, "unknown") == 0)
		return;
	if (call->troubled > 0 && object == OBJECT_IS_EVENT &&
		(strcmp(verdict->word, "sent_unconfirmed") == 0 || strcmp(verdict->word, "unknown") == 0))
		return;
	violated("a verdict has its reason in what happened", "row " INT64_FORMAT " of call %d: %s, %s: %s", verdict->id,
			 call->number, verdict->word, verdict->category, verdict->message);
}

static void
check_verdicts(void)
{
	for (int i = 0; i < ncalls; i++)
		for (int j = 0; calls[i].committed != 0 && j < calls[i].nrows; j++)
			check_verdict(&calls[i], calls[i].object[j], verdict_of(calls[i].row[j]));
}

static int
count_facts(FactKind kind, int call)
{
	int			n = 0;

	for (int i = 0; i < nfacts; i++)
		n += facts[i].kind == kind && facts[i].call == call;
	return n;
}

/* What HubSpot got of a call went to whom it named. */
static void
check_contacts(void)
{
	for (int i = 0; i < nfacts; i++)
	{
		bool		certain;

		if (facts[i].kind != FACT_VALUE && facts[i].kind != FACT_EVENT)
			continue;
		/* an event of a record that is archived: HubSpot does not tell whose it was */
		if (facts[i].kind == FACT_EVENT && facts[i].contact < 0 &&
			may_be_deleted(contacts_of(&calls[facts[i].call], &certain), NULL))
			continue;
		if (facts[i].contact < 0 ||
			(contacts_of(&calls[facts[i].call], &certain) & (1 << facts[i].contact)) == 0)
			violated("a call is about the contact that the youngest row before it has told", "%s of call %d went to c%d",
					 facts[i].kind == FACT_VALUE ? "a value" : "the event", facts[i].call, facts[i].contact);
	}
}

static void
check_events(void)
{
	for (int i = 0; i < ncalls; i++)
	{
		int64		id = row_of(&calls[i], OBJECT_IS_EVENT);
		int			n = count_facts(FACT_EVENT, i);

		if (id == 0 || calls[i].committed == 0)
			continue;
		if (n > 1)
			violated("an event is effective once", "call %d: %d times", i, n);
		if (n == 0 && is_success(verdict_of(id)->word))
			violated("delivered is what HubSpot holds", "the event of call %d", i);
	}
}

static void
check_forms(void)
{
	for (int i = 0; i < ncalls; i++)
	{
		int64		id = row_of(&calls[i], OBJECT_IS_FORM);
		int			n = count_facts(FACT_FORM, i);

		if (id == 0 || calls[i].committed == 0)
			continue;
		if (n > 1)
			violated("a form is submitted once at most", "call %d: %d times", i, n);
		if (n == 0 && is_success(verdict_of(id)->word))
			violated("delivered is what HubSpot holds", "the form of call %d", i);
		if (n > 0 && strcmp(verdict_of(id)->word, "cancelled") == 0)
			violated("what is cancelled has not been sent", "the form of call %d", i);
	}
}

static bool
is_deleted_between(int i, int j)
{
	for (int k = i; k < j; k++)
		if (facts[k].kind == FACT_DELETE && (facts[k].contact < 0 || facts[k].contact == facts[j].contact))
			return true;
	return false;
}

/* Order within a life of the worker, per record and property. */
static void
check_order(void)
{
	for (int i = 0; i < nfacts; i++)
		for (int j = i + 1; j < nfacts; j++)
			if (facts[i].kind == FACT_VALUE && facts[j].kind == FACT_VALUE && facts[i].contact == facts[j].contact &&
				facts[i].property == facts[j].property && facts[i].life == facts[j].life &&
				calls[facts[i].call].id > calls[facts[j].call].id &&
				calls[facts[j].call].committed <= facts[i].moment && !is_deleted_between(i, j))
			{
				/*
				 * The older one was committed when the younger one was written.  What was merged
				 * may have arrived, its answer be lost, and its repeat be refused: then it goes in
				 * parts.
				 */
				if (calls[facts[i].call].refused > 0)
					continue;
				if (calls[facts[j].call].committed <= calls[facts[i].call].committed)
					violated("the order of a record's calls is kept", "c%d: call %d after call %d", facts[i].contact,
							 facts[j].call, facts[i].call);
			}
}

/* HubSpot holds in the end what the youngest call said that ended well. */
static void
check_values(void)
{
	for (int contact = 0; contact < CONTACTS; contact++)
		for (int property = 0; property < PROPERTIES; property++)
		{
			const ModelCall *wanted = NULL;
			const Fact *last = NULL;

			for (int i = 0; i < ncalls; i++)
			{
				const ModelCall *call = &calls[i];
				int64		id = row_of(call, OBJECT_IS_CONTACT);
				bool		certain;

				if (id == 0 || call->committed == 0 || (call->properties & (1 << property)) == 0 ||
					contacts_of(call, &certain) != 1 << contact || !certain)
					continue;
				if (is_success(carrier(id)->word) && (wanted == NULL || call->id > wanted->id))
					wanted = call;
			}
			for (int i = 0; i < nfacts; i++)
				if (facts[i].kind == FACT_VALUE && facts[i].contact == contact && facts[i].property == property)
					last = &facts[i];
			if (wanted == NULL || may_be_deleted(1 << contact, wanted))
				continue;
			for (const Fact *fact = last; fact != NULL && fact < facts + nfacts; fact++)
				if (fact->kind == FACT_DELETE && fact->contact == contact)
					violated("what is called behind a deletion stays", "c%d: of call %d", contact, wanted->number);
			if (last != NULL && last->call == wanted->number)
				continue;
			if (last == NULL)
				violated("delivered is what HubSpot holds", "c%d: nothing of call %d", contact, wanted->number);
			/* an older one that came later, when the younger was committed first and gone */
			if (calls[last->call].committed > wanted->committed)
				continue;
			if (calls[last->call].id > wanted->id && !is_success(carrier(row_of(&calls[last->call], OBJECT_IS_CONTACT))->word))
				continue;
			if (calls[last->call].contact < 0)
				continue;
			violated("HubSpot holds the youngest value in the end", "c%d: of call %d, and not of call %d", contact,
					 last->call, wanted->number);
		}
}

/* Whether a row that was queued before this one has created the property that it writes. */
static bool
is_created_before(const ModelCall *call)
{
	for (int i = 0; i < ncalls; i++)
		if (calls[i].kind == KIND_CREATE && calls[i].extra == call->extra && calls[i].committed != 0 &&
			calls[i].committed <= call->committed && calls[i].id < call->id &&
			is_success(carrier(calls[i].id)->word))
			return true;
	return false;
}

/* What has been queued to be created before a row is there for it. */
static void
check_extras(void)
{
	for (int i = 0; i < ncalls; i++)
	{
		bool		found = false;

		if (calls[i].kind != KIND_IDENTIFY || calls[i].extra < 0 || calls[i].committed == 0 ||
			!is_success(carrier(calls[i].id)->word) || !is_created_before(&calls[i]))
			continue;
		/* merged calls have the younger's value */
		for (int j = 0; j < nfacts; j++)
			found |= facts[j].kind == FACT_EXTRA && facts[j].property == calls[i].extra &&
				facts[j].contact == calls[i].contact && calls[facts[j].call].id >= calls[i].id;
		if (!found)
			violated("a row has what was queued to be created before it", "extra%d of call %d", calls[i].extra, i);
	}
}

/* What rows add to, in whatever order and however often, has it in the end. */
static void
check_tags(void)
{
	for (int i = 0; i < ncalls; i++)
	{
		SimulatedAnswer answer;
		struct json_object *root;
		struct json_object *results;
		struct json_object *properties = NULL;
		const char *tags = NULL;

		if (!calls[i].adds || calls[i].committed == 0 || !is_success(carrier(calls[i].id)->word) ||
			may_be_deleted(1 << calls[i].contact, NULL))
			continue;
		simulated_ask("GET", psprintf("/_sim/objects/contacts?key=c%d@example.com", calls[i].contact), NULL, NULL, &answer);
		root = json_tokener_parse(answer.body);
		if (json_object_object_get_ex(root, "results", &results) && json_object_array_length(results) > 0 &&
			json_object_object_get_ex(json_object_array_get_idx(results, 0), "properties", &properties))
			tags = member(properties, "tags");
		if (tags == NULL || strstr(psprintf(";%s;", tags), psprintf(";t%d;", i)) == NULL)
			violated("what a call adds is there in the end", "t%d of c%d, which has %s", i, calls[i].contact,
					 tags != NULL ? tags : "none");
		json_object_put(root);
	}
}

static void
check_associations(void)
{
	for (int i = 0; i < ncalls; i++)
	{
		int64		id = row_of(&calls[i], OBJECT_IS_ASSOCIATION);
		bool		certain;
		int			contacts;
		bool		found = false;

		if (id == 0 || calls[i].committed == 0 || !is_success(carrier(id)->word))
			continue;
		contacts = contacts_of(&calls[i], &certain);
		if (may_be_deleted(contacts, NULL))
			continue;
		for (int j = 0; j < nfacts; j++)
			found |= facts[j].kind == FACT_ASSOCIATION && facts[j].company == calls[i].company &&
				facts[j].contact >= 0 && (contacts & (1 << facts[j].contact)) != 0;
		if (!found)
			violated("delivered is what HubSpot holds", "the association of call %d", i);
	}
}

/* Who was to be deleted is archived, and nobody else. */
static void
check_deletions(void)
{
	int			meant = 0;

	for (int i = 0; i < ncalls; i++)
	{
		bool		certain;
		int			contacts;
		bool		found = false;

		if (calls[i].kind != KIND_DELETE || calls[i].committed == 0)
			continue;
		contacts = contacts_of(&calls[i], &certain);
		meant |= contacts;
		for (int j = 0; j < nfacts; j++)
			found |= facts[j].kind == FACT_DELETE && (facts[j].contact < 0 || (contacts & (1 << facts[j].contact)) != 0);
		if (!found && strcmp(carrier(calls[i].id)->word, "delivered") == 0)
			violated("delivered is what HubSpot holds", "the deletion of call %d", i);
	}
	for (int i = 0; i < nfacts; i++)
		if (facts[i].kind == FACT_DELETE && facts[i].contact >= 0 && (meant & (1 << facts[i].contact)) == 0)
			violated("nobody is archived whom no call has deleted", "c%d", facts[i].contact);
}

void
reference_at_end(void)
{
	read_verdicts();
	check_each_has_one();
	check_verdicts();
	check_contacts();
	check_events();
	check_forms();
	check_order();
	check_values();
	check_tags();
	check_extras();
	check_deletions();
	check_associations();
	objects_check();
}
