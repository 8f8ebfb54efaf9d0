/*
 * automation.c
 *	  Companies that HubSpot makes by itself; see automation.h.
 *
 * What is due is done at the next request of any kind, with the time at which
 * it was due.
 */
#include "automation.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "association.h"
#include "config.h"
#include "journal.h"
#include "property.h"

typedef struct Due
{
	uint64_t	contact;
	int64_t		at_ms;
} Due;

static Due *waiting;			/* in the order of their time */
static size_t first;			/* the first that is not done */
static size_t count;
static size_t size;

/* Providers of mailboxes: their domains are nobody's company. */
static const char *const mailboxes[] = {
	"gmail.com", "googlemail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "aol.com",
};

void
automation_note(const Object *contact)
{
	if (config.auto_company_ms <= 0)
		return;
	if (count == size)
	{
		size = size ? size * 2 : 256;
		waiting = must_realloc(waiting, sizeof(Due) * size);
	}
	waiting[count].contact = contact->id;
	waiting[count++].at_ms = contact->created_ms + config.auto_company_ms;
}

/* Of the address; of a mailbox, of the contact's website.  NULL: none. */
static const char *
domain_of(const Object *contact)
{
	const char *address = object_value(contact, contacts->email);
	const char *domain = address == NULL ? NULL : strrchr(address, '@');

	domain = domain == NULL ? NULL : domain + 1;
	for (size_t i = 0; domain != NULL && i < sizeof(mailboxes) / sizeof(mailboxes[0]); i++)
	{
		if (strcasecmp(domain, mailboxes[i]) == 0)
			domain = NULL;
	}
	if (domain == NULL)
	{
		domain = object_value(contact, property_find(contacts, "website"));
		if (domain != NULL && strstr(domain, "://") != NULL)
			domain = strstr(domain, "://") + 3;
		if (domain != NULL && strncasecmp(domain, "www.", 4) == 0)
			domain += 4;
		if (domain != NULL)
			domain = scratch_strndup(domain, strcspn(domain, "/:?#"));
	}
	return domain != NULL && *domain != '\0' ? domain : NULL;
}

/* Is the domain the company's, or one of its further ones? */
static bool
has_domain(const Object *company, const char *domain)
{
	const char *primary = object_value(company, companies->domain);
	const char *more = object_value(company, property_find(companies, "hs_additional_domains"));
	size_t		len = strlen(domain);

	if (primary != NULL && strcasecmp(primary, domain) == 0)
		return true;
	while (more != NULL && *more != '\0')
	{
		size_t		item = strcspn(more, ";");

		if (item == len && strncasecmp(more, domain, len) == 0)
			return true;
		more += item + (more[item] == ';');
	}
	return false;
}

/* The oldest one; those that the index does not have yet may be overlooked. */
static Object *
company_of(const char *domain, int64_t now)
{
	bool		by_index = strcmp(config.auto_company_match, "index") == 0;

	for (size_t i = 0; i < companies->object_count; i++)
	{
		Object	   *company = companies->objects[i];

		if (company->archived || company->erased || !has_domain(company, domain) ||
			(by_index && company->created_ms > now - config.search_lag_ms))
			continue;
		return company;
	}
	return NULL;
}

static void
log_made(Request *request, const Object *company, const char *domain)
{
	Buffer	   *line = journal_begin(request, "auto_create", "companies");

	if (line == NULL)
		return;
	buffer_printf(line, ",\"id\":\"%llu\",\"properties\":{\"domain\":", (unsigned long long) company->id);
	buffer_json(line, domain);
	buffer_puts(line, "}");
	journal_end(line);
}

static void
find_company(Request *request, Object *contact, int64_t now)
{
	const char *domain = domain_of(contact);
	Types		types = {0};
	Object	   *company;
	Pair	   *pair;

	if (domain == NULL)
		return;
	company = company_of(domain, now);
	if (company == NULL)
	{
		company = store_create(companies, now);
		object_set(company, companies->domain, domain);
		log_made(request, company, domain);
	}
	if (pair_find(contact, company, false) != NULL)
		return;
	/* Who has a primary company keeps it. */
	if (association_primary(contact) == NULL)
		types.items[types.count++].kind = kind_primary(contacts, companies);
	pair = pair_find(contact, company, true);
	pair_apply(pair, contact, &types);
	pair_log(request, "associate", pair);
}

void
automation_run(Request *request)
{
	while (first < count && waiting[first].at_ms <= now_ms())
	{
		const Due  *due = &waiting[first++];
		Object	   *contact = store_by_id(contacts, scratch_printf("%llu", (unsigned long long) due->contact));

		if (contact != NULL)
			find_company(request, contact, due->at_ms);
	}
	if (first == count)
		first = count = 0;
}

void
automation_reset(void)
{
	first = count = 0;
}
