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

/* Add a warning to the present row. */
extern void mapping_warn(Mapping *mapping, const char *code, const char *property, int len,
						 const char *detail);

#endif							/* HUBSPOT_MAPPING_PROPERTY_H */
