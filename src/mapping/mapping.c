/*
 * mapping.c
 *		From traits to HubSpot's properties.
 *
 * Pure: takes a message, returns JSON members and warnings.  Explicit mappings come
 * first.  Then traits with the exact name of a property are written as they are met, and
 * the others are put aside: special fields for their table, names that need another form
 * for the end.  So if two traits mean the same property, the one that matched by the
 * earlier rule wins.  All memory is in the current context.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "mapping/choice.h"
#include "mapping/mapping.h"
#include "mapping/mapping_name.h"
#include "mapping/mapping_property.h"
#include "message/unreadable.h"
#include "text/domain.h"
#include "text/value.h"

#define MAX_CONTAINERS	3		/* # of objects with traits in one message */

/* A trait whose name had to be changed; written after those with an exact name. */
typedef struct RenamedTrait
{
	NameRule	rule;
	const char *property;
	int			len;
	const char *trait;
	int			trait_len;
	JsonbValue	value;
} RenamedTrait;

/* The traits of one message by kind. */
typedef struct Traits
{
	int			containers;		/* read so far */
	bool		present[TRAIT_COUNT];
	JsonbValue	special[TRAIT_COUNT];
	int			container[TRAIT_COUNT]; /* where that stands ... */
	int			place[TRAIT_COUNT]; /* ... and the place of its spelling in the table */
	int			nrenamed;
	int			renamed_size;
	RenamedTrait *renamed;
} Traits;

/* Fields of a page call. */
static const struct
{
	const char *property;
	const char *field;			/* name in properties, in the flat row, or in context.page */
}			page_fields[] =
{
	{"hs_page_url", "url"},
	{"hs_page_title", "title"},
	{"hs_referrer", "referrer"},
};

static void
add_special(Mapping *mapping, const char *property, const JsonbValue *value)
{
	mapping_add_property(mapping, property, strlen(property), value, RULE_SPECIAL, property,
						 strlen(property));
}

MappingRules
mapping_rules(const Schema *schema, Object object, const char *const *id_property, pg_tz *zone)
{
	MappingRules rules = {
		.object = object,
		.key_property = object_id_property(id_property, object),
		.properties = schema_properties(schema, object),
		.nmaps = schema->nmaps,
		.maps = schema->maps,
		.pipelines = pipeline_of(schema, object),
		.pipeline_property = object_types[object].pipeline_property,
		.stage_property = object_types[object].pipeline_stage,
		.zone = zone
	};

	return rules;
}

/* ---- rule 1: explicit mappings ------------------------------------------------------- */

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

/* Find a value by a path of names separated by dots, or by the whole text as one name. */
static bool
value_at(JsonbContainer *object, const char *path, JsonbValue *value)
{
	const char *dot = strchr(path, '.');
	JsonbValue	inner;
	char		folded[128];

	if (getKeyJsonValueFromContainer(object, path, strlen(path), value) != NULL)
		return !unreadable_is(value, NULL);
	if (message_fold_name(path, dot != NULL ? dot - path : strlen(path),
						  folded, sizeof(folded)) < 0)
		return false;
	if (dot == NULL)
		return message_field(object, folded, value);
	return message_field(object, folded, &inner) && is_object(&inner) &&
		value_at(inner.val.binary.data, dot + 1, value);
}

/* Another value for a member of an object, NULL: without the member; false when none is left. */
static bool
set_member(JsonbValue *object, const JsonbValue *name, JsonbValue *value)
{
	JsonbInState state = {0};
	JsonbIterator *it = JsonbIteratorInit(object->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	member;
	int			nmembers = 0;

	(void) JsonbIteratorNext(&it, &member, true);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&it, &member, true)) == WJB_KEY)
	{
		bool		is_it = member.val.string.len == name->val.string.len &&
		memcmp(member.val.string.val, name->val.string.val, name->val.string.len) == 0;

		if (!is_it || value != NULL)
		{
			pushJsonbValue(&state, WJB_KEY, &member);
			nmembers++;
		}
		(void) JsonbIteratorNext(&it, &member, true);
		if (!is_it || value != NULL)
			pushJsonbValue(&state, WJB_VALUE, is_it ? value : &member);
	}
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	JsonbToJsonbValue(JsonbValueToJsonb(state.result), object);
	return nmembers > 0;
}

