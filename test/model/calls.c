/*
 * calls.c
 *		What the sessions call: who and what is named, in which words.
 *
 * Some schedules have contacts and companies alone, others deals, a custom object and pairs of any
 * two records as well.  Then calls are about few records, most of them about one that an earlier
 * call has named: what goes wrong goes wrong between calls about the same.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "model.h"
#include "simulated.h"

#include <json-c/json.h>

const SortWords sorts[SORT_COUNT] = {
	[SORT_CONTACT] = {"contact", "0-1", "contacts", "email", "c%d@example.com", CONTACTS},
	[SORT_COMPANY] = {"company", "0-2", "companies", "domain", "k%d.example.com", COMPANIES},
	[SORT_DEAL] = {"deal", "0-3", "deals", "order_ref", "d%d", DEALS},
	[SORT_CAR] = {CAR_TYPE, CAR_TYPE, CAR_TYPE, "vin", "a%d", CARS},
};

const Call	call_words[KIND_COUNT] = {
	CALL_IDENTIFY, CALL_TRACK, CALL_GROUP, CALL_FORM, CALL_DELETE,
	CALL_RECORD, CALL_DELETE, CALL_ASSOCIATE, CALL_DISSOCIATE, CALL_CREATE_PROPERTY
};

static const char *const property_names[PROPERTIES] = {"city", "firstname", "lastname"};
static const char *const record_property_names[RECORD_PROPERTIES] = {"first", "second"};

static bool submits_forms;
static bool names_users;		/* calls name their contacts by userId, too */
static bool has_objects;		/* deals, cars and pairs */
static bool creates;			/* properties */

/* ---- records ------------------------------------------------------------------------------ */

char *
name_key(const RecordName *name)
{
	if (name->user >= 0)
		return psprintf("u%d", name->user);
	switch (name->sort)
	{
		case SORT_CONTACT:
			return psprintf("c%d@example.com", name->number);
		case SORT_COMPANY:
			return psprintf("k%d.example.com", name->number);
		case SORT_DEAL:
			return psprintf("d%d", name->number);
		default:
			return psprintf("a%d", name->number);
	}
}

/* RecordName it by HubSpot's id, if it has one. */
static void
take_record_id(RecordName *name)
{
	SimulatedAnswer answer;
	struct json_object *root;
	struct json_object *results;
	struct json_object *id;

	simulated_ask("GET", psprintf("/_sim/objects/%s?key=%s&property=%s", sorts[name->sort].path, name_key(name),
								  sorts[name->sort].property), NULL, NULL, &answer);
	root = json_tokener_parse(answer.body);
	if (json_object_object_get_ex(root, "results", &results) && json_object_array_length(results) > 0 &&
		json_object_object_get_ex(json_object_array_get_idx(results, 0), "id", &id))
		strlcpy(name->record_id, json_object_get_string(id), sizeof(name->record_id));
	json_object_put(root);
}

/* A record that an earlier call has named, of those sorts; false: there is none. */
static bool
choose_named(RecordName *name, RecordSort first, RecordSort last)
{
	const ModelCall *call;
	int			n = ncalls > 0 ? pick(ncalls + 1) : 0;

	if (n == 0)
		return false;
	call = &calls[ncalls - n];
	if (call->kind == KIND_CREATE)
		return false;
	if (call->kind >= KIND_RECORD)
		*name = call->end[call->is_pair ? pick(2) : 0];
	else if (call->company >= 0)
		*name = record_name(SORT_COMPANY, call->company, -1);
	else
		*name = record_name(SORT_CONTACT, call->user >= 0 ? -1 : call->contact, call->user);
	name->record_id[0] = '\0';
	return name->sort >= first && name->sort <= last;
}

static void
choose_name(RecordName *name, RecordSort first, RecordSort last)
{
	if (!choose_named(name, first, last))
	{
		memset(name, 0, sizeof(*name));
		name->sort = first + pick(last - first + 1);
		name->user = name->sort == SORT_CONTACT && names_users ? pick(USERS + 1) - 1 : -1;
		name->number = name->user >= 0 ? -1 : pick(sorts[name->sort].records);
	}
	if (name->user < 0 && chance(250))
		take_record_id(name);
}

/* The other end of a pair is another record, as far as the names tell. */
static void
choose_other_end(ModelCall *call)
{
	RecordName *other = &call->end[1];

	choose_name(other, SORT_CONTACT, SORT_CAR);
	if (other->sort == call->end[0].sort && other->number == call->end[0].number && other->user == call->end[0].user)
	{
		other->record_id[0] = '\0';
		if (other->user >= 0)
			other->user = (other->user + 1) % USERS;
		else
			other->number = (other->number + 1) % sorts[other->sort].records;
	}
	call->is_pair = true;
	call->label = pick(2) == 0 ? -1 : pick(LABELS);
}

