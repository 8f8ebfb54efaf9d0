/*
 * search.c
 *	  Search with filters: section 3.13.
 *
 * A filter that no field or operator allows refuses the request.  The index
 * lags: a record that is younger than search_lag_ms is not found yet.
 */
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "association.h"
#include "config.h"
#include "error.h"
#include "property.h"

#define MAX_BODY_CHARACTERS	3000
#define MAX_GROUPS			5
#define MAX_FILTERS			6
#define MAX_ALL_FILTERS		18
#define MAX_LIMIT			200
#define MAX_RESULTS			10000
#define ASSOCIATIONS		"associations."

typedef enum Operator
{
	FILTER_EQ, FILTER_NEQ, FILTER_LT, FILTER_LTE, FILTER_GT, FILTER_GTE, FILTER_BETWEEN,
	FILTER_IN, FILTER_NOT_IN, FILTER_HAS, FILTER_HAS_NOT, FILTER_TOKEN, FILTER_NOT_TOKEN
} Operator;

static const char *const operators[] = {
	"EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY",
	"NOT_HAS_PROPERTY", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN",
};

typedef struct Filter
{
	ObjectType *associated;		/* belongs to the record of this type whose id is the value ... */
	Property   *property;		/* ... or has such a property */
	Operator	operator;
	const char *value;
	const char *high;
	Table		values;			/* of IN and NOT_IN */
} Filter;

typedef struct Query
{
	Filter		filters[MAX_ALL_FILTERS];
	int			filter_count;
	int			group_end[MAX_GROUPS];	/* index behind each group's last */
	int			group_count;
	const char *text;			/* "query": any text property contains it */
	Property   *sort;
	bool		descending;
	size_t		limit;
	size_t		after;
} Query;

static Query *sorting;			/* for the comparison of qsort() */

static bool
refuse(Request *request, const char *message)
{
	reply_error(request, 400, "VALIDATION_ERROR", "%s", message);
	return false;
}

/* Whether such filters work is open: config.further_domains. */
static bool
is_further_domains(const Property *property)
{
	return strcmp(property->name, "hs_additional_domains") == 0;
}

static bool
read_filter(Request *request, struct json_object *json, Filter *filter)
{
	const char *name = json_text(json, "propertyName");
	const char *operator = json_text(json, "operator");
	struct json_object *values = NULL;
	size_t		at = 0;

	if (name == NULL || operator == NULL)
		return refuse(request, "A filter has propertyName and operator");
	if (strncmp(name, ASSOCIATIONS, strlen(ASSOCIATIONS)) == 0)
	{
		filter->associated = object_type(name + strlen(ASSOCIATIONS));
		filter->value = json_text(json, "value");
		return (filter->associated != NULL && !filter->associated->is_custom && !request->type->is_custom &&
				strcmp(operator, "EQ") == 0 && filter->value != NULL) ||
			refuse(request, scratch_printf("Filter %s is not supported", name));
	}
	filter->property = property_find(request->type, name);
	if (filter->property == NULL)
	{
		ProblemList problems = {0};

		problem_add(&problems, "PROPERTY_DOESNT_EXIST", name, "Property \"%s\" does not exist", name);
		reply_problems(request, &problems);
		return false;
	}
	if (is_further_domains(filter->property) && strcmp(config.further_domains, "refuse") == 0)
		return refuse(request, scratch_printf("Property %s cannot be searched by", name));
	while (at < sizeof(operators) / sizeof(operators[0]) && strcmp(operators[at], operator) != 0)
		at++;
	if (at == sizeof(operators) / sizeof(operators[0]))
		return refuse(request, scratch_printf("Unknown operator %s", operator));
	filter->operator = (Operator) at;
	filter->value = json_text(json, "value");
	filter->high = json_text(json, "highValue");
	if (filter->operator == FILTER_HAS || filter->operator == FILTER_HAS_NOT)
		return true;
	if (filter->operator != FILTER_IN && filter->operator != FILTER_NOT_IN)
	{
		if (filter->value == NULL || (filter->operator == FILTER_BETWEEN && filter->high == NULL))
			return refuse(request, scratch_printf("Operator %s needs a value", operator));
		return true;
	}
	json_object_object_get_ex(json, "values", &values);
	if (!json_object_is_type(values, json_type_array) || json_object_array_length(values) == 0)
		return refuse(request, scratch_printf("Operator %s needs values", operator));
	for (size_t i = 0; i < json_object_array_length(values); i++)
	{
		struct json_object *value = json_object_array_get_idx(values, i);

		if (!json_object_is_type(value, json_type_string))
			return refuse(request, "values are strings");
		/* Upper case never matches here, exactly as HubSpot's index. */
		table_set(&filter->values, json_object_get_string(value), filter);
	}
	return true;
}