/* Leave out what value_at() finds, and an object that this leaves empty. */
static bool
take_from(JsonbValue *object, const char *path)
{
	const char *dot = strchr(path, '.');
	JsonbValue	name = {.type = jbvString};
	JsonbValue	inner;
	char		folded[128];

	name.val.string.val = unconstify(char *, path);
	name.val.string.len = strlen(path);
	if (getKeyJsonValueFromContainer(object->val.binary.data, path, strlen(path), &inner) != NULL)
		return set_member(object, &name, NULL);
	if (message_fold_name(path, dot != NULL ? dot - path : strlen(path),
						  folded, sizeof(folded)) < 0 ||
		!message_named_field(object->val.binary.data, folded, &name, &inner) ||
		(dot != NULL && !is_object(&inner)))
		return true;
	return set_member(object, &name, dot != NULL && take_from(&inner, dot + 1) ? &inner : NULL);
}

/* Whether an explicit mapping has used the trait as a whole. */
static bool
is_mapped(const MappingRules *rules, const char *name, int len)
{
	for (int i = 0; i < rules->nmaps; i++)
		if (rules->maps[i].object == rules->object &&
			same_folded_name(name, len, rules->maps[i].trait, strlen(rules->maps[i].trait)))
			return true;
	return false;
}

/*
 * Leave out what explicit mappings have used inside of a trait.  Returns whether anything is left
 * of it.
 */
static bool
leave_out_mapped(const MappingRules *rules, const char *name, int len, JsonbValue *value)
{
	for (int i = 0; i < rules->nmaps; i++)
	{
		const char *trait = rules->maps[i].trait;
		const char *dot = strchr(trait, '.');

		if (rules->maps[i].object == rules->object && dot != NULL && is_object(value) &&
			same_folded_name(name, len, trait, dot - trait) && !take_from(value, dot + 1))
			return false;
	}
	return true;
}

/*
 * Whether an earlier mapping has the same trait: mappings of this account come before
 * those of all accounts.
 */
static bool
is_repeated(const MappingRules *rules, int i)
{
	for (int j = 0; j < i; j++)
		if (rules->maps[j].object == rules->object &&
			strcmp(rules->maps[j].trait, rules->maps[i].trait) == 0)
			return true;
	return false;
}

static void
add_explicit(Mapping *mapping, JsonbContainer *const *containers, int ncontainers)
{
	const MappingRules *rules = mapping->rules;

	for (int i = 0; i < rules->nmaps; i++)
	{
		const TraitMap *map = &rules->maps[i];
		JsonbValue	value;

		if (map->object != rules->object || map->property == NULL || is_repeated(rules, i))
			continue;
		for (int j = 0; j < ncontainers; j++)
			if (value_at(containers[j], map->trait, &value))
			{
				mapping_add_property(mapping, map->property, strlen(map->property), &value,
									 RULE_EXPLICIT,
									 map->trait, strlen(map->trait));
				break;
			}
	}
}

/* ---- rules 2, 4 and 5: names ------------------------------------------------------------ */

static bool
is_known(const MappingRules *rules, const char *name, int len)
{
	return rules->properties != NULL && schema_property(rules->properties, name, len) != NULL;
}

