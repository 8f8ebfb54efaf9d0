/*
 * association_kind.c
 *	  What an association between two types may be; see association.h.
 *
 * HubSpot's own numbers are those of section 3.2 of the notes on objects; a
 * pair of standard types that is not there gets made-up ones, a client has to
 * read them.  Those of the account count from 1, so that they collide with
 * HubSpot's.
 */
#include <stdlib.h>
#include <string.h>

#include "association.h"

#define MADE_UP		10000

typedef struct Standard
{
	const char *from;
	const char *to;
	int			forth;
	int			back;
	const char *label;			/* NULL: the unlabelled one */
	int			single;			/* of the first, 0, or the second, 1; -1 */
} Standard;

static const Standard standards[] = {
	{"contact", "company", 279, 280, NULL, -1},
	{"contact", "company", 1, 2, "Primary", 0},
	{"contact", "company", 931, 930, "Billing", -1},
	{"contact", "deal", 4, 3, NULL, -1},
	{"contact", "ticket", 15, 16, NULL, -1},
	{"contact", "lead", 609, 608, NULL, -1},
	{"contact", "lead", 0, 578, "Primary", 1},
	{"company", "deal", 342, 341, NULL, -1},
	{"company", "deal", 6, 5, "Primary", 1},
	{"company", "ticket", 340, 339, NULL, -1},
	{"company", "ticket", 25, 26, "Primary", 1},
	{"company", "lead", 611, 610, NULL, -1},
	{"company", "lead", 0, 580, "Primary", 1},
	{"deal", "lead", 1038, 1037, NULL, -1},
	{"deal", "ticket", 27, 28, NULL, -1},
	{"contact", "appointment", 907, 906, NULL, -1},
	{"company", "appointment", 909, 908, NULL, -1},
	{"deal", "appointment", 945, 944, NULL, -1},
	{"ticket", "appointment", 947, 946, NULL, -1},
	{"contact", "cart", 587, 586, NULL, -1},
	{"contact", "note", 201, 202, NULL, -1},
	{"contact", "task", 203, 204, NULL, -1},
	{"company", "note", 189, 190, NULL, -1},
	{"company", "task", 191, 192, NULL, -1},
	{"deal", "note", 213, 214, NULL, -1},
	{"deal", "task", 215, 216, NULL, -1},
	{"ticket", "note", 227, 228, NULL, -1},
	{"ticket", "task", 229, 230, NULL, -1},
	{"deal", "line_item", 19, 20, NULL, -1},
	{"quote", "line_item", 67, 68, NULL, -1},
	{"order", "line_item", 513, 514, NULL, -1},
	{"invoice", "line_item", 409, 410, NULL, -1},
	{"subscription", "line_item", 301, 302, NULL, -1},
	{"cart", "line_item", 590, 591, NULL, -1},
	{"deal", "quote", 63, 64, NULL, -1},
	{"quote", "contact", 69, 70, NULL, -1},
	{"quote", "contact", 702, 703, "Signer", -1},
	{"quote", "company", 71, 72, NULL, -1},
	{"deal", "order", 511, 512, NULL, -1},
	{"contact", "order", 508, 507, NULL, -1},
	{"company", "order", 935, 934, NULL, -1},
	{"company", "order", 510, 509, "Primary", 1},
	{"contact", "invoice", 178, 177, NULL, -1},
	{"company", "invoice", 180, 179, NULL, -1},
	{"deal", "invoice", 176, 175, NULL, -1},
	{"contact", "subscription", 296, 295, NULL, -1},
	{"contact", "service", 799, 798, NULL, -1},
	{"company", "service", 793, 792, NULL, -1},
	{"contact", "project", 1243, 1242, NULL, -1},
	{"company", "project", 1237, 1236, NULL, -1},
	{"contact", "contact", 449, 449, NULL, -1},
	{"company", "company", 450, 450, NULL, -1},
	{"company", "company", 13, 14, "Parent Company", -1},
	{"deal", "deal", 451, 451, NULL, -1},
	{"ticket", "ticket", 452, 452, NULL, -1},
};

typedef struct KindList
{
	Kind	  **kinds;
	int			count;
} KindList;

static Table lists;				/* by the numbers of two types, the lower one first */
static int	last_own;			/* number of the account's own */

const char *
category_name(Category category)
{
	static const char *const names[] = {"HUBSPOT_DEFINED", "USER_DEFINED", "INTEGRATOR_DEFINED"};

	return names[category];
}

static KindList *
list_of(const ObjectType *one, const ObjectType *other, bool create)
{
	int			key[2] = {one->number, other->number};
	KindList   *list;

	if (key[0] > key[1])
	{
		key[0] = other->number;
		key[1] = one->number;
	}
	list = table_get(&lists, key, sizeof(key));
	if (list == NULL && create)
	{
		list = must_alloc(sizeof(KindList));
		table_put(&lists, key, sizeof(key), list);
	}
	return list;
}

