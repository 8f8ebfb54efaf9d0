/*
 * families.h
 *		The families of requests that are about what contacts do, and what is made for that.
 */
#ifndef HUBSPOT_ACTIVITY_FAMILIES_H
#define HUBSPOT_ACTIVITY_FAMILIES_H

#include "request/batch.h"

extern const FamilyWork events_work;
extern const FamilyWork forms_work;
extern const FamilyWork schema_work;
extern const FamilyWork lists_work;

#endif							/* HUBSPOT_ACTIVITY_FAMILIES_H */
