/*
 * families.h
 *		The families of requests that are about records of every further type.
 */
#ifndef HUBSPOT_OBJECT_FAMILIES_H
#define HUBSPOT_OBJECT_FAMILIES_H

#include "queue/family.h"

extern const FamilyWork object_records_work;

/* Of those types whose records are created with an association. */
extern const FamilyWork object_born_work;

#endif							/* HUBSPOT_OBJECT_FAMILIES_H */
