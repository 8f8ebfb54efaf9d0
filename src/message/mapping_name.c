/*
 * mapping_name.c
 *		Names of traits and properties: tables and forms for mapping.c.
 *
 * Pure.  The tables below are docs/mapping.md's special fields.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/hubspot.h"
#include "message/mapping_name.h"

/* Sorted, for a binary search. */
static const char *const trait_names[TRAIT_COUNT] = {
	"address", "city", "company", "companyname", "country", "created", "createdat", "description",
	"domain", "email", "employees", "firstname", "industry", "jobtitle", "lastname",
	"lifecyclestage", "name", "numberofemployees", "phone", "position", "postalcode", "state",
	"title", "website", "zip"
};

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
};

/* Whether mapping.c has code of its own for the trait. */
static bool
is_handled_apart(Object object, Trait trait)
{
	return (object != OBJECT_IS_EVENT && (trait == TRAIT_CREATED || trait == TRAIT_CREATEDAT)) ||
		(object == OBJECT_IS_COMPANY && trait == TRAIT_DOMAIN) ||
		(object == OBJECT_IS_CONTACT && (trait == TRAIT_NAME || trait == TRAIT_EMAIL));
}

const SpecialField *
special_fields_of(Object object, int *count)
{
	*count = object == OBJECT_IS_COMPANY ? lengthof(company_fields)
		: object == OBJECT_IS_CONTACT ? lengthof(contact_fields) : 0;
	return object == OBJECT_IS_COMPANY ? company_fields : contact_fields;
}

static bool
is_in_table(Object object, Trait trait)
{
	int			count;
	const SpecialField *fields = special_fields_of(object, &count);

	for (int i = 0; i < count; i++)
		if (fields[i].trait == trait)
			return true;
	return false;
}

static int
compare_folded(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *) element);
}

int
special_trait(Object object, const char *name, int len)
{
	char		folded[24];
	const char *const *found;
	Trait		trait;

	if (message_fold_name(name, len, folded, sizeof(folded)) < 0)
		return -1;
	found = bsearch(folded, trait_names, TRAIT_COUNT, sizeof(char *), compare_folded);
	if (found == NULL)
		return -1;
	trait = (Trait) (found - trait_names);
	return is_in_table(object, trait) || is_handled_apart(object, trait) ? (int) trait : -1;
}

bool
special_trait_takes_objects(Trait trait)
{
	return trait == TRAIT_ADDRESS || trait == TRAIT_COMPANY;
}

bool
is_special_property(Object object, const char *name, int len)
{
	int			count;
	const SpecialField *fields = special_fields_of(object, &count);

	for (int i = 0; i < count; i++)
		if (strlen(fields[i].property) == len && memcmp(fields[i].property, name, len) == 0)
			return true;
	return (object == OBJECT_IS_CONTACT && len == strlen("email") &&
			memcmp(name, "email", len) == 0) ||
		(object == OBJECT_IS_COMPANY && len == strlen("domain") &&
		 memcmp(name, "domain", len) == 0);
}

bool
name_is_canonical(const char *name, int len)
{
	for (int i = 0; i < len; i++)
		if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
			  name[i] == '_'))
			return false;
	return len > 0;
}

char *
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

char *
name_with_spaces(const char *name, int *len, bool runs)
{
	char	   *result = palloc(*len + 1);
	int			used = 0;

	for (int i = 0; i < *len; i++)
	{
		unsigned char c = name[i];

		if (runs && isspace(c) && i > 0 && isspace((unsigned char) name[i - 1]))
			continue;
		result[used++] = isspace(c) ? '_' : pg_ascii_tolower(c);
	}
	result[used] = '\0';
	*len = used;
	return result;
}

bool
same_folded_name(const char *a, int a_len, const char *b, int b_len)
{
	char		a_folded[128];
	char		b_folded[128];

	return message_fold_name(a, a_len, a_folded, sizeof(a_folded)) >= 0 &&
		message_fold_name(b, b_len, b_folded, sizeof(b_folded)) >= 0 &&
		strcmp(a_folded, b_folded) == 0;
}
