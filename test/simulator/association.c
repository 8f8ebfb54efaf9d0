/*
 * association.c
 *	  What belongs to what; see association.h.
 *
 * A pair is kept once and reached from both ends.
 */
#include "association.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "archive.h"
#include "journal.h"
#include "reading.h"

static Table pairs;				/* by two pointers to records */

static void
link_add(Object *object, Pair *pair)
{
	Links	   *list = object->links;

	if (list == NULL)
		list = object->links = must_alloc(sizeof(Links));
	list->pairs = must_realloc(list->pairs, sizeof(Pair *) * (list->count + 1));
	list->pairs[list->count++] = pair;
}

static void
link_remove(Object *object, const Pair *pair)
{
	Links	   *list = object->links;

	for (size_t i = 0; i < list->count; i++)
	{
		if (list->pairs[i] == pair)
		{
			list->pairs[i] = list->pairs[--list->count];
			return;
		}
	}
}

/* Do the two stand in the order of a pair? */
static bool
in_order(const Object *from, const Object *to)
{
	return from->type == to->type ? from->id < to->id : from->type->number < to->type->number;
}

Pair *
pair_find(Object *from, Object *to, bool create)
{
	bool		forward = in_order(from, to);
	Object	   *key[2] = {forward ? from : to, forward ? to : from};
	Pair	   *pair = table_get(&pairs, key, sizeof(key));

	if (pair != NULL || !create)
		return pair;
	pair = must_alloc(sizeof(Pair));
	pair->ends[0] = key[0];
	pair->ends[1] = key[1];
	table_put(&pairs, key, sizeof(key), pair);
	link_add(from, pair);
	link_add(to, pair);
	return pair;
}

void
pair_remove(Pair *pair)
{
	link_remove(pair->ends[0], pair);
	link_remove(pair->ends[1], pair);
	table_remove(&pairs, pair->ends, sizeof(pair->ends));
	free(pair);
}

Object *
pair_other(const Pair *pair, const Object *from)
{
	return pair->ends[pair->ends[0] == from];
}

/* The end of the mark's kind at which the record is. */
static int
side_of(const Pair *pair, int mark, const Object *from)
{
	return (pair->ends[1] == from) ^ pair->marks[mark].turned;
}

int
mark_id(const Pair *pair, int mark, const Object *from)
{
	return pair->marks[mark].kind->ids[side_of(pair, mark, from)];
}

const char *
mark_label(const Pair *pair, int mark, const Object *from)
{
	return pair->marks[mark].kind->labels[side_of(pair, mark, from)];
}

static void
remove_mark(Pair *pair, int mark)
{
	pair->marks[mark] = pair->marks[--pair->mark_count];
}

static int
find_mark(const Pair *pair, const Kind *kind)
{
	for (int i = 0; i < pair->mark_count; i++)
	{
		if (pair->marks[i].kind == kind)
			return i;
	}
	return -1;
}

bool
pair_is_primary(const Pair *pair)
{
	for (int i = 0; i < pair->mark_count; i++)
	{
		if (pair->marks[i].kind->single >= 0)
			return true;
	}
	return false;
}

static void
add_mark(Pair *pair, Kind *kind, bool turned)
{
	Object	   *record = kind->single >= 0 ? pair->ends[kind->single] : NULL;

	/* Of such a kind the record has one: another pair loses it. */
	for (size_t i = 0; record != NULL && i < record->links->count; i++)
	{
		int			mark = find_mark(record->links->pairs[i], kind);

		if (mark >= 0)
			remove_mark(record->links->pairs[i], mark);
	}
	if (find_mark(pair, kind) >= 0)
		remove_mark(pair, find_mark(pair, kind));
	if (pair->mark_count == MAX_MARKS)
		return;
	pair->marks[pair->mark_count].kind = kind;
	pair->marks[pair->mark_count++].turned = turned;
}

/* Does a pair of the record have a mark of this kind? */
static bool
has_marked(const Object *object, const Kind *kind)
{
	for (size_t i = 0; object->links != NULL && i < object->links->count; i++)
	{
		if (find_mark(object->links->pairs[i], kind) >= 0)
			return true;
	}
	return false;
}

