/*
 * pair_row.c
 *		Reads a row of the lane "pairs": its two records, and what is known of them.
 *
 * Rows come from anybody: one that names no pair is told apart here, and refused before it is sent.
 * Memory: nothing that stays.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "pair/pair.h"

/* The address that the userId of an end has turned out to be; NULL: nobody has told. */
static char *
told_address(const Row *row, int end)
{
	const char *line = row->held;

	for (int i = 0; line != NULL && i < end; i++)
		line = strchr(line, '\n') + 1;
	return line == NULL || *line == '\n' ? NULL : pnstrdup(line, strcspn(line, "\n"));
}

bool
pair_read(const Row *row, RowPair *pair)
{
	if (!message_read_pair(row->message, &pair->message))
		return false;
	pair->turned = message_pair_is_turned(&pair->message);
	pair->ends[PAIR_FROM(pair)] = pair->message.from;
	pair->ends[PAIR_TO(pair)] = pair->message.to;
	for (int i = 0; i < 2; i++)
	{
		char	   *address = ends_is_by_user_id(&pair->ends[i]) ? told_address(row, i) : NULL;

		if (address == NULL)
			continue;
		pair->ends[i].property = NULL;
		pair->ends[i].key = address;
	}
	return true;
}

RowPair
pair_of(const Row *row)
{
	RowPair		pair;

	if (!pair_read(row, &pair))
		elog(ERROR, "outbox row " INT64_FORMAT " names no pair of records", row->id);
	return pair;
}

char *
pair_record(Row *row, int end)
{
	return end == 0 ? row->key->record_id : row->record_id;
}

int
pair_unknown(Row *row)
{
	for (int i = 0; i < 2; i++)
		if (pair_record(row, i)[0] == '\0')
			return i;
	return -1;
}

/* The first: what was found out of its ends is known by it. */
Row *
pair_row(const Input *input)
{
	return input->rows[0];
}