static bool
read_filters(Request *request, Query *query)
{
	struct json_object *groups;
	struct json_object *filters;

	if (!json_object_object_get_ex(request->json, "filterGroups", &groups))
		return true;
	if (!json_object_is_type(groups, json_type_array))
		return refuse(request, "filterGroups is an array");
	if (json_object_array_length(groups) > MAX_GROUPS)
		return refuse(request, scratch_printf("There are more than %d filterGroups", MAX_GROUPS));
	for (size_t i = 0; i < json_object_array_length(groups); i++)
	{
		struct json_object *group = json_object_array_get_idx(groups, i);

		if (!json_object_object_get_ex(group, "filters", &filters) ||
			!json_object_is_type(filters, json_type_array))
			return refuse(request, "A filter group has filters");
		if (json_object_array_length(filters) > MAX_FILTERS ||
			query->filter_count + (int) json_object_array_length(filters) > MAX_ALL_FILTERS)
			return refuse(request, "There are too many filters");
		for (size_t at = 0; at < json_object_array_length(filters); at++)
		{
			if (!read_filter(request, json_object_array_get_idx(filters, at),
							 &query->filters[query->filter_count++]))
				return false;
		}
		query->group_end[query->group_count++] = query->filter_count;
	}
	return true;
}

/* One sort: a name, or {"propertyName":..,"direction":..}. */
static bool
read_sort(Request *request, Query *query)
{
	struct json_object *sorts;
	struct json_object *sort;
	const char *name;
	const char *direction;

	if (!json_object_object_get_ex(request->json, "sorts", &sorts))
		return true;
	if (!json_object_is_type(sorts, json_type_array) || json_object_array_length(sorts) > 1)
		return refuse(request, "sorts is an array of one at most");
	sort = json_object_array_get_idx(sorts, 0);
	if (sort == NULL)
		return true;
	name = json_object_is_type(sort, json_type_string) ? json_object_get_string(sort) :
		json_text(sort, "propertyName");
	direction = json_text(sort, "direction");
	if (name == NULL)
		return refuse(request, "A sort has a propertyName");
	query->descending = *name == '-' || (direction != NULL && strcmp(direction, "DESCENDING") == 0);
	query->sort = property_find(request->type, name + (*name == '-'));
	return query->sort != NULL || refuse(request, scratch_printf("Property \"%s\" does not exist", name));
}

static bool
read_query(Request *request, Query *query)
{
	struct json_object *member;
	size_t		characters = 0;

	for (size_t i = 0; i < request->body.len; i++)
		characters += ((unsigned char) request->body.data[i] & 0xC0) != 0x80;
	if (characters > MAX_BODY_CHARACTERS)
		return refuse(request, "The request body is longer than 3000 characters");
	if (!json_object_is_type(request->json, json_type_object))
	{
		reply_invalid_json(request, "on line 1, column 1: Cannot deserialize value of type "
						   "`PublicObjectSearchRequest` from Array value");
		return false;
	}
	query->limit = 10;
	if (json_object_object_get_ex(request->json, "limit", &member))
		query->limit = (size_t) json_object_get_int64(member);
	if (query->limit < 1 || query->limit > MAX_LIMIT)
		return refuse(request, "limit must be between 1 and 200");
	if (json_object_object_get_ex(request->json, "after", &member))
		query->after = strtoul(json_object_get_string(member), NULL, 10);
	if (query->after + query->limit > MAX_RESULTS)
		return refuse(request, "Only the first 10000 results can be paged through");
	query->text = json_text(request->json, "query");
	return read_filters(request, query) && read_sort(request, query);
}

static int
compare(const Property *property, const char *a, const char *b)
{
	double		left;
	double		right;

	if (property->value_type != VALUE_NUMBER)
		return strcasecmp(a, b);
	left = strtod(a, NULL);
	right = strtod(b, NULL);
	return left < right ? -1 : left > right;
}

static bool
contains_token(const char *text, const char *token)
{
	size_t		len = strlen(token);

	/* A star stands for the rest of a word. */
	while (len > 0 && token[len - 1] == '*')
		len--;
	for (; *text != '\0'; text++)
	{
		if (strncasecmp(text, token, len) == 0)
			return true;
	}
	return len == 0;
}

static bool
in_values(const Filter *filter, const char *value)
{
	char	   *lower;

	if (filter->property->value_type != VALUE_STRING)
		return table_find(&filter->values, value) != NULL;
	lower = scratch_strndup(value, strlen(value));
	for (char *c = lower; *c != '\0'; c++)
		*c = (char) tolower((unsigned char) *c);
	return table_find(&filter->values, lower) != NULL;
}

static bool
is_associated(const Object *object, ObjectType *type, const char *id)
{
	const Object *other = store_by_id(type, id);

	for (size_t i = 0; other != NULL && object->links != NULL && i < object->links->count; i++)
	{
		if (pair_other(object->links->pairs[i], object) == other)
			return true;
	}
	return false;
}

