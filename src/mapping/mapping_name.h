/*
 * mapping_name.h
 *		Names of traits and properties: tables and forms for mapping.c.
 */
#ifndef HUBSPOT_MAPPING_NAME_H
#define HUBSPOT_MAPPING_NAME_H

#include "mapping/mapping.h"
#include "message/object_type.h"
#include "message/special_field.h"

/* The special trait of this name for the object, or -1. */
extern int	special_trait(Object object, const char *name, int len);

/*
 * Where several spellings of a trait have an order: the place of this one, after all others where
 * it is not listed; and whether it is listed.
 */
extern int	special_trait_place(Trait trait, const char *name, int len);
extern bool special_trait_lists(Trait trait, const char *name, int len);

/* Whether a special trait may be an object. */
extern bool special_trait_takes_objects(Trait trait);

/* Whether a property is in the table. */
extern bool is_special_property(Object object, const char *name, int len);

/* Whether a trait of this name tells a record's natural key. */
extern bool is_key_trait(Object object, const char *name);

/* Whether a name consists of a-z, 0-9 and "_". */
extern bool name_is_canonical(const char *name, int len);

/*
 * Convert to lower case; runs of white space and all other characters become "_".
 * palloc'd; *len changes.
 */
extern char *canonical_name(const char *name, int *len);

/*
 * Convert to lower case, with "_" for each character, or each run, of white space.
 * palloc'd; *len changes.
 */
extern char *name_with_spaces(const char *name, int *len, bool runs);

/* Whether two names are equal when folded by message_fold_name(). */
extern bool same_folded_name(const char *a, int a_len, const char *b, int b_len);

#endif							/* HUBSPOT_MAPPING_NAME_H */
