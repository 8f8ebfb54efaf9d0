/*
 * property.c
 *	  Property definitions; see property.h.
 */
#include "property.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "reading.h"

#define MAX_CUSTOM		1000
#define MAX_UNIQUE		10

typedef struct Standard
{
	const char *name;
	const char *label;
	const char *type;
	const char *field_type;
	PropertyRole role;
	const char *options;		/* "value=label|value=label" */
} Standard;

typedef struct TypeName
{
	const char *name;
	ValueType	type;
	const char *fields;			/* the field types that go with it */
} TypeName;

static const TypeName type_names[] = {
	{"string", VALUE_STRING, " text textarea html phonenumber file calculation_equation "},
	{"number", VALUE_NUMBER, " number calculation_equation "},
	{"bool", VALUE_BOOL, " booleancheckbox calculation_equation "},
	{"enumeration", VALUE_ENUMERATION, " select radio checkbox booleancheckbox calculation_equation "},
	{"date", VALUE_DATE, " date "},
	{"datetime", VALUE_DATETIME, " date "},
};

#define STAGES "subscriber=Subscriber|lead=Lead|marketingqualifiedlead=Marketing Qualified Lead|" \
	"salesqualifiedlead=Sales Qualified Lead|opportunity=Opportunity|customer=Customer|" \
	"evangelist=Evangelist|other=Other"
#define LEAD_STATUS "NEW=New|OPEN=Open|IN_PROGRESS=In Progress|OPEN_DEAL=Open Deal|" \
	"UNQUALIFIED=Unqualified|ATTEMPTED_TO_CONTACT=Attempted to Contact|CONNECTED=Connected|" \
	"BAD_TIMING=Bad Timing"
#define INDUSTRIES "ACCOUNTING=Accounting|BANKING=Banking|COMPUTER_SOFTWARE=Computer Software|" \
	"CONSUMER_GOODS=Consumer Goods|HOSPITAL_HEALTH_CARE=Hospital & Health Care|INTERNET=Internet|" \
	"MARKETING_AND_ADVERTISING=Marketing and Advertising|RETAIL=Retail"
#define BOOLEAN "true=True|false=False"

static const Standard contact_properties[] = {
	{"hs_object_id", "Record ID", "number", "number", ROLE_ID, NULL},
	{"createdate", "Create Date", "datetime", "date", ROLE_CREATED, NULL},
	{"lastmodifieddate", "Last Modified Date", "datetime", "date", ROLE_MODIFIED, NULL},
	{"email", "Email", "string", "text", ROLE_EMAIL, NULL},
	{"hs_additional_emails", "Additional email addresses", "string", "text", ROLE_MORE_EMAILS, NULL},
	{"firstname", "First Name", "string", "text", ROLE_PLAIN, NULL},
	{"lastname", "Last Name", "string", "text", ROLE_PLAIN, NULL},
	{"phone", "Phone Number", "string", "phonenumber", ROLE_PLAIN, NULL},
	{"mobilephone", "Mobile Phone Number", "string", "phonenumber", ROLE_PLAIN, NULL},
	{"company", "Company Name", "string", "text", ROLE_PLAIN, NULL},
	{"website", "Website URL", "string", "text", ROLE_PLAIN, NULL},
	{"jobtitle", "Job Title", "string", "text", ROLE_PLAIN, NULL},
	{"address", "Street Address", "string", "text", ROLE_PLAIN, NULL},
	{"city", "City", "string", "text", ROLE_PLAIN, NULL},
	{"state", "State/Region", "string", "text", ROLE_PLAIN, NULL},
	{"zip", "Postal Code", "string", "text", ROLE_PLAIN, NULL},
	{"country", "Country/Region", "string", "text", ROLE_PLAIN, NULL},
	{"industry", "Industry", "string", "text", ROLE_PLAIN, NULL},
	{"num_employees", "Number of Employees", "enumeration", "select", ROLE_PLAIN,
	"1-5=1-5|5-25=5-25|25-50=25-50|50-100=50-100|100-500=100-500|500-1000=500-1000|1000+=1000+"},
	{"date_of_birth", "Date of birth", "string", "text", ROLE_PLAIN, NULL},
	{"lifecyclestage", "Lifecycle Stage", "enumeration", "radio", ROLE_STAGE, STAGES},
	{"hs_lead_status", "Lead Status", "enumeration", "radio", ROLE_PLAIN, LEAD_STATUS},
	{"hubspot_owner_id", "Contact owner", "enumeration", "select", ROLE_OWNER, NULL},
	{NULL, NULL, NULL, NULL, ROLE_PLAIN, NULL}
};