/* A word that means a property of HubSpot's own, whatever its name there, unless it is a name. */
static bool
short_name(const MappingRules *rules, const char **property, int *len)
{
	const struct
	{
		const char *word;
		const char *property;
	}			words[] =
	{
		{"owner", "hubspot_owner_id"},
		{"pipeline", rules->pipeline_property},
		{"stage", rules->stage_property},
	};

	for (int i = 0; object_types[rules->object].is_record && i < lengthof(words); i++)
		if (words[i].property != NULL && *len == strlen(words[i].word) &&
			memcmp(*property, words[i].word, *len) == 0 &&
			is_known(rules, words[i].property, strlen(words[i].property)))
		{
			*property = words[i].property;
			*len = strlen(*property);
			return true;
		}
	return false;
}

/* Find the property for an ordinary trait's name. */
static NameRule
resolve_name(const MappingRules *rules, const char *name, int len, const char **property,
			 int *property_len)
{
	*property = name;
	*property_len = len;
	if (rules->properties != NULL ? is_known(rules, name, len) : name_is_canonical(name, len))
		return RULE_EXACT;
	for (int runs = 0; runs <= 1 && rules->properties != NULL; runs++)
	{
		*property_len = len;
		*property = name_with_spaces(name, property_len, runs);
		if (is_known(rules, *property, *property_len))
			return RULE_SPACES;
	}
	*property_len = len;
	*property = canonical_name(name, property_len);
	if (rules->properties != NULL && !is_known(rules, *property, *property_len) &&
		short_name(rules, property, property_len))
		return RULE_SHORT;
	return RULE_CANONICAL;
}

static void
note_renamed(Traits *traits, NameRule rule, const char *property, int len, const JsonbValue *name,
			 const JsonbValue *value)
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
	renamed->rule = rule;
	renamed->property = property;
	renamed->len = len;
	renamed->trait = name->val.string.val;
	renamed->trait_len = name->val.string.len;
	renamed->value = *value;
}

/* A trait that is not special: write its property now, or put it aside. */
static void
read_ordinary(Mapping *mapping, Traits *traits, const JsonbValue *name, const JsonbValue *value)
{
	const char *property;
	int			len;
	NameRule	rule;

	if (name->val.string.len == 0)
		return;
	rule = resolve_name(mapping->rules, name->val.string.val, name->val.string.len, &property,
						&len);
	if (rule == RULE_EXACT)
		mapping_add_property(mapping, property, len, value, rule, property, len);
	else
		note_renamed(traits, rule, property, len, name, value);
}

static void
read_special(Mapping *mapping, Traits *traits, Trait special, const JsonbValue *name,
			 const JsonbValue *value)
{
	int			place = special_trait_place(special, name->val.string.val, name->val.string.len);
	bool		goes_first = !traits->present[special] ||
	(traits->container[special] == traits->containers && place < traits->place[special]);

	if (traits->present[special])
		mapping_warn(mapping, "duplicate_property", name->val.string.val, name->val.string.len,
					 goes_first
					 ? "it goes before another spelling of this trait in the message"
					 : "another spelling of this trait stands in the message already");
	if (!goes_first)
		return;
	traits->present[special] = true;
	traits->special[special] = *value;
	traits->container[special] = traits->containers;
	traits->place[special] = place;
}

/* Whether the name is a field of a page, or the address that is the event's key. */
static bool
is_set_apart(const Mapping *mapping, const char *name, int len)
{
	char		folded[24];

	if (mapping->rules->object != OBJECT_IS_EVENT ||
		message_fold_name(name, len, folded, sizeof(folded)) < 0)
		return false;
	if (mapping->key_is_email && strcmp(folded, "email") == 0)
		return true;
	for (int i = 0; mapping->is_page && i < lengthof(page_fields); i++)
		if (strcmp(folded, page_fields[i].field) == 0)
			return true;
	return false;
}

/* Warn if a member's value is one that jsonb could not hold. */
static bool
warn_of_unreadable(Mapping *mapping, const JsonbValue *name, const JsonbValue *value)
{
	char	   *why;

	if (!unreadable_is(value, &why))
		return false;
	mapping_warn(mapping, UNREADABLE_WARNING, name->val.string.val, name->val.string.len, why);
	return true;
}

