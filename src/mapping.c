/*
 * mapping.c
 *		From a contact's traits to HubSpot's properties.
 *
 * Pure: a message in, JSON members and warnings out.  The tables below are
 * docs/mapping.md's special fields; names not in them are put in lower case,
 * with "_" for a run of white space and for anything else that a name cannot hold.  All memory is the
 * current context's.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "hubspot.h"
#include "mapping.h"
#include "value.h"

/* Traits with a meaning of their own, folded as message_fold_name() does. */
typedef enum Trait
{
	TRAIT_ADDRESS,
	TRAIT_CITY,
	TRAIT_COMPANY,
	TRAIT_COMPANYNAME,
	TRAIT_COUNTRY,
	TRAIT_CREATED,
	TRAIT_CREATEDAT,
	TRAIT_EMAIL,
	TRAIT_FIRSTNAME,
	TRAIT_JOBTITLE,
	TRAIT_LASTNAME,
	TRAIT_LIFECYCLESTAGE,
	TRAIT_NAME,
	TRAIT_PHONE,
	TRAIT_POSITION,
	TRAIT_POSTALCODE,
	TRAIT_STATE,
	TRAIT_TITLE,
	TRAIT_WEBSITE,
	TRAIT_ZIP
#define TRAIT_COUNT (TRAIT_ZIP + 1)
} Trait;

/* Sorted, for a binary search. */
static const char *const trait_names[TRAIT_COUNT] = {
	"address", "city", "company", "companyname", "country", "created", "createdat", "email",
	"firstname", "jobtitle", "lastname", "lifecyclestage", "name", "phone", "position",
	"postalcode", "state", "title", "website", "zip"
};

/* Where a property comes from; of several lines with one property the first that is there wins. */
static const struct
{
	const char *property;
	Trait		trait;
	const char *member;			/* of the trait, which is an object; NULL: the trait itself, which
								 * is none */
}			special_fields[] =
{
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
	{"address", TRAIT_ADDRESS, NULL},
	{"address", TRAIT_ADDRESS, "street"},
	{"city", TRAIT_ADDRESS, "city"},
	{"city", TRAIT_CITY, NULL},
	{"state", TRAIT_ADDRESS, "state"},
	{"state", TRAIT_STATE, NULL},
	{"country", TRAIT_ADDRESS, "country"},
	{"country", TRAIT_COUNTRY, NULL},
	{"zip", TRAIT_ADDRESS, "postalcode"},
	{"zip", TRAIT_POSTALCODE, NULL},
	{"zip", TRAIT_ADDRESS, "zip"},
	{"zip", TRAIT_ZIP, NULL},
	{"lifecyclestage", TRAIT_LIFECYCLESTAGE, NULL},
};

typedef struct MappingName
{
	int			offset;			/* of the name in json */
	int			len;
	int			value_offset;	/* of the value, quotes included */
	int			value_len;
} MappingName;

/* A trait whose name had to be changed, looked at after those that had not. */
typedef struct RenamedTrait
{
	char	   *name;
	int			len;
	JsonbValue	value;
} RenamedTrait;

/* The traits of one message, sorted out. */
typedef struct Traits
{
	bool		present[TRAIT_COUNT];
	JsonbValue	special[TRAIT_COUNT];
	int			nrenamed;
	int			renamed_size;
	RenamedTrait *renamed;
} Traits;

static void
warn(Mapping *mapping, const char *code, const char *property, int len, const char *detail)
{
	StringInfo	json = mapping->warnings;

	appendStringInfo(json, "%s{\"code\":\"%s\",\"property\":", json->len > 0 ? "," : "", code);
	value_append_string(json, property, len);
	appendStringInfoString(json, ",\"detail\":");
	value_append_string(json, detail, strlen(detail));
	appendStringInfoChar(json, '}');
}

void
mapping_begin(Mapping *mapping, StringInfo json)
{
	mapping->json = json;
	mapping->nnames = 0;
	mapping->names_size = 32;
	mapping->names = palloc(sizeof(MappingName) * mapping->names_size);
	mapping->row_start = 0;
	mapping->warnings = NULL;
}

