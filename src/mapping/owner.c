/*
 * owner.c
 *		Owners: from an e-mail address, a name or an id to the id.
 *
 * Pure, but for owner_load(), which reads hubspot.owner by SPI in the caller's transaction.
 * Memory: the schema's context.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "mapping/choice.h"

#define OWNERS_SHOWN	5		/* # of those of one name in a warning */
#define TEXT_SHOWN		100		/* characters of a value there */

/* By what an owner is found; what stands first goes before. */
typedef enum OwnerTerm
{
	BY_ID,
	BY_EMAIL,
	BY_NAME
} OwnerTerm;

typedef struct Owner
{
	const char *id;
	const char *email;			/* "" if he has none */
	bool		archived;
} Owner;

typedef struct OwnerEntry
{
	const char *text;			/* folded */
	OwnerTerm	term;
	const Owner *owner;
} OwnerEntry;

struct OwnerSet
{
	bool		is_read;		/* HubSpot was asked */
	bool		is_told;		/* ... and has told */
	int			nentries;
	OwnerEntry *entries;		/* by text, term, those that are not archived first */
};

/* Small letters, one blank for each run of white space, none at the ends; palloc'd. */
static char *
fold(const char *text, int len)
{
	char	   *folded = palloc(len + 1);
	int			n = 0;

	for (int i = 0; i < len; i++)
	{
		if (!isspace((unsigned char) text[i]))
			folded[n++] = pg_ascii_tolower((unsigned char) text[i]);
		else if (n > 0 && folded[n - 1] != ' ')
			folded[n++] = ' ';
	}
	if (n > 0 && folded[n - 1] == ' ')
		n--;
	folded[n] = '\0';
	return folded;
}

/* ---- the table into memory ----------------------------------------------------------- */

static int
compare_entries(const void *a, const void *b)
{
	const OwnerEntry *one = a;
	const OwnerEntry *other = b;
	int			order = strcmp(one->text, other->text);

	if (order == 0)
		order = (int) one->term - (int) other->term;
	if (order == 0)
		order = (int) one->owner->archived - (int) other->owner->archived;
	return order != 0 ? order : strcmp(one->owner->id, other->owner->id);
}

static void
add_entry(OwnerSet *set, const Owner *owner, OwnerTerm term, const char *text)
{
	OwnerEntry *entry = &set->entries[set->nentries];

	if (text == NULL)
		return;
	entry->text = fold(text, strlen(text));
	entry->term = term;
	entry->owner = owner;
	if (entry->text[0] != '\0')
		set->nentries++;
}

const OwnerSet *
owner_unread(void)
{
	static const OwnerSet unread = {.is_read = false};

	return &unread;
}

const OwnerSet *
owner_load(Oid server, MemoryContext context, bool is_told)
{
	OwnerSet   *set = MemoryContextAllocZero(context, sizeof(OwnerSet));
	Oid			type = OIDOID;
	Datum		value = ObjectIdGetDatum(server);
	MemoryContext old;
	Owner	   *owners;

	set->is_read = true;
	set->is_told = is_told;
	if (statement_execute("SELECT id, email, name, archived FROM hubspot.owner WHERE server = $1",
						  1, &type, &value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the owners of a HubSpot account");
	old = MemoryContextSwitchTo(context);
	owners = palloc0(sizeof(Owner) * Max(SPI_processed, 1));
	/* each by his id, his address and his name */
	set->entries = palloc0(sizeof(OwnerEntry) * Max(SPI_processed * 3, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		char	   *email = SPI_getvalue(tuple, desc, 2);
		bool		isnull;

		owners[i].id = pstrdup(SPI_getvalue(tuple, desc, 1));
		owners[i].email = pstrdup(email != NULL ? email : "");
		owners[i].archived = DatumGetBool(SPI_getbinval(tuple, desc, 4, &isnull));
		add_entry(set, &owners[i], BY_ID, owners[i].id);
		add_entry(set, &owners[i], BY_EMAIL, email);
		add_entry(set, &owners[i], BY_NAME, SPI_getvalue(tuple, desc, 3));
	}
	MemoryContextSwitchTo(old);
	qsort(set->entries, set->nentries, sizeof(OwnerEntry), compare_entries);
	return set;
}

/* ---- looking up ------------------------------------------------------------------------- */

static const char *
refuse(ValueProblem *problem, const char *detail)
{
	problem->code = "unknown_owner";
	problem->detail = detail;
	return NULL;
}

static char *
shown(const char *text, int len)
{
	return psprintf("\"%.*s\"", pg_mbcharcliplen(text, len, TEXT_SHOWN), text);
}

static bool
is_id(const char *text)
{
	return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* What was looked for. */
static const char *
describe_missing(const char *folded, const char *text, int len)
{
	return psprintf(is_id(folded) ? "no owner has the id %s"
					: strchr(folded, '@') != NULL ? "no owner has the e-mail address %s"
					: "no owner is called %s", shown(text, len));
}

static const char *
describe_several(const OwnerEntry *entries, int n, const char *text, int len)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "%d owners are called %s:", n, shown(text, len));
	for (int i = 0; i < Min(n, OWNERS_SHOWN); i++)
		appendStringInfo(&detail, "%s %s (%s)", i > 0 ? "," : "", entries[i].owner->id,
						 entries[i].owner->email);
	if (n > OWNERS_SHOWN)
		appendStringInfo(&detail, " and %d more", n - OWNERS_SHOWN);
	return detail.data;
}

/* The first entry of a folded text; NULL: there is none. */
static const OwnerEntry *
first_entry(const OwnerSet *set, const char *folded)
{
	int			low = 0;
	int			high = set->nentries;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (strcmp(set->entries[middle].text, folded) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->nentries && strcmp(set->entries[low].text, folded) == 0
		? &set->entries[low] : NULL;
}

const char *
owner_id(const OwnerSet *owners, const char *text, int len, ValueProblem *problem)
{
	char	   *folded = fold(text, len);
	const OwnerEntry *end = owners->entries + owners->nentries;
	const OwnerEntry *first;
	int			n = 0;

	problem->used |= CHOICE_OWNER;
	if (!owners->is_told)
	{
		if (is_id(folded))
			return folded;
		return refuse(problem, psprintf(owners->is_read
										? "%s cannot be looked up, as the token may not read "
										"owners (scope crm.objects.owners.read); an id is sent as "
										"it is"
										: "%s is not known yet: the owners are read from HubSpot "
										"when the first row needs them", shown(text, len)));
	}
	/* of all that the text may mean, what goes before comes first: see compare_entries() */
	first = first_entry(owners, folded);
	if (first == NULL)
	{
		problem->missed |= CHOICE_OWNER;
		return refuse(problem, describe_missing(folded, text, len));
	}
	if (first->owner->archived)
	{
		problem->missed |= CHOICE_OWNER;
		return refuse(problem, psprintf("the owner %s (id %s) is archived in HubSpot",
										shown(text, len), first->owner->id));
	}
	for (const OwnerEntry *entry = first; entry < end && entry->term == first->term &&
		 strcmp(entry->text, folded) == 0 && !entry->owner->archived; entry++)
		n++;
	return n == 1 ? first->owner->id : refuse(problem, describe_several(first, n, text, len));
}
