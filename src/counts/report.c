/*
 * report.c
 *		What became of the rows of each definition, column by column.
 *
 * Called for every row that ends, between transactions, so it must cost next to nothing: a row
 * whose message has the members of an earlier one is counted without looking at their names.
 *
 * Memory: a context for what is counted, which stays, as the same counts change again and again;
 * another for what is known of single records, until it is written.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "base/verdict.h"
#include "counts/report_counts.h"
#include "counts/warning.h"
#include "message/message.h"

/* Bytes of a name that are counted under: a mapping may name what is longer than an index takes. */
#define MAX_NAME		255
#define MAX_REPORTS		1000	/* kept; more are forgotten when they are written */
#define MAX_OUTCOMES	200		/* of a definition; categories are HubSpot's */
#define MAX_PROPERTIES	4000
#define OTHERS			"others"	/* what is beyond */

static MemoryContext counts_context = NULL;
static HTAB *reports = NULL;
static Report *last_report = NULL;
slist_head	report_changed = SLIST_STATIC_INIT(report_changed);

static MemoryContext endings_context = NULL;
int			report_nendings;
Ending	   *report_endings;
static int	endings_size;

/* ---- what is kept ----------------------------------------------------------------------- */

static void
open_reports(void)
{
	HASHCTL		control = {.keysize = sizeof(int), .entrysize = sizeof(Report)};

	if (counts_context == NULL)
	{
		counts_context = AllocSetContextCreate(TopMemoryContext, "hubspot reports",
											   ALLOCSET_DEFAULT_SIZES);
		endings_context = AllocSetContextCreate(TopMemoryContext, "hubspot endings",
												ALLOCSET_DEFAULT_SIZES);
	}
	control.hcxt = counts_context;
	reports = hash_create("hubspot reports", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static Report *
find_report(int id)
{
	bool		found;

	if (last_report != NULL && last_report->id == id)
		return last_report;
	if (reports == NULL)
		open_reports();
	last_report = hash_search(reports, &id, HASH_ENTER, &found);
	if (!found)
	{
		memset(last_report, 0, sizeof(Report));
		last_report->id = id;
		last_report->troubled = -1;
	}
	return last_report;
}

static OutcomeCount *
find_outcome(Report *report, Object object, Verdict verdict, const char *category)
{
	slist_iter	iter;
	OutcomeCount *count;

	slist_foreach(iter, &report->outcomes)
	{
		count = slist_container(OutcomeCount, node, iter.cur);
		if (count->object == object && count->verdict == verdict &&
			strcmp(count->category, category) == 0)
			return count;
	}
	/* HubSpot's words: it may have any number of them */
	if (report->noutcomes >= MAX_OUTCOMES && strcmp(category, OTHERS) != 0)
		return find_outcome(report, object, verdict, OTHERS);
	count = MemoryContextAllocZero(counts_context, sizeof(OutcomeCount));
	count->object = object;
	count->verdict = verdict;
	count->category = MemoryContextStrdup(counts_context, category);
	slist_push_head(&report->outcomes, &count->node);
	report->noutcomes++;
	return count;
}

static PropertyCount *
find_property(Report *report, Object object, const char *property, const char *code)
{
	slist_iter	iter;
	PropertyCount *count;

	slist_foreach(iter, &report->properties)
	{
		count = slist_container(PropertyCount, node, iter.cur);
		if (count->object == object && strcmp(count->property, property) == 0 &&
			strcmp(count->code, code) == 0)
			return count;
	}
	/* a table has fewer columns; a value that is an object may have more members */
	if (report->nproperties >= MAX_PROPERTIES && strcmp(property, OTHERS) != 0)
		return find_property(report, object, OTHERS, code);
	count = MemoryContextAllocZero(counts_context, sizeof(PropertyCount));
	count->object = object;
	count->property = MemoryContextStrdup(counts_context, property);
	count->code = MemoryContextStrdup(counts_context, code);
	if (message_fold_name(property, strlen(property), count->folded, sizeof(count->folded)) < 0)
		count->folded[0] = '\0';
	slist_push_head(&report->properties, &count->node);
	report->nproperties++;
	return count;
}

/* ---- the members of a message -------------------------------------------------------------- */

/* The object whose members are mapped; NULL: there is none. */
static JsonbContainer *
find_values(const Jsonb *message)
{
	static const char *const names[] = {"traits", "properties"};
	JsonbValue	value;

	if (message == NULL || !JB_ROOT_IS_OBJECT(message))
		return NULL;
	for (int i = 0; i < lengthof(names); i++)
		if (getKeyJsonValueFromContainer(unconstify(JsonbContainer *, &message->root), names[i],
										 strlen(names[i]), &value) != NULL)
			return value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data)
				? value.val.binary.data : NULL;
	return NULL;
}

/*
 * In an object the names come first, entries and bytes, and of the same names they are the same;
 * so that two comparisons of memory tell.
 */
static bool
has_shape(const Shape *shape, Object object, const JsonbContainer *values)
{
	int			n = JsonContainerSize(values);

	return shape->object == object && shape->n == n &&
		memcmp(values->children, shape->entries, sizeof(JEntry) * n) == 0 &&
		memcmp((const char *) (values->children + 2 * n), shape->keys, shape->keys_len) == 0;
}

static void
make_shape(Report *report, Shape *shape, Object object, const JsonbContainer *values)
{
	const char *names = (const char *) (values->children + 2 * JsonContainerSize(values));

	/* it makes room for this one */
	if (shape->entries != NULL)
	{
		pfree(shape->entries);
		pfree(shape->keys);
		pfree(shape->counts);
	}
	shape->object = object;
	shape->n = JsonContainerSize(values);
	shape->keys_len = shape->n == 0 ? 0 : getJsonbOffset(values, shape->n);
	shape->entries = MemoryContextAlloc(counts_context, sizeof(JEntry) * (shape->n + 1));
	memcpy(shape->entries, values->children, sizeof(JEntry) * shape->n);
	shape->keys = MemoryContextAlloc(counts_context, shape->keys_len + 1);
	memcpy(shape->keys, names, shape->keys_len);
	shape->counts = MemoryContextAlloc(counts_context, sizeof(PropertyCount *) * (shape->n + 1));
	for (int i = 0; i < shape->n; i++)
	{
		const char *at = names + getJsonbOffset(values, i);
		char	   *name = pnstrdup(at, pg_mbcliplen(at, getJsonbLength(values, i), MAX_NAME));

		shape->counts[i] = find_property(report, object, name, "");
		pfree(name);
	}
}

static Shape *
find_shape(Report *report, Object object, const JsonbContainer *values)
{
	Shape	   *shape;

	for (int i = 0; i < report->nshapes; i++)
		if (has_shape(&report->shapes[i], object, values))
			return &report->shapes[i];
	if (report->nshapes < REPORT_SHAPES)
		shape = &report->shapes[report->nshapes++];
	else
	{
		shape = &report->shapes[report->next_shape];
		report->next_shape = (report->next_shape + 1) % REPORT_SHAPES;
	}
	make_shape(report, shape, object, values);
	return shape;
}

/* ---- a row -------------------------------------------------------------------------------- */

#define MAX_LEFT_OUT	100		/* of a row, that are told apart from what was delivered */

/* The values of the row at hand; shape NULL: it has none. */
typedef struct Values
{
	const JsonbContainer *object;
	const Shape *shape;
} Values;

/* What the warnings of the row at hand say. */
typedef struct LeftOut
{
	int			n;
	char		folded[MAX_LEFT_OUT][REPORT_FOLDED];
	StringInfoData names;
	StringInfoData lacks;
} LeftOut;

static bool
is_null(const Values *values, int i)
{
	return JBE_ISNULL(values->object->children[values->shape->n + i]);
}

/* Whether the row has nothing to say of a property: then nothing is lost when it is left out. */
static bool
says_nothing(const Values *values, const char *folded)
{
	bool		found = false;

	for (int i = 0; values->shape != NULL && i < values->shape->n; i++)
		if (strcmp(values->shape->counts[i]->folded, folded) == 0)
		{
			if (!is_null(values, i))
				return false;
			found = true;
		}
	return found;
}

static void
add_line(StringInfo lines, const char *line)
{
	if (lines->data == NULL)
		initStringInfo(lines);
	appendStringInfo(lines, "%s%s", lines->len > 0 ? "\n" : "", line);
}

static void
read_warnings(Report *report, Object object, const Values *values, const ReportedEnd *end,
			  bool arrived, LeftOut *left_out)
{
	const char *at = end->warnings;
	Warning		warning;

	while (warning_next(&at, &warning))
	{
		PropertyCount *count;
		char		folded[REPORT_FOLDED];

		if (message_fold_name(warning.property, strlen(warning.property), folded,
							  sizeof(folded)) < 0)
			folded[0] = '\0';
		/* a row that did not arrive is to be sent again for want of it all the same */
		if (arrived && warning.left_out && says_nothing(values, folded))
			continue;
		count = find_property(report, object, warning.property, warning.code);
		count->rows++;
		count->example = end->id;
		if (!warning.left_out)
			continue;
		add_line(&left_out->names, warning.property);
		if (warning.lacks)
			add_line(&left_out->lacks, warning.property);
		if (left_out->n < MAX_LEFT_OUT)
			strcpy(left_out->folded[left_out->n++], folded);
	}
}

static bool
is_left_out(const LeftOut *left_out, const PropertyCount *count)
{
	for (int i = 0; i < left_out->n; i++)
		if (strcmp(left_out->folded[i], count->folded) == 0)
			return true;
	return false;
}

static void
count_values(const Values *values, const ReportedEnd *end, bool arrived, const LeftOut *left_out)
{
	for (int i = 0; values->shape != NULL && i < values->shape->n; i++)
	{
		PropertyCount *count = values->shape->counts[i];

		if (is_null(values, i))
			continue;
		count->rows++;
		count->delivered += arrived && (left_out->n == 0 || !is_left_out(left_out, count));
		count->example = end->id;
	}
}

/* An association is of two records: both are its key. */
static const char *
record_key(const ReportedRow *row)
{
	JsonbValue	company;

	if (row->object != OBJECT_IS_ASSOCIATION || row->message == NULL ||
		!JB_ROOT_IS_OBJECT(row->message) ||
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *, &row->message->root), "company",
									 strlen("company"), &company) == NULL ||
		company.type != jbvString)
		return row->key;
	return psprintf("%s %.*s", row->key, company.val.string.len, company.val.string.val);
}

