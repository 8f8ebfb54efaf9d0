/*
 * objects.c
 *		What must hold of records of further types, and of pairs of records.
 *
 * As reference.c, of which this is a part: it knows what was called, what HubSpot did and holds,
 * and the verdicts.  The rows of one name of a record keep their order; a record that is named in
 * two ways (by a key, by HubSpot's id) has two orders, and what they say of each other is left open.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "reference.h"
#include "simulated.h"

#include <json-c/json.h>

#define MAX_OBJECT_FACTS	2048
#define MAX_LINKS			256

typedef enum ObjectFactKind
{
	OBJECT_VALUE,				/* a property was written */
	OBJECT_GONE,				/* a record was archived */
	OBJECT_LINKED,				/* two were associated ... */
	OBJECT_UNLINKED				/* ... or are not any more */
} ObjectFactKind;

typedef struct ObjectFact
{
	ObjectFactKind kind;
	int			moment;
	int			life;			/* of the worker that had sent it */
	int			call;			/* whose value; -1: of no call alone */
	RecordSort	sort[2];
	int			number[2];		/* -1: none that we know */
	char		id[24];			/* of the first */
	int			property;
	bool		created;		/* the record came to be by it */
} ObjectFact;

/* Two records that are associated in the end. */
typedef struct Link
{
	RecordSort	sort[2];
	int			number[2];
	int			labels;			/* bits */
} Link;

static ObjectFact facts[MAX_OBJECT_FACTS];
static int	nfacts;
static Link links[MAX_LINKS];
static int	nlinks;

static const char *const property_names[RECORD_PROPERTIES] = {"first", "second"};

void
objects_begin(void)
{
	nfacts = nlinks = 0;
}

/* ---- what HubSpot did ----------------------------------------------------------------------- */

static ObjectFact *
add_fact(ObjectFactKind kind, int call)
{
	if (call >= 0 && calls[call].committed == 0)
		violated("what is not committed is not sent", "a value of a record, of call %d", call);
	if (nfacts == MAX_OBJECT_FACTS)
		violated("HubSpot has no end of work", "%d records written", nfacts);
	memset(&facts[nfacts], 0, sizeof(facts[0]));
	facts[nfacts].kind = kind;
	facts[nfacts].call = call;
	facts[nfacts].moment = moment;
	facts[nfacts].life = life;
	return &facts[nfacts++];
}

static void
set_id(ObjectFact *fact, struct json_object *line, RecordSort sort, int number)
{
	const char *id = member(line, "id");

	fact->sort[0] = sort;
	fact->number[0] = number;
	strlcpy(fact->id, id != NULL ? id : "", sizeof(fact->id));
}

void
objects_note_record(struct json_object *line, struct json_object *properties, RecordSort sort)
{
	int			number = learn_record(line, properties, sort);
	struct json_object *created;

	for (int i = 0; i < RECORD_PROPERTIES; i++)
	{
		int			call = call_of(member(properties, property_names[i]));
		ObjectFact *fact;

		if (call < 0)
			continue;
		fact = add_fact(OBJECT_VALUE, call);
		set_id(fact, line, sort, number);
		fact->property = i;
		fact->created = json_object_object_get_ex(line, "created", &created) &&
			json_object_get_boolean(created);
	}
}

void
objects_note_archive(struct json_object *line, RecordSort sort)
{
	set_id(add_fact(OBJECT_GONE, -1), line, sort, learn_record(line, NULL, sort));
}

static int
sort_of_path(const char *path)
{
	for (int sort = 0; path != NULL && sort < SORT_COUNT; sort++)
		if (strcmp(sorts[sort].path, path) == 0)
			return sort;
	return -1;
}

/* One end of a line about a pair; false: it is no record of ours. */
static bool
read_end(struct json_object *line, const char *object, const char *id, RecordSort *sort, int *number)
{
	int			found = sort_of_path(member(line, object));
	const Record *record = found < 0 ? NULL : find_record(member(line, id), (RecordSort) found);

	if (record == NULL)
		return false;
	*sort = record->sort;
	*number = record->number;
	return true;
}