void
pair_apply_default(Pair *pair)
{
	Kind	   *primary;

	/* a pair has both ends as long as it is one */
	assert(pair->ends[0] != NULL && pair->ends[1] != NULL);
	primary = kind_primary(pair->ends[0]->type, pair->ends[1]->type);
	if (reading_is(READING_FIRST_PRIMARY) && primary != NULL &&
		!has_marked(pair->ends[primary->single], primary))
		add_mark(pair, primary, false);
}

/*
 * The marks that are written replace those that are there.  Whether the primary
 * mark is one of them in this respect is open: by the other reading it leaves
 * the labels, and they leave it.
 */
void
pair_apply(Pair *pair, const Object *from, const Types *types)
{
	bool		only_primary = true;

	for (int i = 0; i < types->count; i++)
		only_primary &= types->items[i].kind->single >= 0 || types->items[i].kind->is_default;
	for (int i = pair->mark_count - 1; i >= 0; i--)
	{
		if (!reading_is(READING_KEPT_LABELS) || (!only_primary && pair->marks[i].kind->single < 0))
			remove_mark(pair, i);
	}
	for (int i = 0; i < types->count; i++)
	{
		Kind	   *kind = types->items[i].kind;

		if (!kind->is_default)
			add_mark(pair, kind, kind->ids[0] != kind->ids[1] &&
					 types->items[i].side != (pair->ends[1] == from));
	}
	pair_apply_default(pair);
}

/* A record has lost the pair that was its primary one. */
static void
primary_lost(Request *request, Object *record, const Kind *kind)
{
	Object	   *other = NULL;

	for (size_t i = 0; record->links != NULL && i < record->links->count && other == NULL; i++)
	{
		Pair	   *pair = record->links->pairs[i];

		if (reading_is(READING_NEXT_PRIMARY) && pair_other(pair, record)->type == kind->ends[1 - kind->single])
		{
			other = pair_other(pair, record);
			add_mark(pair, (Kind *) kind, false);
			pair_log(request, "associate", pair);
		}
	}
	/* A lead is nothing without its contact or company. */
	if (!record->type->needs_parent || other != NULL)
		return;
	for (size_t i = 0; record->links != NULL && i < record->links->count; i++)
	{
		if (pair_is_primary(record->links->pairs[i]))
			return;
	}
	archive_record(request, record);
}

void
pair_end(Request *request, Pair *pair)
{
	const Kind *lost[MAX_MARKS];
	Object	   *records[MAX_MARKS];
	int			count = 0;

	for (int i = 0; i < pair->mark_count; i++)
	{
		const Kind *kind = pair->marks[i].kind;

		if (kind->single < 0)
			continue;
		lost[count] = kind;
		records[count++] = pair->ends[kind->single];
	}
	pair_remove(pair);
	for (int i = 0; i < count; i++)
		primary_lost(request, records[i], lost[i]);
}

bool
pair_strip(Request *request, Pair *pair, const Object *from, const Types *types)
{
	for (int i = 0; i < types->count; i++)
	{
		if (types->items[i].kind->is_default)
		{
			pair_end(request, pair);
			return false;
		}
	}
	for (int i = 0; i < types->count; i++)
	{
		Kind	   *kind = types->items[i].kind;
		Object	   *record = kind->single >= 0 ? pair->ends[kind->single] : NULL;
		int			mark = find_mark(pair, kind);

		if (mark < 0 || (kind->ids[0] != kind->ids[1] && side_of(pair, mark, from) != types->items[i].side))
			continue;
		remove_mark(pair, mark);
		if (record == NULL)
			continue;
		primary_lost(request, record, kind);
		if (record->archived)
			return false;
	}
	return true;
}

bool
pair_beyond_limit(const Object *from, ObjectType *to)
{
	Kind	   *kind = kind_default(from->type, to);
	int			limit = kind->limits[kind->ends[1] == from->type && kind->ends[0] != from->type];
	int			count = 0;

	if (limit == 0 || from->links == NULL)
		return false;
	for (size_t i = 0; i < from->links->count; i++)
		count += pair_other(from->links->pairs[i], from)->type == to;
	return count >= limit;
}

