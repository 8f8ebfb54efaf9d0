/*
 * message_pair.c
 *		The two records of a message that associates them.
 *
 * Pure, like message.c.  See pair.h.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/jsonb.h"

#include "base/hubspot.h"
#include "message/object_type.h"
#include "message/pair.h"
#include "text/domain.h"
#include "text/value.h"

/* ---- a call's message ------------------------------------------------------------------- */

static bool
is_associable(Object object)
{
	return object_types[object].is_record && !object_types[object].stands_alone;
}

bool
message_pair_object(const JsonbValue *name, const char *member, const PairNames *names,
					Object *object, MessageProblem *problem)
{
	int			found = name->type != jbvString
	? -1 : object_of_name(name->val.string.val, name->val.string.len);

	if (found < 0 && name->type == jbvString && names->word_of != NULL &&
		message_is_key_length(name->val.string.len))
	{
		const char *word = names->word_of(names->server, pnstrdup(name->val.string.val,
																  name->val.string.len), problem);

		if (word == NULL)
			return false;
		found = object_of_name(word, strlen(word));
	}
	if (found < 0 || found == OBJECT_MAX || !object_types[found].is_record)
	{
		Object		unused;

		/* which says what is wrong with it */
		if (found == OBJECT_MAX)
			return message_type_of_word(name->val.string.val, name->val.string.len, &unused,
										problem);
		return message_bad(problem,
						   psprintf("field \"%s\" of the message is not an object of the CRM",
									member),
						   "Expected a word of hubspot.record_types(), such as \"deal\", or the "
						   "type id of a custom object, such as \"2-123\".");
	}
	if (!is_associable((Object) found))
		return message_bad(problem,
						   psprintf("a %s cannot be associated with anything",
									object_types[found].name),
						   "HubSpot has no associations of this object.");
	*object = (Object) found;
	return true;
}

/* An id as a text of a key's length; NULL if it is none. */
static char *
id_text(const JsonbValue *id)
{
	char	   *text = id->type == jbvBool ? NULL : message_scalar_text(id);

	return text == NULL || !message_is_key_length(strlen(text)) ? NULL : text;
}

/* Contacts go by their address, and without a property of the user's ids by the userId. */
static void
contact_end(const char *text, const char *id_property, PairEnd *end)
{
	const char *why;
	const char *address = id_property != NULL
	? NULL : message_normalise_email(text, strlen(text), &why);

	end->property = address != NULL ? NULL : id_property != NULL ? id_property : MESSAGE_USER_ID;
	end->key = address != NULL ? address : text;
}

static bool
domain_end(const char *text, const char *member, PairEnd *end, MessageProblem *problem)
{
	const char *why = NULL;

	end->property = MESSAGE_DOMAIN;
	end->key = domain_of_website(text, strlen(text), &why);
	return end->key != NULL ||
		message_bad(problem, psprintf("field \"%s\" of the message is not a domain", member),
					psprintf("%s Without company_id_property a company goes by its domain.", why));
}

bool
message_pair_end(Object object, const JsonbValue *id, const char *id_property,
				 const char *member, PairEnd *end, MessageProblem *problem)
{
	const CrmType *type = &object_types[object];
	char	   *text = id_text(id);

	end->object = object;
	if (text == NULL)
		return message_bad(problem, psprintf("field \"%s\" of the message is not a key", member),
						   psprintf("Expected a text of 1 to %d bytes, or a number.",
									MESSAGE_MAX_KEY));
	if (object == OBJECT_IS_CONTACT)
		contact_end(text, id_property, end);
	else if (id_property == NULL && type->natural_key != NULL)
		return domain_end(text, member, end, problem);
	else
	{
		end->property = id_property;
		end->key = text;
	}
	/* there is nothing that such an id could be looked up by, ever */
	if (object != OBJECT_IS_CONTACT && id_property == NULL)
	{
		(void) message_bad(problem,
						   psprintf("no property of the object \"%s\" is known to hold your ids",
									type->name),
						   psprintf("Field \"%s\" cannot be looked up in HubSpot.", member));
		problem->hint = psprintf("Name it: SELECT hubspot_object('%s', 'my_id'); or use "
								 "HubSpot's own record ids.", type->name);
		return false;
	}
	if (!message_is_key_of(end->property, end->key))
		return message_bad(problem,
						   psprintf("field \"%s\" of the message is not a record id of HubSpot",
									member), "Expected a number such as 12345.");
	return true;
}

