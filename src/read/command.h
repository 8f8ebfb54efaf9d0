/*
 * command.h
 *		What hubspot_cancel() and hubspot_retry() ask of the worker.
 *
 * The worker alone ends rows, so that each has one verdict.  Whoever wants to
 * have rows ended, or tried at once, writes a line into hubspot.command; the
 * worker reads it with its next look at the outbox, which the commit brings
 * about, and removes it when it has been carried out.
 */
#ifndef HUBSPOT_COMMAND_H
#define HUBSPOT_COMMAND_H

#include "executor/tuptable.h"

#include "admit/admit.h"

/* Read new commands and begin to carry them out; inside a transaction with an active snapshot. */
extern void command_look(void);

/* Whether deferred rows, which could not be looked for before, can be now. */
extern bool command_wants_look(void);

/*
 * Whether commands are done, because every row up to their last id has been read;
 * command_write() removes them together with the verdicts that they caused.
 */
extern bool command_is_done(void);
extern void command_write(void);
extern void command_written(void);

#endif							/* HUBSPOT_COMMAND_H */
