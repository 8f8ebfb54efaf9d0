/*
 * account_state.h
 *		An account in a worker: a SERVER, its options and token, what HubSpot said of it.
 *
 * Memory: WorkerContext; the options in a context of their own.
 */
#ifndef HUBSPOT_ACCOUNT_STATE_H
#define HUBSPOT_ACCOUNT_STATE_H

#include "storage/itemptr.h"

#include "account/account.h"
#include "account/meter.h"
#include "account/path.h"
#include "account/secret.h"
#include "mapping/mapping.h"
#include "mapping/schema.h"
#include "queue/lane_state.h"

/* What is under way about a part of an account's schema; written by schema_sync.c alone. */
typedef enum SchemaStage
{
	SCHEMA_RESTS,
	SCHEMA_IS_LISTED,			/* a request for a page of what HubSpot has */
	SCHEMA_IS_CREATED,			/* a request that creates properties or an event */
	SCHEMA_IS_STORED			/* the answer is to be written into the tables */
#define SCHEMA_STAGE_COUNT (SCHEMA_IS_STORED + 1)
} SchemaStage;

/* How far the worker is with reading a part of an account's schema. */
typedef struct SchemaSync
{
	SchemaStage stage;
	bool		settled;		/* HubSpot has told, or said that it will not */
	bool		wanted;			/* to be read (again) */
	bool		outdated;		/* what is being read was asked for before something changed */
	bool		fresh;			/* read since the worker started or was last asked to */
	StringInfo	json;			/* of the pages so far; NULL in an answer that tells nothing */
	char	   *next_page;
	int			npages;			/* so far */
	int64		looked_at;		/* when a miss had it read again, by clock_us(); 0: never */
	bool		looking;		/* what misses waits for that, but not for ever */
	LaneStatus	trouble;		/* in RUN unless the last answer could not be read or stored */
	List	   *to_create;		/* what is to be created, and was not tried yet; as the next one
								 * written by creation.c alone */
	List	   *tried;			/* what was, or is to be */
} SchemaSync;

/* How further domains of companies are searched for: search/company_search.c. */
typedef enum FurtherDomains
{
	FURTHER_ALONG,				/* those of all companies, in the same request */
	FURTHER_BY_TOKEN,			/* these are too many: domain by domain */
	FURTHER_NOT					/* HubSpot does not let us, or the account has none */
} FurtherDomains;

typedef struct Account
{
	Oid			server;
	char		name[NAMEDATALEN];
	MemoryContext context;		/* of options; replaced when the SERVER changes */
	AccountOptions *options;
	TransactionId xmin;			/* of the SERVER's row that they are of ... */
	ItemPointerData tid;		/* ... and where that is */
	bool		dropped;		/* the SERVER is gone: its rows are cancelled */
	Secret		secret;
	Schema	   *schema;			/* NULL before it was loaded */
	bool		schema_stale;	/* the tables hold something newer */
	List	   *readings;		/* what else is read of it, see reading/reading.h */
	LaneStatus	load_trouble;	/* in RUN unless the schema could not be read from the tables */
	LaneStatus	status;			/* trouble of the whole account */
	LaneStatus	pause;			/* in RUN unless somebody paused the account */
	Meter	   *meters[METER_COUNT];	/* NULL before the token is known */
	int			transfers;		/* requests under way */
	PathForms	path_forms;		/* under which form of a path HubSpot has answered */
	bool		consent_single; /* subscriptions are written one by one: it may not do many */
	bool		forms_public;	/* the token may not submit forms: use their public address */
	bool		asking;			/* the account-info request is under way */
	bool		asking_usage;	/* the request for the use of the day is, see daily.h */
	bool		wants_day_end;	/* it is to be asked for, once in this pause */
	int64		usage_not_before;	/* µs: it is not asked for earlier */
	int64		requests;		/* sent since the start */
	int64		usage_requests; /* of these, when it was last asked for ... */
	int64		usage_enough;	/* ... and when there was enough left not to ask */
	List	   *lists;			/* static lists that are known, see lists.h */
	List	   *labels;			/* labels of associations, see pair/labels.h */
	uint32	   *types;			/* of records that its rows have named, by object_code() ... */
	int			ntypes;			/* ... so many, see admit/type_bound.h */
	bool		to_recall;		/* what the tables know of it is still to be read, see
								 * meter_restore.h */
	List	   *recalled;		/* of the request log */
	bool		info_changed;	/* to be written to hubspot.account */
	bool		limits_changed; /* to be written to hubspot.rate_limit */
	int64		portal_id;		/* 0: not known */
	uint64		info_of_token;	/* hash of the token for which account-info was read */
	bool		sheds_confirmed;	/* what hubspot.confirmed holds of it is to go, see forget.h */
	char		account_type[32];
	char		time_zone[64];
	int			utc_offset_ms;
	int64		companies_done; /* verdicts of companies when ... */
	int64		companies_went_at;	/* ... one of them last came, µs: see company_first_wake() */
	bool		company_first;	/* contacts may wait for companies */
	FurtherDomains further_domains;
	int64		further_until;	/* µs: until then; FURTHER_ALONG is tried again */
	char		hublet[16];

	/*
	 * By object; those below OBJECT_COUNT are always there, of others all three or none.
	 */
	int			nobjects;		/* room for numbers below */
	Lane	  **lanes;
	SchemaSync **sync;			/* of those that have_schema */
	MappingRules **rules;		/* of records */
	dlist_node	node;
} Account;

#endif							/* HUBSPOT_ACCOUNT_STATE_H */
