/*
 * special_field.h
 *		Traits with a meaning of their own, and the properties that they become.
 *
 * The rows are in object_type.c, an object's own; mapping_name.c goes by them.
 */
#ifndef HUBSPOT_SPECIAL_FIELD_H
#define HUBSPOT_SPECIAL_FIELD_H

/* Traits with a special meaning; names folded by message_fold_name(). */
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

#define TRAIT_BIT(trait) ((uint32) 1 << (trait))

/*
 * A source of a property; if several lines have the same property, the first that is
 * present wins.
 */
typedef struct SpecialField
{
	const char *property;
	Trait		trait;
	const char *member;			/* member of a trait that is an object; NULL: the trait itself,
								 * which is no object */
} SpecialField;

#endif							/* HUBSPOT_SPECIAL_FIELD_H */