/* The same for all members beside the traits: userId, timestamp and the like. */
static void
warn_of_envelope(Mapping *mapping, const MessageParts *parts)
{
	JsonbIterator *it = JsonbIteratorInit(parts->root);
	JsonbIteratorToken token;
	JsonbValue	name;
	JsonbValue	value;

	while (!parts->flat && (token = JsonbIteratorNext(&it, &name, true)) != WJB_DONE)
		if (token == WJB_KEY)
		{
			(void) JsonbIteratorNext(&it, &value, true);
			(void) warn_of_unreadable(mapping, &name, &value);
		}
}

/* Sort the traits of one object by kind. */
static void
read_traits(Mapping *mapping, Traits *traits, JsonbContainer *object, bool flat)
{
	const MappingRules *rules = mapping->rules;
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	name;
	JsonbValue	value;

	traits->containers++;
	while ((token = JsonbIteratorNext(&it, &name, true)) != WJB_DONE)
	{
		const char *text = name.val.string.val;
		int			len = name.val.string.len;
		int			special;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &value, true);
		/* First: it may be any trait, and is none. */
		if (warn_of_unreadable(mapping, &name, &value))
			continue;
		if (flat && message_is_envelope(text, len, rules->object))
			continue;
		if (is_set_apart(mapping, text, len) ||
			(mapping->is_member && len == strlen("id") && memcmp(text, "id", len) == 0))
			continue;
		/* Before special fields: an explicit mapping overrules the table. */
		if (rules->nmaps > 0 &&
			(is_mapped(rules, text, len) || !leave_out_mapped(rules, text, len, &value)))
			continue;

		/*
		 * A name of the account's own property wins over a special field of the same name: whoever
		 * created the property means it.  Not over a spelling that the table lists.
		 */
		special = special_trait(rules->object, text, len);
		if (special >= 0 &&
			(special_trait_lists(special, text, len) || !is_known(rules, text, len) ||
			 is_special_property(rules->object, text, len)))
			read_special(mapping, traits, (Trait) special, &name, &value);
		else
			read_ordinary(mapping, traits, &name, &value);
	}
}

/* ---- rule 3: special fields ------------------------------------------------------------- */

static void
add_special_fields(Mapping *mapping, const Traits *traits)
{
	const SpecialField *field = object_types[mapping->rules->object].fields;

	for (; field != NULL && field->property != NULL; field++)
	{
		const JsonbValue *value = &traits->special[field->trait];
		JsonbValue	member;

		if (!traits->present[field->trait])
			continue;
		if (is_object(value) && !special_trait_takes_objects(field->trait))
			mapping_warn(mapping, "unknown_property", field->property, strlen(field->property),
						 "the trait is an object, which has no place in this property");

		/*
		 * A trait has entries for both of its forms: text (the trait itself) and object (its
		 * members).
		 */
		if (is_object(value) != (field->member != NULL))
			continue;
		if (field->member != NULL)
		{
			if (!message_field(value->val.binary.data, field->member, &member))
				continue;
			value = &member;
		}
		add_special(mapping, field->property, value);
	}
}

/* If neither is given, "name" becomes first and last name, split at its first space. */
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
	add_special(mapping, "firstname", &part);
	if (space != NULL)
	{
		part.val.string.val = unconstify(char *, space + 1);
		part.val.string.len = name->val.string.len - (space + 1 - name->val.string.val);
		add_special(mapping, "lastname", &part);
	}
}

/* Add the address as a property, unless it is the key. */
static void
add_email(Mapping *mapping, const Traits *traits)
{
	const JsonbValue *email = &traits->special[TRAIT_EMAIL];
	JsonbValue	normal = *email;
	const char *why = "It is no text.";

	if (mapping->key.property == NULL || strcmp(mapping->key.property, MESSAGE_USER_ID) == 0 ||
		mapping->keeps_address || !traits->present[TRAIT_EMAIL])
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
		add_special(mapping, "email", &normal);
	else
		mapping_warn(mapping, "invalid_email", "email", strlen("email"), why);
}

