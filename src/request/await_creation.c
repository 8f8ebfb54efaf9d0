/*
 * await_creation.c
 *		Rows that wait for what was queued to be created before them.
 *
 * Called as an input is put together.  What creates is a row of the lane
 * "schema", whose key names it (schema_call.c).
 *
 * Memory: the name that an input waits for, in its batch's context.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "request/await_creation.h"
#include "wait/await.h"

/*
 * Without the right to create, or where nobody takes a creation, the wait would
 * have no end; every other state, a pause included, has one.
 */
bool
await_creation_may_come(const Lane *lane)
{
	return lane->status.state != LANE_FORBIDDEN && lane->status.state != LANE_MISDIRECTED;
}

/* Whether rows of the lane are not in the window yet, and may be what is looked for. */
static bool
has_unread(const Lane *lane)
{
	return lane->reader != NULL || lane->nparked > 0;
}

static Lane *
schema_lane_of(const Row *row)
{
	return row->key->lane->account->lanes[FAMILY_SCHEMA];
}

static bool
is_older(const Lane *lane, const char *awaits, const Row *row)
{
	const WorkKey *other = queue_find(lane, NULL, awaits);

	return other != NULL && key_has_older(other, row->id);
}

bool
await_creation_is_due(const Row *row, Object part, const char *name)
{
	const Lane *lane = schema_lane_of(row);
	char		awaits[256];

	if ((lane->rows == 0 && lane->keys.ndeferred == 0 && !has_unread(lane)) ||
		!await_creation_may_come(lane))
		return false;
	snprintf(awaits, sizeof(awaits), "%s %s", object_types[part].name, name);
	return is_older(lane, awaits, row) || (has_unread(lane) && !await_is_first(row, lane));
}

bool
await_creation(Input *input, Row *row, Object part, const char *name)
{
	if (!await_creation_is_due(row, part, name))
		return false;
	if (row == input->rows[0])
		input->awaits = psprintf("%s %s", object_types[part].name, name);
	else if (!row->begins)
	{
		row->begins = true;
		row->key->lane->splits++;
	}
	return true;
}

void
await_creation_send_away(WorkKey *key, const char *awaits)
{
	Row		   *row = key_head(key);
	Lane	   *lane = schema_lane_of(row);

	if (!key_is_ready(key))
		return;
	if (is_older(lane, awaits, row))
		await_creator(key, queue_find(lane, NULL, awaits));
	else if (!await_is_first(row, lane))
		await_older(key, lane);
}
