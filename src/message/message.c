/*
 * message.c
 *		A Segment message: its envelope, its traits, its key.
 *
 * Pure functions of a jsonb value: no table, no worker, no network.  For bad content they
 * raise no error but fill in a MessageProblem, because the same fault is an error for an
 * SQL caller and a rejected row for a trigger.  Results point into the message or are
 * palloc'd in the current context.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/numeric.h"

#include "base/hubspot.h"
#include "message/message.h"
#include "message/object_type.h"
#include "message/unreadable.h"
#include "text/domain.h"
#include "text/encoding.h"
#include "text/invisible.h"

bool
message_bad(MessageProblem *problem, const char *message, const char *detail)
{
	problem->sqlerrcode = ERRCODE_INVALID_PARAMETER_VALUE;
	problem->message = message;
	problem->detail = detail;
	problem->hint = NULL;
	return false;
}

/* Whether a member says nothing: null, or what jsonb cannot hold. */
static bool
is_void(const JsonbValue *value)
{
	return value->type == jbvNull || (value->type == jbvBinary && unreadable_is(value, NULL));
}

/* The value of a key, by exact name; false if absent or void. */
bool
message_member(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), value) != NULL &&
		!is_void(value);
}

/* The members of a message's top level that every call reads. */
typedef enum Part
{
	PART_TRAITS,
	PART_PROPERTIES,
	PART_CONTEXT,
	PART_USER_ID,
	PART_USER_ID_SNAKE,
	PART_MESSAGE_ID,
	PART_MESSAGE_ID_SNAKE,
	PART_TIMESTAMP
#define PART_COUNT (PART_TIMESTAMP + 1)
} Part;

/* A name and its length. */
#define PART_NAME(text) text, sizeof(text) - 1

static const struct
{
	const char *name;
	int			len;
}			part_names[PART_COUNT] =
{
	[PART_TRAITS] = {PART_NAME("traits")},
	[PART_PROPERTIES] = {PART_NAME("properties")},
	[PART_CONTEXT] = {PART_NAME("context")},
	[PART_USER_ID] = {PART_NAME("userId")},
	[PART_USER_ID_SNAKE] = {PART_NAME("user_id")},
	[PART_MESSAGE_ID] = {PART_NAME("messageId")},
	[PART_MESSAGE_ID_SNAKE] = {PART_NAME("message_id")},
	[PART_TIMESTAMP] = {PART_NAME("timestamp")},
};

/* Find all parts in one pass: a look-up for each would cost several times as much. */
static void
find_parts(JsonbContainer *root, bool *present, JsonbValue *values)
{
	int			count = JsonContainerSize(root);
	const char *name = (const char *) &root->children[count * 2];

	memset(present, 0, sizeof(bool) * PART_COUNT);
	for (int i = 0; i < count; i++)
	{
		int			len = getJsonbLength(root, i);

		for (int part = 0; part < PART_COUNT; part++)
			if (len == part_names[part].len && name[0] == part_names[part].name[0] &&
				memcmp(name, part_names[part].name, len) == 0)
			{
				present[part] = true;
				(void) getKeyJsonValueFromContainer(root, name, len, &values[part]);
				if (is_void(&values[part]))
					values[part].type = jbvNull;
			}
		name += len;
	}
}

/* A member that must be an object or null if it is present. */
static bool
as_object(bool present, const JsonbValue *value, const char *name, JsonbContainer **object,
		  MessageProblem *problem)
{
	*object = NULL;
	if (!present || value->type == jbvNull)
		return true;
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		return message_bad(problem, psprintf("field \"%s\" of the message is not an object", name),
						   psprintf("Expected {\"%s\": {\"name\": value, ...}}.", name));
	*object = value->val.binary.data;
	return true;
}

/* Envelope fields have a camel-case and a snake-case spelling. */
static JsonbValue
either(const bool *present, const JsonbValue *values, Part camel, Part snake)
{
	JsonbValue	none = {.type = jbvNull};

	if (present[camel] && values[camel].type != jbvNull)
		return values[camel];
	return present[snake] ? values[snake] : none;
}

/*
 * Keys of a flat row that are no traits, for all objects, for the fixed ones, for records of other
 * types, or for one object.
 */
#define OF_ALL				(-1)
#define OF_FIXED			(-2)
#define OF_OTHER_RECORDS	(-3)