void
association_forget(Object *object)
{
	Links	   *list = object->links;

	if (list == NULL)
		return;
	for (size_t left = list->count; left > 0; left--)
		pair_remove(list->pairs[left - 1]);
	free(list->pairs);
	free(list);
	object->links = NULL;
}

const char *
association_primary(const Object *contact)
{
	Links	   *list = contact->links;

	for (size_t i = 0; list != NULL && i < list->count; i++)
	{
		const Object *other = pair_other(list->pairs[i], contact);

		if (other->type == companies && pair_is_primary(list->pairs[i]))
			return scratch_printf("%llu", (unsigned long long) other->id);
	}
	return NULL;
}

size_t
association_count(void)
{
	return pairs.count;
}

static void
free_links(Object *object)
{
	if (object->links == NULL)
		return;
	free(object->links->pairs);
	free(object->links);
	object->links = NULL;
}

void
association_reset(void)
{
	for (size_t i = 0; i < pairs.size; i++)
	{
		Pair	   *pair = pairs.slots[i].value;

		if (pairs.slots[i].key == NULL)
			continue;
		free_links(pair->ends[0]);
		free_links(pair->ends[1]);
		free(pair);
	}
	table_clear(&pairs);
	/* those whose last pair went before */
	for (int i = 0; i < type_count(); i++)
	{
		for (size_t at = 0; at < type_at(i)->object_count; at++)
			free_links(type_at(i)->objects[at]);
	}
}

/* The labels of the account's own that the record sees. */
static void
render_labels(Buffer *out, const Pair *pair, const Object *from)
{
	int			count = 0;

	buffer_puts(out, "[");
	for (int i = 0; i < pair->mark_count; i++)
	{
		if (pair->marks[i].kind->single >= 0 || mark_label(pair, i, from) == NULL)
			continue;
		if (count++ > 0)
			buffer_puts(out, ",");
		buffer_json(out, mark_label(pair, i, from));
	}
	buffer_puts(out, "]");
}

void
association_render(Buffer *out, const Object *object)
{
	Links	   *list = object->links;

	buffer_puts(out, "[");
	for (size_t i = 0; list != NULL && i < list->count; i++)
	{
		const Pair *pair = list->pairs[i];
		const Object *other = pair_other(pair, object);

		buffer_printf(out, "%s{\"object\":\"%s\",\"id\":\"%llu\",\"primary\":%s,\"labels\":",
					  i ? "," : "", other->type->name, (unsigned long long) other->id,
					  pair_is_primary(pair) ? "true" : "false");
		render_labels(out, pair, object);
		buffer_puts(out, "}");
	}
	buffer_puts(out, "]");
}

void
association_render_all(Buffer *out, const ObjectType *from, const ObjectType *to)
{
	for (size_t i = 0; i < pairs.size; i++)
	{
		const Pair *pair = pairs.slots[i].value;
		int			first = 0;

		if (pairs.slots[i].key == NULL)
			continue;
		if (from != NULL && pair->ends[0]->type != from)
			first = 1;
		if ((from != NULL && pair->ends[first]->type != from) ||
			(to != NULL && pair->ends[1 - first]->type != to))
			continue;
		buffer_printf(out, "{\"from_object\":\"%s\",\"from_id\":\"%llu\",\"to_object\":\"%s\",\"to_id\":\"%llu\","
					  "\"primary\":%s,\"labels\":",
					  pair->ends[first]->type->name, (unsigned long long) pair->ends[first]->id,
					  pair->ends[1 - first]->type->name, (unsigned long long) pair->ends[1 - first]->id,
					  pair_is_primary(pair) ? "true" : "false");
		render_labels(out, pair, pair->ends[first]);
		buffer_puts(out, "}\n");
	}
}

static bool
read_category(const char *name, Category *category)
{
	for (*category = HUBSPOT_DEFINED; *category <= INTEGRATOR_DEFINED; (*category)++)
	{
		if (strcmp(category_name(*category), name) == 0)
			return true;
	}
	return false;
}

