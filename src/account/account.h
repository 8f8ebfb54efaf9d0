/*
 * account.h
 *		One SERVER of the wrapper hubspot is one HubSpot account.
 *
 * The options are one table in account.c: name, kind, bounds, default, who may set it,
 * where its value is stored.  The validator, its errors and the worker use this table.
 * account_lookup.c finds the SERVER of a call.
 */
#ifndef HUBSPOT_ACCOUNT_H
#define HUBSPOT_ACCOUNT_H

#include "nodes/pg_list.h"
#include "pgtime.h"

#include "message/object_type.h"

#define ACCOUNT_WRAPPER "hubspot"	/* name of the FOREIGN DATA WRAPPER */

typedef enum ApiVersion
{
	API_2026_09,
	API_2026_03,
	API_V3
} ApiVersion;

/* Paths whose version can be set apart from that of the others. */
typedef enum ApiFamily
{
	API_FAMILY_OBJECTS,			/* and their properties */
	API_FAMILY_ASSOCIATIONS,
	API_FAMILY_LISTS,
	API_FAMILY_EVENTS,
	API_FAMILY_CONSENT,
	API_FAMILY_OTHER			/* what is about the account itself */
#define API_FAMILY_COUNT (API_FAMILY_OTHER + 1)
} ApiFamily;

typedef enum UnknownProperties
{
	UNKNOWN_DROP,
	UNKNOWN_REJECT
} UnknownProperties;

typedef enum LifecyclePolicy
{
	LIFECYCLE_ANY,
	LIFECYCLE_FORWARD
} LifecyclePolicy;

typedef enum EventsPolicy
{
	EVENTS_CUSTOM,
	EVENTS_LEGACY
} EventsPolicy;

/* Parsed options; strings are palloc'd with the struct, NULL when not set. */
typedef struct AccountOptions
{
	char	   *secret;
	char	   *base_url;		/* without a trailing slash */
	char	   *forms_url;
	char	   *events_url;
	char	   *events_path;
	char	   *id_property[ID_PROPERTY_COUNT]; /* of the user's own ids: object_id_property() */
	char	   *time_zone;
	char	   *page_event;
	int64		portal_id;		/* 0: taken from account-info */
	ApiVersion	api_version[API_FAMILY_COUNT];
	int			burst_limit;	/* ceiling, requests per 10 s; 0: as HubSpot says */
	int			daily_limit;	/* ceiling, requests per day; 0: as HubSpot says */
	double		quota_share;	/* 0 < share <= 1 */
	int			max_connections;
	int			max_attempts;	/* failures caused by a record itself before */
	int			unknown_properties; /* UnknownProperties */
	int			lifecycle;		/* LifecyclePolicy */
	int			events;			/* EventsPolicy */
	bool		create_properties;
	bool		create_events;
	bool		create_missing;
	bool		primary_company;
	bool		associate_company_trait;
	bool		suppress_opt_outs;
	bool		skip_unchanged;
	bool		test_account;	/* hubspot_verify() may write to it */
	int64		confirmed_for;	/* µs */
	int64		unknown_user_wait;	/* the same, of rows whose userId nobody has told */
} AccountOptions;

/*
 * The options of a SERVER with defaults, in the current memory context.  Raises an error
 * for a value that the validator would refuse, which may be there after a change of
 * version; the worker holds this account and serves the others.
 */
extern AccountOptions *account_parse_options(List *options);

/*
 * Name of the SERVER that the ALTER SERVER under way in this session changes,
 * or NULL; ddl.c sets it.  The validator needs it, for PostgreSQL tells it the
 * options and not the SERVER.
 */
extern const char *account_being_altered;

/*
 * The SERVER of a call: the given name, else hubspot.server, else the only SERVER of the
 * wrapper.  Raises an error if there is none, or several and no choice.  Cached; checks
 * no right.
 */
extern Oid	account_resolve(const char *name);

/* Raises an error unless role has USAGE on the SERVER. */
extern void account_check_usage(Oid server, Oid role);

/*
 * The options that a call needs; cached in this backend until a SERVER changes, so that a
 * call costs no catalog look-up.  Valid until the next call of a function of this file.
 */
typedef struct CallOptions
{
	const char *server_name;
	const char *id_property[ID_PROPERTY_COUNT]; /* object_id_property() */
	bool		associate_company_trait;
	bool		suppress_opt_outs;
	bool		primary_company;
	bool		legacy_events;
	pg_tz	   *zone;			/* of times without one */
} CallOptions;

extern const CallOptions *account_call_options(Oid server);

/* Whether a SERVER of the wrapper is there, whatever this process has been told of. */
extern bool account_exists(Oid server);

/*
 * Whether records of a type go by a key that is not unique in HubSpot, as the account has
 * no property for another.
 */
static inline bool
account_goes_by_natural_key(const CallOptions *options, Object object)
{
	const CrmType *type = &object_types[object];

	return type->natural_key != NULL && !type->natural_key_is_unique &&
		options->id_property[object] == NULL;
}

/* Oids of all SERVERs of the wrapper, in the current memory context. */
extern List *account_list(void);

#endif							/* HUBSPOT_ACCOUNT_H */
