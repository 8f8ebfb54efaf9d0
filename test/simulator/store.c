/*
 * store.c
 *	  The records of all types; see store.h.
 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "automation.h"
#include "consent.h"
#include "property.h"
#include "type.h"

/* Odd, so that counter * it is a permutation of 32 bits: see make_id(). */
#define ID_STRIDE	UINT64_C(2654435761)

/*
 * Ids do not grow in the order of creation, so that an answer sorted by id
 * does not come in the order of the inputs by accident.
 */
static uint64_t
make_id(const ObjectType *type)
{
	return type->id_base + ((type->object_count + 1) * ID_STRIDE & UINT64_C(0xffffffff));
}

Object *
store_create(ObjectType *type, int64_t ms)
{
	Object	   *object = must_alloc(sizeof(Object));

	object->id = make_id(type);
	object->type = type;
	object->created_ms = object->updated_ms = ms;
	if (type->object_count == type->object_size)
	{
		type->object_size = type->object_size ? type->object_size * 2 : 1024;
		type->objects = must_realloc(type->objects, type->object_size * sizeof(Object *));
	}
	type->objects[type->object_count++] = object;
	type->live_count++;
	table_put(&type->by_id, &object->id, sizeof(object->id), object);
	if (type == contacts)
		automation_note(object);
	return object;
}

Object *
store_any(ObjectType *type, const char *id)
{
	uint64_t	number = 0;
	size_t		len = strlen(id);

	if (len == 0 || len > 18)
		return NULL;
	for (; *id != '\0'; id++)
	{
		if (*id < '0' || *id > '9')
			return NULL;
		number = number * 10 + (uint64_t) (*id - '0');
	}
	return table_get(&type->by_id, &number, sizeof(number));
}

Object *
store_by_id(ObjectType *type, const char *id)
{
	Object	   *object = store_any(type, id);

	return object != NULL && !object->archived && !object->erased ? object : NULL;
}

Object *
store_holder(const Property *property, const char *text)
{
	return table_find(&property->holders, text);
}

static Value *
find_value(const Object *object, const Property *property)
{
	for (int i = 0; i < object->value_count; i++)
	{
		if (object->values[i].property == property)
			return &object->values[i];
	}
	return NULL;
}

const char *
object_value(const Object *object, const Property *property)
{
	Value	   *value;

	if (property->role == ROLE_ID)
		return scratch_printf("%llu", (unsigned long long) object->id);
	if (property->role == ROLE_CREATED || property->role == ROLE_MODIFIED)
	{
		static Buffer text;

		text.len = 0;
		buffer_time(&text, property->role == ROLE_CREATED ? object->created_ms : object->updated_ms);
		return scratch_strndup(text.data, text.len);
	}
	if (property->role == ROLE_OPT_OUT)
	{
		value = find_value(object, object->type->email);
		return value != NULL && consent_is_out(value->text, property->subscription) ? "true" : NULL;
	}
	value = find_value(object, property);
	return value != NULL ? value->text : NULL;
}

/* Calls the table function for each address of a list "a@x;b@y". */
static void
index_addresses(Object *object, const char *list, bool add)
{
	Table	   *holders = &object->type->email->holders;

	while (*list != '\0')
	{
		size_t		len = strcspn(list, ";");

		if (len > 0 && add)
			table_put(holders, list, len, object);
		else if (len > 0)
			table_remove(holders, list, len);
		list += len + (list[len] == ';');
	}
}

/* Puts the value into the unique indexes, or takes it out. */
static void
index_value(Object *object, Property *property, const char *text, bool add)
{
	if (property->role == ROLE_MORE_EMAILS)
		index_addresses(object, text, add);
	else if (property->unique && add)
		table_set(&property->holders, text, object);
	else if (property->unique)
		table_remove(&property->holders, text, strlen(text));
}

