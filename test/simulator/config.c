/*
 * config.c
 *	  What a test can set; see config.h.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "reading.h"

typedef enum ConfigKind
{
	CONFIG_INT,
	CONFIG_BOOL,
	CONFIG_STRING,
	CONFIG_LIST
} ConfigKind;

typedef struct ConfigKey
{
	const char *name;
	ConfigKind	kind;
	void	   *target;
} ConfigKey;

Config		config;

static const ConfigKey keys[] = {
	{"latency_ms", CONFIG_INT, &config.latency_ms},
	{"latency_jitter_ms", CONFIG_INT, &config.latency_jitter_ms},
	{"search_lag_ms", CONFIG_INT, &config.search_lag_ms},
	{"property_lag_ms", CONFIG_INT, &config.property_lag_ms},
	{"burst_limit", CONFIG_INT, &config.burst_limit},
	{"burst_window_ms", CONFIG_INT, &config.burst_window_ms},
	{"daily_limit", CONFIG_INT, &config.daily_limit},
	{"daily_used", CONFIG_INT, &config.daily_used},
	{"search_limit", CONFIG_INT, &config.search_limit},
	{"association_limit", CONFIG_INT, &config.association_limit},
	{"event_limit", CONFIG_INT, &config.event_limit},
	{"form_limit", CONFIG_INT, &config.form_limit},
	{"rate_headers", CONFIG_BOOL, &config.rate_headers},
	{"oauth", CONFIG_BOOL, &config.oauth},
	{"portal_id", CONFIG_INT, &config.portal_id},
	{"time_zone", CONFIG_STRING, &config.time_zone},
	{"time_zone_name", CONFIG_STRING, &config.time_zone_name},
	{"hublet", CONFIG_STRING, &config.hublet},
	{"account_type", CONFIG_STRING, &config.account_type},
	{"tokens", CONFIG_LIST, &config.tokens},
	{"scopes", CONFIG_LIST, &config.scopes},
	{"required", CONFIG_LIST, &config.required},
	{"trace_ids_partial", CONFIG_BOOL, &config.trace_ids_partial},
	{"events_path", CONFIG_STRING, &config.events_path},
	{"event_repeat", CONFIG_STRING, &config.event_repeat},
	{"auto_company_ms", CONFIG_INT, &config.auto_company_ms},
	{"auto_company_match", CONFIG_STRING, &config.auto_company_match},
	{"further_domains", CONFIG_STRING, &config.further_domains},
	{"data_privacy", CONFIG_BOOL, &config.data_privacy},
	{"consent_inputs", CONFIG_INT, &config.consent_inputs},
	{"activated", CONFIG_LIST, &config.activated},
	{"readings", CONFIG_LIST, &config.readings},
	{"reading_seed", CONFIG_INT, &config.reading_seed},
	{"answers", CONFIG_LIST, &config.answers},
	{"answer_seed", CONFIG_INT, &config.answer_seed},
};

#define KEY_COUNT	(sizeof(keys) / sizeof(keys[0]))

/* Lists of names that a seed can choose, too. */
static const struct
{
	const char *list_name;
	const char *seed_name;
	StringList *list;
	int64_t    *seed;
	const char *(*name) (int number);
	uint64_t	(*choice) (int64_t seed);
}			chosen[] = {
	{"answers", "answer_seed", &config.answers, &config.answer_seed, answer_name, answer_choice},
	{"readings", "reading_seed", &config.readings, &config.reading_seed, reading_name, reading_choice},
};

void
config_init(void)
{
	/* The numbers of a Professional account. */
	config.burst_limit = 190;
	config.burst_window_ms = 10000;
	config.daily_limit = 625000;
	config.search_limit = 5;
	config.association_limit = 150;
	config.event_limit = 1250;
	config.form_limit = 50;
	config.consent_inputs = 100;
	config.rate_headers = true;
	config.portal_id = 1234567;
	config.time_zone = must_strdup("America/New_York");
	config.time_zone_name = must_strdup("");
	config.hublet = must_strdup("na1");
	config.account_type = must_strdup("STANDARD");
	config.trace_ids_partial = true;
	config.events_path = must_strdup("both");
	config.event_repeat = must_strdup("refuse");
	config.auto_company_match = must_strdup("records");
	config.further_domains = must_strdup("token");
	config.answers.given = config.required.given = config.readings.given = config.activated.given = true;
}