static MappingName *
find_name(Mapping *mapping, const char *name, int len)
{
	for (int i = 0; i < mapping->nnames; i++)
		if (mapping->names[i].len == len &&
			memcmp(mapping->json->data + mapping->names[i].offset, name, len) == 0)
			return &mapping->names[i];
	return NULL;
}

/* Whether a property that is there already has another value than this one. */
static bool
value_differs(Mapping *mapping, const MappingName *there, const JsonbValue *value)
{
	StringInfoData text;

	initStringInfo(&text);
	value_append(&text, value);
	return text.len != there->value_len ||
		memcmp(text.data, mapping->json->data + there->value_offset, text.len) != 0;
}

/* The one place where a property is written. */
static void
add_property(Mapping *mapping, const char *property, int len, const JsonbValue *value)
{
	StringInfo	json = mapping->json;
	MappingName *name = find_name(mapping, property, len);

	if (name != NULL)
	{
		if (name - mapping->names >= mapping->row_start && value_differs(mapping, name, value))
			warn(mapping, "duplicate_property", property, len,
				 "another trait of this message is this property with another value");
		return;
	}
	if (mapping->nnames == mapping->names_size)
		mapping->names = repalloc(mapping->names,
								  sizeof(MappingName) * (mapping->names_size *= 2));
	name = &mapping->names[mapping->nnames];
	if (mapping->nnames++ > 0)
		appendStringInfoCharMacro(json, ',');
	name->offset = json->len + 1;
	name->len = len;
	value_append_string(json, property, len);
	appendStringInfoCharMacro(json, ':');
	name->value_offset = json->len;
	if (value_append(json, value))
		warn(mapping, "truncated", property, len, "cut at 65536 characters");
	name->value_len = json->len - name->value_offset;
}

static int
compare_folded(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *) element);
}

static int
special_trait(const char *name, int len)
{
	char		folded[24];
	const char *const *found;

	if (message_fold_name(name, len, folded, sizeof(folded)) < 0)
		return -1;
	found = bsearch(folded, trait_names, TRAIT_COUNT, sizeof(char *), compare_folded);
	return found == NULL ? -1 : found - trait_names;
}

static bool
name_is_canonical(const char *name, int len)
{
	for (int i = 0; i < len; i++)
		if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') || name[i] == '_'))
			return false;
	return len > 0;
}

/* Lower case; white space in runs, and anything else out of bounds, as "_". */
static char *
canonical_name(const char *name, int *len)
{
	char	   *canonical = palloc(*len + 1);
	int			used = 0;

	for (int i = 0; i < *len; i += pg_mblen(name + i))
	{
		unsigned char c = pg_ascii_tolower((unsigned char) name[i]);

		if (isspace(c) && i > 0 && isspace((unsigned char) name[i - 1]))
			continue;
		canonical[used++] = name_is_canonical((char *) &c, 1) ? c : '_';
	}
	canonical[used] = '\0';
	*len = used;
	return canonical;
}

static void
note_renamed(Traits *traits, const JsonbValue *name, const JsonbValue *value)
{
	RenamedTrait *renamed;

	if (traits->nrenamed == traits->renamed_size)
	{
		traits->renamed_size = Max(traits->renamed_size * 2, 8);
		traits->renamed = traits->renamed == NULL
			? palloc(sizeof(RenamedTrait) * traits->renamed_size)
			: repalloc(traits->renamed, sizeof(RenamedTrait) * traits->renamed_size);
	}
	renamed = &traits->renamed[traits->nrenamed++];
	renamed->len = name->val.string.len;
	renamed->name = canonical_name(name->val.string.val, &renamed->len);
	renamed->value = *value;
}

/* Sort out one object of traits; names that need no change are written at once. */
static void
read_traits(Mapping *mapping, Traits *traits, JsonbContainer *object, bool flat)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	name;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &name, true)) != WJB_DONE)
	{
		int			special;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &value, true);
		if (flat && message_is_envelope(name.val.string.val, name.val.string.len))
			continue;
		special = special_trait(name.val.string.val, name.val.string.len);
		if (special >= 0)
		{
			if (traits->present[special])
				warn(mapping, "duplicate_property", name.val.string.val, name.val.string.len,
					 "another spelling of this trait stands in the message already");
			else
			{
				traits->present[special] = true;
				traits->special[special] = value;
			}
		}
		else if (name_is_canonical(name.val.string.val, name.val.string.len))
			add_property(mapping, name.val.string.val, name.val.string.len, &value);
		else if (name.val.string.len > 0)
			note_renamed(traits, &name, &value);
	}
}

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

