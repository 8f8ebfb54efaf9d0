/*
 * object_type.c
 *		What an object is: one row per label of hubspot.object.
 *
 * The table and nothing else.  A further object of the CRM is a row here, its
 * label in the script and in words.h, and a file of src/crm for what its
 * requests have of their own; of its messages in record_message.c, if they are
 * unlike others.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

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

const CrmType object_types[OBJECT_COUNT] = {
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
};

int
object_find(const char *name, int len)
{
	for (int i = 0; i < OBJECT_COUNT; i++)
		if (strlen(object_types[i].name) == len && memcmp(object_types[i].name, name, len) == 0)
			return i;
	return -1;
}

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
