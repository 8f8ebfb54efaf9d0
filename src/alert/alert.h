/*
 * alert.h
 *		What begins or ends to be wrong: into the log, and to who listens on the channel "hubspot".
 */
#ifndef HUBSPOT_ALERT_H
#define HUBSPOT_ALERT_H

/* Once per worker: what was told before is void. */
extern void alert_start(void);

/* Take what there is to be told, write the log; returns µs until there is more, -1: no time. */
extern int64 alert_look(int64 now);

/* Notifications: whether some are to be sent, a transaction's step that does so, how it ended. */
extern bool alert_is_due(int64 now);
extern void alert_step(void);
extern void alert_done(void);
extern void alert_failed(int64 now);

/* A definition: LOG if what is wrong changes; state and before are words of hubspot.syncs. */
typedef struct DefinitionNews
{
	const char *name;
	const char *kind;
	const char *state;
	bool		is_wrong;
	const char *before;			/* NULL: it was not known */
	bool		was_wrong;
} DefinitionNews;

/* Rows of a definition fail so for the first time; category may be NULL. */
extern void alert_definition_failure(const char *name, const char *kind, const char *verdict,
									 const char *category);

extern void alert_definition(const DefinitionNews *news);

/* A step of the worker fails again and again, another one than was told last; NULL: none. */
extern void alert_worker(const char *problem);

/* worker_trouble.c: why, by the SQLSTATE. */
extern const char *worker_trouble_words(int code);

/* definitions.c: the same for the look at definitions. */
extern void definitions_changed(void);	/* so the next one is soon */
extern int64 definitions_wake(int64 now);	/* in how many µs, -1: when it comes */
extern bool definitions_are_due(int64 now);
extern void definitions_step(void);
extern void definitions_done(int64 began, int64 now);
extern void definitions_failed(int64 now);

#endif							/* HUBSPOT_ALERT_H */