void
objects_note_pair(struct json_object *line, bool is_made)
{
	ObjectFact	fact = {0};
	ObjectFact *added;

	if (!read_end(line, "from_object", "from", &fact.sort[0], &fact.number[0]) ||
		!read_end(line, "to_object", "to", &fact.sort[1], &fact.number[1]))
		return;
	added = add_fact(is_made ? OBJECT_LINKED : OBJECT_UNLINKED, -1);
	for (int i = 0; i < 2; i++)
	{
		added->sort[i] = fact.sort[i];
		added->number[i] = fact.number[i];
	}
}

/* ---- names -------------------------------------------------------------------------------------- */

/* The records of its sort that a name may mean, a bit each; *certain: it is told before the call. */
static int
numbers_of(const ModelCall *call, const RecordName *name, bool *certain)
{
	*certain = true;
	return name->user >= 0 ? contacts_told(call, name->user, certain) : 1 << name->number;
}

static bool
may_mean(const ModelCall *call, const RecordName *name, RecordSort sort, int number)
{
	bool		certain;

	return name->sort == sort && (numbers_of(call, name, &certain) & (1 << number)) != 0;
}

/* Whether rows by these names keep their order. */
static bool
is_same_name(const RecordName *a, const RecordName *b)
{
	return a->sort == b->sort && a->number == b->number && a->user == b->user &&
		strcmp(a->record_id, b->record_id) == 0;
}

/* Whether a call may archive the record; but for those that are surely before "behind". */
static bool
may_be_removed(RecordSort sort, int number, const ModelCall *behind, const RecordName *name)
{
	for (int i = 0; i < ncalls; i++)
		if (calls[i].kind == KIND_REMOVE && calls[i].committed != 0 &&
			calls[i].end[0].sort == sort && calls[i].end[0].number == number &&
			(behind == NULL || calls[i].id > behind->id || calls[i].committed >= behind->committed ||
			 !is_same_name(&calls[i].end[0], name)))
			return true;
	return false;
}

/* Whether a row before the call makes the company. */
static bool
company_is_made_before(const ModelCall *call, int company)
{
	for (int i = 0; i < ncalls; i++)
		if (calls[i].company == company && calls[i].committed != 0 && calls[i].committed <= call->committed &&
			calls[i].id < call->id && is_success(carrier(row_of(&calls[i], OBJECT_IS_COMPANY))->word))
			return true;
	return false;
}

/* The same of a deal or car; one that HubSpot's id names was there when that was asked. */
static bool
record_is_made_before(const ModelCall *call, const RecordName *name)
{
	if (name->record_id[0] != '\0')
		return true;
	for (int i = 0; i < ncalls; i++)
		if (calls[i].kind == KIND_RECORD && calls[i].committed != 0 && calls[i].committed <= call->committed &&
			(calls[i].id < call->id || (&calls[i] == call && call->is_pair)) &&
			is_same_name(&calls[i].end[0], name) && calls[i].mode != MODE_UPDATE &&
			is_success(carrier(row_of(&calls[i], OBJECT_IS_RECORD))->word))
			return true;
	return false;
}

/* Whether the record that a name means is there, whatever else is called. */
static bool
is_surely_there(const ModelCall *call, const RecordName *name)
{
	bool		certain;
	int			numbers = numbers_of(call, name, &certain);

	if (!certain)
		return false;
	switch (name->sort)
	{
		case SORT_CONTACT:
			return !may_be_deleted(numbers, NULL) && (name->record_id[0] != '\0' || is_made_before(call, numbers));
		case SORT_COMPANY:
			return name->record_id[0] != '\0' || company_is_made_before(call, name->number);
		default:
			return !may_be_removed(name->sort, name->number, NULL, name) && record_is_made_before(call, name);
	}
}

/* ---- requests --------------------------------------------------------------------------------------- */

static bool
body_names(const char *body, const char *text)
{
	return body != NULL && strstr(body, psprintf("\"%s\"", text)) != NULL;
}

/* By a key or by an id that HubSpot has told of it. */
static bool
body_names_record(const char *body, RecordSort sort, int number)
{
	RecordName	name = record_name(sort, number, -1);

	if (body_names(body, name_key(&name)))
		return true;
	for (const char *at = body; at != NULL && (at = strstr(at, "\"id\":\"")) != NULL;)
	{
		char		id[24];

		at += strlen("\"id\":\"");
		strlcpy(id, at, Min(sizeof(id), strcspn(at, "\"") + 1));
		if (has_had(sort, number, id))
			return true;
	}
	return false;
}