static const struct
{
	const char *name;
	int			len;
	int			object;			/* Object, or one of these */
}			envelope_names[] =
{
	{PART_NAME("userId"), OF_FIXED},
	{PART_NAME("user_id"), OF_FIXED},
	{PART_NAME("messageId"), OF_ALL},
	{PART_NAME("message_id"), OF_ALL},
	{PART_NAME("timestamp"), OF_ALL},
	{PART_NAME("object"), OF_OTHER_RECORDS},
	{PART_NAME("id"), OF_OTHER_RECORDS},
	{PART_NAME("record_id"), OF_OTHER_RECORDS},
	{PART_NAME("mode"), OF_OTHER_RECORDS},
	{PART_NAME("deadline"), OF_OTHER_RECORDS},
	{PART_NAME("associations"), OF_OTHER_RECORDS},
	{PART_NAME("event"), OBJECT_IS_EVENT},
	{PART_NAME("groupId"), OBJECT_IS_COMPANY},
	{PART_NAME("group_id"), OBJECT_IS_COMPANY},
};

bool
message_is_envelope(const char *name, int len, Object object)
{
	for (int i = 0; i < lengthof(envelope_names); i++)
		if (len == envelope_names[i].len && memcmp(envelope_names[i].name, name, len) == 0 &&
			(envelope_names[i].object == OF_ALL || envelope_names[i].object == (int) object ||
			 envelope_names[i].object == (object < OBJECT_COUNT ? OF_FIXED : OF_OTHER_RECORDS)))
			return true;
	return false;
}

bool
message_read(Jsonb *message, MessageParts *parts, MessageProblem *problem)
{
	JsonbContainer *root = &message->root;
	bool		present[PART_COUNT];
	JsonbValue	values[PART_COUNT];
	JsonbValue	traits;
	bool		has_traits;

	if (!JsonContainerIsObject(root))
		return message_bad(problem, "message is not an object",
						   "Expected a Segment message such as {\"userId\": \"u1\", \"traits\": "
						   "{\"email\": \"ada@example.com\"}}, or a row.");

	find_parts(root, present, values);
	parts->root = root;
	if (!as_object(present[PART_TRAITS], &values[PART_TRAITS], "traits", &parts->traits, problem) ||
		!as_object(present[PART_PROPERTIES], &values[PART_PROPERTIES], "properties",
				   &parts->properties, problem) ||
		!as_object(present[PART_CONTEXT], &values[PART_CONTEXT], "context", &parts->context,
				   problem))
		return false;
	/* Without any of these objects the top level itself holds the traits: a row of a table. */
	parts->flat = !present[PART_TRAITS] && !present[PART_PROPERTIES] && !present[PART_CONTEXT];
	has_traits = parts->context != NULL &&
		getKeyJsonValueFromContainer(parts->context, "traits", strlen("traits"), &traits) != NULL;
	if (!as_object(has_traits, &traits, "traits", &parts->context_traits, problem))
		return false;

	parts->user_id = either(present, values, PART_USER_ID, PART_USER_ID_SNAKE);
	parts->message_id = either(present, values, PART_MESSAGE_ID, PART_MESSAGE_ID_SNAKE);
	parts->timestamp = either(present, values, PART_TIMESTAMP, PART_TIMESTAMP);
	return true;
}

Object
message_object(JsonbContainer *message)
{
	JsonbValue	value;
	int			object = -1;

	if (message_member(message, "object", &value) && value.type == jbvString)
		object = object_find(value.val.string.val, value.val.string.len);
	if (object < 0 || !object_types[object].is_record)
		return OBJECT_IS_CONTACT;
	return (Object) object;
}

bool
message_type_of_word(const char *word, int len, Object *object, MessageProblem *problem)
{
	int			found = object_of_name(word, len);

	if (found == OBJECT_MAX)
	{
		(void) message_bad(problem, "this session has met too many types of records",
						   psprintf("The limit is %d; a new session begins anew.", OBJECT_MAX));
		problem->sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		return false;
	}
	if (found < 0 || !object_types[found].is_record)
		return message_bad(problem, "field \"object\" of the message is not a type of records",
						   "Expected a word of hubspot.record_types(), such as \"deal\", or the "
						   "type id of a custom object, such as \"2-123\".");
	*object = (Object) found;
	return true;
}

