/*
 * association.c
 *	  Which contacts belong to which companies; see association.h.
 *
 * A pair is kept once, contact first, and reached from both ends.
 */
#include "association.h"

#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "journal.h"

static Table pairs;				/* by contact id and company id */
static Table links;				/* by record id; the ranges do not overlap */

Links *
links_of(const Object *object)
{
	return table_get(&links, &object->id, sizeof(object->id));
}

static void
link_add(const Object *object, Pair *pair)
{
	Links	   *list = links_of(object);

	if (list == NULL)
	{
		list = must_alloc(sizeof(Links));
		table_put(&links, &object->id, sizeof(object->id), list);
	}
	list->pairs = must_realloc(list->pairs, sizeof(Pair *) * (list->count + 1));
	list->pairs[list->count++] = pair;
}

static void
link_remove(const Object *object, const Pair *pair)
{
	Links	   *list = links_of(object);

	for (size_t i = 0; i < list->count; i++)
	{
		if (list->pairs[i] == pair)
		{
			list->pairs[i] = list->pairs[--list->count];
			return;
		}
	}
}

/* The two in their canonical order. */
Pair *
pair_find(Object *from, Object *to, bool create)
{
	Object	   *contact = from->type == contacts ? from : to;
	Object	   *company = contact == from ? to : from;
	uint64_t	key[2] = {contact->id, company->id};
	Pair	   *pair = table_get(&pairs, key, sizeof(key));

	if (pair != NULL || !create)
		return pair;
	pair = must_alloc(sizeof(Pair));
	pair->contact = contact;
	pair->company = company;
	table_put(&pairs, key, sizeof(key), pair);
	link_add(contact, pair);
	link_add(company, pair);
	return pair;
}

void
pair_remove(Pair *pair)
{
	uint64_t	key[2] = {pair->contact->id, pair->company->id};

	link_remove(pair->contact, pair);
	link_remove(pair->company, pair);
	table_remove(&pairs, key, sizeof(key));
	free(pair);
}

static void
make_primary(Pair *pair)
{
	Links	   *list = links_of(pair->contact);

	for (size_t i = 0; i < list->count; i++)
		list->pairs[i]->primary = false;
	pair->primary = true;
}

void
association_forget(const Object *object)
{
	Links	   *list = links_of(object);

	if (list == NULL)
		return;
	for (size_t left = list->count; left > 0; left--)
		pair_remove(list->pairs[left - 1]);
	free(list->pairs);
	free(list);
	table_remove(&links, &object->id, sizeof(object->id));
}

const char *
association_primary(const Object *contact)
{
	Links	   *list = links_of(contact);

	for (size_t i = 0; list != NULL && i < list->count; i++)
		if (list->pairs[i]->primary)
			return scratch_printf("%llu", (unsigned long long) list->pairs[i]->company->id);
	return NULL;
}

size_t
association_count(void)
{
	return pairs.count;
}

void
association_reset(void)
{
	for (size_t i = 0; i < pairs.size; i++)
	{
		if (pairs.slots[i].key != NULL)
			free(pairs.slots[i].value);
	}
	for (size_t i = 0; i < links.size; i++)
	{
		Links	   *list = links.slots[i].value;

		if (links.slots[i].key == NULL)
			continue;
		free(list->pairs);
		free(list);
	}
	table_clear(&pairs);
	table_clear(&links);
}

void
association_render(Buffer *out, const Object *object)
{
	Links	   *list = links_of(object);

	buffer_puts(out, "[");
	for (size_t i = 0; list != NULL && i < list->count; i++)
	{
		const Pair *pair = list->pairs[i];
		const Object *other = pair->contact == object ? pair->company : pair->contact;

		buffer_printf(out, "%s{\"object\":\"%s\",\"id\":\"%llu\",\"primary\":%s,\"labels\":%d}",
					  i ? "," : "", other->type->name, (unsigned long long) other->id,
					  pair->primary ? "true" : "false", pair->label_count);
	}
	buffer_puts(out, "]");
}

const char *
types_read(struct json_object *json, const ObjectType *from, Types *types)
{
	bool		contact_side = from == contacts;

	if (!json_object_is_type(json, json_type_array) || json_object_array_length(json) == 0)
		return "Some required fields were not set: [types]";
	for (size_t i = 0; i < json_object_array_length(json); i++)
	{
		struct json_object *item = json_object_array_get_idx(json, i);
		const char *category = json_text(item, "associationCategory");
		struct json_object *id;
		int			number;

		if (category == NULL || !json_object_object_get_ex(item, "associationTypeId", &id) ||
			!json_object_is_type(id, json_type_int))
			return "Some required fields were not set: [associationCategory, associationTypeId]";
		number = json_object_get_int(id);
		if (strcmp(category, "USER_DEFINED") == 0 || strcmp(category, "INTEGRATOR_DEFINED") == 0)
		{
			if (types->label_count < MAX_LABELS)
				types->labels[types->label_count++] = number;
		}
		else if (strcmp(category, "HUBSPOT_DEFINED") != 0)
			return scratch_printf("Unknown associationCategory %s", category);
		else if (number == (contact_side ? CONTACT_PRIMARY : COMPANY_PRIMARY))
			types->primary = true;
		else if (number == (contact_side ? CONTACT_DEFAULT : COMPANY_DEFAULT))
			types->plain = true;
		else
			return scratch_printf("Association type %d does not go from %s", number, from->id);
	}
	return NULL;
}

void
pair_apply(Pair *pair, const Types *types)
{
	/* Writing a pair again replaces its labels. */
	pair->label_count = types->label_count;
	memcpy(pair->labels, types->labels, sizeof(pair->labels));
	if (types->primary)
		make_primary(pair);
}

void
pair_log(Request *request, const char *op, const Pair *pair)
{
	Buffer	   *line = journal_begin(request, op, "associations");

	if (line == NULL)
		return;
	buffer_printf(line, ",\"contact\":\"%llu\",\"company\":\"%llu\",\"primary\":%s",
				  (unsigned long long) pair->contact->id, (unsigned long long) pair->company->id,
				  pair->primary ? "true" : "false");
	journal_end(line);
}

bool
association_has_parent(const ObjectType *type, struct json_object *list)
{
	(void) type;
	return json_object_is_type(list, json_type_array) && json_object_array_length(list) > 0;
}

void
association_of_create(Request *request, Object *object, struct json_object *list)
{
	if (!json_object_is_type(list, json_type_array) ||
		(object->type != contacts && object->type != companies))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++)
	{
		struct json_object *item = json_object_array_get_idx(list, i);
		struct json_object *to;
		struct json_object *json = NULL;
		Types		types = {0};
		Object	   *other;
		Pair	   *pair;

		if (!json_object_object_get_ex(item, "to", &to) || json_text(to, "id") == NULL)
			continue;
		other = store_by_id(object->type == contacts ? companies : contacts, json_text(to, "id"));
		json_object_object_get_ex(item, "types", &json);
		if (other == NULL || types_read(json, object->type, &types) != NULL)
			continue;
		pair = pair_find(object, other, true);
		pair_apply(pair, &types);
		pair_log(request, "associate", pair);
	}
}
