/*
 * choice.h
 *		Values that are chosen from a list of HubSpot's own: owners, pipelines, stages.
 *
 * A property of this kind takes an id.  HubSpot tells the ids in lists beside the properties,
 * which are kept in hubspot.owner and hubspot.pipeline_stage and are a part of the Schema.
 * People write an e-mail address, a name, a label; here it becomes the id.
 *
 * A text that leads to no id, or to several, is a problem of the value, never of the record.
 */
#ifndef HUBSPOT_CHOICE_H
#define HUBSPOT_CHOICE_H

#include "mapping/property_value.h"
#include "mapping/schema.h"

/* The owners of an account; those of one that HubSpot was not asked for. */
extern const OwnerSet *owner_load(Oid server, MemoryContext context, bool is_told);
extern const OwnerSet *owner_unread(void);

/*
 * The id of an owner by his e-mail address, his full name or the id itself, in any case of the
 * letters a to z; NULL: problem says why not.  Of owners that HubSpot does not tell an id is taken
 * as it is.
 */
extern const char *owner_id(const OwnerSet *owners, const char *text, int len,
							ValueProblem *problem);

typedef struct Stage
{
	const char *id;
	const char *label;
} Stage;

typedef struct Pipeline
{
	const char *id;
	const char *label;
	int			nstages;
	Stage	   *stages;			/* in their order */
} Pipeline;

/* The pipelines of one type of records. */
struct PipelineSet
{
	Object		object;
	bool		is_read;		/* HubSpot was asked */
	bool		is_told;		/* ... and has told */
	int			npipelines;
	Pipeline   *pipelines;		/* in their order */
};

extern void pipeline_load(PipelineSet *set, Oid server, MemoryContext context);

/* Those of a type; NULL: it has none. */
extern const PipelineSet *pipeline_of(const Schema *schema, Object object);

/* What a message says of pipeline and stage, and the ids that it means. */
typedef struct StageChoice
{
	const char *pipeline;		/* NULL: nothing */
	const char *stage;
	ValueProblem pipeline_problem;
	ValueProblem stage_problem;
} StageChoice;

/*
 * Texts become ids, which is one decision: a stage is looked for in the pipeline that is given,
 * else in the default one, else where it stands but once; and it brings its pipeline along.
 * What cannot be found becomes NULL, with its problem, and so does what depends on it.  The set
 * is told.
 */
extern void pipeline_choose(const PipelineSet *set, StageChoice *choice);

/* The same where HubSpot was not asked yet. */
extern void pipeline_not_yet(StageChoice *choice);

#endif							/* HUBSPOT_CHOICE_H */
