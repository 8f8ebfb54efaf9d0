/*
 * batch_build.h
 *		How batch.c builds a request, for batch_again.c, which builds parts of them.
 *
 * Everything is called in the batch's memory context.
 */
#ifndef HUBSPOT_BATCH_BUILD_H
#define HUBSPOT_BATCH_BUILD_H

#include "request/batch.h"

extern Batch *batch_make(Lane *lane, const RequestKind *kind, int max_inputs);
extern void batch_begin_body(Batch *batch);
extern void batch_end_body(Batch *batch);

/* Inputs stand in an array, with commas between those that say something. */
extern void batch_append_comma(Batch *batch);

/* Take the messages of an input's rows apart, which have been read before; for the next call. */
extern void batch_read_parts(const Input *input);

/*
 * Put an input's JSON behind the others; the second ends an input by itself that raises an error.
 */
extern BuildResult batch_append_json(Batch *batch, Input *input);
extern BuildResult batch_append_input(Batch *batch, Input *input, bool is_first);

/* Whether the record of a key stands in the batch already. */
extern bool batch_has_record(const Batch *batch, const WorkKey *key);

/*
 * Whether a batch goes after ready keys: batch_is_unproven(), but for a part of several inputs of a
 * batch that was blamed, which is looked into without asking again.
 */
extern bool batch_is_in_doubt(const Batch *batch);

#endif							/* HUBSPOT_BATCH_BUILD_H */