const char *
types_read(struct json_object *json, const ObjectType *from, const ObjectType *to, Types *types)
{
	if (!json_object_is_type(json, json_type_array) || json_object_array_length(json) == 0)
		return "Some required fields were not set: [types]";
	for (size_t i = 0; i < json_object_array_length(json) && types->count < MAX_MARKS; i++)
	{
		struct json_object *item = json_object_array_get_idx(json, i);
		const char *name = json_text(item, "associationCategory");
		struct json_object *id;
		Category	category;
		Kind	   *kind;
		int			side;

		if (name == NULL || !json_object_object_get_ex(item, "associationTypeId", &id) ||
			!json_object_is_type(id, json_type_int))
			return "Some required fields were not set: [associationCategory, associationTypeId]";
		if (!read_category(name, &category))
			return scratch_printf("Unknown associationCategory %s", name);
		kind = kind_find(from, to, category, json_object_get_int(id), &side);
		if (kind == NULL)
		{
			types->wrong = scratch_printf("%d-%d", (int) category, json_object_get_int(id));
			return scratch_printf("%s is not a valid association type between %s and %s", types->wrong,
								  from->upper, to ? to->upper : "any object");
		}
		/* A create names no type of the record: the first kind tells it. */
		if (to == NULL)
			to = kind->ends[1 - side];
		types->items[types->count].kind = kind;
		types->items[types->count++].side = side;
	}
	return NULL;
}

void
pair_log(Request *request, const char *op, const Pair *pair)
{
	Buffer	   *line = journal_begin(request, op, "associations");
	bool		is_old = pair->ends[0]->type == contacts && pair->ends[1]->type == companies;

	if (line == NULL)
		return;
	for (int i = 0; i < 2; i++)
		buffer_printf(line, ",\"%s_object\":\"%s\",\"%s\":\"%llu\"", i ? "to" : "from", pair->ends[i]->type->name,
					  i ? "to" : "from", (unsigned long long) pair->ends[i]->id);
	if (is_old)
		buffer_printf(line, ",\"contact\":\"%llu\",\"company\":\"%llu\"",
					  (unsigned long long) pair->ends[0]->id, (unsigned long long) pair->ends[1]->id);
	buffer_printf(line, ",\"primary\":%s,\"labels\":", pair_is_primary(pair) ? "true" : "false");
	render_labels(line, pair, pair->ends[0]);
	journal_end(line);
}

/* One item of a create's list: its kinds and the record at the other end; what is wrong, or NULL. */
static const char *
read_item(const ObjectType *type, struct json_object *item, Types *types, Object **other)
{
	struct json_object *to = NULL;
	struct json_object *json = NULL;
	const char *fault;
	ObjectType *other_type;

	json_object_object_get_ex(item, "to", &to);
	json_object_object_get_ex(item, "types", &json);
	if (to == NULL || json_text(to, "id") == NULL)
		return "Some required fields were not set: [to]";
	fault = types_read(json, type, NULL, types);
	if (fault != NULL)
		return fault;
	/* what was read without a fault names a kind at least */
	assert(types->items[0].kind != NULL);
	other_type = types->items[0].kind->ends[1 - types->items[0].side];
	*other = store_by_id(other_type, json_text(to, "id"));
	return *other != NULL ? NULL : scratch_printf("No %s with ID %s exists", other_type->upper, json_text(to, "id"));
}

const char *
association_fault(const ObjectType *type, struct json_object *list)
{
	const char *fault = NULL;

	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list) &&
		 fault == NULL; i++)
	{
		Types		types = {0};
		Object	   *other;

		fault = read_item(type, json_object_array_get_idx(list, i), &types, &other);
	}
	return fault;
}

bool
association_has_parent(const ObjectType *type, struct json_object *list)
{
	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
	{
		Types		types = {0};
		Object	   *other;

		if (read_item(type, json_object_array_get_idx(list, i), &types, &other) != NULL)
			continue;
		for (int at = 0; at < types.count; at++)
		{
			if (types.items[at].kind->single == types.items[at].side &&
				(other->type == contacts || other->type == companies))
				return true;
		}
	}
	return false;
}

void
association_of_create(Request *request, Object *object, struct json_object *list)
{
	if (!json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++)
	{
		Types		types = {0};
		Object	   *other;
		Pair	   *pair;

		if (read_item(object->type, json_object_array_get_idx(list, i), &types, &other) != NULL ||
			other == object)
			continue;
		pair = pair_find(object, other, true);
		pair_apply(pair, object, &types);
		pair_log(request, "associate", pair);
	}
}