static const Standard company_properties[] = {
	{"hs_object_id", "Record ID", "number", "number", ROLE_ID, NULL},
	{"createdate", "Create Date", "datetime", "date", ROLE_CREATED, NULL},
	{"hs_lastmodifieddate", "Last Modified Date", "datetime", "date", ROLE_MODIFIED, NULL},
	{"name", "Company name", "string", "text", ROLE_PLAIN, NULL},
	{"domain", "Company Domain Name", "string", "text", ROLE_DOMAIN, NULL},
	{"hs_additional_domains", "Additional Domains", "string", "text", ROLE_PLAIN, NULL},
	{"website", "Website URL", "string", "text", ROLE_PLAIN, NULL},
	{"phone", "Phone Number", "string", "phonenumber", ROLE_PLAIN, NULL},
	{"address", "Street Address", "string", "text", ROLE_PLAIN, NULL},
	{"city", "City", "string", "text", ROLE_PLAIN, NULL},
	{"state", "State/Region", "string", "text", ROLE_PLAIN, NULL},
	{"zip", "Postal Code", "string", "text", ROLE_PLAIN, NULL},
	{"country", "Country/Region", "string", "text", ROLE_PLAIN, NULL},
	{"description", "Description", "string", "textarea", ROLE_PLAIN, NULL},
	{"industry", "Industry", "enumeration", "select", ROLE_PLAIN, INDUSTRIES},
	{"numberofemployees", "Number of Employees", "number", "number", ROLE_PLAIN, NULL},
	{"annualrevenue", "Annual Revenue", "number", "number", ROLE_PLAIN, NULL},
	{"lifecyclestage", "Lifecycle Stage", "enumeration", "radio", ROLE_STAGE, STAGES},
	{"hubspot_owner_id", "Company owner", "enumeration", "select", ROLE_OWNER, NULL},
	{NULL, NULL, NULL, NULL, ROLE_PLAIN, NULL}
};

/* What the owner of the account has added: a shop's. */
static const Standard shop_properties[] = {
	{"plan", "Plan", "string", "text", ROLE_PLAIN, NULL},
	{"total_spent", "Total spent", "number", "number", ROLE_PLAIN, NULL},
	{"last_order_at", "Last order at", "datetime", "date", ROLE_PLAIN, NULL},
	{"newsletter", "Newsletter", "bool", "booleancheckbox", ROLE_PLAIN, BOOLEAN},
	{NULL, NULL, NULL, NULL, ROLE_PLAIN, NULL}
};

static Property *
property_add(ObjectType *type, const char *name)
{
	Property   *property = must_alloc(sizeof(Property));

	property->type = type;
	property->name = must_strdup(name);
	property->display_order = -1;
	property->created_ms = property->updated_ms = now_ms();
	type->property_list = must_realloc(type->property_list,
									   sizeof(Property *) * ((size_t) type->property_count + 1));
	type->property_list[type->property_count++] = property;
	table_set(&type->properties, name, property);
	return property;
}

static void
set_type(Property *property, const char *type, const char *field_type)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
	{
		if (strcmp(type_names[i].name, type) == 0)
		{
			property->type_name = type_names[i].name;
			property->value_type = type_names[i].type;
		}
	}
	property->field_type = must_strdup(field_type);
	property->multiple = strcmp(field_type, "checkbox") == 0;
}