static void
store_value(Object *object, Property *property, const char *text)
{
	Value	   *value = find_value(object, property);

	if (value != NULL && strcmp(value->text, text) == 0)
		return;
	if (value != NULL)
	{
		index_value(object, property, value->text, false);
		free(value->text);
		if (*text == '\0')
		{
			*value = object->values[--object->value_count];
			return;
		}
		value->text = must_strdup(text);
	}
	else if (*text == '\0')
		return;
	else
	{
		object->values = must_realloc(object->values,
									  sizeof(Value) * ((size_t) object->value_count + 1));
		value = &object->values[object->value_count++];
		value->property = property;
		value->text = must_strdup(text);
	}
	index_value(object, property, text, true);
}

/* An address that becomes the primary one trades places with the old one. */
static void
swap_addresses(Object *object, const char *address)
{
	const char *list = object_value(object, object->type->more_emails);
	const char *primary = object_value(object, object->type->email);
	Buffer		changed = {0};

	if (list == NULL || store_holder(object->type->email, address) != object ||
		(primary != NULL && strcmp(primary, address) == 0))
		return;
	while (*list != '\0')
	{
		size_t		len = strcspn(list, ";");

		if (len > 0 && (strlen(address) != len || memcmp(list, address, len) != 0))
		{
			buffer_add(&changed, list, len);
			buffer_puts(&changed, ";");
		}
		list += len + (list[len] == ';');
	}
	/* The old primary loses its entry when it is overwritten: add it after. */
	primary = primary ? scratch_strndup(primary, strlen(primary)) : "";
	store_value(object, object->type->more_emails, "");
	store_value(object, object->type->email, address);
	buffer_puts(&changed, primary);
	if (changed.len > 0 && changed.data[changed.len - 1] == ';')
		changed.len--;
	store_value(object, object->type->more_emails, buffer_text(&changed));
	buffer_free(&changed);
}

static int
stage_order(const Property *property, const char *stage)
{
	Option	   *option = table_find(&property->option_index, stage);

	return option != NULL ? option->display_order : -1;
}

bool
object_set(Object *object, Property *property, const char *text)
{
	const char *before = object_value(object, property);

	if (property->role == ROLE_STAGE && before != NULL && *text != '\0' &&
		stage_order(property, text) < stage_order(property, before))
		return false;
	if (property->multiple && *text == ';')
	{
		/* A leading semicolon appends to what is there. */
		if (before == NULL)
			text++;
		else
		{
			Buffer		whole = {0};

			buffer_puts(&whole, before);
			for (text++; *text != '\0';)
			{
				size_t		len = strcspn(text, ";");
				char	   *item = scratch_strndup(text, len);

				if (strstr(scratch_printf(";%s;", before), scratch_printf(";%s;", item)) == NULL)
					buffer_printf(&whole, ";%s", item);
				text += len + (text[len] == ';');
			}
			text = scratch_strndup(whole.data, whole.len);
			buffer_free(&whole);
		}
	}
	if (property->role == ROLE_EMAIL && *text != '\0')
		swap_addresses(object, text);
	store_value(object, property, text);
	if (property->role == ROLE_DOMAIN && *text != '\0' &&
		find_value(object, object->type->website) == NULL)
		store_value(object, object->type->website, text);
	return true;
}

static void
unindex(Object *object)
{
	for (int i = 0; i < object->value_count; i++)
		index_value(object, object->values[i].property, object->values[i].text, false);
}

void
store_archive(Object *object)
{
	unindex(object);
	object->archived = true;
	object->type->live_count--;
}

static void
free_values(Object *object)
{
	for (int i = 0; i < object->value_count; i++)
		free(object->values[i].text);
	free(object->values);
	object->values = NULL;
	object->value_count = 0;
}

void
store_erase(Object *object)
{
	if (!object->archived)
	{
		unindex(object);
		object->type->live_count--;
	}
	free_values(object);
	object->erased = true;
}

static void
reset_type(ObjectType *type)
{
	for (size_t i = 0; i < type->object_count; i++)
	{
		free_values(type->objects[i]);
		free(type->objects[i]);
	}
	free(type->objects);
	type->objects = NULL;
	type->object_count = type->object_size = type->live_count = 0;
	table_clear(&type->by_id);
	table_clear(&type->blocked);
	for (int i = 0; i < type->property_count; i++)
		table_clear(&type->property_list[i]->holders);
}

void
store_reset(void)
{
	for (int i = 0; i < type_count(); i++)
		reset_type(type_at(i));
}