bool
call_names_contact(const ModelCall *call, int contact)
{
	for (int i = 0; call->is_pair && i < 2; i++)
		if (call->end[i].sort == SORT_CONTACT && (call->end[i].user >= 0 || call->end[i].number == contact))
			return true;
	return false;
}

/* ---- choosing ------------------------------------------------------------------------------- */

static CallKind
choose_kind(void)
{
	static const CallKind plain[] = {
		KIND_IDENTIFY, KIND_IDENTIFY, KIND_IDENTIFY, KIND_IDENTIFY, KIND_IDENTIFY, KIND_TRACK, KIND_TRACK,
		KIND_GROUP, KIND_GROUP, KIND_FORM, KIND_DELETE
	};
	static const CallKind of_objects[] = {
		KIND_RECORD, KIND_RECORD, KIND_RECORD, KIND_RECORD, KIND_RECORD, KIND_RECORD, KIND_REMOVE,
		KIND_ASSOCIATE, KIND_ASSOCIATE, KIND_ASSOCIATE, KIND_ASSOCIATE, KIND_ASSOCIATE,
		KIND_DISSOCIATE, KIND_DISSOCIATE, KIND_DISSOCIATE,
		KIND_IDENTIFY, KIND_IDENTIFY, KIND_IDENTIFY, KIND_GROUP, KIND_GROUP, KIND_TRACK, KIND_DELETE
	};
	CallKind	kind;

	if (creates && pick(3) == 2)
		return KIND_CREATE;
	kind = has_objects ? of_objects[pick(lengthof(of_objects))] : plain[pick(lengthof(plain))];

	return kind == KIND_FORM && !submits_forms ? KIND_GROUP : kind;
}

void
call_choose(ModelCall *call)
{
	memset(call, 0, sizeof(*call));
	call->number = ncalls;
	call->user = call->contact = call->company = call->label = call->extra = -1;
	call->kind = choose_kind();
	call->has_deadline = chance(80);
	switch (call->kind)
	{
		case KIND_IDENTIFY:
			call->contact = pick(CONTACTS);
			call->user = pick(USERS + 1) - 1;
			call->properties = 1 + pick((1 << PROPERTIES) - 1);
			call->adds = chance(150);
			call->is_bad = chance(40);
			if (creates && pick(2) == 1)
				call->extra = pick(EXTRAS);
			break;
		case KIND_CREATE:
			call->extra = pick(EXTRAS);
			break;
		case KIND_FORM:
			call->contact = pick(CONTACTS);
			break;
		case KIND_RECORD:
			choose_name(&call->end[0], SORT_DEAL, SORT_CAR);
			call->properties = 1 + pick((1 << RECORD_PROPERTIES) - 1);
			if (call->end[0].record_id[0] == '\0')
				call->mode = "\0\0\0\0uuuc"[pick(8)];
			if (chance(200))
				choose_other_end(call);
			break;
		case KIND_REMOVE:
			choose_name(&call->end[0], SORT_DEAL, SORT_CAR);
			break;
		case KIND_ASSOCIATE:
		case KIND_DISSOCIATE:
			choose_name(&call->end[0], SORT_CONTACT, SORT_CAR);
			choose_other_end(call);
			break;
		case KIND_GROUP:
			call->company = pick(COMPANIES);
			call->properties = pick(1 << PROPERTIES);
			/* fall through */
		default:
			call->user = names_users ? pick(USERS + 1) - 1 : -1;
			if (call->user < 0)
				call->contact = pick(CONTACTS);
	}
}

/* ---- words ------------------------------------------------------------------------------------- */

static void
append_properties(StringInfo message, const ModelCall *call, const char *const *names, int n,
				  const char *separator)
{
	for (int i = 0; i < n; i++)
		if (call->properties & (1 << i))
		{
			appendStringInfo(message, "%s\"%s\":\"v%d\"", separator, names[i], call->number);
			separator = ",";
		}
}

static void
append_traits(StringInfo message, const ModelCall *call, bool with_address)
{
	appendStringInfoString(message, "{");
	if (with_address)
		appendStringInfo(message, "\"email\":\"c%d@example.com\"", call->contact);
	append_properties(message, call, property_names, PROPERTIES, with_address ? "," : "");
	if (call->adds)
		appendStringInfo(message, ",\"tags\":\";t%d\"", call->number);
	if (call->extra >= 0)
		appendStringInfo(message, ",\"extra%d\":\"v%d\"", call->extra, call->number);
	if (call->is_bad)
		appendStringInfo(message, ",\"nickname\":\"n%d\"", call->number);
	appendStringInfoString(message, "}");
}

static void
append_who(StringInfo message, const ModelCall *call)
{
	if (call->user >= 0)
		appendStringInfo(message, "\"userId\":\"u%d\"", call->user);
	else
		appendStringInfo(message, "\"userId\":\"c%d@example.com\"", call->contact);
}