static void
add_option(Property *property, const char *value, const char *label, int display_order, bool hidden)
{
	Option	   *option;

	property->options = must_realloc(property->options,
									 sizeof(Option) * ((size_t) property->option_count + 1));
	option = &property->options[property->option_count++];
	option->value = must_strdup(value);
	option->label = must_strdup(label);
	option->display_order = display_order;
	option->hidden = hidden;
}

/* After the last option: the array has stopped moving. */
static void
index_options(Property *property)
{
	for (int i = 0; i < property->option_count; i++)
		table_set(&property->option_index, property->options[i].value, &property->options[i]);
}

static void
add_standard(ObjectType *type, const Standard *list, bool standard)
{
	for (; list->name != NULL; list++)
	{
		Property   *property = property_add(type, list->name);
		const char *option = list->options;
		int			order = 0;

		property->label = must_strdup(list->label);
		property->group = must_strdup(type->group);
		property->description = must_strdup("");
		set_type(property, list->type, list->field_type);
		property->role = list->role;
		property->standard = standard;
		property->external_options = list->role == ROLE_OWNER;
		property->form_field = list->role != ROLE_ID;
		property->read_only = list->role == ROLE_ID || list->role == ROLE_CREATED ||
			list->role == ROLE_MODIFIED;
		while (option != NULL && *option != '\0')
		{
			size_t		len = strcspn(option, "|");
			size_t		value_len = strcspn(option, "=");

			add_option(property, scratch_strndup(option, value_len),
					   scratch_strndup(option + value_len + 1, len - value_len - 1), order++, false);
			option += len + (option[len] == '|');
		}
		index_options(property);
		/* Unique as it is, its definition does not say so. */
		property->unique = list->role == ROLE_EMAIL;
		if (list->role == ROLE_EMAIL)
			type->email = property;
		else if (list->role == ROLE_MORE_EMAILS)
			type->more_emails = property;
		else if (list->role == ROLE_DOMAIN)
			type->domain = property;
		else if (strcmp(list->name, "website") == 0)
			type->website = property;
	}
}

/* "hs_lead_name" as "Hs lead name". */
static char *
label_of(const char *name)
{
	char	   *label = must_strdup(name);

	*label = (char) toupper((unsigned char) *label);
	for (char *c = label; *c != '\0'; c++)
	{
		if (*c == '_')
			*c = ' ';
	}
	return label;
}

/* What a kind of property_define() makes of a property. */
static const struct
{
	const char *kind;
	const char *type;
	const char *field_type;
	PropertyRole role;
	bool		read_only;
	bool		calculated;
}			kinds[] = {
	{"string", "string", "text", ROLE_PLAIN, false, false},
	{"text", "string", "textarea", ROLE_PLAIN, false, false},
	{"number", "number", "number", ROLE_PLAIN, false, false},
	{"bool", "bool", "booleancheckbox", ROLE_PLAIN, false, false},
	{"date", "date", "date", ROLE_PLAIN, false, false},
	{"datetime", "datetime", "date", ROLE_PLAIN, false, false},
	{"owner", "enumeration", "select", ROLE_OWNER, false, false},
	{"pipeline", "enumeration", "select", ROLE_PIPELINE, false, false},
	{"stage", "enumeration", "radio", ROLE_PIPELINE_STAGE, false, false},
	{"sku", "string", "text", ROLE_SKU, false, false},
	{"computed", "number", "calculation_equation", ROLE_PLAIN, true, true},
	{"readonly", "string", "text", ROLE_PLAIN, true, false},
	{"id", "number", "number", ROLE_ID, true, false},
	{"created", "datetime", "date", ROLE_CREATED, true, false},
	{"modified", "datetime", "date", ROLE_MODIFIED, true, false},
};