bool
objects_concern(const ModelCall *call, const char *path, const char *body)
{
	if (call->committed == 0 || call->kind < KIND_RECORD)
		return false;
	if (call->kind == KIND_CREATE)
		return strstr(path, "/properties") != NULL;
	if (call->is_pair && call->label >= 0 && strstr(path, "/labels") != NULL)
		return true;
	for (int i = 0; i < 1 + call->is_pair; i++)
	{
		const RecordName *name = &call->end[i];

		if (name->record_id[0] != '\0' && body_names(body, name->record_id))
			return true;
		for (int number = 0; number < sorts[name->sort].records; number++)
			if (may_mean(call, name, name->sort, number) && body_names_record(body, name->sort, number))
				return true;
	}
	return false;
}

/* ---- verdicts ------------------------------------------------------------------------------------------ */

/* Whether both ends may turn out to be one record. */
static bool
may_be_one(const ModelCall *call)
{
	for (int number = 0; number < sorts[call->end[0].sort].records; number++)
		if (may_mean(call, &call->end[0], call->end[0].sort, number) &&
			may_mean(call, &call->end[1], call->end[0].sort, number))
			return true;
	return false;
}

static bool
may_fail(const ModelCall *call, int object)
{
	const RecordName *name = &call->end[0];

	if (reference_is_excused() || call->refused > 0)
		return true;
	if (object == OBJECT_IS_PAIR)
		return may_be_one(call) || !is_surely_there(call, name) || !is_surely_there(call, &call->end[1]);
	if (call->kind == KIND_REMOVE || call->kind == KIND_CREATE)
		return false;
	return (call->mode == MODE_UPDATE || name->record_id[0] != '\0') && !is_surely_there(call, name);
}

/* Whether the record at an end of a pair may go while the pair waits. */
static bool
may_lose_end(const ModelCall *call)
{
	for (int i = 0; i < 2; i++)
	{
		const RecordName *name = &call->end[i];
		bool		certain;

		if (name->sort == SORT_CONTACT ? may_be_deleted(numbers_of(call, name, &certain), NULL)
			: may_be_removed(name->sort, name->number, NULL, name))
			return true;
	}
	return false;
}

/* What is not there is not written, nor taken away: by whom may that be so? */
static bool
may_be_unchanged(const ModelCall *call, int object)
{
	if (object == OBJECT_IS_PAIR)
		return call->label >= 0 || call->kind == KIND_DISSOCIATE;
	if (call->kind == KIND_RECORD)
		return call->mode == MODE_CREATE;
	if (call->kind == KIND_CREATE)
		return true;			/* HubSpot has it already */
	return reference_is_excused() || call->troubled > 0 || call->interrupted ||
		!record_is_made_before(call, &call->end[0]) ||
		may_be_removed(call->end[0].sort, call->end[0].number, call, &call->end[0]) ||
		call->end[0].record_id[0] != '\0';
}

void
objects_check_verdict(const ModelCall *call, int object, const Verdicts *verdict)
{
	const char *word = verdict->word;

	if (strcmp(word, "expired") == 0 ? call->has_deadline
		: strcmp(word, "cancelled") == 0
		? call->cancelled || (object == OBJECT_IS_PAIR && strcmp(verdict->category, "record_deleted") == 0 &&
							  may_lose_end(call))
		: strcmp(word, "unchanged") == 0 ? may_be_unchanged(call, object)
		: is_success(word) || ((strcmp(word, "rejected") == 0 || strcmp(word, "dead") == 0) && may_fail(call, object)))
		return;
	violated("a verdict has its reason in what happened", "row " INT64_FORMAT " of call %d: %s, %s: %s", verdict->id,
			 call->number, verdict->word, verdict->category, verdict->message);
}

/* ---- records ----------------------------------------------------------------------------------------- */

/* The values of a call went to the record that it names, and did to it what the call may do. */
static void
check_value(const ObjectFact *fact)
{
	const ModelCall *call = &calls[fact->call];
	const RecordName *name = &call->end[0];

	if (fact->sort[0] != name->sort || fact->number[0] != name->number ||
		(name->record_id[0] != '\0' && strcmp(fact->id, name->record_id) != 0))
		violated("a call is about the record that it names", "a value of call %d went to %s %s", fact->call,
				 sorts[fact->sort[0]].path, fact->id);
	if (fact->created && (call->mode == MODE_UPDATE || name->record_id[0] != '\0'))
		violated("what only updates creates nothing", "call %d", fact->call);
	if (!fact->created && call->mode == MODE_CREATE && call->troubled == 0 && !call->interrupted)
		violated("what only creates changes nothing", "call %d", fact->call);
}

