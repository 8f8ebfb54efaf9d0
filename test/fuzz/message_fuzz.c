/*
 * message_fuzz.c
 *		Arbitrary messages into message.c, mapping.c and what they rest on.
 *
 * The input is a message.  It is taken for one of each call, of accounts with
 * and without keys of their own, with and without a schema.  The code that is
 * called raises no error for any content; a message without a key says why.
 */
#include "postgres.h"

#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "activity/event.h"
#include "mapping/mapping.h"
#include "mapping/record_message.h"
#include "mapping/schema.h"
#include "message/message.h"
#include "text/domain.h"
#include "backend.h"
#include "fuzz.h"

#define OWN_PROPERTY "external_id"	/* that the second account keeps its keys in */

static Schema *schema;
static Schema unknown;			/* HubSpot has not told anything */

static void
start(void)
{
	schema = schema_load(get_foreign_server_oid("keyed", false), TopMemoryContext);
	expect(schema_properties(schema, OBJECT_IS_CONTACT) != NULL && schema->nevents > 0, "the schema is there");
}

/* ---- keys ---------------------------------------------------------------------- */

static void
expect_text(const char *text)
{
	expect(text != NULL && text[0] != '\0' && pg_verify_mbstr(PG_UTF8, text, strlen(text), true), "a text is valid");
}

static void
expect_problem(bool good, const MessageProblem *problem)
{
	if (good)
		return;
	expect_text(problem->message);
	expect_text(problem->detail);
	expect(problem->sqlerrcode != 0, "a problem has its SQLSTATE");
}

static void
expect_email(const char *email)
{
	const char *why;
	char	   *again = message_normalise_email(email, strlen(email), &why);

	expect(strlen(email) <= MESSAGE_MAX_EMAIL, "an address is not too long");
	expect(again != NULL && strcmp(again, email) == 0, "a normal address is normal");
}

static void
expect_domain(const char *domain)
{
	const char *why;
	char	   *again = domain_of_website(domain, strlen(domain), &why);

	expect(again != NULL && strcmp(again, domain) == 0, "a normal domain is normal");
}

/* What a key is like by its property. */
static void
expect_key(bool good, const MessageKey *key)
{
	if (!good)
		return;
	expect_text(key->key);
	expect(strlen(key->key) <= MESSAGE_MAX_KEY, "a key is not too long");
	if (key->property == NULL)
		expect_email(key->key);
	else if (strcmp(key->property, MESSAGE_DOMAIN) == 0)
		expect_domain(key->key);
}

static void
look_at_company(const MessageKey *company)
{
	MessageKey	again;

	expect(message_read_association(message_make_association(company), &again) &&
		   strcmp(again.key, company->key) == 0 && strcmp(again.property, company->property) == 0,
		   "an association names its company");
}

static void
look_at_keys(Call call, const MessageParts *parts, const char *id_property)
{
	MessageProblem problem;
	MessageKey	key;
	const char *const id_properties[ID_PROPERTY_COUNT] = {[OBJECT_IS_CONTACT] = id_property, [OBJECT_IS_COMPANY] = id_property};
	const char *why;
	bool		good;

	good = message_contact_key(call, parts, id_property, &key, &problem);
	expect_problem(good, &problem);
	expect_key(good, &key);
	good = message_known_contact_key(call, parts, id_property, &key, &problem);
	expect_problem(good, &problem);
	expect_key(good, &key);
	good = message_event_key(call, parts, id_property, &key, &problem);
	expect_problem(good, &problem);
	expect_key(good, &key);
	good = message_form_key(parts, &key, &problem);
	expect_problem(good, &problem);
	expect_key(good, &key);
	good = message_company_key(CALL_GROUP, parts, id_property, &key, &problem);
	expect_problem(good, &problem);
	expect_key(good, &key);
	if (good)
		look_at_company(&key);
	good = message_member_key(call, parts, id_properties, &key, &problem);
	expect_problem(good, &problem);
	expect_key(good, &key);
	good = message_contact_company(call, parts, id_property, &key, &why);
	if (!good && why != NULL)
		expect_text(why);
	expect_key(good, &key);
	if (good)
		look_at_company(&key);
}

static void
look_at_envelope(const MessageParts *parts, Jsonb *message)
{
	MessageProblem problem;
	bool		good = message_check_envelope(parts, &problem);
	char	   *id = good ? message_id(parts) : NULL;

	expect_problem(good, &problem);
	if (id != NULL)
		expect_text(id);
	(void) message_user_id(parts);
	(void) message_erases(message);
	(void) message_has_traits(parts->traits);
}

/* ---- properties ------------------------------------------------------------------ */

/* What was written is an object of texts, each name once. */
static void
expect_members(const char *json, int len, int count)
{
	Jsonb	   *object = backend_jsonb(json, len);
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;

	expect(object != NULL && JsonContainerIsObject(&object->root), "properties are JSON");
	expect(JsonContainerSize(&object->root) == count, "each property is written once");
	it = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
		expect(token != WJB_VALUE || value.type == jbvString, "a property's value is text");
}

