/*
 * event.h
 *	  Custom behavioural events: definitions and their use.
 *
 * Definitions are owned by definition.c and live as long as the process, as
 * their names do in HubSpot; a deleted one only cannot be used any more.
 */
#ifndef SIMULATOR_EVENT_H
#define SIMULATOR_EVENT_H

#include "property.h"
#include "table.h"

typedef struct Definition
{
	int			id;
	char	   *name;
	char	   *full_name;		/* pe1234567_name */
	char	   *label;
	char	   *description;
	bool		deleted;
	ObjectType *primary;		/* whose events these are */
	Property   *match;			/* the unique property of the record ... */
	char	   *match_by;		/* ... that this property of the event holds; NULL: no rule */
	Property  **properties;
	int			property_count;
	Table		property_index; /* by name */
} Definition;

/* By its fully qualified name; live ones only. */
extern Definition *definition_find(const char *full_name);

/* Forgets which uuids were seen. */
extern void event_reset(void);

#endif
