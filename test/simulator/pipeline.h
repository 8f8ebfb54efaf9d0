/*
 * pipeline.h
 *	  Pipelines and their stages: section 5 of the notes on objects.
 *
 * They are owned by their type and live as long as the process.
 */
#ifndef SIMULATOR_PIPELINE_H
#define SIMULATOR_PIPELINE_H

#include "type.h"

typedef struct PipelineStage
{
	char	   *id;
	char	   *label;
	char	   *metadata;		/* JSON; its values are strings */
	int			display_order;
	bool		is_archived;
} PipelineStage;

typedef struct Pipeline
{
	char	   *id;
	char	   *label;
	int			display_order;
	bool		is_archived;
	PipelineStage **stages;
	int			stage_count;
} Pipeline;

/* The pipelines a new account has. */
extern void pipeline_init(void);

/* Live ones; NULL when there is none. */
extern Pipeline *pipeline_find(const ObjectType *type, const char *id);
extern Pipeline *pipeline_default(const ObjectType *type);
extern PipelineStage *stage_find(const Pipeline *pipeline, const char *id);

/* "a, b, c", in scratch memory. */
extern const char *pipeline_ids(const ObjectType *type);
extern const char *stage_ids(const Pipeline *pipeline);

extern bool stage_is_closed(const PipelineStage *stage);

#endif