/* Whether a special trait may be an object. */
static bool
takes_objects(Trait trait)
{
	return trait == TRAIT_ADDRESS || trait == TRAIT_COMPANY;
}

static void
add_special_fields(Mapping *mapping, const Traits *traits)
{
	for (int i = 0; i < lengthof(special_fields); i++)
	{
		const JsonbValue *value = &traits->special[special_fields[i].trait];
		JsonbValue	member;

		if (!traits->present[special_fields[i].trait])
			continue;
		if (is_object(value) && !takes_objects(special_fields[i].trait))
			warn(mapping, "unknown_property", special_fields[i].property, strlen(special_fields[i].property),
				 "the trait is an object, which has no place in this property");
		if (is_object(value) != (special_fields[i].member != NULL))
			continue;
		if (special_fields[i].member != NULL)
		{
			if (!message_field(value->val.binary.data, special_fields[i].member, &member))
				continue;
			value = &member;
		}
		add_property(mapping, special_fields[i].property, strlen(special_fields[i].property), value);
	}
}

/* "name" gives first and last name, split at its first space, when neither is there. */
static void
add_name(Mapping *mapping, const Traits *traits)
{
	const JsonbValue *name = &traits->special[TRAIT_NAME];
	JsonbValue	part = *name;
	const char *space;

	if (!traits->present[TRAIT_NAME] || name->type != jbvString ||
		traits->present[TRAIT_FIRSTNAME] || traits->present[TRAIT_LASTNAME])
		return;
	space = memchr(name->val.string.val, ' ', name->val.string.len);
	if (space != NULL)
		part.val.string.len = space - name->val.string.val;
	add_property(mapping, "firstname", strlen("firstname"), &part);
	if (space != NULL)
	{
		part.val.string.val = unconstify(char *, space + 1);
		part.val.string.len = name->val.string.len - (space + 1 - name->val.string.val);
		add_property(mapping, "lastname", strlen("lastname"), &part);
	}
}

/* The address is a property of its own only where it is not the key. */
static void
add_email(Mapping *mapping, const Traits *traits, const char *key_property)
{
	const JsonbValue *email = &traits->special[TRAIT_EMAIL];
	JsonbValue	normal = *email;
	const char *why = "It is no text.";

	if (key_property == NULL || !traits->present[TRAIT_EMAIL])
		return;
	if (email->type == jbvString && email->val.string.len > 0)
	{
		normal.val.string.val = message_normalise_email(email->val.string.val,
														email->val.string.len, &why);
		if (normal.val.string.val != NULL)
			normal.val.string.len = strlen(normal.val.string.val);
	}
	else if (email->type != jbvNull && email->type != jbvString)
		normal.val.string.val = NULL;
	if (normal.type == jbvNull || normal.val.string.val != NULL)
		add_property(mapping, "email", strlen("email"), &normal);
	else
		warn(mapping, "invalid_email", "email", strlen("email"), why);
}

void
mapping_add_contact(Mapping *mapping, const MessageParts *parts, const char *key_property,
					StringInfo warnings)
{
	Traits		traits;

	memset(traits.present, 0, sizeof(traits.present));
	traits.nrenamed = traits.renamed_size = 0;
	traits.renamed = NULL;
	mapping->row_start = mapping->nnames;
	mapping->warnings = warnings;

	if (parts->flat)
		read_traits(mapping, &traits, parts->root, true);
	if (parts->traits != NULL)
		read_traits(mapping, &traits, parts->traits, false);
	if (parts->context_traits != NULL)
		read_traits(mapping, &traits, parts->context_traits, false);

	add_special_fields(mapping, &traits);
	add_name(mapping, &traits);
	add_email(mapping, &traits, key_property);
	for (int i = 0; i < traits.nrenamed; i++)
		add_property(mapping, traits.renamed[i].name, traits.renamed[i].len, &traits.renamed[i].value);
	if (traits.present[TRAIT_CREATED] || traits.present[TRAIT_CREATEDAT])
		warn(mapping, "read_only_property", "createdate", strlen("createdate"),
			 "HubSpot sets the creation date itself");
}