/* The members that name an end, as message_field() compares them, and as the user writes them. */
typedef struct EndNames
{
	const char *object;
	const char *id;
	const char *record_id;
	const char *shown_object;
	const char *shown_id;
	const char *shown_record_id;
	const char *expected;
} EndNames;

static const char expected_pair[] =
"Expected {\"from_object\": \"deal\", \"from_id\": \"A-1001\", \"to_object\": \"company\", "
"\"to_id\": \"acme\"}.";

static const EndNames from_names =
{"fromobject", "fromid", "fromrecordid", "from_object", "from_id", "from_record_id", expected_pair};
static const EndNames to_names =
{"toobject", "toid", "torecordid", "to_object", "to_id", "to_record_id", expected_pair};

/* In "associations" of a record's message. */
static const EndNames other_names =
{"object", "id", "recordid", "object", "id", "record_id",
"Expected {\"associations\": [{\"object\": \"company\", \"id\": \"acme\"}]}."};

static bool
read_end(JsonbContainer *message, const EndNames *members, const PairNames *names, PairEnd *end,
		 MessageProblem *problem)
{
	JsonbValue	word;
	JsonbValue	id;

	if (!message_field(message, members->object, &word))
		return message_bad(problem, psprintf("the message has no \"%s\"", members->shown_object),
						   members->expected);
	if (!message_pair_object(&word, members->shown_object, names, &end->object, problem))
		return false;
	if (message_field(message, members->record_id, &id))
		return message_pair_end(end->object, &id, RECORD_ID_PROPERTY, members->shown_record_id, end,
								problem);
	if (!message_field(message, members->id, &id))
		return message_bad(problem, psprintf("the message has no \"%s\"", members->shown_id),
						   psprintf("Expected your id of the %s, or HubSpot's in \"%s\".",
									object_types[end->object].name, members->shown_record_id));
	return message_pair_end(end->object, &id, object_id_property(names->id_property, end->object),
							members->shown_id, end, problem);
}

/* An empty label is none. */
static bool
read_label(JsonbContainer *message, const char **label, MessageProblem *problem)
{
	JsonbValue	value;

	*label = NULL;
	if (!message_field(message, "label", &value))
		return true;
	if (value.type != jbvString || value.val.string.len > MESSAGE_MAX_LABEL)
		return message_bad(problem, "field \"label\" of the message is not a label",
						   psprintf("Expected a text of at most %d bytes.", MESSAGE_MAX_LABEL));
	if (value.val.string.len > 0)
		*label = pnstrdup(value.val.string.val, value.val.string.len);
	return true;
}

static int
compare_ends(const PairEnd *a, const PairEnd *b)
{
	int			order = strcmp(object_types[a->object].name, object_types[b->object].name);

	if (order == 0)
		order = strcmp(object_key_property(a->property), object_key_property(b->property));
	return order != 0 ? order : strcmp(a->key, b->key);
}

bool
message_check_pair(const PairMessage *pair, MessageProblem *problem)
{
	if (compare_ends(&pair->from, &pair->to) == 0)
		return message_bad(problem, "a record cannot be associated with itself",
						   psprintf("Both ends are the %s \"%s\".",
									object_types[pair->from.object].name,
									pnstrdup(pair->from.key,
											 pg_mbcliplen(pair->from.key, strlen(pair->from.key),
														  100))));
	if (!message_is_key_length(strlen(message_pair_key(pair).key)))
		return message_bad(problem, "the ids of the two records are too long",
						   psprintf("Together, with the names of their objects, they have at most "
									"%d bytes.", MESSAGE_MAX_KEY));
	return true;
}

