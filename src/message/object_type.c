/*
 * object_type.c
 *		What an object is: one row per word of the column "object".
 *
 * The fixed objects, whose requests have code of their own.  Further types of
 * HubSpot's records are all alike: they become rows as they are met, from
 * record_types[] in record_type.c or by their type id.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "message/message.h"
#include "message/object_type.h"
#include "message/special_field.h"

#define CREATED_APART (TRAIT_BIT(TRAIT_CREATED) | TRAIT_BIT(TRAIT_CREATEDAT))

/* An address is the same in a contact and in a company. */
#define ADDRESS_FIELDS \
	{"address", TRAIT_ADDRESS, NULL}, \
	{"address", TRAIT_ADDRESS, "street"}, \
	{"city", TRAIT_ADDRESS, "city"}, \
	{"city", TRAIT_CITY, NULL}, \
	{"state", TRAIT_ADDRESS, "state"}, \
	{"state", TRAIT_STATE, NULL}, \
	{"country", TRAIT_ADDRESS, "country"}, \
	{"country", TRAIT_COUNTRY, NULL}, \
	{"zip", TRAIT_ADDRESS, "postalcode"}, \
	{"zip", TRAIT_POSTALCODE, NULL}, \
	{"zip", TRAIT_ADDRESS, "zip"}, \
	{"zip", TRAIT_ZIP, NULL}

static const SpecialField contact_fields[] = {
	{"firstname", TRAIT_FIRSTNAME, NULL},
	{"lastname", TRAIT_LASTNAME, NULL},
	{"jobtitle", TRAIT_POSITION, NULL},
	{"jobtitle", TRAIT_JOBTITLE, NULL},
	{"jobtitle", TRAIT_TITLE, NULL},
	{"company", TRAIT_COMPANYNAME, NULL},
	{"company", TRAIT_COMPANY, NULL},
	{"company", TRAIT_COMPANY, "name"},
	{"phone", TRAIT_PHONE, NULL},
	{"website", TRAIT_WEBSITE, NULL},
	ADDRESS_FIELDS,
	{"lifecyclestage", TRAIT_LIFECYCLESTAGE, NULL},
	{NULL}
};

static const SpecialField company_fields[] = {
	{"name", TRAIT_NAME, NULL},
	ADDRESS_FIELDS,
	{"description", TRAIT_DESCRIPTION, NULL},
	{"industry", TRAIT_INDUSTRY, NULL},
	{"phone", TRAIT_PHONE, NULL},
	{"website", TRAIT_WEBSITE, NULL},
	{"numberofemployees", TRAIT_EMPLOYEES, NULL},
	{"numberofemployees", TRAIT_NUMBEROFEMPLOYEES, NULL},
	{NULL}
};

CrmType		object_type_rows[OBJECT_MAX] = {
	[OBJECT_IS_CONTACT] = {
		.name = "contact",
		.plural = "contacts",
		.call = CALL_IDENTIFY,
		.per_request = 100,
		.own_limit = -1,
		.merges = true,
		.has_schema = true,
		.can_be_synced = true,
		.is_record = true,
		.type_id = "0-1",
		.path = "contacts",
		.scopes = "crm.objects.contacts.write",
		.modified_property = "lastmodifieddate",
		.id_member = "userId",
		.id_option = "contact_id_property",
		.natural_key = "email",
		.natural_key_is_unique = true,
		.stage_property = "lifecyclestage",
		.read_properties = "\"email\",\"hs_additional_emails\",\"lifecyclestage\"",
		.property_group = "contactinformation",
		.fields = contact_fields,
		.apart = CREATED_APART | TRAIT_BIT(TRAIT_NAME) | TRAIT_BIT(TRAIT_EMAIL),
		.can_be_erased = true,
	},
	[OBJECT_IS_COMPANY] = {
		.name = "company",
		.plural = "companies",
		.call = CALL_GROUP,
		.per_request = 100,
		.own_limit = -1,
		.merges = true,
		.has_schema = true,
		.can_be_synced = true,
		.is_record = true,
		.type_id = "0-2",
		.path = "companies",
		.scopes = "crm.objects.companies.write",
		.modified_property = "hs_lastmodifieddate",
		.id_member = "groupId",
		.id_option = "company_id_property",
		.natural_key = "domain",
		.further_keys = MESSAGE_FURTHER_DOMAINS,
		.key_trait = "website",
		.stage_property = "lifecyclestage",
		.property_group = "companyinformation",
		.fields = company_fields,
		.apart = CREATED_APART | TRAIT_BIT(TRAIT_DOMAIN),
		.is_few = true,
	},
	[OBJECT_IS_ASSOCIATION] = {
		.name = "association",
		.plural = "associations",
		.call = CALL_GROUP,
		.per_request = 100,
		.own_limit = 100,
		.merges = true,
		.can_be_synced = true,
		.keyed_by_contact = true,
	},
	[OBJECT_IS_EVENT] = {
		.name = "event",
		.plural = "events",
		.call = CALL_TRACK,
		.per_request = 500,
		.own_limit = 0,
		.has_schema = true,
		.can_be_synced = true,
		.keyed_by_contact = true,
		.names_types = true,
	},
	[OBJECT_IS_FORM] = {
		.name = "form",
		.plural = "forms",
		.call = CALL_FORM,
		.per_request = 1,
		.own_limit = -1,
		.keyed_by_contact = true,
	},
	[OBJECT_IS_SCHEMA] = {
		.name = "schema",
		.plural = "schema",
		.call = CALL_CREATE_PROPERTY,
		.per_request = 1,
		.own_limit = -1,
		.names_types = true,
	},
	[OBJECT_IS_LIST] = {
		.name = "list",
		.plural = "lists",
		.call = CALL_ADD_TO_LIST,
		.per_request = 500,
		.own_limit = -1,
		.merges = true,
		.keyed_by_contact = true,
	},
	[OBJECT_IS_CONSENT] = {
		.name = "consent",
		.plural = "consent",
		.call = CALL_SUBSCRIPTION,
		.per_request = 100,
		.own_limit = -1,
		.keyed_by_contact = true,
	},
	[OBJECT_IS_PAIR] = {
		.name = "pair",
		.plural = "pairs",
		.call = CALL_ASSOCIATE,
		.per_request = 2000,
		.own_limit = 100,
		.merges = true,
		.names_contacts = true,
		.names_types = true,
	},
};