static bool
filter_holds(const Filter *filter, const Object *object)
{
	const char *value;

	if (filter->associated != NULL)
		return is_associated(object, filter->associated, filter->value);
	value = object_value(object, filter->property);
	if (is_further_domains(filter->property) && strcmp(config.further_domains, "nothing") == 0)
		return false;
	if (filter->operator == FILTER_HAS_NOT)
		return value == NULL;
	if (value == NULL)
		return false;
	switch (filter->operator)
	{
		case FILTER_EQ:
		case FILTER_NEQ:
			/* Options are compared as they are, text without regard to case. */
			return (filter->property->value_type == VALUE_ENUMERATION ?
					strcmp(value, filter->value) == 0 :
					compare(filter->property, value, filter->value) == 0) ==
				(filter->operator == FILTER_EQ);
		case FILTER_LT:
			return compare(filter->property, value, filter->value) < 0;
		case FILTER_LTE:
			return compare(filter->property, value, filter->value) <= 0;
		case FILTER_GT:
			return compare(filter->property, value, filter->value) > 0;
		case FILTER_GTE:
			return compare(filter->property, value, filter->value) >= 0;
		case FILTER_BETWEEN:
			return compare(filter->property, value, filter->value) >= 0 &&
				compare(filter->property, value, filter->high) <= 0;
		case FILTER_IN:
			return in_values(filter, value);
		case FILTER_NOT_IN:
			return !in_values(filter, value);
		case FILTER_TOKEN:
			return contains_token(value, filter->value);
		case FILTER_NOT_TOKEN:
			return !contains_token(value, filter->value);
		case FILTER_HAS:
		case FILTER_HAS_NOT:
			break;
	}
	return true;
}

static bool
text_holds(const Query *query, const Object *object)
{
	if (query->text == NULL || *query->text == '\0')
		return true;
	for (int i = 0; i < object->value_count; i++)
	{
		if (contains_token(object->values[i].text, query->text))
			return true;
	}
	return false;
}

/* Groups are alternatives, the filters of a group all have to hold. */
static bool
matches(const Query *query, const Object *object)
{
	int			at = 0;

	if (object->archived || object->erased || !text_holds(query, object))
		return false;
	if (query->group_count == 0)
		return true;
	for (int group = 0; group < query->group_count; group++)
	{
		bool		holds = true;

		for (; at < query->group_end[group]; at++)
			holds = holds && filter_holds(&query->filters[at], object);
		if (holds)
			return true;
	}
	return false;
}

static int
by_sort(const void *a, const void *b)
{
	const Object *left = *(Object *const *) a;
	const Object *right = *(Object *const *) b;
	int			order = 0;

	if (sorting->sort != NULL)
	{
		const char *x = object_value(left, sorting->sort);
		const char *y = object_value(right, sorting->sort);

		order = compare(sorting->sort, x ? x : "", y ? y : "");
		if (sorting->descending)
			order = -order;
	}
	if (order == 0)
		order = left->id < right->id ? -1 : left->id > right->id;
	return order;
}

static void
run(Request *request, Query *query)
{
	ObjectType *type = request->type;
	int64_t		visible_ms = now_ms() - config.search_lag_ms;
	Object	  **found = NULL;
	size_t		count = 0;
	size_t		size = 0;
	size_t		end;
	struct json_object *names = NULL;
	Buffer	   *out = &request->reply;

	for (size_t i = 0; i < type->object_count; i++)
	{
		Object	   *object = type->objects[i];

		if ((config.search_lag_ms > 0 && object->created_ms > visible_ms) || !matches(query, object))
			continue;
		if (count == size)
		{
			size = size ? size * 2 : 256;
			found = must_realloc(found, size * sizeof(Object *));
		}
		found[count++] = object;
	}
	sorting = query;
	if (count > 1)
		qsort(found, count, sizeof(Object *), by_sort);
	json_object_object_get_ex(request->json, "properties", &names);
	end = query->after + query->limit < count ? query->after + query->limit : count;
	out->len = 0;
	buffer_printf(out, "{\"total\":%zu,\"results\":[", count);
	assert(found != NULL || query->after >= end);
	for (size_t i = query->after; i < end; i++)
	{
		if (i > query->after)
			buffer_puts(out, ",");
		object_render(out, found[i], names);
	}
	buffer_puts(out, "]");
	if (end < count)
		buffer_printf(out, ",\"paging\":{\"next\":{\"after\":\"%zu\",\"link\":\"?after=%zu\"}}", end, end);
	buffer_puts(out, "}");
	reply_json(request, 200);
	free(found);
}

void
objects_search(Request *request)
{
	Query	   *query = scratch_alloc(sizeof(Query));
	struct json_object *names;

	if (json_object_object_get_ex(request->json, "properties", &names) &&
		!json_object_is_type(names, json_type_array))
		(void) refuse(request, "properties is an array");
	else if (read_query(request, query))
		run(request, query);
	for (int i = 0; i < query->filter_count; i++)
		table_clear(&query->filters[i].values);
}
