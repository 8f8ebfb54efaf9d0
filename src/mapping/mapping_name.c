/*
 * mapping_name.c
 *		Names of traits and properties: tables and forms for mapping.c.
 *
 * Pure.  The tables of special fields are those of object_types[].
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/hubspot.h"
#include "mapping/mapping_name.h"

/* Sorted, for a binary search. */
static const char *const trait_names[TRAIT_COUNT] = {
	"address", "city", "company", "companyname", "country", "created", "createdat", "description",
	"domain", "email", "employees", "firstname", "industry", "jobtitle", "lastname",
	"lifecyclestage", "name", "numberofemployees", "phone", "position", "postalcode", "state",
	"title", "website", "zip"
};

static bool
is_in_table(Object object, Trait trait)
{
	for (const SpecialField *field = object_types[object].fields; field != NULL &&
		 field->property != NULL; field++)
		if (field->trait == trait)
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
	return is_in_table(object, trait) || (object_types[object].apart & TRAIT_BIT(trait)) != 0
		? (int) trait : -1;
}

/* Of docs/mapping.md, where it lists more than one spelling. */
static const char *const stage_spellings[] = {
	"lifecycle_stage", "lifecycleStage", "lifecyclestage"
};

int
special_trait_place(Trait trait, const char *name, int len)
{
	int			place = 0;

	if (trait != TRAIT_LIFECYCLESTAGE)
		return lengthof(stage_spellings);
	while (place < lengthof(stage_spellings) &&
		   (strlen(stage_spellings[place]) != len ||
			memcmp(stage_spellings[place], name, len) != 0))
		place++;
	return place;
}

bool
special_trait_lists(Trait trait, const char *name, int len)
{
	return special_trait_place(trait, name, len) < lengthof(stage_spellings);
}

bool
special_trait_takes_objects(Trait trait)
{
	return trait == TRAIT_ADDRESS || trait == TRAIT_COMPANY;
}

static bool
is_word(const char *word, const char *name, int len)
{
	return word[0] == name[0] && strlen(word) == len && memcmp(word, name, len) == 0;
}

bool
is_special_property(Object object, const char *name, int len)
{
	const CrmType *type = &object_types[object];

	if (len == 0)
		return false;
	for (const SpecialField *field = type->fields; field != NULL &&
		 field->property != NULL; field++)
		if (is_word(field->property, name, len))
			return true;
	return type->natural_key != NULL && is_word(type->natural_key, name, len);
}

bool
is_key_trait(Object object, const char *name)
{
	const char *const names[] = {object_types[object].natural_key, object_types[object].key_trait};

	for (int i = 0; i < lengthof(names); i++)
		if (names[i] != NULL && same_folded_name(name, strlen(name), names[i], strlen(names[i])))
			return true;
	return false;
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
