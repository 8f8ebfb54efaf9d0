/*
 * pipeline.c
 *		Pipelines and their stages: from labels to ids.
 *
 * Pure, but for pipeline_load(), which reads hubspot.pipeline_stage by SPI in the caller's
 * transaction.  Memory: the schema's context; texts of problems in the current one.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "mapping/choice.h"
#include "message/object_type.h"

#define CHOICES_SHOWN	12		/* # of stages or pipelines in a warning */
#define TEXT_SHOWN		100		/* characters of a value there */

/* ---- the table into memory ----------------------------------------------------------- */

/* A row per stage, those of a pipeline together. */
static void
take_stages(PipelineSet *set)
{
	Pipeline   *pipeline = NULL;
	Stage	   *stages = palloc0(sizeof(Stage) * Max(SPI_processed, 1));

	set->pipelines = palloc0(sizeof(Pipeline) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		char	   *id = SPI_getvalue(tuple, desc, 1);

		/* the order of the rows begins with the pipeline */
		if (pipeline == NULL || strcmp(pipeline->id, id) != 0)
		{
			pipeline = &set->pipelines[set->npipelines++];
			pipeline->id = pstrdup(id);
			pipeline->label = pstrdup(SPI_getvalue(tuple, desc, 2));
			pipeline->stages = &stages[i];
		}
		stages[i].id = pstrdup(SPI_getvalue(tuple, desc, 3));
		stages[i].label = pstrdup(SPI_getvalue(tuple, desc, 4));
		pipeline->nstages++;
	}
}

void
pipeline_load(PipelineSet *set, Oid server, MemoryContext context)
{
	Oid			types[] = {OIDOID, TEXTOID};
	Datum		values[] = {ObjectIdGetDatum(server),
	CStringGetTextDatum(object_types[set->object].name)};
	MemoryContext old;

	if (statement_execute("SELECT pipeline, pipeline_label, stage, label"
						  " FROM hubspot.pipeline_stage WHERE server = $1 AND object = $2"
						  " ORDER BY pipeline_order, pipeline, stage_order, stage",
						  2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the pipelines of a HubSpot account");
	old = MemoryContextSwitchTo(context);
	take_stages(set);
	MemoryContextSwitchTo(old);
}

const PipelineSet *
pipeline_of(const Schema *schema, Object object)
{
	static const PipelineSet unread = {.is_read = false};

	if (object_types[object].pipeline_property == NULL)
		return NULL;
	for (int i = 0; i < schema->npipelines; i++)
		if (schema->pipelines[i].object == object)
			return &schema->pipelines[i];
	return &unread;
}

/* ---- looking up ------------------------------------------------------------------------- */

static bool
same_label(const char *label, const char *text)
{
	return pg_strcasecmp(label, text) == 0;
}

static char *
shown(const char *text)
{
	int			len = strlen(text);

	return psprintf("\"%.*s\"", pg_mbcharcliplen(text, len, TEXT_SHOWN), text);
}

static void
refuse(ValueProblem *problem, const char *code, const char *detail)
{
	problem->code = code;
	problem->detail = detail;
}

/* "A", "B" and 3 more; behind each id that is not the label, the id. */
static void
append_choice(StringInfo text, int i, int n, const char *label, const char *id)
{
	if (i < CHOICES_SHOWN)
	{
		appendStringInfo(text, "%s\"%s\"", i > 0 ? ", " : "", label);
		if (!same_label(label, id))
			appendStringInfo(text, " (%s)", id);
	}
	else if (i == CHOICES_SHOWN)
		appendStringInfo(text, " and %d more", n - CHOICES_SHOWN);
}

static void
append_pipelines(StringInfo text, const PipelineSet *set)
{
	for (int i = 0; i < set->npipelines; i++)
		append_choice(text, i, set->npipelines, set->pipelines[i].label, set->pipelines[i].id);
}

static void
append_stages(StringInfo text, const Pipeline *pipeline)
{
	appendStringInfo(text, "the stages of pipeline %s are: ", shown(pipeline->label));
	for (int i = 0; i < pipeline->nstages; i++)
		append_choice(text, i, pipeline->nstages, pipeline->stages[i].label,
					  pipeline->stages[i].id);
}

/* By id, else by the label, which must be that of one pipeline. */
static const Pipeline *
find_pipeline(const PipelineSet *set, const char *text, ValueProblem *problem)
{
	const Pipeline *found = NULL;
	StringInfoData detail;
	int			n = 0;

	for (int i = 0; i < set->npipelines; i++)
		if (strcmp(set->pipelines[i].id, text) == 0)
			return &set->pipelines[i];
	/* from the end, so that the first one is what is left */
	for (int i = set->npipelines - 1; i >= 0; i--)
		if (same_label(set->pipelines[i].label, text) || same_label(set->pipelines[i].id, text))
		{
			found = &set->pipelines[i];
			n++;
		}
	if (n == 1)
		return found;
	initStringInfo(&detail);
	appendStringInfo(&detail, n == 0 ? "there is no pipeline %s; the pipelines are: "
					 : "several pipelines are called %s, so that an id is needed: ", shown(text));
	append_pipelines(&detail, set);
	refuse(problem, "unknown_pipeline", detail.data);
	if (n == 0)
		problem->missed |= CHOICE_STAGE;
	return NULL;
}

/* The same of a stage; *several: the label is that of more than one. */
static const Stage *
find_stage(const Pipeline *pipeline, const char *text, bool *several)
{
	const Stage *found = NULL;

	*several = false;
	for (int i = 0; i < pipeline->nstages; i++)
		if (strcmp(pipeline->stages[i].id, text) == 0)
			return &pipeline->stages[i];
	for (int i = 0; i < pipeline->nstages; i++)
		if (same_label(pipeline->stages[i].label, text) || same_label(pipeline->stages[i].id, text))
		{
			*several |= found != NULL;
			found = &pipeline->stages[i];
		}
	return *several ? NULL : found;
}

/*
 * HubSpot's default pipeline, where a record names none: by an id that no pipeline of the account's
 * own is given, else the first one.
 */
static const Pipeline *
default_pipeline(const PipelineSet *set)
{
	for (int i = 0; i < set->npipelines; i++)
		if (strcmp(set->pipelines[i].id, "default") == 0 ||
			strcmp(set->pipelines[i].id, "0") == 0)
			return &set->pipelines[i];
	return &set->pipelines[0];
}

static void
refuse_stage(const Pipeline *pipeline, const char *text, bool several, ValueProblem *problem)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, several ? "several stages are called %s, so that an id is needed; "
					 : "there is no stage %s; ", shown(text));
	append_stages(&detail, pipeline);
	refuse(problem, "unknown_stage", detail.data);
	if (!several)
		problem->missed |= CHOICE_STAGE;
}