Property *
property_define(ObjectType *type, const char *name, const char *kind)
{
	Property   *property = property_add(type, name);
	size_t		at = 0;

	property->label = label_of(name);
	property->group = must_strdup(type->group);
	property->description = must_strdup("");
	property->standard = true;
	property->form_field = false;
	while (at < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kinds[at].kind, kind) != 0)
		at++;
	if (at == sizeof(kinds) / sizeof(kinds[0]))
	{
		set_type(property, "enumeration", "select");
		for (int order = 0; *kind != '\0'; order++)
		{
			size_t		len = strcspn(kind, "|");
			char	   *option = scratch_strndup(kind, len);

			add_option(property, option, option, order, false);
			kind += len + (kind[len] == '|');
		}
		index_options(property);
		return property;
	}
	set_type(property, kinds[at].type, kinds[at].field_type);
	if (property->value_type == VALUE_BOOL)
	{
		add_option(property, "true", "True", 0, false);
		add_option(property, "false", "False", 1, false);
		index_options(property);
	}
	property->role = kinds[at].role;
	property->read_only = kinds[at].read_only;
	property->calculated = kinds[at].calculated;
	property->external_options = property->role == ROLE_OWNER || property->role == ROLE_PIPELINE ||
		property->role == ROLE_PIPELINE_STAGE;
	property->unique = property->role == ROLE_SKU;
	if (property->role == ROLE_PIPELINE)
		type->pipeline = property;
	else if (property->role == ROLE_PIPELINE_STAGE)
		type->stage = property;
	return property;
}

void
property_define_opt_out(int64_t subscription)
{
	const char *name = subscription == 0 ? "hs_email_optout" :
	scratch_printf("hs_email_optout_%lld", (long long) subscription);
	Property   *property = property_define(contacts, name, "bool");

	property->role = ROLE_OPT_OUT;
	property->read_only = true;
	property->subscription = subscription;
}

void
property_define_all(ObjectType *type, const char *list)
{
	Property   *key;

	property_define(type, "hs_object_id", "id");
	property_define(type, type->created_name, "created");
	property_define(type, type->modified_name, "modified");
	property_define(type, "hs_merged_object_ids", "readonly");
	/* unique, as its definition says, and of no use: nobody may write it */
	key = property_define(type, "hs_unique_creation_key", "readonly");
	key->unique = key->declared_unique = true;
	/* a quote's owner is its deal's */
	property_define(type, "hubspot_owner_id", "owner")->read_only = strcmp(type->name, "quotes") == 0;
	while (*list != '\0')
	{
		size_t		len = strcspn(list, " ");
		size_t		name_len = strcspn(list, ":");

		property_define(type, scratch_strndup(list, name_len),
						scratch_strndup(list + name_len + 1, len - name_len - 1));
		list += len + (list[len] == ' ');
	}
}

void
property_init(void)
{
	add_standard(contacts, contact_properties, true);
	add_standard(contacts, shop_properties, false);
	add_standard(companies, company_properties, true);
	add_standard(companies, shop_properties, false);
	for (int i = 0; i < type_count(); i++)
	{
		if (type_properties(type_at(i)) != NULL)
			property_define_all(type_at(i), type_properties(type_at(i)));
	}
	property_define(contacts, "hs_marketable_status", "bool")->read_only = true;
}

Property *
property_find(const ObjectType *type, const char *name)
{
	Property   *property = table_find(&type->properties, name);

	return property != NULL && !property->archived ? property : NULL;
}

static const char *
text_of(struct json_object *object, const char *name)
{
	struct json_object *member;

	if (!json_object_object_get_ex(object, name, &member) ||
		!json_object_is_type(member, json_type_string))
		return NULL;
	return json_object_get_string(member);
}

static bool
flag_of(struct json_object *object, const char *name)
{
	struct json_object *member;

	return json_object_object_get_ex(object, name, &member) && json_object_get_boolean(member);
}