int			object_known = OBJECT_COUNT;

static bool
is_word(const char *word, const char *name, int len)
{
	return word != NULL && len > 0 && word[0] == name[0] && strlen(word) == len &&
		memcmp(word, name, len) == 0;
}

int
object_find(const char *name, int len)
{
	for (int i = 0; i < OBJECT_COUNT; i++)
		if (is_word(object_types[i].name, name, len))
			return i;
	return -1;
}

/* ---- types that are met ------------------------------------------------------------- */

#define TYPE_ID_DIGITS	9		/* of HubSpot's own types and of custom objects; object_code() */

/* What "2-123" means; 0: it is no type id. */
static uint32
number_of_type_id(const char *name, int len)
{
	uint32		number = 0;

	if (len < 3 || len > 2 + TYPE_ID_DIGITS || (name[0] != '0' && name[0] != '2') ||
		name[1] != '-' || name[2] == '0')
		return 0;
	for (int i = 2; i < len; i++)
	{
		if (name[i] < '0' || name[i] > '9')
			return 0;
		number = number * 10 + (name[i] - '0');
	}
	return number;
}

bool
object_is_custom_type_id(const char *name)
{
	return name[0] == '2' && number_of_type_id(name, strlen(name)) != 0;
}

static int
add_type(const CrmType *type)
{
	if (object_known == OBJECT_MAX)
		return OBJECT_MAX;
	object_type_rows[object_known] = *type;
	return object_known++;
}

/* A type that nothing is known of but its id, which is its name. */
static int
add_custom(const char *name, int len)
{
	CrmType		type = record_types[0];
	char	   *word;

	if (object_known == OBJECT_MAX)
		return OBJECT_MAX;
	word = MemoryContextAlloc(TopMemoryContext, len + 1);
	memcpy(word, name, len);
	word[len] = '\0';
	type.name = type.plural = type.type_id = type.path = word;
	return add_type(&type);
}

int
object_of_name(const char *name, int len)
{
	static int	last = 0;

	/* rows of one object come in runs */
	if (is_word(object_types[last].name, name, len))
		return last;
	for (int i = 0; i < object_known; i++)
		if (is_word(object_types[i].name, name, len) ||
			is_word(object_types[i].type_id, name, len))
			return last = i;
	for (const CrmType *type = record_types + 1; type->name != NULL; type++)
		if (is_word(type->name, name, len) || is_word(type->type_id, name, len))
			return add_type(type);
	return number_of_type_id(name, len) != 0 ? add_custom(name, len) : -1;
}

bool
object_is_called(const CrmType *type, const char *name)
{
	return pg_strcasecmp(type->name, name) == 0 || pg_strcasecmp(type->plural, name) == 0 ||
		strcmp(type->type_id, name) == 0 || pg_strcasecmp(type->path, name) == 0;
}

int
object_of_lane(const char *name)
{
	for (int i = 0; i < object_known; i++)
		if (strcmp(object_types[i].plural, name) == 0)
			return i;
	for (const CrmType *type = record_types + 1; type->name != NULL; type++)
		if (strcmp(type->plural, name) == 0)
			return add_type(type);
	return number_of_type_id(name, strlen(name)) != 0
		? object_of_name(name, strlen(name)) : -1;
}

/*
 * The number of a type id, with a bit for types and another one for custom objects; of a fixed
 * object its own number.
 */
