/*
 * mapping_property.c
 *		One property of a record: whether it may be written, and how.
 *
 * Pure. mapping.c hands over each property here, where it is checked: known or not,
 * read-only, already written, its type, its limit.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/hubspot.h"
#include "mapping/mapping_property.h"
#include "message/object_type.h"
#include "text/domain.h"
#include "text/value.h"

#define MAX_EVENT_PROPERTIES	50	/* per occurrence; HubSpot's limit */

void
mapping_warn(Mapping *mapping, const char *code, const char *property, int len, const char *detail)
{
	StringInfo	json = mapping->warnings;

	appendStringInfo(json, "%s{\"code\":\"%s\",\"property\":", json->len > 0 ? "," : "", code);
	value_append_string(json, property, len);
	appendStringInfoString(json, ",\"detail\":");
	value_append_string(json, detail, strlen(detail));
	appendStringInfoChar(json, '}');
}

bool
mapping_has_warned(const char *warnings, const char *property, int len)
{
	StringInfoData member;

	if (warnings == NULL)
		return false;
	initStringInfo(&member);
	appendStringInfoString(&member, "\"property\":");
	value_append_string(&member, property, len);
	return strstr(warnings, member.data) != NULL;
}

void
mapping_begin(Mapping *mapping, StringInfo json, const MappingRules *rules)
{
	memset(mapping, 0, sizeof(*mapping));
	mapping->rules = rules;
	mapping->json = json;
	mapping->names_size = 32;
	mapping->names = palloc(sizeof(MappingName) * mapping->names_size);
}

static MappingName *
find_name(const Mapping *mapping, const char *name, int len)
{
	for (int i = 0; i < mapping->nnames; i++)
		if (mapping->names[i].len == len &&
			memcmp(mapping->json->data + mapping->names[i].offset, name, len) == 0)
			return &mapping->names[i];
	return NULL;
}

char *
mapping_value(const Mapping *mapping, const char *property)
{
	const MappingName *name = find_name(mapping, property, strlen(property));

	return name == NULL
		? NULL : pnstrdup(mapping->json->data + name->value_offset, name->value_len);
}

bool
mapping_has(const Mapping *mapping, const char *property)
{
	return find_name(mapping, property, strlen(property)) != NULL;
}

char *
mapping_name(const Mapping *mapping, int i)
{
	return pnstrdup(mapping->json->data + mapping->names[i].offset, mapping->names[i].len);
}

static bool
is_change_of(const Mapping *mapping, const MappingName *name, const Property *property)
{
	return property_value_is_change(property, mapping->json->data + name->value_offset + 1,
									name->value_len - 2);
}

bool
mapping_is_change(const Mapping *mapping, const MappingName *name)
{
	const PropertySet *properties = mapping->rules->properties;

	return is_change_of(mapping, name, properties == NULL ? NULL
						: schema_property(properties, mapping->json->data + name->offset,
										  name->len));
}

void
mapping_leave_out(Mapping *mapping, const bool *chosen)
{
	StringInfo	json = mapping->json;
	int			kept = 0;
	int			to = mapping->nnames > 0 ? mapping->names[0].offset - 1 : json->len;

	for (int i = 0; i < mapping->nnames; i++)
	{
		MappingName name = mapping->names[i];
		int			from = name.offset - 1;
		int			len = name.value_offset + name.value_len - from;

		if (chosen[i])
			continue;
		/* The comma before a member belongs to it, except to the first one kept. */
		if (kept > 0)
			json->data[to++] = ',';
		memmove(json->data + to, json->data + from, len);
		name.offset += to - from;
		name.value_offset += to - from;
		mapping->names[kept++] = name;
		to += len;
	}
	mapping->nnames = kept;
	json->len = to;
	json->data[to] = '\0';
}

void
mapping_end(Mapping *mapping)
{
	pfree(mapping->names);
	if (mapping->unknown != NULL)
		pfree(mapping->unknown);
}

/* ---- writing a property ----------------------------------------------------------- */

