/*
 * warning.h
 *		What the warnings of a row say of its properties.
 */
#ifndef HUBSPOT_WARNING_H
#define HUBSPOT_WARNING_H

#define WARNING_CODE_BYTES		64
#define WARNING_PROPERTY_BYTES	256 /* HubSpot's names are shorter */

/* An element of hubspot.result.warnings. */
typedef struct Warning
{
	char		code[WARNING_CODE_BYTES];
	char		property[WARNING_PROPERTY_BYTES];
	bool		left_out;		/* HubSpot has not got the value, or not as it is */
	bool		lacks;			/* ... as it has no such property, option, owner or stage */
} Warning;

/*
 * The next element of an array that mapping_warn() and batch_warn() have made: *at is its
 * beginning at first, and moves on.  False: there is none.
 */
extern bool warning_next(const char **at, Warning *warning);

#endif							/* HUBSPOT_WARNING_H */
