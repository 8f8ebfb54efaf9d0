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

#include "queue/admit.h"

/*
 * Look for new commands and begin to carry them out; inside a transaction, with an active snapshot.
 */
extern void command_look(void);

/*
 * Commands that are done when every row up to an id has been met are removed
 * together with the verdicts they have led to.
 */
extern bool command_is_done(void);
extern void command_write(void);
extern void command_written(void);

#endif							/* HUBSPOT_COMMAND_H */
