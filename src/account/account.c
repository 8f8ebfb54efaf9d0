/*
 * account.c
 *		The options of an account: one table, its parser, the validator.
 *
 * account_options[] describes each option completely.  The validator runs in sessions, at
 * CREATE and ALTER SERVER; account_parse_options() runs in the worker.  Both read a value
 * with the same function, so the worker understands what the validator has accepted.
 *
 * Who may set what.  A token is sent to base_url, forms_url and events_url, and secret
 * chooses the token.  A role that could set them could send another role's token to its
 * own host, so these four need a superuser.  At each ALTER the validator gets all options
 * of the SERVER, changed or not, but not the name of the SERVER.  A check of this list
 * alone would forbid the owner to change burst_limit.  So the ProcessUtility hook of
 * ddl.c keeps the name of the SERVER under ALTER, which the caller owns, and the four
 * options must be the same as in the catalog, or the caller must be a superuser.  At
 * CREATE SERVER there is no catalog entry to compare with; nor is there a name if this
 * statement loads the library, in a server that does not preload it.  Then each of the
 * four needs a superuser.
 *
 * Locks: none but those of catalog look-ups.  Memory: the caller's context.
 */
#include "postgres.h"

#include <math.h>

#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "account/secret.h"
#include "base/url.h"
#include "text/interval.h"

#define MAX_NAME	100			/* of a property or an event at HubSpot */
#define MAX_PATH	255
#define MAX_SPAN	100			/* of an interval's text */

typedef enum OptionKind
{
	KIND_SECRET,				/* name of a token file */
	KIND_URL,					/* stored without a trailing slash */
	KIND_PATH,					/* of a URL, from the slash on */
	KIND_NAME,					/* internal name of a property or event */
	KIND_ID_PROPERTIES,			/* objects and such names: object_next_id_property() */
	KIND_ZONE,
	KIND_INT,
	KIND_BIGINT,
	KIND_NUMBER,
	KIND_BOOL,
	KIND_SPAN,					/* an interval, stored in µs; bounds in seconds */
	KIND_WORD,					/* one of a list of words, stored as its position */
	KIND_VERSIONS				/* such a word for all, and others for families of paths */
} OptionKind;

typedef struct AccountOption
{
	const char *name;
	OptionKind	kind;
	double		min;
	double		max;
	const char *const *words;
	const char *fallback;		/* default; NULL: not set, zero */
	size_t		offset;			/* into AccountOptions */
	bool		superuser_only;
	bool		effective;		/* has an effect in this version */
} AccountOption;

/* The order is that of the enums in account.h. */
static const char *const api_versions[] = {"2026-09", "2026-03", "v3", NULL};
static const char *const api_families[] = {"objects", "associations", "lists", "events", "consent",
NULL};
static const char *const unknown_policies[] = {"drop", "reject", NULL};
static const char *const lifecycle_policies[] = {"any", "forward", NULL};
static const char *const event_policies[] = {"custom", "legacy", NULL};

#define AT(field) offsetof(AccountOptions, field)
#define RECORD_ID_OPTIONS NULL	/* here stand the options that id_option of object_types[] names */