/* Whether a property that was written already has a different value. */
static bool
value_differs(Mapping *mapping, const MappingName *there, const Property *property,
			  const JsonbValue *value)
{
	StringInfoData text;
	ValueProblem problem;

	initStringInfo(&text);
	if (!property_value_append(&text, property, value, mapping->rules->zone, &problem))
		return false;
	if (there->share != NULL)
		return strcmp(text.data, there->share) != 0;
	return text.len != there->value_len ||
		memcmp(text.data, mapping->json->data + there->value_offset, text.len) != 0;
}

static void
note_unknown(Mapping *mapping, const char *name, int len, const JsonbValue *value)
{
	UnknownProperty *unknown;

	mapping_warn(mapping, "unknown_property", name, len, "HubSpot has no such property");
	if (mapping->nunknown == mapping->unknown_size)
	{
		mapping->unknown_size = Max(mapping->unknown_size * 2, 8);
		mapping->unknown = mapping->unknown == NULL
			? palloc(sizeof(UnknownProperty) * mapping->unknown_size)
			: repalloc(mapping->unknown, sizeof(UnknownProperty) * mapping->unknown_size);
	}
	unknown = &mapping->unknown[mapping->nunknown++];
	unknown->name = pnstrdup(name, len);
	unknown->type = property_type_for(value);
	unknown->is_key = false;
}

/* Whether the account's schema allows writing the property; *property NULL: not known. */
static bool
may_be_written(Mapping *mapping, const char *name, int len, const JsonbValue *value,
			   const Property **property)
{
	*property = NULL;
	if (mapping->rules->properties == NULL)
		return true;
	*property = schema_property(mapping->rules->properties, name, len);
	if (*property == NULL)
		note_unknown(mapping, name, len, value);
	else if ((*property)->read_only)
		mapping_warn(mapping, "read_only_property", name, len, "HubSpot sets this property itself");
	else
		return true;
	return false;
}

static bool
is_name(const char *name, int len, const char *wanted)
{
	return wanted != NULL && strlen(wanted) == len && memcmp(wanted, name, len) == 0;
}

/*
 * Whether a property says which record it is: the one of the key, or the one that the account
 * keeps the user's own ids in.  No trait may write it, for the record would be another one for
 * the next call.
 */
static bool
is_identity(const Mapping *mapping, const char *name, int len)
{
	const CrmType *type = &object_types[mapping->rules->object];

	if (!type->is_record)
		return false;
	if (mapping->key.key != NULL && is_name(name, len, object_key_property(mapping->key.property)))
		return true;
	/* a record that HubSpot's id names may be given the user's own */
	if (object_key_is_record_id(mapping->key.property))
		return false;
	return is_name(name, len, mapping->rules->key_property) ||
		(mapping->keeps_address && is_name(name, len, type->natural_key));
}

/* Whether a value is the key as well, in whatever spelling: nothing of the message is lost then. */
static bool
says_key(const Mapping *mapping, const char *name, int len, const JsonbValue *value)
{
	const char *key = mapping->key.key;
	const char *why;
	char	   *text;

	if (key == NULL || !is_name(name, len, object_key_property(mapping->key.property)))
		return mapping->keeps_address &&
			is_name(name, len, object_types[mapping->rules->object].natural_key);
	text = message_scalar_text(value);
	if (text == NULL || strcmp(text, key) == 0)
		return text != NULL;
	if (!is_name(name, len, object_types[mapping->rules->object].natural_key))
		return false;
	text = mapping->key.property == NULL ? message_normalise_email(text, strlen(text), &why)
		: domain_of_website(text, strlen(text), &why);
	return text != NULL && strcmp(text, key) == 0;
}

/* A trait that leads to an identity is left out, and told unless it says what the key says. */
static bool
leave_out_identity(Mapping *mapping, const char *name, int len, const JsonbValue *value)
{
	if (!is_identity(mapping, name, len))
		return false;
	if (!says_key(mapping, name, len, value))
		mapping_warn(mapping, "key_property", name, len,
					 psprintf("the property says which %s it is: no trait writes it",
							  object_types[mapping->rules->object].name));
	return true;
}

