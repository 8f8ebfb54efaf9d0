/*
 * sync_argument.h
 *		Arguments that the declaring functions have in common.
 *
 * Each raises an error that names the argument and shows what is valid.
 */
#ifndef HUBSPOT_SYNC_ARGUMENT_H
#define HUBSPOT_SYNC_ARGUMENT_H

#include "fmgr.h"

#include "sync/sync.h"

/* A text that is neither null nor empty. */
extern char *sync_text_argument(FunctionCallInfo fcinfo, int n, const char *what);

/* The name of a definition that is declared. */
extern char *sync_name_argument(FunctionCallInfo fcinfo, int n);

/* Position of a word in a list; 0 when the argument is null. */
extern int	sync_word_argument(FunctionCallInfo fcinfo, int n, const char *what,
							   const char *const *words, int count);

/* create_in_hubspot. */
extern SyncMissing sync_missing_argument(FunctionCallInfo fcinfo, int n);

/*
 * The object of a sync, by any name that the account of the argument server has for it; contacts
 * when the argument is null.
 */
extern Object sync_object_argument(FunctionCallInfo fcinfo, int n, int server);

/*
 * Read deadline (NULL, or a second to a year); an error unless it is meant, that is, the
 * definition has rows for whom it is.
 */
extern void sync_deadline_argument(FunctionCallInfo fcinfo, int n, Sync *sync, bool is_meant,
								   const char *for_whom);

/* Read every (NULL, or at least a second), timeout and max_shrink (0 to 1). */
extern void sync_schedule_arguments(FunctionCallInfo fcinfo, Sync *sync, int every, int timeout,
									int max_shrink);

/*
 * Take owner, SERVER (NULL: the default one) and search_path from the session; the owner
 * needs USAGE on the SERVER.
 */
extern void sync_set_owner(Sync *sync, const char *server);

#endif							/* HUBSPOT_SYNC_ARGUMENT_H */
