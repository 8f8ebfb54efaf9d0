/*
 * config.h
 *	  What a test can set: latency, limits, the account, credentials.
 *
 * One global Config, changed by config_apply() only (from --config and
 * POST /_sim/config) and read everywhere.  Strings in it are owned by it.
 */
#ifndef SIMULATOR_CONFIG_H
#define SIMULATOR_CONFIG_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

typedef struct StringList
{
	bool		given;			/* false: JSON null, "anything goes" */
	int			count;
	char	  **items;
} StringList;

typedef struct Config
{
	int64_t		latency_ms;		/* added to every answer */
	int64_t		latency_jitter_ms;	/* up to this much more */
	int64_t		search_lag_ms;	/* a created record is not found before */
	int64_t		property_lag_ms;	/* a property added to an event cannot be sent before */

	/* In all limits 0 means none. */
	int64_t		burst_limit;	/* requests per window and token */
	int64_t		burst_window_ms;
	int64_t		daily_limit;
	int64_t		daily_used;
	int64_t		search_limit;	/* requests per second and account */
	int64_t		association_limit;	/* batch requests per window and token */
	int64_t		event_limit;	/* requests per second */
	int64_t		form_limit;		/* public submissions per window */
	bool		rate_headers;
	bool		oauth;			/* an OAuth token sees no daily headers */

	int64_t		portal_id;
	char	   *time_zone;		/* one that this machine knows */
	char	   *time_zone_name; /* what the account calls it; "": the same */
	char	   *hublet;
	char	   *account_type;

	StringList	tokens;			/* null: any bearer token */
	StringList	scopes;			/* null: all */

	StringList	required;		/* of new records under 2026-09: "companies.domain"; never null */

	bool		trace_ids_partial;	/* upsert with trace ids answers 207 */
	char	   *events_path;	/* "both", "plain" or "custom" for 2026-09 */
	char	   *event_repeat;	/* a repeated uuid: "refuse", "conflict" or "ignore" */

	int64_t		auto_company_ms;	/* a new contact gets a company so long after; 0: never */
	char	   *auto_company_match; /* "records", or "index": as a search would find them */
	char	   *further_domains;	/* a search by a company's: "token", "refuse" or "nothing" */

	bool		data_privacy;	/* consent needs a legal basis */
	int64_t		consent_inputs; /* of a batch */
	StringList	activated;		/* ids of the types that are switched on; null: all */
	int64_t		reading_seed;	/* of the readings that are on, see reading.h; 0: as named below */
	StringList	readings;		/* their names; never null */

	int64_t		answer_seed;	/* of the variants that are on, see answer.h; 0: as named below */
	StringList	answers;		/* their names; never null */
} Config;

extern Config config;

extern void config_init(void);

/*
 * Changes the given keys.  On an unknown key or a wrong type nothing is
 * changed and *error points to a static text.
 */
extern bool config_apply(struct json_object *object, const char **error);

extern void config_render(Buffer *out);

/* Is the item in the list?  A list that was not given holds everything. */
extern bool list_allows(const StringList *list, const char *item);

/* For --token. */
extern void list_append(StringList *list, const char *item);

#endif