/* Those that every account has; the rows of the record types' own come from object_types[]. */
static const AccountOption option_rows[] = {
	/* which account, and where */
	{"secret", KIND_SECRET, 0, 0, NULL, NULL, AT(secret), true, true},
	{"portal_id", KIND_BIGINT, 1, 999999999999.0, NULL, NULL, AT(portal_id), false, true},
	{"base_url", KIND_URL, 0, 0, NULL, "https://api.hubapi.com", AT(base_url), true, true},
	{"forms_url", KIND_URL, 0, 0, NULL, "https://api.hsforms.com", AT(forms_url), true, true},
	{"events_url", KIND_URL, 0, 0, NULL, "https://track.hubspot.com", AT(events_url), true, true},
	{"events_path", KIND_PATH, 0, 0, NULL, NULL, AT(events_path), false, true},
	{"api_version", KIND_VERSIONS, 0, 0, api_versions, "2026-09", AT(api_version), false, true},

	/* how much of it */
	{"burst_limit", KIND_INT, 1, 1000, NULL, NULL, AT(burst_limit), false, true},
	{"daily_limit", KIND_INT, 1, 1000000000, NULL, NULL, AT(daily_limit), false, true},
	{"quota_share", KIND_NUMBER, 0.01, 1, NULL, "1", AT(quota_share), false, true},
	{"max_attempts", KIND_INT, 1, 1000, NULL, "10", AT(max_attempts), false, true},
	{"max_connections", KIND_INT, 1, 16, NULL, "4", AT(max_connections), false, true},

	/* what a call becomes */
	{RECORD_ID_OPTIONS},
	{ID_PROPERTIES_OPTION, KIND_ID_PROPERTIES, 0, 0, NULL, NULL,
	AT(id_property) + sizeof(char *) * ID_PROPERTIES, false, true},
	{"time_zone", KIND_ZONE, 0, 0, NULL, "UTC", AT(time_zone), false, true},
	{"unknown_properties", KIND_WORD, 0, 0, unknown_policies, "drop", AT(unknown_properties), false,
	true},
	{"create_properties", KIND_BOOL, 0, 0, NULL, "off", AT(create_properties), false, true},
	{"create_events", KIND_BOOL, 0, 0, NULL, "off", AT(create_events), false, true},
	{"create_missing", KIND_BOOL, 0, 0, NULL, "off", AT(create_missing), false, true},
	{"page_event", KIND_NAME, 0, 0, NULL, "page_viewed", AT(page_event), false, true},
	{"lifecycle", KIND_WORD, 0, 0, lifecycle_policies, "any", AT(lifecycle), false, true},
	{"primary_company", KIND_BOOL, 0, 0, NULL, "on", AT(primary_company), false, true},
	{"associate_company_trait", KIND_BOOL, 0, 0, NULL, "on", AT(associate_company_trait), false,
	true},
	{"suppress_opt_outs", KIND_BOOL, 0, 0, NULL, "off", AT(suppress_opt_outs), false, true},
	{"skip_unchanged", KIND_BOOL, 0, 0, NULL, "off", AT(skip_unchanged), false, true},
	{"confirmed_for", KIND_SPAN, 1, 10 * 365.0 * SECS_PER_DAY, NULL, "7 days", AT(confirmed_for),
	false, true},
	{"unknown_user_wait", KIND_SPAN, 0, 10 * 365.0 * SECS_PER_DAY, NULL, "1 day",
	AT(unknown_user_wait), false, true},
	{"events", KIND_WORD, 0, 0, event_policies, "custom", AT(events), false, true},

	/* what it is for */
	{"test_account", KIND_BOOL, 0, 0, NULL, "off", AT(test_account), false, true},
};

static AccountOption account_options[lengthof(option_rows) + OBJECT_COUNT];
static int	noptions = 0;

PG_FUNCTION_INFO_V1(hubspot_fdw_validator);

static void
add_id_options(void)
{
	foreach_object(object, is_record)
	{
		AccountOption *option = &account_options[noptions++];

		option->name = object_types[object].id_option;
		option->kind = KIND_NAME;
		option->offset = AT(id_property) + sizeof(char *) * object;
		option->effective = true;
	}
}

/* The table is put together when it is first looked at. */
static void
need_options(void)
{
	if (noptions > 0)
		return;
	for (int i = 0; i < lengthof(option_rows); i++)
	{
		if (option_rows[i].name != RECORD_ID_OPTIONS)
			account_options[noptions++] = option_rows[i];
		else
			add_id_options();
	}
}

static const AccountOption *
find_option(const char *name)
{
	for (int i = 0; i < noptions; i++)
	{
		if (strcmp(account_options[i].name, name) == 0)
			return &account_options[i];
	}
	return NULL;
}

/*
 * Reading a value
 */

