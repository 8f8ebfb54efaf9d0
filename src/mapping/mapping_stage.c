/*
 * mapping_stage.c
 *		Pipeline and stage of a record, which are one decision.
 *
 * Pure.  mapping_property.c puts both aside, in whatever order a row has them; when the row has
 * been read, what they mean is found out together and written together.  So it is with rows that
 * are merged: the newest one that says a stage decides on both, and of an older row the stage is
 * taken only where it belongs to the pipeline that a newer one says.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "mapping/choice.h"
#include "mapping/mapping_property.h"
#include "message/message.h"
#include "text/value.h"

/* The text of a value without white space around it; "": it clears; NULL: it is no text. */
static char *
text_of(const JsonbValue *value)
{
	char	   *text = value->type == jbvNull ? pstrdup("") : message_scalar_text(value);
	int			len;

	if (text == NULL)
		return NULL;
	while (isspace((unsigned char) *text))
		text++;
	for (len = strlen(text); len > 0 && isspace((unsigned char) text[len - 1]); len--)
		;
	text[len] = '\0';
	return text;
}

/* As it was said, but for the text. */
static void
write_part(Mapping *mapping, StagePart part, const TraitAside *aside, const char *text)
{
	const char *property = mapping_stage_property(mapping, part);
	JsonbValue	value = aside->value;

	if (text != NULL)
	{
		value.type = jbvString;
		value.val.string.val = unconstify(char *, text);
		value.val.string.len = strlen(text);
	}
	mapping_write_property(mapping, property, strlen(property), &value, aside->rule, aside->trait,
						   aside->trait_len);
}

/* Whether a newer row has written exactly this. */
static bool
is_written(const Mapping *mapping, const char *property, const char *text)
{
	char	   *written = mapping_value(mapping, property);
	StringInfoData json;
	bool		same;

	initStringInfo(&json);
	value_append_string(&json, text, strlen(text));
	same = written != NULL && strcmp(json.data, written) == 0;
	pfree(json.data);
	return same;
}

static void
note_problem(Mapping *mapping, StagePart part, const ValueProblem *problem)
{
	const char *property = mapping_stage_property(mapping, part);

	mapping_warn_of_value(mapping, problem, property, strlen(property));
}

static void
write_choice(Mapping *mapping, const StageChoice *choice)
{
	const TraitAside *pipeline = &mapping->put_aside[PART_PIPELINE];
	const TraitAside *stage = &mapping->put_aside[PART_STAGE];
	const char *property = mapping_stage_property(mapping, PART_PIPELINE);
	bool		newer_pipeline = mapping_has(mapping, property);

	if (choice->pipeline != NULL && newer_pipeline &&
		!is_written(mapping, property, choice->pipeline))
		return;
	if (choice->pipeline != NULL && !newer_pipeline)
		write_part(mapping, PART_PIPELINE, pipeline->is_there ? pipeline : stage, choice->pipeline);
	if (choice->stage != NULL)
		write_part(mapping, PART_STAGE, stage, choice->stage);
}

/*
 * What the row says of a part, as a text that is to be looked up; NULL: nothing, or it has been
 * dealt with here, as a value that clears, or that is no text.
 */
static const char *
said_of(Mapping *mapping, StagePart part)
{
	const TraitAside *aside = &mapping->put_aside[part];
	const char *text = aside->is_there ? text_of(&aside->value) : NULL;
	ValueProblem problem = {.code = part == PART_STAGE ? "unknown_stage" : "unknown_pipeline",
	.detail = "expected a text: the label or the id"};

	if (!aside->is_there || (text != NULL && text[0] != '\0'))
		return text;
	if (text != NULL)
		write_part(mapping, part, aside, text);
	else
		note_problem(mapping, part, &problem);
	return NULL;
}

void
mapping_add_stage(Mapping *mapping)
{
	const PipelineSet *set = mapping->rules->pipelines;
	StageChoice choice = {0};

	/* a stage that a newer row says decides on both */
	if (mapping_has(mapping, mapping_stage_property(mapping, PART_STAGE)))
		return;
	choice.pipeline = said_of(mapping, PART_PIPELINE);
	choice.stage = said_of(mapping, PART_STAGE);
	if (choice.pipeline == NULL && choice.stage == NULL)
		return;
	mapping->used |= CHOICE_STAGE;
	if (set->is_told)
		pipeline_choose(set, &choice);
	else if (!set->is_read)
		pipeline_not_yet(&choice);
	note_problem(mapping, PART_PIPELINE, &choice.pipeline_problem);
	note_problem(mapping, PART_STAGE, &choice.stage_problem);
	write_choice(mapping, &choice);
}
