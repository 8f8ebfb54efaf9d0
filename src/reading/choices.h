/*
 * choices.h
 *		Lists of HubSpot's own, from which values of properties are chosen, as rows need them.
 *
 * Which these are, and what a value of them becomes: mapping/choice.h.
 */
#ifndef HUBSPOT_CHOICES_H
#define HUBSPOT_CHOICES_H

#include "mapping/mapping.h"
#include "queue/accounts.h"

/*
 * What the row just mapped needs of them: false, it waits with its lane, for the first reading, or
 * as it names what is not there and HubSpot is asked again.
 */
extern bool choices_serve(Lane *lane, const Mapping *mapping);

/* HubSpot has refused a value that our lists have, or had: what the lane uses is read again. */
extern void choices_doubt(Lane *lane);

#endif							/* HUBSPOT_CHOICES_H */
