/*
 * families.h
 *		The families of requests that are about contacts and companies.
 */
#ifndef HUBSPOT_CRM_FAMILIES_H
#define HUBSPOT_CRM_FAMILIES_H

#include "request/batch.h"

extern const FamilyWork contacts_work;
extern const FamilyWork companies_work;
extern const FamilyWork associations_work;

#endif							/* HUBSPOT_CRM_FAMILIES_H */