bool
message_pair(const MessageParts *parts, const PairNames *names, PairMessage *pair,
			 MessageProblem *problem)
{
	return read_end(parts->root, &from_names, names, &pair->from, problem) &&
		read_end(parts->root, &to_names, names, &pair->to, problem) &&
		read_label(parts->root, &pair->label, problem) &&
		message_check_pair(pair, problem);
}

/* ---- associations of a record's message ------------------------------------------------------ */

static bool
bad_associations(MessageProblem *problem)
{
	return message_bad(problem, "field \"associations\" of the message is no array of objects",
					   psprintf("Expected at most %d of the form {\"object\": \"company\", "
								"\"id\": \"acme\", \"label\": \"Supplier\"}.",
								MESSAGE_MAX_ASSOCIATIONS));
}

static bool
read_association(const JsonbValue *element, const PairEnd *from, const PairNames *names,
				 PairMessage *pair, MessageProblem *problem)
{
	if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
		return bad_associations(problem);
	pair->from = *from;
	return read_end(element->val.binary.data, &other_names, names, &pair->to, problem) &&
		read_label(element->val.binary.data, &pair->label, problem) &&
		message_check_pair(pair, problem);
}

bool
message_associations(JsonbContainer *message, const PairEnd *from, const PairNames *names,
					 PairMessage **pairs, MessageProblem **problems, int *npairs,
					 MessageProblem *problem)
{
	JsonbValue	value;
	JsonbContainer *array;
	uint32		count;

	*npairs = 0;
	if (!message_member(message, MESSAGE_ASSOCIATIONS, &value))
		return true;
	if (value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data))
		return bad_associations(problem);
	array = value.val.binary.data;
	count = JsonContainerSize(array);
	if (count > MESSAGE_MAX_ASSOCIATIONS)
		return bad_associations(problem);
	/* an empty array asks for nothing, and is no fault of any object */
	if (count > 0 && !is_associable(from->object))
		return message_bad(problem,
						   psprintf("a %s cannot be associated with anything",
									object_types[from->object].name),
						   "HubSpot has no associations of this object.");
	*pairs = palloc(sizeof(PairMessage) * Max(count, 1));
	if (problems != NULL)
		*problems = palloc0(sizeof(MessageProblem) * Max(count, 1));
	for (uint32 i = 0; i < count; i++)
		if (!read_association(getIthJsonbValueFromContainer(array, i), from, names, &(*pairs)[i],
							  problems != NULL ? &(*problems)[i] : problem) && problems == NULL)
			return false;
	*npairs = count;
	return true;
}

/* ---- those that a record is born with ----------------------------------------------------- */

/* -1: this process has met too many types. */
static int
object_of_birth(const BirthType *birth)
{
	int			object = object_of_name(birth->object, strlen(birth->object));

	return object == OBJECT_MAX ? -1 : object;
}

/* The place of the object that an element names among those of a type; -1: it is none of them. */
static int
place_of(JsonbContainer *element, const CrmType *type)
{
	JsonbValue	name;
	const char *word;

	if (!message_field(element, other_names.object, &name) || name.type != jbvString)
		return -1;
	word = pnstrdup(name.val.string.val, name.val.string.len);
	for (int i = 0; type->born_associated[i].object != NULL; i++)
	{
		int			object = object_of_birth(&type->born_associated[i]);

		if (object >= 0 && object_is_called(&object_types[object], word))
			return i;
	}
	return -1;
}

/* The end of an element that names the object; false: it has no id of it. */
static bool
read_end_of(JsonbContainer *element, Object object, const char *const *id_property, PairEnd *end)
{
	MessageProblem problem;
	JsonbValue	id;

	if (message_field(element, other_names.record_id, &id))
		return message_pair_end(object, &id, RECORD_ID_PROPERTY, other_names.shown_record_id, end,
								&problem);
	return message_field(element, other_names.id, &id) &&
		message_pair_end(object, &id, object_id_property(id_property, object),
						 other_names.shown_id, end, &problem);
}