static bool
is_gone_between(const ObjectFact *first, const ObjectFact *last, RecordSort sort, int number)
{
	for (const ObjectFact *fact = first; fact < last; fact++)
		if (fact->kind == OBJECT_GONE && fact->sort[0] == sort && (fact->number[0] < 0 || fact->number[0] == number))
			return true;
	return false;
}

/* Order within a life of the worker, per name of a record and property. */
static void
check_order(const ObjectFact *first, const ObjectFact *last)
{
	const ModelCall *younger = &calls[first->call];
	const ModelCall *older = &calls[last->call];

	if (last->kind != OBJECT_VALUE || first->property != last->property || first->life != last->life ||
		younger->id <= older->id || !is_same_name(&younger->end[0], &older->end[0]) ||
		older->committed > younger->committed || older->committed > first->moment || younger->refused > 0 ||
		is_gone_between(first, last, first->sort[0], first->number[0]))
		return;
	violated("the order of a record's calls is kept", "%s %d: call %d after call %d", sorts[first->sort[0]].object,
			 first->number[0], last->call, first->call);
}

static bool
is_delivered(const ModelCall *call)
{
	int64		id = row_of(call, OBJECT_IS_RECORD);

	return id != 0 && call->committed != 0 && strcmp(carrier(id)->word, "delivered") == 0;
}

/* The youngest delivered call of a name of a record with this property; NULL: none. */
static const ModelCall *
youngest(const RecordName *name, int property)
{
	const ModelCall *found = NULL;

	for (int i = 0; i < ncalls; i++)
		if (calls[i].kind == KIND_RECORD && is_same_name(&calls[i].end[0], name) &&
			(calls[i].properties & (1 << property)) != 0 && is_delivered(&calls[i]) &&
			(found == NULL || calls[i].id > found->id))
			found = &calls[i];
	return found;
}

/* HubSpot holds in the end what the youngest call of a name said. */
static void
check_last_value(const ModelCall *call, int property)
{
	const RecordName *name = &call->end[0];
	const ModelCall *wanted = youngest(name, property);
	const ObjectFact *last = NULL;
	bool		found = false;
	const ModelCall *writer;

	if (call != wanted || may_be_removed(name->sort, name->number, wanted, name))
		return;
	for (int i = 0; i < nfacts; i++)
		if (facts[i].kind == OBJECT_VALUE && facts[i].property == property && facts[i].sort[0] == name->sort &&
			facts[i].number[0] == name->number)
		{
			last = &facts[i];
			found |= facts[i].call == wanted->number;
		}
	if (!found)
		violated("delivered is what HubSpot holds", "%s: nothing of call %d", name_key(name), wanted->number);
	if (is_gone_between(last, facts + nfacts, name->sort, name->number))
		violated("what is called behind a deletion stays", "%s: of call %d", name_key(name), wanted->number);
	writer = &calls[last->call];
	if (writer == wanted || !is_same_name(&writer->end[0], name) ||
		writer->committed > wanted->committed ||	/* an older one that came later */
		(writer->id > wanted->id && !is_delivered(writer)))
		return;
	violated("HubSpot holds the youngest value in the end", "%s: of call %d, and not of call %d", name_key(name),
			 last->call, wanted->number);
}

static void
check_records(void)
{
	for (int i = 0; i < nfacts; i++)
		if (facts[i].kind == OBJECT_VALUE)
		{
			check_value(&facts[i]);
			for (int j = i + 1; j < nfacts; j++)
				check_order(&facts[i], &facts[j]);
		}
	for (int i = 0; i < ncalls; i++)
		for (int property = 0; calls[i].kind == KIND_RECORD && property < RECORD_PROPERTIES; property++)
			check_last_value(&calls[i], property);
}

/* Whether the archived record is the one that a deletion names. */
static bool
is_meant(const ModelCall *call, const ObjectFact *fact)
{
	return call->kind == KIND_REMOVE && call->committed != 0 && call->end[0].sort == fact->sort[0] &&
		(call->end[0].record_id[0] != '\0' ? strcmp(call->end[0].record_id, fact->id) == 0
		 : fact->number[0] < 0 || call->end[0].number == fact->number[0]);
}