/*
 * Add the domain, given or from the website, as a property, unless it is the key, or the company
 * keeps another one.
 */
static void
add_domain(Mapping *mapping, const Traits *traits)
{
	Trait		trait = traits->present[TRAIT_DOMAIN] ? TRAIT_DOMAIN : TRAIT_WEBSITE;
	const JsonbValue *given = &traits->special[trait];
	JsonbValue	domain = *given;
	const char *why = "It is no text.";

	if (strcmp(mapping->key.property, MESSAGE_DOMAIN) == 0 || mapping->keeps_address ||
		!traits->present[trait])
		return;
	if (given->type == jbvNull || (given->type == jbvString && given->val.string.len == 0))
	{
		/* An empty domain clears the property.  An empty website says nothing about the domain. */
		if (trait == TRAIT_DOMAIN)
			add_special(mapping, "domain", given);
		return;
	}
	domain.val.string.val = given->type != jbvString ? NULL
		: domain_of_website(given->val.string.val, given->val.string.len, &why);
	if (domain.val.string.val == NULL)
		mapping_warn(mapping, "invalid_domain", "domain", strlen("domain"), why);
	else
	{
		domain.type = jbvString;
		domain.val.string.len = strlen(domain.val.string.val);
		add_special(mapping, "domain", &domain);
	}
}

/* ---- all together -------------------------------------------------------------------------- */

static void
begin_row(Mapping *mapping, Traits *traits, const MessageKey *key, StringInfo warnings)
{
	static const MessageKey none = {0};

	mapping->key = key != NULL ? *key : none;
	memset(traits, 0, sizeof(*traits));
	mapping->row++;
	mapping->row_start = mapping->nnames;
	mapping->warnings = warnings;
	mapping->nunknown = 0;
	mapping->missed = mapping->used = 0;
	if (mapping->rules->pipelines != NULL)
		memset(mapping->put_aside, 0, sizeof(mapping->put_aside));
}

static void
add_renamed(Mapping *mapping, const Traits *traits)
{
	for (NameRule rule = RULE_SPACES; rule <= RULE_SHORT; rule++)
		for (int i = 0; i < traits->nrenamed; i++)
			if (traits->renamed[i].rule == rule)
				mapping_add_property(mapping, traits->renamed[i].property, traits->renamed[i].len,
									 &traits->renamed[i].value, rule, traits->renamed[i].trait,
									 traits->renamed[i].trait_len);
	if (traits->renamed != NULL)
		pfree(traits->renamed);
}

/*
 * A contact's own property "id" has the userId, as Segment's users know it, unless there is a
 * trait.
 */
static void
add_id(Mapping *mapping, const MessageParts *parts, JsonbContainer *const *containers, int n)
{
	const Property *property;
	JsonbValue	none;

	if (parts->user_id.type == jbvNull || mapping->rules->properties == NULL)
		return;
	property = schema_property(mapping->rules->properties, "id", strlen("id"));
	if (property == NULL || property->read_only ||
		is_mapped(mapping->rules, "id", strlen("id")))
		return;
	for (int i = 0; i < n; i++)
		if (getKeyJsonValueFromContainer(containers[i], "id", strlen("id"), &none) != NULL)
			return;
	add_special(mapping, "id", &parts->user_id);
}

/* In a flat row it is a trait, as any other name. */
static void
warn_of_group_id(Mapping *mapping, const MessageParts *parts)
{
	JsonbValue	id;

	if (!parts->flat && (message_member(parts->root, "groupId", &id) ||
						 message_member(parts->root, "group_id", &id)))
		mapping_warn(mapping, "company_ignored", "groupId", strlen("groupId"),
					 "an identify call puts nobody into a company: hubspot_group() does");
}

