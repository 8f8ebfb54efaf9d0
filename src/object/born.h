/*
 * born.h
 *		Records that are created with an association, or not at all: what their rows know.
 */
#ifndef HUBSPOT_BORN_H
#define HUBSPOT_BORN_H

#include "message/pair.h"
#include "queue/row.h"

/* A record that one may be associated with as it is created. */
typedef struct Parent
{
	PairEnd		end;			/* a userId that was told is an address */
	int			type_id;		/* HubSpot's number of the association */
	char		record_id[RECORD_ID_BYTES]; /* "": not known */
	bool		is_missing;		/* HubSpot has said that it does not have it */
} Parent;

/* Those that the row's message names, and what is known of them; returns how many. */
extern int	born_read(const Row *row, Parent parents[BIRTH_MAX]);

/* To be known of the row from now on. */
extern void born_keep(Row *row, const Parent *parents, int nparents);

/* Whether it was found out what the tables know of them. */
extern bool born_is_read(const Row *row);

/* Whether the record of one is known. */
extern bool born_is_possible(const Parent *parents, int nparents);

#endif							/* HUBSPOT_BORN_H */