/* What was to be deleted is archived, and nothing else. */
static void
check_removals(void)
{
	for (int i = 0; i < nfacts; i++)
	{
		bool		meant = facts[i].kind != OBJECT_GONE;

		for (int j = 0; j < ncalls && !meant; j++)
			meant = is_meant(&calls[j], &facts[i]);
		if (!meant)
			violated("nothing is archived that no call has deleted", "%s %s", sorts[facts[i].sort[0]].path, facts[i].id);
	}
	for (int i = 0; i < ncalls; i++)
	{
		bool		found = calls[i].kind != KIND_REMOVE || calls[i].committed == 0 ||
		strcmp(carrier(calls[i].id)->word, "delivered") != 0;

		for (int j = 0; j < nfacts && !found; j++)
			found = facts[j].kind == OBJECT_GONE && is_meant(&calls[i], &facts[j]);
		if (!found)
			violated("delivered is what HubSpot holds", "the deletion of call %d", i);
	}
}

/* ---- pairs ---------------------------------------------------------------------------------------------- */

/* Which end of the call may mean the first of two records, while the other may mean the second; -1: none. */
static int
end_that_means(const ModelCall *call, const RecordSort *sort, const int *number)
{
	for (int i = 0; i < 2; i++)
		if (may_mean(call, &call->end[i], sort[0], number[0]) && may_mean(call, &call->end[1 - i], sort[1], number[1]))
			return i;
	return -1;
}

/* A group call puts its contact into its company by itself. */
static bool
may_be_grouped(const RecordSort *sort, const int *number)
{
	int			contact = sort[0] == SORT_CONTACT ? 0 : 1;

	for (int i = 0; i < ncalls; i++)
	{
		RecordName	name = record_name(SORT_CONTACT, calls[i].contact, calls[i].user);

		if (calls[i].kind == KIND_GROUP && calls[i].committed != 0 && sort[contact] == SORT_CONTACT &&
			sort[1 - contact] == SORT_COMPANY && number[1 - contact] == calls[i].company &&
			may_mean(&calls[i], &name, SORT_CONTACT, number[contact]))
			return true;
	}
	return false;
}

/* Nobody is associated, or parted, by no call. */
static void
check_link_facts(void)
{
	for (int i = 0; i < nfacts; i++)
	{
		bool		meant = facts[i].kind == OBJECT_VALUE || facts[i].kind == OBJECT_GONE ||
		(facts[i].kind == OBJECT_LINKED && may_be_grouped(facts[i].sort, facts[i].number));

		for (int j = 0; j < ncalls && !meant; j++)
			meant = calls[j].is_pair && calls[j].committed != 0 &&
				(calls[j].kind == KIND_DISSOCIATE) == (facts[i].kind == OBJECT_UNLINKED) &&
				end_that_means(&calls[j], facts[i].sort, facts[i].number) >= 0;
		if (!meant)
			violated("pairs are of calls", "%s %d and %s %d", sorts[facts[i].sort[0]].path, facts[i].number[0],
					 sorts[facts[i].sort[1]].path, facts[i].number[1]);
	}
}

static void
read_link(struct json_object *line)
{
	Link		link = {0};
	struct json_object *labels;

	if (nlinks == MAX_LINKS || !json_object_object_get_ex(line, "labels", &labels) ||
		!read_end(line, "from_object", "from_id", &link.sort[0], &link.number[0]) ||
		!read_end(line, "to_object", "to_id", &link.sort[1], &link.number[1]))
		return;
	for (size_t i = 0; i < json_object_array_length(labels); i++)
		for (int label = 0; label < LABELS; label++)
			if (strcmp(json_object_get_string(json_object_array_get_idx(labels, i)), psprintf("L%d", label)) == 0)
				link.labels |= 1 << label;
	links[nlinks++] = link;
}

/* What HubSpot has associated in the end. */
static void
read_links(void)
{
	SimulatedAnswer answer;
	char	   *copy;

	simulated_ask("GET", "/_sim/associations", NULL, NULL, &answer);
	copy = pstrdup(answer.body);
	for (char *at = strtok(copy, "\n"); at != NULL; at = strtok(NULL, "\n"))
	{
		struct json_object *line = json_tokener_parse(at);

		read_link(line);
		json_object_put(line);
	}
}

