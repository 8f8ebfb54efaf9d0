/*
 * ddl.h
 *		Statements that concern us although they are not ours.
 */
#ifndef HUBSPOT_DDL_H
#define HUBSPOT_DDL_H

/* From _PG_init: installs the ProcessUtility hook. */
extern void ddl_init(void);

/*
 * Name of the SERVER that the ALTER SERVER under way in this session changes,
 * or NULL.  The validator asks, for it is told the options and not the SERVER.
 */
extern const char *ddl_altered_server(void);

#endif							/* HUBSPOT_DDL_H */