void
mapping_add_contact(Mapping *mapping, Call call, const MessageParts *parts,
					const MessageKey *key, StringInfo warnings)
{
	Traits		traits;
	JsonbContainer *containers[MAX_CONTAINERS] = {NULL};
	int			n = 0;

	/* in a group call the traits are the company's */
	if (parts->flat && call != CALL_GROUP)
		containers[n++] = parts->root;
	if (parts->traits != NULL && call != CALL_GROUP)
		containers[n++] = parts->traits;
	if (parts->context_traits != NULL)
		containers[n++] = parts->context_traits;

	begin_row(mapping, &traits, key, warnings);
	warn_of_envelope(mapping, parts);
	add_explicit(mapping, containers, n);
	for (int i = 0; i < n; i++)
		read_traits(mapping, &traits, containers[i], parts->flat && i == 0);
	add_special_fields(mapping, &traits);
	add_name(mapping, &traits);
	add_email(mapping, &traits);
	add_renamed(mapping, &traits);
	if (call == CALL_IDENTIFY)
	{
		add_id(mapping, parts, containers, n);
		warn_of_group_id(mapping, parts);
	}
}

void
mapping_add_company(Mapping *mapping, Call call, const MessageParts *parts,
					const MessageKey *key, StringInfo warnings)
{
	JsonbContainer *container = message_company_traits(call, parts);
	Traits		traits;

	mapping->is_member = call != CALL_GROUP;
	begin_row(mapping, &traits, key, warnings);
	warn_of_envelope(mapping, parts);
	if (container == NULL)
		return;
	add_explicit(mapping, &container, 1);
	read_traits(mapping, &traits, container, container == parts->root);
	add_special_fields(mapping, &traits);
	add_domain(mapping, &traits);
	add_renamed(mapping, &traits);
}

void
mapping_add_other(Mapping *mapping, Call call, const MessageParts *parts,
				  const MessageKey *key, StringInfo warnings)
{
	JsonbContainer *container = parts->flat ? parts->root : parts->properties;
	const char *own = mapping->rules->key_property;
	Traits		traits;
	JsonbValue	id;

	begin_row(mapping, &traits, key, warnings);
	warn_of_envelope(mapping, parts);
	if (container != NULL)
	{
		add_explicit(mapping, &container, 1);
		read_traits(mapping, &traits, container, parts->flat);
		add_renamed(mapping, &traits);
	}
	if (own != NULL && !object_key_is_record_id(own) && object_key_is_record_id(key->property) &&
		message_member(parts->root, object_types[mapping->rules->object].id_member, &id))
		add_special(mapping, own, &id);
}

/* Add the fields of a page, each from the first place that has it. */
static void
add_page_fields(Mapping *mapping, const MessageParts *parts)
{
	JsonbContainer *places[MAX_CONTAINERS];
	JsonbValue	page;
	int			n = 0;

	if (parts->properties != NULL)
		places[n++] = parts->properties;
	if (parts->flat)
		places[n++] = parts->root;
	if (parts->context != NULL && message_field(parts->context, "page", &page) && is_object(&page))
		places[n++] = page.val.binary.data;
	for (int i = 0; i < lengthof(page_fields); i++)
		for (int j = 0; j < n; j++)
		{
			JsonbValue	value;

			if (message_field(places[j], page_fields[i].field, &value))
			{
				add_special(mapping, page_fields[i].property, &value);
				break;
			}
		}
}

void
mapping_add_event(Mapping *mapping, const MessageParts *parts, bool is_page, bool key_is_email,
				  StringInfo warnings)
{
	JsonbContainer *container = parts->flat ? parts->root : parts->properties;
	Traits		traits;

	mapping->is_page = is_page;
	mapping->key_is_email = key_is_email;
	begin_row(mapping, &traits, NULL, warnings);
	warn_of_envelope(mapping, parts);
	if (container != NULL)
		add_explicit(mapping, &container, 1);
	if (is_page)
		add_page_fields(mapping, parts);
	if (container != NULL)
		read_traits(mapping, &traits, container, parts->flat);
	add_renamed(mapping, &traits);
}
