/*
 * families.h
 *		The family of requests that are about subscriptions.
 */
#ifndef HUBSPOT_CONSENT_FAMILIES_H
#define HUBSPOT_CONSENT_FAMILIES_H

#include "request/batch.h"

extern const FamilyWork consent_work;

#endif							/* HUBSPOT_CONSENT_FAMILIES_H */