/* The first id is seen from the first type. */
static Kind *
kind_add(ObjectType *from, ObjectType *to, Category category, int forth, int back)
{
	KindList   *list = list_of(from, to, true);
	Kind	   *kind = must_alloc(sizeof(Kind));
	int			first = from->number > to->number;

	list->kinds = must_realloc(list->kinds, sizeof(Kind *) * (size_t) (list->count + 1));
	list->kinds[list->count++] = kind;
	kind->ends[first] = from;
	kind->ends[1 - first] = to;
	kind->ids[first] = forth;
	kind->ids[1 - first] = back;
	kind->category = category;
	kind->single = -1;
	return kind;
}

void
kind_init(void)
{
	for (size_t i = 0; i < sizeof(standards) / sizeof(standards[0]); i++)
	{
		const Standard *standard = &standards[i];
		ObjectType *from = type_named(standard->from);
		ObjectType *to = type_named(standard->to);
		Kind	   *kind = kind_add(from, to, HUBSPOT_DEFINED, standard->forth, standard->back);
		int			first = from->number > to->number;

		kind->is_default = standard->label == NULL;
		kind->name = must_strdup(scratch_printf("%s_to_%s%s", standard->from, standard->to,
												standard->label ? "_labelled" : ""));
		if (standard->label != NULL)
			kind->labels[0] = kind->labels[1] = must_strdup(standard->label);
		if (standard->single >= 0)
			kind->single = standard->single ^ first;
		/* the second is told by the other word */
		if (standard->forth == 13)
			kind->labels[1] = must_strdup("Child Company");
	}
}

/* Two types without a definition: may they be associated all the same? */
static Kind *
make_default(ObjectType *from, ObjectType *to)
{
	Kind	   *kind;

	if (from->is_custom || to->is_custom)
		return from->is_activity || to->is_activity ? kind_allow(from, to, NULL) : NULL;
	if (from->is_alone || to->is_alone ||
		(from->is_of_quotes && strcmp(to->name, "quotes") != 0) ||
		(to->is_of_quotes && strcmp(from->name, "quotes") != 0))
		return NULL;
	kind = kind_add(from, to, HUBSPOT_DEFINED, MADE_UP + from->number * 100 + to->number,
					MADE_UP + to->number * 100 + from->number);
	kind->is_default = true;
	kind->name = must_strdup(scratch_printf("%s_to_%s", from->singular, to->singular));
	return kind;
}

Kind *
kind_default(ObjectType *from, ObjectType *to)
{
	KindList   *list = list_of(from, to, false);

	for (int i = 0; list != NULL && i < list->count; i++)
	{
		if (list->kinds[i]->is_default && !list->kinds[i]->is_dropped)
			return list->kinds[i];
	}
	return make_default(from, to);
}

Kind *
kind_primary(const ObjectType *one, const ObjectType *other)
{
	KindList   *list = list_of(one, other, false);

	for (int i = 0; list != NULL && i < list->count; i++)
	{
		Kind	   *kind = list->kinds[i];

		if (kind->single >= 0 && kind->ends[1 - kind->single] == companies)
			return kind;
	}
	return NULL;
}

static Kind *
find_in(const KindList *list, const ObjectType *from, Category category, int id, int *side)
{
	for (int i = 0; i < list->count; i++)
	{
		Kind	   *kind = list->kinds[i];

		if (kind->category != category || kind->is_dropped)
			continue;
		for (*side = 0; *side < 2; (*side)++)
		{
			if (kind->ends[*side] == from && kind->ids[*side] == id && id != 0)
				return kind;
		}
	}
	return NULL;
}

Kind *
kind_find(const ObjectType *from, const ObjectType *to, Category category, int id, int *side)
{
	KindList   *list = to == NULL ? NULL : list_of(from, to, false);

	if (to != NULL)
		return list == NULL ? NULL : find_in(list, from, category, id, side);
	for (int i = 0; i < type_count(); i++)
	{
		Kind	   *kind;

		list = list_of(from, type_at(i), false);
		kind = list == NULL ? NULL : find_in(list, from, category, id, side);
		if (kind != NULL)
			return kind;
	}
	return NULL;
}

void
kind_each(const ObjectType *type, const ObjectType *other, void (*each) (void *state, Kind *kind), void *state)
{
	for (int at = 0; at < type_count(); at++)
	{
		KindList   *list = other != NULL && type_at(at) != other ? NULL : list_of(type, type_at(at), false);

		for (int i = 0; list != NULL && i < list->count; i++)
		{
			if (!list->kinds[i]->is_dropped)
				each(state, list->kinds[i]);
		}
	}
}

Kind *
kind_allow(ObjectType *from, ObjectType *to, const char *name)
{
	Kind	   *kind;
	int			forth = ++last_own;

	kind = kind_add(from, to, USER_DEFINED, forth, from == to ? forth : ++last_own);
	kind->is_default = true;
	kind->name = must_strdup(name ? name : scratch_printf("%s_to_%s", from->singular, to->singular));
	return kind;
}

Kind *
kind_label(ObjectType *from, ObjectType *to, const char *name, const char *label, const char *inverse)
{
	int			forth = ++last_own;
	Kind	   *kind = kind_add(from, to, USER_DEFINED, forth,
								from == to && inverse == NULL ? forth : ++last_own);
	int			first = from->number > to->number;

	kind->name = must_strdup(name);
	kind->labels[first] = must_strdup(label);
	kind->labels[1 - first] = must_strdup(inverse ? inverse : label);
	return kind;
}