static bool
is_name(const char *value)
{
	size_t		len = strlen(value);

	return len <= MAX_NAME && value[0] >= 'a' && value[0] <= 'z' &&
		strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static bool
is_path(const char *value)
{
	size_t		len = strlen(value);

	return len <= MAX_PATH && value[0] == '/' && strstr(value, "//") == NULL &&
		strstr(value, "..") == NULL &&
		strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./") == len;
}

static bool
is_zone(const char *value)
{
	pg_tz	   *zone = value[0] ? pg_tzset(value) : NULL;

	return zone != NULL && pg_tz_acceptable(zone);
}

/* Whether the value is a URL; raises an error if there is no memory to find out. */
static bool
is_url(const char *value)
{
	const char *problem = url_problem(value, URL_API);

	if (problem == url_no_memory)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return problem == NULL;
}

/* Whether the object is one of the list's entries before this one. */
static bool
was_named(const char *list, const char *until, uint32 object)
{
	IdPropertyEntry entry;
	uint32		other;

	while (object_next_id_property(&list, &entry) && list < until)
		if (object_find_code(entry.object, entry.object_len, &other) && other == object)
			return true;
	return false;
}

/*
 * "deal=order_ref, 2-123=vin": types of records that have no option of their own, each once, and a
 * property.
 */
static bool
is_list_of_id_properties(const char *value)
{
	const char *at = value;
	IdPropertyEntry entry;
	uint32		object;

	while (object_next_id_property(&at, &entry))
		if (!object_find_code(entry.object, entry.object_len, &object) || object < OBJECT_COUNT ||
			!is_name(pnstrdup(entry.property, entry.property_len)) ||
			was_named(value, at, object))
			return false;
	return at > value;
}

static bool
is_text(const AccountOption *option, const char *value)
{
	switch (option->kind)
	{
		case KIND_SECRET:
			return secret_name_is_valid(value);
		case KIND_URL:
			return is_url(value);
		case KIND_PATH:
			return is_path(value);
		case KIND_NAME:
			return is_name(value);
		case KIND_ID_PROPERTIES:
			return is_list_of_id_properties(value);
		case KIND_ZONE:
			return is_zone(value);
		default:
			return false;
	}
}

static char *
without_trailing_slash(const char *value)
{
	size_t		len = strlen(value);

	while (len > 0 && value[len - 1] == '/')
		len--;
	return pnstrdup(value, len);
}

static bool
read_integer(const AccountOption *option, const char *value, int64 *result)
{
	char	   *end;

	errno = 0;
	*result = strtoll(value, &end, 10);
	return errno == 0 && end != value && *end == '\0' &&
		*result >= option->min && *result <= option->max;
}

static bool
read_number(const AccountOption *option, const char *value, double *result)
{
	char	   *end;

	errno = 0;
	*result = strtod(value, &end);
	return errno == 0 && end != value && *end == '\0' && isfinite(*result) &&
		*result >= option->min && *result <= option->max;
}

/* A month has 30 days. */
static bool
read_span(const AccountOption *option, const char *value, int64 *result)
{
	Interval	interval;
	double		seconds;

	if (strlen(value) > MAX_SPAN || !interval_decode(value, &interval))
		return false;
	seconds = interval.time / (double) USECS_PER_SEC +
		((double) interval.month * DAYS_PER_MONTH + interval.day) * SECS_PER_DAY;
	*result = (int64) (seconds * USECS_PER_SEC);
	return seconds >= option->min && seconds <= option->max;
}

static int
find_word(const char *const *words, const char *word)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

static bool
read_word(const AccountOption *option, const char *value, int *result)
{
	int			word = find_word(option->words, value);

	if (word >= 0)
		*result = word;
	return word >= 0;
}

/*
 * Read versions like "2026-09, objects:v3, lists:2026-03": a version for all, and others for
 * families of paths.  Nothing may be said twice: of two versions one would be ignored.
 */
static bool
read_versions(const AccountOption *option, const char *value, ApiVersion *versions)
{
	const int	all = API_FAMILY_OTHER;
	int			given[API_FAMILY_COUNT];
	List	   *items;
	ListCell   *cell;

	StaticAssertStmt(lengthof(api_families) == API_FAMILY_COUNT,
					 "each family but that of the account has a word");
	for (int i = 0; i < API_FAMILY_COUNT; i++)
		given[i] = -1;
	if (!SplitIdentifierString(pstrdup(value), ',', &items) || items == NIL)
		return false;
	foreach(cell, items)
	{
		char	   *version = lfirst(cell);
		char	   *colon = strchr(version, ':');
		int			family = all;

		if (colon != NULL)
		{
			*colon = '\0';
			family = find_word(api_families, version);
			version = colon + 1 + strspn(colon + 1, " ");
		}
		if (family < 0 || given[family] >= 0)
			return false;
		given[family] = find_word(option->words, version);
		if (given[family] < 0)
			return false;
	}
	if (given[all] < 0)
		given[all] = API_2026_09;
	for (int i = 0; i < API_FAMILY_COUNT; i++)
		versions[i] = given[i] >= 0 ? given[i] : given[all];
	return true;
}

/* Parse a value and store it in *to; false if it is not valid for this option. */
static bool
read_value(const AccountOption *option, const char *value, AccountOptions *to)
{
	/* The offset belongs to a member of the type that the option's kind implies. */
	char	   *place = (char *) to + option->offset;
	int64		integer;

	switch (option->kind)
	{
		case KIND_INT:
			if (!read_integer(option, value, &integer))
				return false;
			*(int *) place = (int) integer;
			return true;
		case KIND_BIGINT:
			return read_integer(option, value, (int64 *) place);
		case KIND_NUMBER:
			return read_number(option, value, (double *) place);
		case KIND_BOOL:
			return parse_bool(value, (bool *) place);
		case KIND_SPAN:
			return read_span(option, value, (int64 *) place);
		case KIND_WORD:
			return read_word(option, value, (int *) place);
		case KIND_VERSIONS:
			return read_versions(option, value, (ApiVersion *) place);
		default:
			if (!is_text(option, value))
				return false;
			*(char **) place = option->kind == KIND_URL ?
				without_trailing_slash(value) : pstrdup(value);
			return true;
	}
}

/*
 * Refusing a value
 */

static char *
list_words(const char *const *words)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; words[i] != NULL; i++)
		appendStringInfo(&text, "%s\"%s\"", i > 0 ? ", " : "", words[i]);
	return text.data;
}

