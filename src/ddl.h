/*
 * ddl.h
 *		Statements that concern us although they are not ours.
 */
#ifndef HUBSPOT_DDL_H
#define HUBSPOT_DDL_H

/* From _PG_init: installs the ProcessUtility hook. */
extern void ddl_init(void);

#endif							/* HUBSPOT_DDL_H */