/* A custom object's names may have upper case. */
static bool
valid_name(const ObjectType *type, const char *name)
{
	if (*name == '\0' || strlen(name) > 100)
		return false;
	for (const char *c = name; *c != '\0'; c++)
	{
		if (!islower((unsigned char) *c) && !isdigit((unsigned char) *c) && *c != '_' &&
			!(type->is_custom && isupper((unsigned char) *c)))
			return false;
	}
	return true;
}

/* NULL when the definition is fine, else what is wrong with it. */
static const char *
definition_fault(ObjectType *type, struct json_object *definition)
{
	static const char *const required[] = {"name", "label", "groupName", "type", "fieldType"};
	const char *type_name;
	struct json_object *options = NULL;
	int			custom = 0;
	int			unique = 0;
	bool		fits = false;

	if (!json_object_is_type(definition, json_type_object))
		return "a property definition is an object";
	for (size_t i = 0; i < 5; i++)
	{
		if (text_of(definition, required[i]) == NULL)
			return scratch_printf("Some required fields were not set: [%s]", required[i]);
	}
	if (!valid_name(type, text_of(definition, "name")))
		return "A property name has lower-case letters, digits and underscores only";
	if (table_find(&type->groups, text_of(definition, "groupName")) == NULL)
		return scratch_printf("Property group \"%s\" does not exist", text_of(definition, "groupName"));
	type_name = text_of(definition, "type");
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
	{
		if (strcmp(type_names[i].name, type_name) == 0 &&
			strstr(type_names[i].fields,
				   scratch_printf(" %s ", text_of(definition, "fieldType"))) != NULL)
			fits = true;
	}
	if (!fits)
		return scratch_printf("Type %s and field type %s do not go together", type_name,
							  text_of(definition, "fieldType"));
	json_object_object_get_ex(definition, "options", &options);
	for (size_t i = 0; options != NULL && i < json_object_array_length(options); i++)
	{
		struct json_object *option = json_object_array_get_idx(options, i);

		if (text_of(option, "label") == NULL || text_of(option, "value") == NULL ||
			!json_object_object_get_ex(option, "hidden", NULL))
			return "Some required fields were not set: an option has label, value and hidden";
	}
	if (strcmp(type_name, "bool") == 0 && (options == NULL || json_object_array_length(options) != 2))
		return "A boolean property has the two options true and false";
	for (int i = 0; i < type->property_count; i++)
	{
		custom += !type->property_list[i]->standard;
		unique += type->property_list[i]->declared_unique && !type->property_list[i]->standard;
	}
	if (custom >= MAX_CUSTOM)
		return "The limit of custom properties is reached";
	if (flag_of(definition, "hasUniqueValue") && unique >= MAX_UNIQUE)
		return "The limit of unique properties is reached";
	return NULL;
}

static void
add_options(Property *property, struct json_object *options)
{
	for (size_t i = 0; options != NULL && i < json_object_array_length(options); i++)
	{
		struct json_object *option = json_object_array_get_idx(options, i);

		add_option(property, text_of(option, "value"), text_of(option, "label"),
				   (int) i, flag_of(option, "hidden"));
	}
	index_options(property);
}

Property *
property_restore(ObjectType *type, struct json_object *definition)
{
	const char *name = text_of(definition, "name");
	Property   *property = name == NULL ? NULL : table_find(&type->properties, name);
	struct json_object *options = NULL;

	if (property == NULL || !property->archived)
		return NULL;
	property->archived = false;
	/* a new array: the index points into the former one */
	property->options = NULL;
	property->option_count = 0;
	json_object_object_get_ex(definition, "options", &options);
	add_options(property, options);
	return property;
}

