/*
 * mapping.h
 *		From a contact's traits to HubSpot's properties.
 *
 * The rules that need no schema: special fields, names, text values.  What
 * the account's schema decides (types, unknown and read-only names) has its
 * place behind add_property() in mapping.c.
 */
#ifndef HUBSPOT_MAPPING_H
#define HUBSPOT_MAPPING_H

#include "message.h"

/*
 * Properties of one record, written as the members of a JSON object.  Rows
 * that are merged are added newest first: a property that is there already stays.
 */
typedef struct Mapping
{
	StringInfo	json;			/* of the caller; members are appended */
	int			nnames;
	int			names_size;
	struct MappingName *names;	/* written so far */
	int			row_start;		/* names from here on are of the row at hand */
	StringInfo	warnings;		/* of the row at hand: elements of a JSON array */
} Mapping;

extern void mapping_begin(Mapping *mapping, StringInfo json);

/*
 * Add the properties of one message.  key_property is the property that keys
 * the contact, NULL for the e-mail address (which is then not repeated).
 * Warnings are appended to the given StringInfo.
 */
extern void mapping_add_contact(Mapping *mapping, const MessageParts *parts,
								const char *key_property, StringInfo warnings);

#endif							/* HUBSPOT_MAPPING_H */