/* "from_object":"deal","from_id":"d0" */
static void
append_name(StringInfo message, const char *prefix, const RecordName *name)
{
	appendStringInfo(message, "\"%sobject\":\"%s\",", prefix, sorts[name->sort].object);
	if (name->record_id[0] != '\0')
		appendStringInfo(message, "\"%srecord_id\":\"%s\"", prefix, name->record_id);
	else
		appendStringInfo(message, "\"%sid\":\"%s\"", prefix, name_key(name));
}

static void
append_label(StringInfo message, const ModelCall *call)
{
	if (call->label >= 0)
		appendStringInfo(message, ",\"label\":\"L%d\"", call->label);
}

static void
append_record(StringInfo message, const ModelCall *call)
{
	append_name(message, "", &call->end[0]);
	if (call->mode != 0)
		appendStringInfo(message, ",\"mode\":\"%s\"", call->mode == MODE_UPDATE ? "update" : "create");
	appendStringInfoString(message, ",\"properties\":{");
	/* what HubSpot wants of a new deal */
	if (call->end[0].sort == SORT_DEAL)
		appendStringInfoString(message, "\"dealname\":\"Deal\",\"dealstage\":\"appointmentscheduled\",");
	append_properties(message, call, record_property_names, RECORD_PROPERTIES, "");
	appendStringInfoChar(message, '}');
	if (call->is_pair)
	{
		appendStringInfoString(message, ",\"associations\":[{");
		append_name(message, "", &call->end[1]);
		append_label(message, call);
		appendStringInfoString(message, "}]");
	}
}

char *
call_message(const ModelCall *call)
{
	StringInfoData message;

	initStringInfo(&message);
	appendStringInfoChar(&message, '{');
	switch (call->kind)
	{
		case KIND_IDENTIFY:
			append_who(&message, call);
			appendStringInfoString(&message, ",\"traits\":");
			append_traits(&message, call, true);
			break;
		case KIND_TRACK:
			append_who(&message, call);
			appendStringInfo(&message, ",\"event\":\"Order Completed\",\"properties\":{\"marker\":\"v%d\"}",
							 call->number);
			break;
		case KIND_GROUP:
			append_who(&message, call);
			appendStringInfo(&message, ",\"traits\":{\"name\":\"v%d\",\"domain\":\"k%d.example.com\"}",
							 call->number, call->company);
			if (call->properties != 0)
			{
				appendStringInfoString(&message, ",\"context\":{\"traits\":");
				append_traits(&message, call, false);
				appendStringInfoChar(&message, '}');
			}
			break;
		case KIND_FORM:
			appendStringInfo(&message, "\"formId\":\"0a1b2c3d-0000-4000-8000-1234567890ab\",\"fields\":["
							 "{\"name\":\"email\",\"value\":\"c%d@example.com\"},{\"name\":\"note\",\"value\":\"v%d\"}]",
							 call->contact, call->number);
			break;
		case KIND_DELETE:
			append_who(&message, call);
			break;
		case KIND_RECORD:
			append_record(&message, call);
			break;
		case KIND_REMOVE:
			append_name(&message, "", &call->end[0]);
			break;
		case KIND_ASSOCIATE:
		case KIND_DISSOCIATE:
			append_name(&message, "from_", &call->end[0]);
			appendStringInfoChar(&message, ',');
			append_name(&message, "to_", &call->end[1]);
			append_label(&message, call);
			break;
		case KIND_CREATE:
			appendStringInfo(&message, "\"object\":\"contact\",\"name\":\"extra%d\",\"label\":\"extra%d\","
							 "\"type\":\"string\",\"fieldType\":\"text\",\"groupName\":\"contactinformation\","
							 "\"options\":[],\"hasUniqueValue\":false", call->extra, call->extra);
			break;
		case KIND_COUNT:
			break;
	}
	appendStringInfoChar(&message, '}');
	return message.data;
}

/* MODEL_WITHOUT names what the calls do without. */
static bool
is_wanted(const char *what)
{
	const char *without = getenv("MODEL_WITHOUT");

	return without == NULL || strstr(without, what) == NULL;
}

/*
 * What HubSpot's schema is gets learnt: all that calls may be about, and nothing that some create.
 */
void
calls_prepare(void)
{
	has_objects = true;
	creates = false;
}

/*
 * A few rows more than it has room for make the worker read a lane by itself, later than others:
 * what it goes by is not in its memory then.
 */
int
calls_begin(int *window_rows)
{
	ncalls = 0;
	names_users = is_wanted("users");
	submits_forms = is_wanted("forms");
	has_objects = pick(2) == 1 && is_wanted("objects");
	creates = pick(6) == 5 && is_wanted("creations");
	*window_rows = pick(4) >= (creates ? 1 : 3) ? 2 + pick(6) : 50000;
	return 1 + pick(has_objects ? 16 : 12);
}
