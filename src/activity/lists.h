/*
 * lists.h
 *		Static lists: those that an account is known to have, and rows about them.
 *
 * HubSpot's requests go by a list's id.  It is remembered in memory for an
 * hour; a request that HubSpot refuses has it asked for again.  Entries are good until
 * the next call that makes one.
 */
#ifndef HUBSPOT_LISTS_H
#define HUBSPOT_LISTS_H

#include "request/batch.h"

typedef struct KnownList
{
	Object		object;			/* record type of its members */
	char		id[REPLY_ID_BYTES]; /* "": not known */
	const char *category;		/* why it takes no members, a constant; NULL: nothing is known
								 * against it */
	int64		told_us;		/* when HubSpot told, µs of the monotonic clock; 0: never */
	TimestampTz told_at;
	char	   *asker_property; /* the key whose row asks, while it does; NULL as of a key */
	char	   *asker;			/* NULL: none */
	int			name_len;
	char		name[FLEXIBLE_ARRAY_MEMBER];
} KnownList;

/* The entry of a list; a new one when there is none. */
extern KnownList *lists_known(Account *account, const MessageList *list);

/* HubSpot has told of it: its id (NULL: none), or what is against it. */
extern void lists_told(KnownList *known, const char *id, const char *category);

/* What was told is old, or was of no use. */
extern void lists_forget(KnownList *known);

/* The same of all lists of an account: its token or its address may be another one. */
extern void lists_forget_all(Account *account);

/* Whether its id is known and not old. */
extern bool lists_has_id(const KnownList *known);

/*
 * What is against a row of the list, as far as HubSpot told after the row was queued; NULL:
 * nothing.
 */
extern const char *lists_objection(const KnownList *known, const Row *row);

/* The key whose row asks HubSpot for the list just now; NULL: none does. */
extern void lists_ask(KnownList *known, const WorkKey *key);
extern WorkKey *lists_asker(const KnownList *known, const Lane *lane);

/* Why rows end, and what else may be against a list. */
extern const char *const lists_not_found;

/* ---- lists_row.c: what a row says ---------------------------------------------------- */

/* The list that a row names; false for one that names none, which is refused before it is sent. */
extern bool lists_read(const Row *row, MessageList *list);

/* The entry of that list; of a row that has been checked. */
extern KnownList *lists_of(const Row *row);

/* Whether two rows are about one list. */
extern bool lists_same(const Row *a, const Row *b);

/* The record type of its member. */
extern Object lists_object(const Row *row);

/*
 * The record id of a member: a contact's is the key's, another record's the row's, as the two may
 * have keys of one name.
 */
extern char *lists_record(Row *row);

extern Row *lists_carrier(const Input *input);

/* ---- lists_member.c: requests about members ---------------------------------------- */

extern const RequestKind lists_read_records;
extern const RequestKind lists_search_companies;
extern const RequestKind lists_change_members;

/* ---- for hubspot_explain(), too ------------------------------------------------------ */
extern void lists_append_change_path(char *path, size_t size, const char *id);

#endif							/* HUBSPOT_LISTS_H */