static MappingName *
next_name(Mapping *mapping)
{
	if (mapping->nnames == mapping->names_size)
		mapping->names = repalloc(mapping->names,
								  sizeof(MappingName) * (mapping->names_size *= 2));
	return &mapping->names[mapping->nnames];
}

/*
 * HubSpot's limit for the characters of an event's property; higher if the name looks
 * like an address.
 */
static int
event_value_limit(const char *name, int len)
{
	static const char *const long_names[] = {"url", "referrer", "link"};

	for (int i = 0; i < lengthof(long_names); i++)
		if (memmem(name, len, long_names[i], strlen(long_names[i])) != NULL)
			return 1024;
	return 256;
}

/* Whether the event has room for one more property. */
static bool
fits_into_event(Mapping *mapping, const char *name, int len, const JsonbValue *value)
{
	if (value->type == jbvNumeric &&
		strlen(message_scalar_text(value)) > event_value_limit(name, len))
	{
		mapping_warn(mapping, "invalid_number", name, len, "it has more digits than HubSpot takes");
		return false;
	}
	if (mapping->nnames - mapping->row_start < MAX_EVENT_PROPERTIES)
		return true;
	mapping_warn(mapping, "too_many_properties", name, len,
				 "HubSpot takes 50 properties of an event");
	return false;
}

/* Cut a value at the limit, if it becomes text; false if it is short enough. */
static bool
clip_for_event(const char *name, int len, const JsonbValue *value, JsonbValue *clipped)
{
	int			limit = event_value_limit(name, len);
	StringInfoData text;

	initStringInfo(&text);
	if (value->type == jbvString)
		appendBinaryStringInfo(&text, value->val.string.val, value->val.string.len);
	else if (value->type == jbvBinary)
		value_append_compact(&text, value);
	if (pg_mbstrlen_with_len(text.data, text.len) <= limit)
		return false;
	clipped->type = jbvString;
	clipped->val.string.val = text.data;
	clipped->val.string.len = pg_mbcharcliplen(text.data, text.len, limit);
	return true;
}

void
mapping_warn_of_value(Mapping *mapping, const ValueProblem *problem, const char *name, int len)
{
	if (problem->code != NULL)
		mapping_warn(mapping, problem->code, name, len, problem->detail);
	mapping->missed |= problem->missed;
	mapping->used |= problem->used;
}

/* Which of several owners it was HubSpot need not say: they go together. */
static bool
leave_out_owner(Mapping *mapping, const char *name, int len, const Property *property,
				const JsonbValue *value)
{
	char	   *text;

	if (!mapping->leaves_owners || property == NULL || property->owners == NULL)
		return false;
	text = message_scalar_text(value);
	mapping_warn(mapping, "unknown_owner", name, len,
				 text == NULL ? "HubSpot has refused one of these owners"
				 : psprintf("HubSpot has refused this owner, or another of the call: %s", text));
	return true;
}

/* Another value in the place of the one that was written. */
static void
replace_value(Mapping *mapping, MappingName *name, const StringInfoData *value)
{
	StringInfo	json = mapping->json;
	int			end = name->value_offset + name->value_len;
	int			more = value->len - name->value_len;

	enlargeStringInfo(json, Max(more, 0));
	memmove(json->data + end + more, json->data + end, json->len - end + 1);
	memcpy(json->data + name->value_offset, value->data, value->len);
	json->len += more;
	name->value_len = value->len;
	for (int i = 0; i < mapping->nnames; i++)
		if (mapping->names[i].offset > name->offset)
		{
			mapping->names[i].offset += more;
			mapping->names[i].value_offset += more;
		}
}