bool
message_record_type(JsonbContainer *message, Object *object, MessageProblem *problem)
{
	JsonbValue	value;

	*object = OBJECT_IS_CONTACT;
	if (!message_member(message, "object", &value))
		return true;
	if (value.type != jbvString)
		value.val.string.len = 0;
	return message_type_of_word(value.val.string.val, value.val.string.len, object, problem);
}

char *
message_scalar_text(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

static bool
is_separator(char c)
{
	return c == '_' || c == '-' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int
message_fold_name(const char *name, int len, char *folded, int size)
{
	int			used = 0;

	for (int i = 0; i < len; i++)
	{
		unsigned char c = name[i];

		if (is_separator(c))
			continue;
		if (used + 1 >= size)
			return -1;
		folded[used++] = pg_ascii_tolower(c);
	}
	folded[used] = '\0';
	return used;
}

/* Whether a name equals the wanted one when folded. */
static bool
is_name(const char *name, int len, const char *wanted, int wanted_len)
{
	char		folded[64];

	return (pg_ascii_tolower((unsigned char) name[0]) == wanted[0] || is_separator(name[0])) &&
		message_fold_name(name, len, folded, sizeof(folded)) == wanted_len &&
		memcmp(folded, wanted, wanted_len) == 0;
}

/*
 * Called for each message, mostly for fields that are absent.  Names are compared in place, without
 * an iterator.  Shorter ones come first (jsonb's order): one that is spelled as it is wanted, which
 * goes before all others, comes before longer ones.
 */
bool
message_named_field(JsonbContainer *object, const char *wanted, JsonbValue *name,
					JsonbValue *value)
{
	int			count = object == NULL ? 0 : JsonContainerSize(object);
	int			wanted_len = strlen(wanted);
	const char *at = object == NULL ? NULL : (const char *) &object->children[count * 2];
	bool		found = false;

	for (int i = 0; i < count; i++)
	{
		int			len = getJsonbLength(object, i);
		bool		is_exact = len == wanted_len && memcmp(at, wanted, len) == 0;
		JsonbValue	member;

		if (found && len > wanted_len)
			break;
		if ((is_exact || (!found && len >= wanted_len && is_name(at, len, wanted, wanted_len))) &&
			!is_void(getKeyJsonValueFromContainer(object, at, len, &member)))
		{
			*value = member;
			name->type = jbvString;
			name->val.string.val = unconstify(char *, at);
			name->val.string.len = len;
			found = true;
			if (is_exact)
				break;
		}
		at += len;
	}
	return found;
}

bool
message_field(JsonbContainer *object, const char *wanted, JsonbValue *value)
{
	JsonbValue	name;

	return message_named_field(object, wanted, &name, value);
}

/* Whether the part before the "@" is a dot-atom of RFC 5322; quoted strings are not accepted. */
static bool
local_part_is_well_formed(const char *local, int len)
{
	if (len == 0 || len > 64 || local[0] == '.' || local[len - 1] == '.')
		return false;
	for (int i = 0; i < len; i++)
	{
		unsigned char c = local[i];

		if (c == '.' && local[i + 1] == '.')
			return false;
		if (c <= ' ' || c >= 0x7f || strchr("\"(),:;<>@[\\]", c) != NULL)
			return false;
	}
	return true;
}

char *
message_normalise_email(const char *text, int len, const char **why)
{
	char	   *email;
	char	   *at;

	text = encoding_to_wire(text, &len);
	invisible_trim(&text, &len);
	if (len == 0)
	{
		*why = "It is empty.";
		return NULL;
	}

	email = pnstrdup(text, len);
	*why = domain_invisible(email);
	if (*why != NULL)
		return NULL;

	/*
	 * HubSpot compares addresses without case: two spellings must be one key, or their rows would
	 * overtake each other.
	 */
	for (char *c = email; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);

	at = strchr(email, '@');
	if (at == NULL || strchr(at + 1, '@') != NULL)
	{
		*why = "It needs exactly one \"@\".";
		return NULL;
	}
	if (!local_part_is_well_formed(email, at - email))
	{
		*why = "The part before the \"@\" must be 1 to 64 ASCII characters without spaces, "
			"quotes or doubled dots.";
		return NULL;
	}
	/* Before the form is checked, which is defined for ASCII names only. */
	if (!domain_is_ascii(at + 1))
	{
		char	   *domain = domain_to_ascii(at + 1);

		if (domain == NULL)
		{
			*why = "Its domain has no ASCII (IDNA) form.";
			return NULL;
		}
		*at = '\0';
		email = psprintf("%s@%s", email, domain);
		at = strchr(email, '@');
	}
	if (!domain_is_well_formed(at + 1))
	{
		*why = "Its domain must be a name with a dot, such as example.com.";
		return NULL;
	}
	if (strlen(email) > MESSAGE_MAX_EMAIL)
	{
		*why = "It is longer than 254 characters.";
		return NULL;
	}
	return email;
}

#define ADDRESS_PLACES 4

/* One of the places of an address, in order; *where is its name for messages. */
static JsonbContainer *
address_place(Call call, const MessageParts *parts, int i, const char **where)
{
	bool		is_group = message_is_of_company(call);
	static const char *const names[ADDRESS_PLACES] =
	{"traits.email", "context.traits.email", "properties.email", "email"};
	JsonbContainer *const places[ADDRESS_PLACES] = {
		is_group ? NULL : parts->traits, parts->context_traits,
		is_group ? NULL : parts->properties, is_group ? NULL : parts->root
	};

	*where = names[i];
	return places[i];
}

#define RECORD_ID_DIGITS 20		/* more than any has, and a key of this length is one everywhere */

bool
message_is_key_of(const char *property, const char *text)
{
	return !object_key_is_record_id(property) ||
		(text[0] >= '1' && text[0] <= '9' && strlen(text) <= RECORD_ID_DIGITS &&
		 strspn(text, "0123456789") == strlen(text));
}

static bool
user_id_key(const MessageParts *parts, const char *property, MessageKey *key,
			MessageProblem *problem)
{
	char	   *text = message_user_id(parts);

	if (text != NULL && !message_is_key_of(property, text))
		return message_bad(problem, "field \"userId\" of the message is not a record id of HubSpot",
						   "Expected a number such as 12345, as the SERVER says "
						   "contact_id_property 'hs_object_id'.");
	if (text == NULL)
		return message_bad(problem, "field \"userId\" of the message is not a key",
						   psprintf("Expected a text of 1 to %d bytes, or a number.",
									MESSAGE_MAX_KEY));
	key->property = property;
	key->key = text;
	return true;
}

/* A value as an address; NULL if it is none (*problem then says why). */
static char *
read_email(const JsonbValue *value, const char *where, MessageProblem *problem)
{
	const char *why;
	char	   *email;

	if (value->type != jbvString)
	{
		(void) message_bad(problem,
						   psprintf("field \"%s\" of the message is not an e-mail address", where),
						   "Expected a text such as \"ada@example.com\".");
		return NULL;
	}
	email = message_normalise_email(value->val.string.val, value->val.string.len, &why);
	if (email == NULL)
		(void) message_bad(problem,
						   psprintf("field \"%s\" of the message is not an e-mail address: \"%s\"",
									where, pnstrdup(value->val.string.val,
													pg_mbcliplen(value->val.string.val,
																 value->val.string.len, 100))),
						   why);
	return email;
}

/* What stands first where a message has its addresses, whatever it is; false if nothing does. */
static bool
first_address(Call call, const MessageParts *parts, JsonbValue *value)
{
	for (int i = 0; i < ADDRESS_PLACES; i++)
	{
		const char *where;

		if (message_field(address_place(call, parts, i, &where), "email", value))
			return true;
	}
	return false;
}

/*
 * The first address of a message that is one; NULL if there is none.  *nbad: how many came before
 * it that are none, and problem, if there are any, what is said of the one with this number.
 */
static char *
find_email(Call call, const MessageParts *parts, int number, int *nbad, MessageProblem *problem)
{
	*nbad = 0;
	for (int i = 0; i < ADDRESS_PLACES; i++)
	{
		const char *where;
		JsonbContainer *place = address_place(call, parts, i, &where);
		JsonbValue	value;
		MessageProblem objection;
		char	   *email;

		if (!message_field(place, "email", &value))
			continue;
		email = read_email(&value, where, &objection);
		if (email != NULL)
			return email;
		if ((*nbad)++ == number)
			*problem = objection;
	}
	return NULL;
}

/* The address in userId, if it looks like one. */
static char *
email_of_user_id(const MessageParts *parts)
{
	const char *why;

	return parts->user_id.type != jbvString ? NULL
		: message_normalise_email(parts->user_id.val.string.val, parts->user_id.val.string.len,
								  &why);
}

bool
message_contact_key(Call call, const MessageParts *parts, const char *id_property,
					MessageKey *key, MessageProblem *problem)
{
	int			nbad;

	if (id_property != NULL && parts->user_id.type != jbvNull)
		return user_id_key(parts, id_property, key, problem);
	key->property = NULL;
	key->key = find_email(call, parts, 0, &nbad, problem);
	if (key->key == NULL)
		key->key = email_of_user_id(parts);
	if (key->key != NULL || nbad > 0)
		return key->key != NULL;
	return
		message_bad(problem, psprintf("%s message has no contact key", call_names[call]),
					id_property != NULL
					? psprintf("Expected userId (the account keeps it in property \"%s\") or an "
							   "e-mail address in traits.email.", id_property)
					: "Expected an e-mail address in traits.email, context.traits.email, "
					"properties.email, email or userId.");
}

bool
message_known_contact_key(Call call, const MessageParts *parts, const char *id_property,
						  MessageKey *key, MessageProblem *problem)
{
	int			nbad;

	if (id_property != NULL || parts->user_id.type == jbvNull)
		return message_contact_key(call, parts, id_property, key, problem);
	key->property = NULL;
	key->key = find_email(call, parts, 0, &nbad, problem);
	if (key->key == NULL)
		key->key = email_of_user_id(parts);
	return key->key != NULL || user_id_key(parts, MESSAGE_USER_ID, key, problem);
}

bool
message_names_contact(Call call, const MessageParts *parts)
{
	JsonbValue	value;

	return parts->user_id.type != jbvNull || first_address(call, parts, &value);
}

char *
message_email(Call call, const MessageParts *parts)
{
	MessageProblem problem;
	int			nbad;

	return find_email(call, parts, 0, &nbad, &problem);
}

bool
message_event_object(Call call, const MessageParts *parts, Object *object, MessageProblem *problem)
{
	*object = OBJECT_IS_CONTACT;
	/* a column of a flat row is a property, whatever it is called */
	if (call != CALL_TRACK || parts->flat)
		return true;
	return message_record_type(parts->root, object, problem);
}

Object
message_object_of_key(const char *key_property, bool *by_record)
{
	const char *dot = key_property == NULL ? NULL : strchr(key_property, '.');
	int			object = dot == NULL ? -1 : object_of_name(key_property, dot - key_property);

	if (object < 0)
		return OBJECT_IS_CONTACT;
	*by_record = strcmp(dot + 1, MESSAGE_BY_RECORD) == 0;
	return (Object) object;
}

/* Whether the key of such a call's own row is looked for among the addresses. */
static bool
is_keyed_by_address(Call call, const MessageParts *parts, const char *id_property)
{
	MessageProblem problem;
	Object		object;

	switch (call)
	{
		case CALL_TRACK:
			if (!message_event_object(call, parts, &object, &problem) ||
				object != OBJECT_IS_CONTACT)
				return false;
			break;
		case CALL_IDENTIFY:
		case CALL_PAGE:
		case CALL_GROUP:
			break;
		case CALL_DELETE:
		case CALL_ADD_TO_LIST:
		case CALL_REMOVE_FROM_LIST:
			if (!message_record_type(parts->root, &object, &problem) ||
				object != OBJECT_IS_CONTACT)
				return false;
			break;
		default:
			return false;
	}
	/* an account with a property of its own ids goes by the userId, where there is one */
	return id_property == NULL || parts->user_id.type == jbvNull;
}

bool
message_address_is(Call call, const MessageParts *parts, const char *address)
{
	size_t		len = strlen(address);
	JsonbValue	value;

	return first_address(call, parts, &value) && value.type == jbvString &&
		value.val.string.len == len && memcmp(value.val.string.val, address, len) == 0;
}

const char *
message_unused_address(Call call, const MessageParts *parts, const char *id_property, int number)
{
	MessageProblem problem = {0};
	int			nbad;

	if (!is_keyed_by_address(call, parts, id_property))
		return NULL;
	(void) find_email(call, parts, number, &nbad, &problem);
	return nbad <= number ? NULL : psprintf("%s (%s)", problem.message, problem.detail);
}

char *
message_user_id(const MessageParts *parts)
{
	char	   *text = parts->user_id.type == jbvBool ? NULL : message_scalar_text(&parts->user_id);

	return text == NULL || !message_is_key_length(strlen(text)) ? NULL : text;
}

char *
message_find_user_id(const Jsonb *message)
{
	static const Part names[] = {PART_USER_ID, PART_USER_ID_SNAKE};
	JsonbContainer *root = unconstify(JsonbContainer *, &message->root);
	MessageParts parts;

	if (!JsonContainerIsObject(root))
		return NULL;
	for (int i = 0; i < lengthof(names); i++)
		if (getKeyJsonValueFromContainer(root, part_names[names[i]].name, part_names[names[i]].len,
										 &parts.user_id) != NULL &&
			parts.user_id.type != jbvNull)
			return message_user_id(&parts);
	return NULL;
}

bool
message_event(const MessageParts *parts, JsonbValue *event)
{
	return message_member(parts->root, "event", event) && event->type == jbvString &&
		event->val.string.len > 0;
}

bool
message_text(const MessageParts *parts, const char *name, JsonbValue *value)
{
	return message_member(parts->root, name, value) && value->type == jbvString &&
		value->val.string.len > 0;
}

bool
message_hutk(const MessageParts *parts, JsonbValue *value)
{
	return parts->context != NULL && message_member(parts->context, "hutk", value) &&
		value->type == jbvString && message_is_key_length(value->val.string.len);
}

bool
message_has_traits(JsonbContainer *traits)
{
	JsonbValue	email;

	return traits != NULL &&
		JsonContainerSize(traits) > (message_field(traits, "email", &email) ? 1 : 0);
}

bool
message_erases(Jsonb *message)
{
	JsonbValue	value;

	return JsonContainerIsObject(&message->root) &&
		message_member(&message->root, "gdpr", &value) &&
		value.type == jbvBool && value.val.boolean;
}

/* Whether a letter is at a valid place: "T" between digits, "Z" at the end. */
static bool
letter_is_in_place(const char *text, int len, int i)
{
	if (text[i] == 'T' || text[i] == 't')
		return i > 0 && i + 1 < len && isdigit((unsigned char) text[i - 1]) &&
			isdigit((unsigned char) text[i + 1]);
	for (i++; i < len; i++)
		if (text[i] != ' ')
			return false;
	return true;
}

bool
message_is_iso(const char *text, int len)
{
	for (int i = 0; i < len; i++)
		if (text[i] == '\0' || strchr("0123456789-+:., TtZz", text[i]) == NULL ||
			(isalpha((unsigned char) text[i]) && !letter_is_in_place(text, len, i)))
			return false;
	return true;
}

/*
 * Whether text is a date, or a date and time; raises no error.  Words such as "now" are
 * no timestamps, because a message records something that has happened.
 */
static bool
timestamp_is_readable(const char *text, int len)
{
	char		workbuf[MAXDATELEN + MAXDATEFIELDS];
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	int			nf;
	int			dtype;
	int			tz;
	fsec_t		fsec;
	struct pg_tm tm;
	char		copy[MAXDATELEN + 1];
	DateTimeErrorExtra extra;

	if (len < 8 || len > MAXDATELEN || !isdigit((unsigned char) text[0]) ||
		!message_is_iso(text, len))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return ParseDateTime(copy, workbuf, sizeof(workbuf), field, ftype, MAXDATEFIELDS, &nf) == 0 &&
		DecodeDateTime(field, ftype, nf, &dtype, &tm, &fsec, &tz, &extra) == 0 &&
		dtype == DTK_DATE;
}

bool
message_check_envelope(const MessageParts *parts, MessageProblem *problem)
{
	const JsonbValue *time = &parts->timestamp;

	if (time->type != jbvNull &&
		(time->type != jbvString ||
		 !timestamp_is_readable(time->val.string.val, time->val.string.len)))
		return message_bad(problem, "field \"timestamp\" of the message is not readable",
						   "Expected ISO 8601, such as \"2026-11-23T10:00:00.000Z\".");
	if (parts->message_id.type != jbvNull)
	{
		char	   *text = message_scalar_text(&parts->message_id);

		if (text == NULL || !message_is_key_length(strlen(text)))
			return message_bad(problem, "field \"messageId\" of the message is not usable",
							   psprintf("Expected a text of 1 to %d bytes.", MESSAGE_MAX_KEY));
	}
	return true;
}

char *
message_id(const MessageParts *parts)
{
	return parts->message_id.type == jbvNull ? NULL : message_scalar_text(&parts->message_id);
}
