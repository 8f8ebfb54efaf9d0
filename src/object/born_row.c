/*
 * born_row.c
 *		What the row of a record that is created with an association knows of the other ends.
 *
 * They are named by the message; what was found out stands in row->held, a line for each:
 *
 *	"<record id, or '-' for one that HubSpot does not have> <address that its userId means>"
 *
 * both may be empty.  Memory: row->held is the window's, all else the current context's.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "object/born.h"
#include "queue/queue.h"

#define MISSING	"-"

bool
born_is_read(const Row *row)
{
	return row->held != NULL;
}

/* Take one line; returns what follows it. */
static const char *
read_line(const char *line, Parent *parent)
{
	size_t		id_len = strcspn(line, " ");
	const char *address = line + id_len + 1;
	size_t		address_len = strcspn(address, "\n");

	parent->is_missing = id_len == 1 && line[0] == MISSING[0];
	if (!parent->is_missing)
		strlcpy(parent->record_id, line, Min(id_len + 1, sizeof(parent->record_id)));
	if (address_len > 0)
	{
		parent->end.property = NULL;
		parent->end.key = pnstrdup(address, address_len);
	}
	return address + address_len + 1;
}

int
born_read(const Row *row, Parent parents[BIRTH_MAX])
{
	const Lane *lane = row->key->lane;
	const char *line = row->held;
	BirthEnd	ends[BIRTH_MAX];
	const char *const *id_property = (const char *const *) lane->account->options->id_property;
	int			nends = message_birth_ends(&row->message->root, &object_types[lane->family],
										   id_property, ends);

	for (int i = 0; i < nends; i++)
	{
		parents[i] = (Parent)
		{
			.end = ends[i].end, .type_id = ends[i].type_id
		};
		/* an option may have changed since: then there are lines for fewer, or for others */
		if (line != NULL && *line != '\0')
			line = read_line(line, &parents[i]);
	}
	return nends;
}

void
born_keep(Row *row, const Parent *parents, int nparents)
{
	StringInfoData lines;

	initStringInfo(&lines);
	for (int i = 0; i < nparents; i++)
		appendStringInfo(&lines, "%s %s\n", parents[i].is_missing ? MISSING : parents[i].record_id,
						 parents[i].end.property == NULL ? parents[i].end.key : "");
	if (row->held != NULL)
		pfree(row->held);
	row->held = MemoryContextStrdup(window.memory, lines.data);
	pfree(lines.data);
}

bool
born_is_possible(const Parent *parents, int nparents)
{
	for (int i = 0; i < nparents; i++)
		if (parents[i].record_id[0] != '\0')
			return true;
	return false;
}