int
message_birth_ends(JsonbContainer *message, const CrmType *type, const char *const *id_property,
				   BirthEnd *ends)
{
	bool		taken[BIRTH_MAX] = {false};
	int			nends = 0;
	JsonbValue	value;
	uint32		count;

	if (!message_member(message, MESSAGE_ASSOCIATIONS, &value) || value.type != jbvBinary ||
		!JsonContainerIsArray(value.val.binary.data))
		return 0;
	count = Min(JsonContainerSize(value.val.binary.data), MESSAGE_MAX_ASSOCIATIONS);
	for (uint32 i = 0; i < count; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(value.val.binary.data, i);
		int			place = element->type != jbvBinary ||
		!JsonContainerIsObject(element->val.binary.data)
		? -1 : place_of(element->val.binary.data, type);
		const BirthType *birth;

		if (place < 0 || taken[place])
			continue;
		birth = &type->born_associated[place];
		if (!read_end_of(element->val.binary.data, object_of_birth(birth), id_property,
						 &ends[nends].end))
			continue;
		ends[nends++].type_id = birth->type_id;
		taken[place] = true;
	}
	return nends;
}

char *
message_birth_words(const CrmType *type)
{
	StringInfoData words;

	initStringInfo(&words);
	for (const BirthType *birth = type->born_associated; birth->object != NULL; birth++)
		appendStringInfo(&words, "%s%s %s",
						 words.len == 0 ? "" : birth[1].object == NULL ? " or " : ", ",
						 strchr("aeiou", birth->object[0]) != NULL ? "an" : "a", birth->object);
	return words.data;
}

/* ---- the row ------------------------------------------------------------------------------ */

bool
message_pair_is_turned(const PairMessage *pair)
{
	return compare_ends(&pair->from, &pair->to) > 0;
}

/*
 * "deal order_ref=A-1001": object and property have neither blanks nor "="; of the id, what parts
 * the ends is encoded, so that a key can be taken apart.
 */
static void
append_end(StringInfo text, const PairEnd *end)
{
	appendStringInfo(text, "%s %s=", object_types[end->object].name,
					 object_key_property(end->property));
	for (const char *c = end->key; *c != '\0'; c++)
	{
		if (*c == ',' || *c == '%')
			appendStringInfo(text, "%%%02X", (unsigned char) *c);
		else
			appendStringInfoChar(text, *c);
	}
}

MessageKey
message_pair_key(const PairMessage *pair)
{
	bool		turned = message_pair_is_turned(pair);
	StringInfoData text;

	initStringInfo(&text);
	append_end(&text, turned ? &pair->to : &pair->from);
	appendStringInfoString(&text, ", ");
	append_end(&text, turned ? &pair->from : &pair->to);
	return (MessageKey)
	{
		.property = MESSAGE_PAIR, .key = text.data
	};
}

char *
message_pair_end_text(const PairEnd *end)
{
	StringInfoData text;

	initStringInfo(&text);
	append_end(&text, end);
	return text.data;
}

char *
message_pair_key_end(const char *key, int n)
{
	const char *comma = strchr(key, ',');

	if (comma == NULL || comma[1] != ' ')
		return NULL;
	return n == 0 ? pnstrdup(key, comma - key) : pstrdup(comma + 2);
}

