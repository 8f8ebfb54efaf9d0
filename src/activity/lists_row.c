/*
 * lists_row.c
 *		Reads a row of the lists lane: its list and its member.
 *
 * Rows come from anybody: one that names no list is told apart here, and refused before it
 * is sent.  Memory: nothing that stays.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "activity/lists.h"
#include "crm/records.h"

const char *const lists_not_found = "list_not_found";

/* False for a row that names no list, which is refused before it is sent. */
bool
lists_read(const Row *row, MessageList *list)
{
	MessageProblem problem;

	return JsonContainerIsObject(&row->message->root) &&
		message_list(&row->message->root, list, &problem);
}

KnownList *
lists_of(const Row *row)
{
	MessageList list;

	if (!lists_read(row, &list))
		elog(ERROR, "outbox row " INT64_FORMAT " names no list", row->id);
	return lists_known(row->key->lane->account, &list);
}

bool
lists_same(const Row *a, const Row *b)
{
	MessageList one;
	MessageList other;

	return lists_read(a, &one) && lists_read(b, &other) && one.object == other.object &&
		one.len == other.len && memcmp(one.name, other.name, one.len) == 0;
}

Object
lists_object(const Row *row)
{
	if (!JsonContainerIsObject(&row->message->root))
		return OBJECT_IS_CONTACT;
	return message_object(&row->message->root);
}

char *
lists_record(Row *row)
{
	if (lists_object(row) == OBJECT_IS_CONTACT)
		return row->key->record_id;
	return row->record_id;
}

Row *
lists_carrier(const Input *input)
{
	return input->rows[input->nrows - 1];
}