static const ConfigKey *
find_key(const char *name)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
	{
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

/* Is it a name that the list can have?  Lists that are not chosen from can have any. */
static bool
is_choice(const void *list, struct json_object *name)
{
	for (size_t at = 0; at < sizeof(chosen) / sizeof(chosen[0]); at++)
	{
		if (chosen[at].list != list)
			continue;
		for (int i = 0; chosen[at].name(i) != NULL; i++)
		{
			if (strcmp(chosen[at].name(i), json_object_get_string(name)) == 0)
				return true;
		}
		return false;
	}
	return true;
}

static bool
fits(const ConfigKey *key, struct json_object *value)
{
	switch (key->kind)
	{
		case CONFIG_INT:
			return json_object_is_type(value, json_type_int) &&
				json_object_get_int64(value) >= 0;
		case CONFIG_BOOL:
			return json_object_is_type(value, json_type_boolean);
		case CONFIG_STRING:
			return json_object_is_type(value, json_type_string);
		case CONFIG_LIST:
			if (value == NULL)
				return key->target == &config.tokens || key->target == &config.scopes ||
					key->target == &config.activated;
			if (!json_object_is_type(value, json_type_array))
				return false;
			for (size_t i = 0; i < json_object_array_length(value); i++)
			{
				struct json_object *item = json_object_array_get_idx(value, i);

				if (!json_object_is_type(item, json_type_string) || !is_choice(key->target, item))
					return false;
			}
			return true;
	}
	return false;
}

static void
list_set(StringList *list, struct json_object *value)
{
	for (int i = 0; i < list->count; i++)
		free(list->items[i]);
	list->count = 0;
	list->given = value != NULL;
	for (size_t i = 0; value != NULL && i < json_object_array_length(value); i++)
		list_append(list, json_object_get_string(json_object_array_get_idx(value, i)));
}

/* What was named is on until a seed chooses otherwise. */
static void
choose(struct json_object *object)
{
	for (size_t at = 0; at < sizeof(chosen) / sizeof(chosen[0]); at++)
	{
		uint64_t	choice = chosen[at].choice(*chosen[at].seed);
		struct json_object *none;

		if (json_object_object_get_ex(object, chosen[at].list_name, NULL))
		{
			*chosen[at].seed = 0;
			continue;
		}
		if (!json_object_object_get_ex(object, chosen[at].seed_name, NULL))
			continue;
		none = json_object_new_array();
		list_set(chosen[at].list, none);
		json_object_put(none);
		for (int i = 0; chosen[at].name(i) != NULL; i++)
		{
			if ((choice >> i & 1) != 0)
				list_append(chosen[at].list, chosen[at].name(i));
		}
	}
}

bool
config_apply(struct json_object *object, const char **error)
{
	static char text[200];

	*error = text;
	if (!json_object_is_type(object, json_type_object))
	{
		snprintf(text, sizeof(text), "a configuration is a JSON object");
		return false;
	}
	json_object_object_foreach(object, name, value)
	{
		const ConfigKey *key = find_key(name);

		if (key == NULL)
		{
			snprintf(text, sizeof(text), "unknown configuration key \"%.100s\"", name);
			return false;
		}
		if (!fits(key, value))
		{
			snprintf(text, sizeof(text), "wrong type of value for \"%.100s\"", name);
			return false;
		}
	}
	json_object_object_foreach(object, given, setting)
	{
		const ConfigKey *key = find_key(given);

		switch (key->kind)
		{
			case CONFIG_INT:
				*(int64_t *) key->target = json_object_get_int64(setting);
				break;
			case CONFIG_BOOL:
				*(bool *) key->target = json_object_get_boolean(setting);
				break;
			case CONFIG_STRING:
				free(*(char **) key->target);
				*(char **) key->target = must_strdup(json_object_get_string(setting));
				break;
			case CONFIG_LIST:
				list_set(key->target, setting);
				break;
		}
	}
	choose(object);
	return true;
}

void
config_render(Buffer *out)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
	{
		const ConfigKey *key = &keys[i];
		const StringList *list = key->target;

		buffer_printf(out, "%s\"%s\":", i == 0 ? "{" : ",", key->name);
		switch (key->kind)
		{
			case CONFIG_INT:
				buffer_printf(out, "%lld", (long long) *(int64_t *) key->target);
				break;
			case CONFIG_BOOL:
				buffer_puts(out, *(bool *) key->target ? "true" : "false");
				break;
			case CONFIG_STRING:
				buffer_json(out, *(char **) key->target);
				break;
			case CONFIG_LIST:
				if (!list->given)
				{
					buffer_puts(out, "null");
					break;
				}
				buffer_puts(out, "[");
				for (int item = 0; item < list->count; item++)
				{
					if (item > 0)
						buffer_puts(out, ",");
					buffer_json(out, list->items[item]);
				}
				buffer_puts(out, "]");
				break;
		}
	}
	buffer_puts(out, "}");
}

bool
list_allows(const StringList *list, const char *item)
{
	if (!list->given)
		return true;
	for (int i = 0; i < list->count; i++)
	{
		if (strcmp(list->items[i], item) == 0)
			return true;
	}
	return false;
}

void
list_append(StringList *list, const char *item)
{
	list->items = must_realloc(list->items, sizeof(char *) * (size_t) (list->count + 1));
	list->items[list->count++] = must_strdup(item);
	list->given = true;
}