/* What is expected of a value, as a sentence. */
static const char *
expectation(const AccountOption *option, const char *value)
{
	switch (option->kind)
	{
		case KIND_SECRET:
			return "The name of a file in hubspot.secret_directory is expected: "
				"up to 63 small letters, digits, \"_\" and \"-\".";
			/* A URL may be wrong in several ways, each with its own text. */
		case KIND_URL:
			return url_problem(value, URL_API);
		case KIND_PATH:
			return "A path like \"/events/v3/send\" is expected.";
		case KIND_NAME:
			return "An internal name is expected: small letters, digits and \"_\", "
				"beginning with a letter.";
		case KIND_ID_PROPERTIES:
			return "Types of records and properties are expected, as in "
				"\"deal=order_ref, 2-123=vin\": each type once, by a word of "
				"hubspot.record_types() or a type id, but contact and company, which have options "
				"of their own.";
		case KIND_ZONE:
			return "The name of a time zone is expected, see the view pg_timezone_names.";
		case KIND_INT:
		case KIND_BIGINT:
			return psprintf("An integer between %.0f and %.0f is expected.",
							option->min, option->max);
		case KIND_NUMBER:
			return psprintf("A number between %g and %g is expected.",
							option->min, option->max);
		case KIND_BOOL:
			return "A Boolean value is expected: \"on\" or \"off\".";
		case KIND_SPAN:
			return psprintf("An interval between %s and 10 years is expected, like \"%s\".",
							option->min == 0 ? "0" : "1 second", option->fallback);
		case KIND_WORD:
			return psprintf("One of these is expected: %s.", list_words(option->words));
		case KIND_VERSIONS:
			return psprintf("One of these is expected: %s; for some paths another may be "
							"named behind it, as in \"2026-09, objects:v3\": %s.",
							list_words(option->words), list_words(api_families));
	}
	return "";
}

