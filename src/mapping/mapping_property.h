/*
 * mapping_property.h
 *		One property of a record: whether it may be written, and how.
 */
#ifndef HUBSPOT_MAPPING_PROPERTY_H
#define HUBSPOT_MAPPING_PROPERTY_H

#include "mapping/mapping.h"

/*
 * Write a property, unless a newer row or an earlier trait has written it or the
 * account's schema forbids it; warns of what it leaves out. trait must outlive the
 * mapping.
 */
extern void mapping_add_property(Mapping *mapping, const char *name, int len,
								 const JsonbValue *value,
								 NameRule rule, const char *trait, int trait_len);

/* The same, of a value that has been found to be good: it goes out as it is. */
extern void mapping_write_property(Mapping *mapping, const char *name, int len,
								   const JsonbValue *value,
								   NameRule rule, const char *trait, int trait_len);

/* Pipeline and stage, of a type that has them, are put aside; at a row's end they are written. */
extern void mapping_add_stage(Mapping *mapping);

/* The property of one of the two. */
static inline const char *
mapping_stage_property(const Mapping *mapping, StagePart part)
{
	return part == PART_PIPELINE ? mapping->rules->pipeline_property
		: mapping->rules->stage_property;
}

/* Add a warning to the present row; of a value, and what it has missed. */
extern void mapping_warn_of_value(Mapping *mapping, const ValueProblem *problem, const char *name,
								  int len);

extern void mapping_warn(Mapping *mapping, const char *code, const char *property, int len,
						 const char *detail);

#endif							/* HUBSPOT_MAPPING_PROPERTY_H */
