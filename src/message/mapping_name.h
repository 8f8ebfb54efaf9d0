/*
 * mapping_name.h
 *		Names of traits and properties: the tables and forms that mapping.c goes by.
 */
#ifndef HUBSPOT_MAPPING_NAME_H
#define HUBSPOT_MAPPING_NAME_H

#include "message/mapping.h"

/* Traits with a meaning of their own, folded as message_fold_name() does. */
typedef enum Trait
{
	TRAIT_ADDRESS,
	TRAIT_CITY,
	TRAIT_COMPANY,
	TRAIT_COMPANYNAME,
	TRAIT_COUNTRY,
	TRAIT_CREATED,
	TRAIT_CREATEDAT,
	TRAIT_DESCRIPTION,
	TRAIT_DOMAIN,
	TRAIT_EMAIL,
	TRAIT_EMPLOYEES,
	TRAIT_FIRSTNAME,
	TRAIT_INDUSTRY,
	TRAIT_JOBTITLE,
	TRAIT_LASTNAME,
	TRAIT_LIFECYCLESTAGE,
	TRAIT_NAME,
	TRAIT_NUMBEROFEMPLOYEES,
	TRAIT_PHONE,
	TRAIT_POSITION,
	TRAIT_POSTALCODE,
	TRAIT_STATE,
	TRAIT_TITLE,
	TRAIT_WEBSITE,
	TRAIT_ZIP
#define TRAIT_COUNT (TRAIT_ZIP + 1)
} Trait;

/* Where a property comes from; of several lines with one property the first that is there wins. */
typedef struct SpecialField
{
	const char *property;
	Trait		trait;
	const char *member;			/* of the trait, which is an object; NULL: the trait itself, which
								 * is none */
} SpecialField;

/* The table of an object's special fields, and its length. */
extern const SpecialField *special_fields_of(Object object, int *count);

/* The special trait that a name is for this object, -1 when it is none. */
extern int	special_trait(Object object, const char *name, int len);

/* Whether a special trait may be an object. */
extern bool special_trait_takes_objects(Trait trait);

/* Whether a property is one of the table's. */
extern bool is_special_property(Object object, const char *name, int len);

/* Whether a name consists of a-z, 0-9 and "_". */
extern bool name_is_canonical(const char *name, int len);

/*
 * Lower case; white space in runs, and anything else out of bounds, as "_". palloc'd; *len changes.
 */
extern char *canonical_name(const char *name, int *len);

/* Lower case, white space as "_": each character of it, or each run.  palloc'd; *len changes. */
extern char *name_with_spaces(const char *name, int *len, bool runs);

/* Whether two names are one when folded as message_fold_name() does. */
extern bool same_folded_name(const char *a, int a_len, const char *b, int b_len);

#endif							/* HUBSPOT_MAPPING_NAME_H */
