/*
 * guc.h
 *		The settings; meaning, unit and bounds stand in the table of guc.c.
 */
#ifndef HUBSPOT_GUC_H
#define HUBSPOT_GUC_H

/* hubspot.on_invalid: what a bad message does */
typedef enum OnInvalid
{
	ON_INVALID_AUTO,			/* an error from SQL, a rejected row from a trigger */
	ON_INVALID_ERROR,
	ON_INVALID_RECORD
} OnInvalid;

extern bool hubspot_enabled;
extern char *hubspot_databases;
extern char *hubspot_secret_directory;
extern char *hubspot_server;
extern bool hubspot_server_by_user; /* set by the session's user, not for a whole database or
									 * cluster */
extern int	hubspot_on_invalid;
extern int	hubspot_max_message_size;	/* bytes */
extern int	hubspot_window_rows;
extern int	hubspot_window_memory;	/* kB */
extern bool hubspot_dedup_message_id;
extern int	hubspot_timeout;	/* ms */
extern int	hubspot_connect_timeout;	/* ms */
extern int	hubspot_retention;	/* minutes */
extern int	hubspot_check_interval; /* seconds; 0: never */
extern char *hubspot_ca_file;
extern char *hubspot_proxy;
extern bool hubspot_ack_synchronous_commit;
extern bool hubspot_notify;
extern char *hubspot_cluster_guard;
extern int	hubspot_failover_window;	/* s */
extern int	hubspot_max_tokens;
extern int	hubspot_max_refresh_timeout;	/* ms */
extern double hubspot_sync_tolerance;	/* share of rows; for hubspot_health() */

/* Whether hubspot.databases includes this database. */
extern bool hubspot_serves_database(const char *name);

/* From _PG_init(): make the settings known. */
extern void guc_define(void);

#endif							/* HUBSPOT_GUC_H */