/* A newer row has written the property: a state stands, a change is applied to this row's value. */
static void
add_below(Mapping *mapping, MappingName *there, const char *name, int len, const JsonbValue *value)
{
	const PropertySet *properties = mapping->rules->properties;
	const Property *property =
	properties == NULL ? NULL : schema_property(properties, name, len);
	StringInfoData before;
	StringInfoData both;
	ValueProblem problem;

	if (!is_change_of(mapping, there, property))
		return;
	if (property == NULL)
	{
		mapping->is_open = true;
		return;
	}
	initStringInfo(&before);
	if (property_value_append(&before, property, value, mapping->rules->zone, &problem))
	{
		initStringInfo(&both);
		property_value_apply(&both, before.data, before.len,
							 mapping->json->data + there->value_offset, there->value_len);
		replace_value(mapping, there, &both);
		there->row = mapping->row;
		there->share = before.data;
		pfree(both.data);
	}
	mapping_warn_of_value(mapping, &problem, name, len);
}

/* The only place where a property is written. */
static void
write_property(Mapping *mapping, const char *name, int len, const JsonbValue *value, bool is_good,
			   NameRule rule, const char *trait, int trait_len)
{
	StringInfo	json = mapping->json;
	int			start = json->len;
	MappingName *there = find_name(mapping, name, len);
	const Property *property;
	ValueProblem problem;
	JsonbValue	clipped;

	if (there != NULL && there->row != mapping->row)
	{
		add_below(mapping, there, name, len, value);
		return;
	}
	if (mapping->rules->object == OBJECT_IS_EVENT && value->type == jbvNull)
		return;					/* an event has no value that could be cleared */
	if (!may_be_written(mapping, name, len, value, &property) ||
		leave_out_owner(mapping, name, len, property, value))
		return;
	if (there != NULL)
	{
		if (value_differs(mapping, there, property, value))
			mapping_warn(mapping, "duplicate_property", name, len,
						 "another trait of this message is this property with another value");
		return;
	}

	if (mapping->rules->object == OBJECT_IS_EVENT)
	{
		if (!fits_into_event(mapping, name, len, value))
			return;
		if (clip_for_event(name, len, value, &clipped))
		{
			mapping_warn(mapping, "truncated", name, len,
						 "cut at HubSpot's limit for event properties");
			value = &clipped;
		}
	}

	there = next_name(mapping);
	if (mapping->nnames > 0)
		appendStringInfoCharMacro(json, ',');
	there->offset = json->len + 1;
	there->len = len;
	there->rule = rule;
	there->trait = trait;
	there->trait_len = trait_len;
	there->row = mapping->row;
	there->share = NULL;
	value_append_string(json, name, len);
	appendStringInfoCharMacro(json, ':');
	there->value_offset = json->len;
	if (property_value_append(json, is_good ? NULL : property, value, mapping->rules->zone,
							  &problem))
	{
		there->value_len = json->len - there->value_offset;
		mapping->nnames++;
	}
	else
	{
		json->len = start;
		json->data[start] = '\0';
	}
	mapping_warn_of_value(mapping, &problem, name, len);
}

/* Whether a property is the pipeline, or the stage, which are written together: see there. */
static bool
put_stage_aside(Mapping *mapping, const char *name, int len, const JsonbValue *value,
				NameRule rule, const char *trait, int trait_len)
{
	for (StagePart part = 0; part < STAGE_PARTS; part++)
	{
		TraitAside *aside = &mapping->put_aside[part];
		const TraitAside said = {true, *value, rule, trait, trait_len};

		if (!is_name(name, len, mapping_stage_property(mapping, part)))
			continue;
		if (aside->is_there)
			mapping_warn(mapping, "duplicate_property", name, len,
						 "another trait of this message is this property");
		else
			*aside = said;
		return true;
	}
	return false;
}

void
mapping_add_property(Mapping *mapping, const char *name, int len, const JsonbValue *value,
					 NameRule rule, const char *trait, int trait_len)
{
	if (leave_out_identity(mapping, name, len, value))
		return;
	if (mapping->rules->pipelines != NULL &&
		put_stage_aside(mapping, name, len, value, rule, trait, trait_len))
		return;
	write_property(mapping, name, len, value, false, rule, trait, trait_len);
}

void
mapping_write_property(Mapping *mapping, const char *name, int len, const JsonbValue *value,
					   NameRule rule, const char *trait, int trait_len)
{
	write_property(mapping, name, len, value, true, rule, trait, trait_len);
}