static void
refuse_pipelines(const PipelineSet *set, const char *text, ValueProblem *problem)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "several pipelines have a stage %s, and none is given; "
					 "the pipelines are: ", shown(text));
	append_pipelines(&detail, set);
	refuse(problem, "unknown_stage", detail.data);
}

/* The stage of a message that names no pipeline, and the pipeline that has it. */
static const Stage *
find_stage_anywhere(const PipelineSet *set, const char *text, const Pipeline **pipeline,
					ValueProblem *problem)
{
	const Pipeline *first = default_pipeline(set);
	bool		several;
	const Stage *found = find_stage(first, text, &several);
	int			n = 0;

	*pipeline = first;
	if (found != NULL)
		return found;
	for (int i = 0; i < set->npipelines; i++)
	{
		const Stage *stage = find_stage(&set->pipelines[i], text, &several);

		if (stage == NULL && !several)
			continue;
		*pipeline = &set->pipelines[i];
		found = stage;
		n++;
		/* no other one has this id */
		if (stage != NULL && strcmp(stage->id, text) == 0)
			return stage;
	}
	if (n > 1)
	{
		refuse_pipelines(set, text, problem);
		return NULL;
	}
	if (found == NULL)
		refuse_stage(*pipeline, text, n == 1, problem);
	return found;
}

void
pipeline_choose(const PipelineSet *set, StageChoice *choice)
{
	const Pipeline *pipeline = NULL;
	const Stage *stage;
	bool		several;

	if (set->npipelines == 0)
		return;					/* the type has none: HubSpot judges */
	if (choice->pipeline != NULL)
	{
		pipeline = find_pipeline(set, choice->pipeline, &choice->pipeline_problem);
		choice->pipeline = pipeline != NULL ? pipeline->id : NULL;
		if (pipeline == NULL && choice->stage != NULL)
		{
			/* in another pipeline it would be another stage */
			refuse(&choice->stage_problem, "unknown_stage",
				   "it is left out with its pipeline, which HubSpot does not have");
			choice->stage = NULL;
		}
	}
	if (choice->stage == NULL)
		return;
	if (pipeline == NULL)
		stage = find_stage_anywhere(set, choice->stage, &pipeline, &choice->stage_problem);
	else
	{
		stage = find_stage(pipeline, choice->stage, &several);
		if (stage == NULL)
			refuse_stage(pipeline, choice->stage, several, &choice->stage_problem);
	}

	/*
	 * A stage never goes without its pipeline, since HubSpot would look for it in the default one;
	 * nor does the pipeline of a stage that is not there, which would leave the record in a stage
	 * of the pipeline before.
	 */
	choice->stage = stage != NULL ? stage->id : NULL;
	choice->pipeline = stage != NULL ? pipeline->id : NULL;
}

static const char *
not_yet(const char *text, const char *code, ValueProblem *problem)
{
	if (text != NULL)
		refuse(problem, code, psprintf("%s is not known yet: the pipelines are read from HubSpot "
									   "when the first row needs them", shown(text)));
	return NULL;
}

void
pipeline_not_yet(StageChoice *choice)
{
	choice->pipeline = not_yet(choice->pipeline, "unknown_pipeline", &choice->pipeline_problem);
	choice->stage = not_yet(choice->stage, "unknown_stage", &choice->stage_problem);
}