char *
message_pair_key_contact(const char *key, int n)
{
	const char *contact = object_types[OBJECT_IS_CONTACT].name;
	size_t		len = strlen(contact);
	char	   *end = message_pair_key_end(key, n);
	char	   *id = end == NULL || strncmp(end, contact, len) != 0 || end[len] != ' '
	? NULL : strchr(end, '=');
	char	   *decoded;

	if (id == NULL)
		return NULL;
	decoded = ++id;
	for (char *c = id; *c != '\0'; c++, decoded++)
		if (c[0] == '%' && c[1] == '2' && (c[2] == 'C' || c[2] == '5'))
		{
			*decoded = c[2] == 'C' ? ',' : '%';
			c += 2;
		}
		else
			*decoded = *c;
	*decoded = '\0';
	return id;
}

static void
push_end(JsonbInState *state, const char *name, const PairEnd *end)
{
	value_push_name(state, name);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	value_push_pair(state, "object", object_types[end->object].name);
	value_push_pair(state, "property", object_key_property(end->property));
	value_push_pair(state, "id", end->key);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

Jsonb *
message_make_pair(const PairMessage *pair)
{
	JsonbInState state = {0};

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_end(&state, "from", &pair->from);
	push_end(&state, "to", &pair->to);
	if (pair->label != NULL)
		value_push_pair(&state, "label", pair->label);
	return value_end_object(&state);
}

static char *
text_of(JsonbContainer *object, const char *name)
{
	JsonbValue	value;

	return message_member(object, name, &value) && value.type == jbvString
		? pnstrdup(value.val.string.val, value.val.string.len) : NULL;
}

/* The object of a word in a row; false if there is none. */
static bool
read_object(JsonbContainer *message, const char *name, Object *object)
{
	static const PairNames words = {0};
	JsonbValue	word;
	MessageProblem problem;

	return message_member(message, name, &word) &&
		message_pair_object(&word, name, &words, object, &problem);
}

static bool
take_end(JsonbContainer *message, const char *name, PairEnd *end)
{
	JsonbValue	value;
	JsonbContainer *object;

	if (!message_member(message, name, &value) || value.type != jbvBinary ||
		!JsonContainerIsObject(value.val.binary.data))
		return false;
	object = value.val.binary.data;
	end->property = text_of(object, "property");
	end->key = text_of(object, "id");
	if (end->property == NULL || end->key == NULL || !read_object(object, "object", &end->object))
		return false;
	if (end->object == OBJECT_IS_CONTACT &&
		strcmp(end->property, object_key_property(NULL)) == 0)
		end->property = NULL;
	return true;
}

bool
message_read_pair(Jsonb *message, PairMessage *pair)
{
	if (!JsonContainerIsObject(&message->root) ||
		!take_end(&message->root, "from", &pair->from) ||
		!take_end(&message->root, "to", &pair->to))
		return false;
	pair->label = text_of(&message->root, "label");
	return true;
}

/* ---- labels ---------------------------------------------------------------------------------- */

Jsonb *
message_make_label(const PairLabel *label)
{
	JsonbInState state = {0};

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	value_push_pair(&state, "from", object_types[label->from].name);
	value_push_pair(&state, "to", object_types[label->to].name);
	value_push_pair(&state, "label", label->label);
	if (label->inverse != NULL)
		value_push_pair(&state, "inverse", label->inverse);
	return value_end_object(&state);
}

bool
message_read_label(Jsonb *message, PairLabel *label)
{
	if (!JsonContainerIsObject(&message->root) ||
		!read_object(&message->root, "from", &label->from) ||
		!read_object(&message->root, "to", &label->to))
		return false;
	label->label = text_of(&message->root, "label");
	label->inverse = text_of(&message->root, "inverse");
	return label->label != NULL;
}

/* A label is of both directions: rows of either wait for it. */
MessageKey
message_label_key(Object from, Object to, const char *label)
{
	const char *a = object_types[from].name;
	const char *b = object_types[to].name;
	char	   *key =
	psprintf("%s %s %s", strcmp(a, b) <= 0 ? a : b, strcmp(a, b) <= 0 ? b : a, label);

	/* a label is found in whatever case, so who names it waits for whoever creates it */
	for (char *c = key; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	return (MessageKey)
	{
		.property = MESSAGE_LABEL, .key = key
	};
}
