/*
 * pair_link.c
 *		Pairs without a label, and pairs that are to be none.
 *
 * HubSpot's default form makes sure that two records are associated and leaves their labels alone;
 * neither direction is the first one, so that rows of both go together.  Called as pair_request.c
 * is.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "pair/pair.h"
#include "pair/pair_schema.h"

static void
append_ids(Batch *batch, Row *row)
{
	appendStringInfo(&batch->body, "{\"from\":{\"id\":\"%s\"},\"to\":", pair_record(row, 0));
	appendStringInfo(&batch->body,
					 batch->kind == &pair_link ? "{\"id\":\"%s\"}" : "[{\"id\":\"%s\"}]",
					 pair_record(row, 1));
	appendStringInfoChar(&batch->body, '}');
}

/* A label that goes for nothing is told; see check_pair(). */
static void
warn_of_labels(Batch *batch, Input *input)
{
	for (int i = 0; i < input->nrows; i++)
	{
		RowPair		pair = pair_of(input->rows[i]);

		if (pair.message.label == NULL)
			continue;
		batch_warn(input, "unknown_label", pair.message.label,
				   pair_unknown_label(batch->lane->account, &pair.message));
		return;
	}
}

static BuildResult
append_pair(Batch *batch, Input *input, const MessageParts *parts)
{
	if (!pair_is_whole(input))
		return BUILD_WAIT;
	pair_note(pair_row(input));
	append_ids(batch, pair_row(input));
	if (batch->kind == &pair_link)
		warn_of_labels(batch, input);
	return BUILD_DONE;
}

static void
link_address(const Batch *batch, Address *address)
{
	pair_address(batch, address, "batch/associate/default");
}

static void
unlink_address(const Batch *batch, Address *address)
{
	pair_address(batch, address, "batch/archive");
}

/* As many as HubSpot takes. */
const RequestKind pair_link = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_PAIRS,
	.meter = METER_ASSOCIATIONS,
	.max_inputs = 2000,
	.max_rows = 1000,
	.is_list = true,
	.gathers = true,
	.fits = pair_fits,
	.address = link_address,
	.begin_body = pair_begin_body,
	.append_input = append_pair,
	.answered = pair_linked,
};

/* HubSpot does not say how many it takes. */
const RequestKind pair_unlink = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_PAIRS,
	.meter = METER_ASSOCIATIONS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.gathers = true,
	.fits = pair_fits,
	.address = unlink_address,
	.begin_body = pair_begin_body,
	.append_input = append_pair,
	.answered = pair_removed,
};