static void
refuse_value(const AccountOption *option, const char *value)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"%s\"", option->name),
			 errdetail("%s", expectation(option, value))));
}

/* The option with the most similar name, or NULL. */
static const char *
closest_option(const char *name)
{
	const char *closest = NULL;
	int			len = strlen(name);
	int			best = Min(4, len / 2) + 1;

	if (len >= NAMEDATALEN)
		return NULL;
	for (int i = 0; i < noptions; i++)
	{
		const char *other = account_options[i].name;
		int			distance = varstr_levenshtein_less_equal(name, len, other, strlen(other),
															 1, 1, 1, best, true);

		if (distance < best)
		{
			best = distance;
			closest = other;
		}
	}
	return closest;
}

static void
refuse_option(const char *name)
{
	const char *names[lengthof(account_options) + 1] = {NULL};
	const char *closest = closest_option(name);

	for (int i = 0; i < noptions; i++)
		names[i] = account_options[i].name;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 errdetail("Valid options are: %s.", list_words(names)),
			 closest ? errhint("Perhaps you meant the option \"%s\".", closest) : 0));
}

/*
 * Parse the options of a SERVER for the worker.  A value that the validator would refuse,
 * for example one stored by an older version, is an error: a default in its place could
 * send to the wrong account.
 */
AccountOptions *
account_parse_options(List *options)
{
	AccountOptions *result = palloc0(sizeof(AccountOptions));
	ListCell   *cell;

	need_options();
	/* Defaults first; the options of the SERVER overwrite them. */
	for (int i = 0; i < noptions; i++)
	{
		const AccountOption *option = &account_options[i];

		if (option->fallback != NULL && !read_value(option, option->fallback, result))
			elog(ERROR, "invalid default of option \"%s\"", option->name);
	}
	foreach(cell, options)
	{
		DefElem    *given = lfirst_node(DefElem, cell);
		const AccountOption *option = find_option(given->defname);
		const char *value = defGetString(given);

		if (option == NULL)
			refuse_option(given->defname);
		else if (!read_value(option, value, result))
			refuse_value(option, value);
	}
	return result;
}

/*
 * The validator
 */

static const char *
value_in(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return NULL;
}

const char *account_being_altered = NULL;

/* The options before the running ALTER SERVER; none for other statements. */
static List *
options_before(void)
{
	const char *name = account_being_altered;
	ForeignServer *server = name ? GetForeignServerByName(name, true) : NULL;

	return server ? server->options : NIL;
}

static bool
is_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
check_change(const AccountOption *option, const char *value, const char *before)
{
	if (is_same(value, before))
		return;
	if (option->superuser_only && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", option->name),
				 errdetail("Only superusers may set, change or drop this option, "
						   "for it decides which token is sent where.")));
	if (value != NULL && !option->effective)
		ereport(NOTICE,
				(errcode(ERRCODE_WARNING),
				 errmsg("option \"%s\" has no effect in this version", option->name)));
}

static void
validate_server(List *options)
{
	List	   *before = options_before();

	(void) account_parse_options(options);
	for (int i = 0; i < noptions; i++)
	{
		const AccountOption *option = &account_options[i];

		check_change(option, value_in(options, option->name),
					 value_in(before, option->name));
	}
}

Datum
hubspot_fdw_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);

	if (catalog == ForeignServerRelationId)
		validate_server(options);
	else if (catalog == ForeignTableRelationId)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("foreign-data wrapper \"%s\" has no foreign tables", ACCOUNT_WRAPPER),
				 errdetail("A SERVER is an account that calls are queued for; "
						   "nothing is read from HubSpot."),
				 errhint("Queue with hubspot_identify() and the like, "
						 "or declare a table with hubspot_sync().")));
	else if (options != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"", linitial_node(DefElem, options)->defname),
				 errdetail("Only a SERVER of the foreign-data wrapper \"%s\" has options.",
						   ACCOUNT_WRAPPER)));
	PG_RETURN_VOID();
}