static void
expect_warnings(const StringInfoData *warnings)
{
	char	   *array = psprintf("[%s]", warnings->data);
	Jsonb	   *json = backend_jsonb(array, strlen(array));

	expect(json != NULL && JsonContainerIsArray(&json->root), "warnings are JSON");
}

/* Add a message to a record as the family of its object does. */
static void
add(Mapping *mapping, Call call, const MessageParts *parts, const char *key_property, StringInfo warnings)
{
	MessageKey	key = {key_property, "ada@example.com"};

	switch (mapping->rules->object)
	{
		case OBJECT_IS_CONTACT:
			mapping_add_contact(mapping, call, parts, &key, warnings);
			break;
		case OBJECT_IS_COMPANY:
			key.property = key_property != NULL ? key_property : MESSAGE_DOMAIN;
			mapping_add_company(mapping, call, parts, &key, warnings);
			break;
		default:
			mapping_add_event(mapping, parts, call == CALL_PAGE, key_property == NULL, warnings);
	}
}

static void
look_at_properties(Object object, Call call, const MessageParts *parts, const char *key_property, bool with_schema)
{
	MappingRules rules = {.object = object, .zone = pg_tzset("Europe/Berlin")};
	Mapping		mapping;
	StringInfoData json;
	StringInfoData warnings;
	int			len;
	int			count;

	if (with_schema)
	{
		rules.nmaps = schema->nmaps;
		rules.maps = schema->maps;
		rules.properties = object == OBJECT_IS_EVENT ? schema->events[0].properties
			: schema_properties(schema, object);
	}
	initStringInfo(&json);
	initStringInfo(&warnings);
	appendStringInfoChar(&json, '{');
	mapping_begin(&mapping, &json, &rules);
	add(&mapping, call, parts, key_property, &warnings);
	len = json.len;
	count = mapping.nnames;
	add(&mapping, call, parts, key_property, &warnings);
	expect(json.len == len && mapping.nnames == count, "an older row adds nothing to one that is the same");
	mapping_end(&mapping);
	appendStringInfoChar(&json, '}');
	expect_members(json.data, json.len, count);
	expect_warnings(&warnings);
}

/* The whole of an event, and the definition that would fit it. */
static void
look_at_event(Call call, const MessageParts *parts, bool with_schema)
{
	AccountOptions options = {.page_event = "page_viewed"};
	MappingRules rules = {.object = OBJECT_IS_EVENT, .zone = pg_tzset("UTC")};
	const EventDefinition *found;
	EventSource source = {.call = call, .parts = parts, .key = "ada@example.com", .record_id = "", .id = 1};
	StringInfoData body;
	StringInfoData warnings;
	Mapping		mapping;
	JsonbValue	event;
	const char *wanted;
	const char *full_name = NULL;
	const char *name;
	char	   *definition;
	char	   *statement;
	int			len;

	if (call == CALL_TRACK && !message_event(parts, &event))
		return;
	wanted = event_wanted(&source, &options, &len);
	found = event_definition(&source, &options, with_schema ? schema : &unknown, &full_name);
	initStringInfo(&body);
	initStringInfo(&warnings);
	mapping_begin(&mapping, &body, &rules);
	event_append(&body, &source, full_name != NULL ? full_name : "pe1_event", found, &mapping, &warnings);
	mapping_end(&mapping);
	expect(backend_jsonb(body.data, body.len) != NULL, "an event is JSON");
	(void) event_unknown_reason(&source, &options, with_schema ? schema : &unknown, &statement);
	rules.properties = schema_properties(with_schema ? schema : &unknown, OBJECT_IS_CONTACT);
	if (rules.properties == NULL)
		rules.properties = schema_no_properties();
	definition = event_definition_body(wanted, len, event_lacks(&source, &rules));
	expect(backend_jsonb(definition, strlen(definition)) != NULL, "a definition is JSON");
	name = schema_event_name(wanted, len);
	expect(strlen(name) <= 50 && name[0] >= 'a' && name[0] <= 'z' &&
		   strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name),
		   "HubSpot can have the name of an event");
}

static void
run(Jsonb *input)
{
	static const Object objects[] = {OBJECT_IS_CONTACT, OBJECT_IS_COMPANY, OBJECT_IS_EVENT};
	MessageParts parts;
	MessageProblem problem;

	if (!message_read(input, &parts, &problem))
	{
		expect_problem(false, &problem);
		return;
	}
	look_at_envelope(&parts, input);
	for (Call call = CALL_IDENTIFY; call <= CALL_DELETE; call++)
		for (int own = 0; own <= 1; own++)
		{
			const char *property = own ? OWN_PROPERTY : NULL;

			look_at_keys(call, &parts, property);
			if (call == CALL_TRACK || call == CALL_PAGE)
				look_at_event(call, &parts, own);
			for (int i = 0; i < lengthof(objects); i++)
				look_at_properties(objects[i], call, &parts, property, own);
		}
}

const BackendTarget message_target = {.name = "message", .start = start, .run = run};
