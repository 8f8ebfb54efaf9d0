/*
 * company_first.c
 *		A company goes before a contact of its domain, where both wait.
 *
 * HubSpot makes a company for a new contact, unless it has one of that domain.  A
 * contact waits for the company's key, once; what would keep it waiting for long
 * ends the wait of all: company_first_wake().
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "message/message.h"
#include "queue/accounts.h"
#include "text/domain.h"
#include "wait/await.h"
#include "wait/company_first.h"

#define PROGRESS_US		3000000 /* contacts wait for no lane that has ended nothing for so long */

/*
 * Whether companies of the account are being made.  A lane that is behind, but ends one after the
 * other, is waited for; a pause, a refused token or silence is not.
 */
static bool
may_be_waited_for(Account *account)
{
	Lane	   *lane = account->lanes[FAMILY_COMPANIES];

	return account->status.state == LANE_RUN && lane->status.state == LANE_RUN &&
		lane->status.failures == 0 && !accounts_is_paused(lane) && !account->dropped;
}

/* Contacts that wait for a company. */
static void
let_go(Account *account)
{
	Lane	   *companies = account->lanes[FAMILY_COMPANIES];
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &account->lanes[FAMILY_CONTACTS]->keys.shown)
	{
		WorkKey    *key = dlist_container(WorkKey, stand.shown, iter.cur);

		if (key->stand.state == KEY_WAITS_KEY && key->stand.wait.key->lane == companies)
			queue_bring_back(key);
	}
}

int64
company_first_wake(int64 now)
{
	int64		wait_us = -1;

	foreach_account(account)
	{
		Lane	   *lane = account->lanes[FAMILY_COMPANIES];
		bool		goes;

		if (lane->rows == 0 || lane->done != account->companies_done)
		{
			account->companies_done = lane->done;
			account->companies_went_at = now;
		}
		if (lane->rows == 0)
			continue;
		/* at the edge alone: who asks from here on is not sent away any more */
		goes = may_be_waited_for(account) && now - account->companies_went_at < PROGRESS_US;
		if (!goes && account->company_first)
			let_go(account);
		account->company_first = goes;
		if (goes)
			wait_us = clock_sooner(wait_us, account->companies_went_at + PROGRESS_US - now);
	}
	return wait_us;
}

/* Whether a company is not known to HubSpot, as far as we know, and will be soon. */
static bool
is_about_to_be_made(const WorkKey *company, bool for_backfill)
{
	if (company == NULL || company->record_id[0] != '\0')
		return false;
	switch (company->stand.state)
	{
		case KEY_READY:
		case KEY_IN_BATCH:
		case KEY_ASKS:
		case KEY_IS_ASKED:
			return true;
		case KEY_READY_BACKFILL:
			return for_backfill;
		default:
			return false;
	}
}

/* The company that an association names which waits for the contact and it. */
static WorkKey *
company_joined(const WorkKey *contact, const Lane *companies)
{
	WorkKey    *pair = queue_find(contact->lane->account->lanes[FAMILY_ASSOCIATIONS],
								  contact->property, contact->key);
	MessageKey	company;

	return pair != NULL && key_has_rows(pair) &&
		message_read_association(key_head(pair)->message, &company)
		? queue_find(companies, company.property, company.key) : NULL;
}

/* Of its address; NULL: that is not known. */
static const char *
domain_of(const WorkKey *contact)
{
	const Row  *row = key_head(contact);
	const char *address = contact->key;
	MessageParts parts;
	MessageProblem problem;

	if (contact->property != NULL)
		address = message_read(row->message, &parts, &problem)
			? message_email(row->call, &parts) : NULL;
	return domain_of_address(address);
}

bool
company_first_await(WorkKey *contact)
{
	Account    *account = contact->lane->account;
	Lane	   *companies = account->lanes[FAMILY_COMPANIES];
	Row		   *row = key_head(contact);
	const char *domain;
	WorkKey    *company;

	if (companies->rows == 0 || !account->company_first || contact->record_id[0] != '\0' ||
		row_was(row, ONCE_COMPANY_FIRST))
		return false;
	company = company_joined(contact, companies);
	if (!is_about_to_be_made(company, row->backfill))
	{
		domain = domain_of(contact);
		company = domain == NULL ? NULL : queue_find(companies, MESSAGE_DOMAIN, domain);
		if (!is_about_to_be_made(company, row->backfill))
			return false;
	}
	row_note(row, ONCE_COMPANY_FIRST);
	await_key(contact, company);
	return true;
}