#define CODE_IS_TYPE	((uint32) 1 << 31)
#define CODE_IS_CUSTOM	((uint32) 1 << 30)

static uint32
code_of_type_id(const char *id)
{
	return CODE_IS_TYPE | (id[0] == '2' ? CODE_IS_CUSTOM : 0) | number_of_type_id(id, strlen(id));
}

uint32
object_code(Object object)
{
	return object < OBJECT_COUNT ? (uint32) object : code_of_type_id(object_types[object].type_id);
}

bool
object_find_code(const char *name, int len, uint32 *code)
{
	for (int i = 0; i < OBJECT_COUNT; i++)
		if (is_word(object_types[i].name, name, len) ||
			is_word(object_types[i].type_id, name, len))
		{
			*code = i;
			return true;
		}
	for (const CrmType *type = record_types + 1; type->name != NULL; type++)
		if (is_word(type->name, name, len))
		{
			*code = code_of_type_id(type->type_id);
			return true;
		}
	if (number_of_type_id(name, len) == 0)
		return false;
	*code = code_of_type_id(pnstrdup(name, len));
	return true;
}

/* The type id, palloc'd; NULL: a fixed object's number, or none. */
static char *
type_id_of_code(uint32 code)
{
	return (code & CODE_IS_TYPE) == 0 ? NULL
		: psprintf("%c-%u", (code & CODE_IS_CUSTOM) != 0 ? '2' : '0', code & (CODE_IS_CUSTOM - 1));
}

int
object_of_code(uint32 code)
{
	char	   *id = type_id_of_code(code);

	if (id == NULL)
		return code < OBJECT_COUNT ? (int) code : -1;
	return object_of_name(id, strlen(id));
}

/* A member of the type's row; of a custom object all are its type id. */
static const char *
word_of_code(uint32 code, size_t member)
{
	const CrmType *type = record_types + 1;
	char	   *id = type_id_of_code(code);

	if (id == NULL && code >= OBJECT_COUNT)
		return NULL;
	if (id == NULL)
		type = &object_types[code];
	else
		while (type->name != NULL && strcmp(type->type_id, id) != 0)
			type++;
	return type->name == NULL ? id : *(const char *const *) ((const char *) type + member);
}

const char *
object_code_name(uint32 code)
{
	return word_of_code(code, offsetof(CrmType, name));
}

const char *
object_code_lane(uint32 code)
{
	return word_of_code(code, offsetof(CrmType, plural));
}

/* ---- columns -------------------------------------------------------------------------- */

int
object_of_text(const text * word)
{
	return object_of_name(VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word));
}

Datum
object_datum(Object object)
{
	static text * words[OBJECT_MAX];

	if (words[object] == NULL)
	{
		const char *name = object_types[object].name;
		text	   *word = MemoryContextAlloc(TopMemoryContext, VARHDRSZ + strlen(name));

		SET_VARSIZE(word, VARHDRSZ + strlen(name));
		memcpy(VARDATA(word), name, strlen(name));
		words[object] = word;
	}
	return PointerGetDatum(words[object]);
}

/* ---- keys ----------------------------------------------------------------------------- */

bool
object_key_is_record_id(const char *property)
{
	return property != NULL && strcmp(property, RECORD_ID_PROPERTY) == 0;
}

const char *
object_key_property(const char *property)
{
	return property != NULL ? property : object_types[OBJECT_IS_CONTACT].natural_key;
}

bool
object_next_id_property(const char **at, IdPropertyEntry *entry)
{
	const char *text = *at + strspn(*at, " ");
	int			len = strcspn(text, ",");
	int			at_equals;

	if (*text == '\0')
		return false;
	*at = text[len] == ',' ? text + len + 1 : text + len;
	while (len > 0 && text[len - 1] == ' ')
		len--;
	for (at_equals = 0; at_equals < len && text[at_equals] != '='; at_equals++)
		;
	entry->object = text;
	entry->object_len = at_equals;
	while (entry->object_len > 0 && text[entry->object_len - 1] == ' ')
		entry->object_len--;
	entry->property = text + Min(at_equals + 1, len);
	while (entry->property < text + len && *entry->property == ' ')
		entry->property++;
	entry->property_len = text + len - entry->property;
	return true;
}

const char *
object_id_property(const char *const *id_property, Object object)
{
	const char *at = id_property[ID_PROPERTIES];
	const CrmType *type = &object_types[object];
	IdPropertyEntry entry;

	if (object < OBJECT_COUNT)
		return id_property[object];
	while (at != NULL && object_next_id_property(&at, &entry))
		if (is_word(type->name, entry.object, entry.object_len) ||
			is_word(type->type_id, entry.object, entry.object_len))
			return pnstrdup(entry.property, entry.property_len);
	return NULL;
}

char *
object_list_names(size_t flag)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < OBJECT_COUNT; i++)
		if (*(const bool *) ((const char *) &object_types[i] + flag))
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", object_types[i].name);
	return names.data;
}
