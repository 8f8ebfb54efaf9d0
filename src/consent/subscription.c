/*
 * subscription.c
 *		The consent lane: subscriptions of addresses.
 *
 * A row is keyed by the address, and goes by itself: rows of one address in their order, none of
 * them merged, so that HubSpot's history of the address is that of the calls.  Its message names
 * the type of subscription by its id, or by a name that is looked up.
 *
 *	read			how the address stands, before it is subscribed: who has opted out is not
 *					subscribed again unless the call says so
 *	subscribe, opt out, leave (everything)
 *					many addresses in a request where the account may do that, else one by one
 *	set, v3			the older contract, which refuses by itself whom it may not subscribe
 *
 * A subscribing request whose answer was lost is not sent again as it is: its rows begin with the
 * reading.  The others set what is so already when they are repeated.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "consent/families.h"
#include "consent/subscription.h"
#include "consent/subscription_type.h"
#include "reading/reading.h"
#include "store/record_map.h"
#include "wait/await.h"
#include "wait/tell.h"

static bool
speaks_v3(const Account *account)
{
	return account->options->api_version[API_FAMILY_CONSENT] == API_V3;
}

/* ---- which request ----------------------------------------------------------------------- */

static const RequestKind *
kind_of_wish(const Account *account, const MessageConsent *consent)
{
	bool		single = account->consent_single;

	if (speaks_v3(account))
		return &subscription_set_v3;
	if (consent->of_all)
		return single ? &subscription_leave_one : &subscription_leave_many;
	if (consent->subscribed)
		return single ? &subscription_read_one : &subscription_read_many;
	return single ? &subscription_opt_out_one : &subscription_opt_out_many;
}

/*
 * Whether the name of a type is looked for, in what HubSpot has told; else the key has been sent
 * away, or the lane waits.  A name that is not there may be younger than what was read.
 */
static bool
is_looked_for(WorkKey *key, Row *row)
{
	Lane	   *lane = key->lane;

	if (!reading_use(lane, READING_SUBSCRIPTION_TYPES, ""))
		return false;
	if (row->looked != LOOKED_NOT && !row_was(row, ONCE_REFRESH))
	{
		row_note(row, ONCE_REFRESH);
		if (reading_look_again(lane, READING_SUBSCRIPTION_TYPES, ""))
		{
			row->looked = LOOKED_NOT;
			return false;
		}
	}
	if (row->looked != LOOKED_NOT)
		return true;
	row->looked = LOOKED_ONCE;
	await_look_up(key);
	return false;
}

/* A row that cannot be sent is taken as if it could: check_row() says why not. */
static const RequestKind *
kind_of_row(WorkKey *key)
{
	Row		   *row = key_head(key);
	MessageConsent consent;
	MessageProblem problem;

	if (queue_is_by_user_id(key) && !tell_is_hopeless(key))
		return NULL;
	if (!subscription_read_row(row, &consent, &problem))
		return &subscription_opt_out_many;
	if (!consent.of_all && subscription_id(row, &consent) == NULL && !is_looked_for(key, row))
		return NULL;
	return kind_of_wish(key->lane->account, &consent);
}

/* Types that the account has, for people: kept with a row that names none of them. */
static void
keep_types(Row *row)
{
	if (row->held != NULL)
		pfree(row->held);
	row->held = MemoryContextStrdup(window.memory,
									subscription_type_list(row->key->lane->account->server));
}

static void
look_up_type(WorkKey *key)
{
	Row		   *row = key_head(key);
	MessageConsent consent;
	MessageProblem problem;
	Oid			server = key->lane->account->server;
	const char *found;

	if (queue_is_by_user_id(key))
	{
		await_look_up_contact(key);
		return;
	}
	if (!subscription_read_row(row, &consent, &problem) || consent.subscription == NULL)
		return;
	found = subscription_type_find(server, consent.subscription);
	if (found != NULL)
		strlcpy(row->record_id, found, sizeof(row->record_id));
	else
		keep_types(row);
	/* an entry of hubspot.suppressed may name the type by its id */
	row->looked_at = 0;
}

/* ---- rows that cannot be sent --------------------------------------------------------------- */

static const char *
problem_of_type(const char *name, const char *types)
{
	if (types == NULL || types[0] == '\0')
		return psprintf("HubSpot has no type of subscription \"%s\" that is known here; "
						"its id in HubSpot does without", name);
	return psprintf("HubSpot has no type of subscription \"%s\"; it has %s", name,
					types);
}

static bool
check_row(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	MessageConsent consent;
	MessageProblem why;

	*category = "bad_message";
	if (!message_consent(parts, &consent, &why))
	{
		*problem = why.message;
		return false;
	}
	if (consent.of_all && speaks_v3(row->key->lane->account))
	{
		*problem = "version v3 of HubSpot's interface cannot opt out of everything: "
			"leave consent out of the SERVER option api_version";
		return false;
	}
	if (queue_is_by_user_id(row->key))
	{
		*category = "contact_not_found";
		*problem = "no call has told yet which contact this userId is";
		return row->looked == LOOKED_NOT || tell_may_come(row);
	}
	*category = subscription_not_known;
	if (consent.of_all || subscription_id(row, &consent) != NULL)
		return true;
	*problem = problem_of_type(consent.subscription, row->held);
	return false;
}

/* Each row is a change of its own in HubSpot's history. */
static bool
joins(const Row *first, Row *next)
{
	return false;
}

const FamilyWork consent_work = {
	.kind = &subscription_opt_out_many,
	.kind_of = kind_of_row,
	.joins = joins,
	.check = check_row,
	.look_up = look_up_type,
};