Property *
property_create(ObjectType *type, struct json_object *definition,
				int *status, const char **category, const char **message)
{
	Property   *property;
	struct json_object *options = NULL;
	const char *description;

	*status = 400;
	*category = "VALIDATION_ERROR";
	if (json_object_is_type(definition, json_type_object) &&
		json_object_object_get_ex(definition, "options", &options) &&
		options != NULL && !json_object_is_type(options, json_type_array))
	{
		*message = "options is an array";
		return NULL;
	}
	*message = definition_fault(type, definition);
	if (*message != NULL)
		return NULL;
	if (table_find(&type->properties, text_of(definition, "name")) != NULL)
	{
		*status = 409;
		*category = "OBJECT_ALREADY_EXISTS";
		*message = scratch_printf("A property named '%s' already exists.", text_of(definition, "name"));
		return NULL;
	}
	property = property_add(type, text_of(definition, "name"));
	property->label = must_strdup(text_of(definition, "label"));
	property->group = must_strdup(text_of(definition, "groupName"));
	description = text_of(definition, "description");
	property->description = must_strdup(description ? description : "");
	set_type(property, text_of(definition, "type"), text_of(definition, "fieldType"));
	property->unique = property->declared_unique = flag_of(definition, "hasUniqueValue");
	property->hidden = flag_of(definition, "hidden");
	property->form_field = flag_of(definition, "formField");
	property->external_options = flag_of(definition, "externalOptions");
	if (property->external_options && text_of(definition, "referencedObjectType") != NULL &&
		strcmp(text_of(definition, "referencedObjectType"), "OWNER") == 0)
		property->role = ROLE_OWNER;
	add_options(property, options);
	return property;
}

static const char *
boolean(bool value)
{
	return value ? "true" : "false";
}

void
property_render(Buffer *out, const Property *property)
{
	buffer_puts(out, "{\"updatedAt\":\"");
	buffer_time(out, property->updated_ms);
	buffer_puts(out, "\",\"createdAt\":\"");
	buffer_time(out, property->created_ms);
	buffer_puts(out, "\",\"name\":");
	buffer_json(out, property->name);
	buffer_puts(out, ",\"label\":");
	buffer_json(out, property->label);
	buffer_printf(out, ",\"type\":\"%s\",\"fieldType\":", property->type_name);
	buffer_json(out, property->field_type);
	buffer_puts(out, ",\"description\":");
	buffer_json(out, property->description);
	buffer_puts(out, ",\"groupName\":");
	buffer_json(out, property->group);
	buffer_puts(out, ",\"options\":[");
	for (int i = 0; i < property->option_count; i++)
	{
		const Option *option = &property->options[i];

		buffer_puts(out, i ? ",{\"label\":" : "{\"label\":");
		buffer_json(out, option->label);
		buffer_puts(out, ",\"value\":");
		buffer_json(out, option->value);
		buffer_printf(out, ",\"displayOrder\":%d,\"hidden\":%s}", option->display_order,
					  boolean(option->hidden));
	}
	buffer_printf(out, "],\"displayOrder\":%d,\"calculated\":%s,\"externalOptions\":%s,"
				  "\"archived\":%s,\"hasUniqueValue\":%s,\"hidden\":%s,\"hubspotDefined\":%s,"
				  "\"modificationMetadata\":{\"archivable\":%s,\"readOnlyDefinition\":%s,"
				  "\"readOnlyValue\":%s},\"formField\":%s,\"dataSensitivity\":\"non_sensitive\"",
				  property->display_order, boolean(property->calculated),
				  boolean(property->external_options), boolean(property->archived),
				  boolean(property->declared_unique ||
						  (property->role == ROLE_SKU && reading_is(READING_UNIQUE_SKU))),
				  boolean(property->hidden),
				  boolean(property->standard), boolean(!property->standard),
				  boolean(property->standard), boolean(property->read_only),
				  boolean(property->form_field));
	if (property->role == ROLE_OWNER)
		buffer_puts(out, ",\"referencedObjectType\":\"OWNER\"");
	buffer_puts(out, "}");
}