/* The labels of two records in the end, and whether they are associated at all. */
static bool
find_link(const RecordSort *sort, const int *number, int *labels)
{
	bool		found = false;

	*labels = 0;
	for (int i = 0; i < nlinks; i++)
		for (int first = 0; first < 2; first++)
			if (links[i].sort[first] == sort[0] && links[i].number[first] == number[0] &&
				links[i].sort[1 - first] == sort[1] && links[i].number[1 - first] == number[1])
			{
				*labels |= links[i].labels;
				found = true;
			}
	return found;
}

/* Whether what a call says of a pair stands against what another does. */
static bool
is_contrary(const ModelCall *call, const ModelCall *other)
{
	if ((call->kind == KIND_DISSOCIATE) == (other->kind == KIND_DISSOCIATE))
		return false;
	if (call->label < 0 && other->label < 0)
		return true;

	/* taking one label away leaves the pair, and so does giving it another */
	if (call->kind == KIND_DISSOCIATE ? call->label >= 0 : other->label >= 0)
		return call->label == other->label;
	return true;
}

/*
 * Whether what the call says of its two records holds in the end.  Calls that say something else
 * are before it, and by the same names; nobody deletes either of them.
 */
static bool
has_last_word(const ModelCall *call, const RecordSort *sort, const int *number)
{
	for (int i = 0; i < 2; i++)
		if (sort[i] == SORT_CONTACT ? may_be_deleted(1 << number[i], NULL)
			: may_be_removed(sort[i], number[i], NULL, &call->end[i]))
			return false;
	for (int i = 0; i < ncalls; i++)
	{
		const ModelCall *other = &calls[i];
		int			end;

		if (!other->is_pair || other->committed == 0 || !is_contrary(call, other))
			continue;
		end = end_that_means(other, sort, number);
		if (end >= 0 && (other->id > call->id || other->committed > call->committed ||
						 !is_same_name(&other->end[end], &call->end[0]) ||
						 !is_same_name(&other->end[1 - end], &call->end[1])))
			return false;
	}
	return true;
}

/*
 * Labels are read and written: of two records that are named in two ways at once, one may be lost.
 */
static bool
may_lose_label(const ModelCall *call, const RecordSort *sort, const int *number)
{
	for (int i = 0; i < ncalls; i++)
	{
		int			end = calls[i].is_pair && calls[i].committed != 0 && calls[i].label >= 0
		? end_that_means(&calls[i], sort, number) : -1;

		if (end >= 0 && !(is_same_name(&calls[i].end[end], &call->end[0]) &&
						  is_same_name(&calls[i].end[1 - end], &call->end[1])))
			return true;
	}
	/* a group call of the two writes the primary mark, in the place of labels */
	return may_be_grouped(sort, number);
}

static void
check_pair(const ModelCall *call)
{
	RecordSort	sort[2];
	int			number[2];
	int			labels;
	bool		found;

	for (int i = 0; i < 2; i++)
	{
		bool		certain;
		int			numbers = numbers_of(call, &call->end[i], &certain);

		if (!certain || (numbers & (numbers - 1)) != 0)
			return;
		sort[i] = call->end[i].sort;
		for (number[i] = 0; numbers != 1 << number[i];)
			number[i]++;
	}
	if (!has_last_word(call, sort, number))
		return;
	found = find_link(sort, number, &labels);
	if (call->kind != KIND_DISSOCIATE)
	{
		if (!found)
			violated("delivered is what HubSpot holds", "the pair of call %d", call->number);
		if (call->label >= 0 && (labels & (1 << call->label)) == 0 && !may_lose_label(call, sort, number))
			violated("delivered is what HubSpot holds", "the label of call %d", call->number);
	}
	else if (call->label >= 0)
	{
		if ((labels & (1 << call->label)) != 0 && !may_lose_label(call, sort, number))
			violated("what is taken away is gone", "the label of call %d", call->number);
	}
	else if (found && !may_be_grouped(sort, number) && count_records(sort[0], number[0]) == 1 &&
			 count_records(sort[1], number[1]) == 1)
		violated("what is taken away is gone", "the pair of call %d", call->number);
}

void
objects_check(void)
{
	check_records();
	check_removals();
	check_link_facts();
	read_links();
	for (int i = 0; i < ncalls; i++)
	{
		int64		id = row_of(&calls[i], OBJECT_IS_PAIR);

		if (id != 0 && calls[i].committed != 0 && is_success(carrier(id)->word))
			check_pair(&calls[i]);
	}
}
