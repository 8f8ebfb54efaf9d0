/*
 * hubspot.h
 *		Included by every file of the extension.
 *
 * Each source file includes postgres.h, then this, then its own header.
 */
#ifndef HUBSPOT_H
#define HUBSPOT_H

#include "base/compat.h"

#define HUBSPOT_EXTENSION	"hubspot"
#define HUBSPOT_SCHEMA		"hubspot"	/* tables and views */

#endif							/* HUBSPOT_H */
