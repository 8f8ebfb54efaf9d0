/*
 * finding.c
 *		What a check has found, in words.
 *
 * Ids and numbers, no keys and no content: whoever watches may see it.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "ring/ring_check.h"

/* Each text takes the finding's number once, or not at all. */
typedef struct FindingRule
{
	const char *what;
	bool		has_row;		/* the number is an id of the outbox */
	const char *detail;
	const char *remedy;
} FindingRule;

#define REPORT_IT	"report it, with the server's log of that time"

static const FindingRule rules[FINDING_KINDS] = {
	[FOUND_NO_VERDICT] = {
		"no verdict", true,
		"the checkpoint covers this row of hubspot.outbox, but it has no verdict and no copy in "
		"hubspot.deferred: it is not sent any more, and its generation is not given back",
		"SELECT hubspot_retry(" INT64_FORMAT ") queues its call again, and ends this row; "
		"then " REPORT_IT " (unless somebody has changed the tables by hand)"
	},
	[FOUND_TWO_VERDICTS] = {
		"two verdicts", true,
		"hubspot.result has more than one row of this id",
		REPORT_IT "; views show the row more than once, and nothing is sent on account of it"
	},
	[FOUND_NO_ROW] = {
		"no row", true,
		"hubspot.result has a verdict of this id, and hubspot.outbox no such row beside others "
		"of its generation",
		REPORT_IT ", unless somebody has changed the tables by hand; nothing is sent on account "
		"of it"
	},
	[FOUND_COPY_AND_VERDICT] = {
		"copy and verdict", true,
		"this row has a verdict, and hubspot.deferred a copy that would be sent again",
		"SELECT hubspot_cancel(" INT64_FORMAT "), then " REPORT_IT
	},
	[FOUND_DEAD_BY_HALF] = {
		"dead by half", true,
		"hubspot.dead has this row as given up, and its verdict is another one",
		"DELETE FROM hubspot.dead WHERE id = " INT64_FORMAT ", then " REPORT_IT
	},
	[FOUND_OUTSIDE] = {
		"outside the ring", true,
		"this row is of another generation than its table holds: it may have been overlooked",
		"SELECT state FROM hubspot.outbox_status WHERE id = " INT64_FORMAT " tells; then " REPORT_IT
	},
	[FOUND_SEQUENCE] = {
		"sequence", true,
		"the sequence hubspot.outbox_id_seq is behind this row or the checkpoint: ids are handed "
		"out that no worker reads",
		"SELECT setval('hubspot.outbox_id_seq', " INT64_FORMAT ")"
	},
	[FOUND_REQUEST_SEQUENCE] = {
		"sequence", false,
		"the sequence hubspot.request_id_seq is behind the rows of hubspot.request",
		"SELECT setval('hubspot.request_id_seq', " INT64_FORMAT ")"
	},
	[FOUND_CHECKPOINT] = {
		"checkpoint", false,
		"checkpoint " INT64_FORMAT " is ahead of the server's transactions, or of the sequence: "
		"rows may be overlooked",
		"DELETE FROM hubspot.checkpoint WHERE id = " INT64_FORMAT ", then end the worker with "
		"pg_terminate_backend(): it goes on from the checkpoint before"
	},
	[FOUND_KEY_HASH] = {
		"record map", false,
		"a row of hubspot.record does not have its key's hash, " INT64_FORMAT
		" in its place: it is not found",
		"UPDATE hubspot.record SET key_hash = hashtextextended(key, 0) "
		"WHERE key_hash = " INT64_FORMAT
	},
	[FOUND_KEY_TWICE] = {
		"record map", false,
		"hubspot.record has a key twice, of the hash " INT64_FORMAT ": either record may be taken",
		"delete one of them: SELECT ctid, * FROM hubspot.record WHERE key_hash = " INT64_FORMAT
	}
};

const char *
finding_what(const Finding *finding)
{
	return rules[finding->kind].what;
}

int64
finding_id(const Finding *finding)
{
	return rules[finding->kind].has_row ? finding->id : 0;
}

static char *
with_number(const char *format, int64 number)
{
	return psprintf(format, number);
}

char *
finding_detail(const Finding *finding)
{
	return with_number(rules[finding->kind].detail, finding->id);
}

char *
finding_remedy(const Finding *finding)
{
	return with_number(rules[finding->kind].remedy, finding->id);
}