static void
note_ending(const ReportedRow *row, const ReportedEnd *end, bool arrived, bool bad,
			const LeftOut *left_out)
{
	MemoryContext old = MemoryContextSwitchTo(endings_context);
	Ending	   *ending;

	if (report_nendings == endings_size)
	{
		endings_size = Max(endings_size * 2, 64);
		report_endings = report_endings == NULL ? palloc(sizeof(Ending) * endings_size)
			: repalloc(report_endings, sizeof(Ending) * endings_size);
	}
	/* all of it is copied: the row is gone when it is written */
	ending = &report_endings[report_nendings];
	ending->report = row->report;
	ending->object = row->object;
	ending->id = end->id;
	ending->change = row->change;
	ending->bad = bad;
	ending->key = pstrdup(record_key(row));
	ending->category = arrived ? NULL : pstrdup(end->category != NULL ? end->category : "");
	ending->left_out = left_out->names.data == NULL ? NULL : pstrdup(left_out->names.data);
	ending->lacks = left_out->lacks.data == NULL ? NULL : pstrdup(left_out->lacks.data);
	report_nendings++;
	MemoryContextSwitchTo(old);
}

static void
count_row(const ReportedRow *row, const ReportedEnd *end)
{
	int			flags = verdict_rules[end->verdict].flags;
	bool		arrived = (flags & VERDICT_IS_ARRIVED) != 0;
	bool		bad = (flags & VERDICT_IS_FAILURE) != 0;
	Values		values = {.object = find_values(row->message)};
	LeftOut		left_out;
	Report	   *report;
	OutcomeCount *outcome;

	left_out.n = 0;
	left_out.names.data = left_out.lacks.data = NULL;
	report = find_report(row->report);
	if (!report->changed)
	{
		report->changed = true;
		slist_push_head(&report_changed, &report->node);
	}
	if (values.object != NULL)
		values.shape = find_shape(report, row->object, values.object);
	if (end->warnings != NULL)
		read_warnings(report, row->object, &values, end, arrived, &left_out);
	bad = bad || (arrived && left_out.names.data != NULL);
	outcome = find_outcome(report, row->object, end->verdict,
						   end->category != NULL ? end->category : "");
	outcome->rows++;
	outcome->warned += arrived && left_out.names.data != NULL;
	outcome->example = end->id;
	count_values(&values, end, arrived, &left_out);
	report->rows++;
	report->bad += bad;
	/* what was taken back, or came too late, says nothing of how the record stands */
	if (bad || (arrived && report->troubled != 0))
		note_ending(row, end, arrived, bad, &left_out);
}

void
report_row(const ReportedRow *row, const ReportedEnd *end)
{
	if (row->report != 0)
		count_row(row, end);
}

/* ---- after the commit ---------------------------------------------------------------------- */

void
report_written(void)
{
	slist_iter	iter;

	if (reports == NULL)
		return;
	slist_foreach(iter, &report_changed)
	{
		Report	   *report = slist_container(Report, node, iter.cur);
		slist_iter	each;

		report->changed = false;
		report->rows = report->bad = 0;
		report->troubled = report->will_be;
		slist_foreach(each, &report->outcomes)
		{
			OutcomeCount *count = slist_container(OutcomeCount, node, each.cur);

			count->rows = count->warned = 0;
		}
		slist_foreach(each, &report->properties)
		{
			PropertyCount *count = slist_container(PropertyCount, node, each.cur);

			count->rows = count->delivered = 0;
		}
	}
	slist_init(&report_changed);
	MemoryContextReset(endings_context);
	report_nendings = endings_size = 0;
	report_endings = NULL;
	/* what is counted next finds no count at hand, and none in the list */
	if (hash_get_num_entries(reports) > MAX_REPORTS)
	{
		MemoryContextReset(counts_context);
		reports = NULL;
		last_report = NULL;
	}
}
