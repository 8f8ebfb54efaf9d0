/*
 * families.h
 *		The family of requests that is about records of every further type.
 */
#ifndef HUBSPOT_OBJECT_FAMILIES_H
#define HUBSPOT_OBJECT_FAMILIES_H

#include "queue/family.h"

extern const FamilyWork object_records_work;

#endif							/* HUBSPOT_OBJECT_FAMILIES_H */
