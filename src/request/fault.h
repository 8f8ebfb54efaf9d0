/*
 * fault.h
 *		A fault that concerns one record and may pass: its rows are tried again later.
 */
#ifndef HUBSPOT_FAULT_H
#define HUBSPOT_FAULT_H

#include "request/batch.h"

/*
 * A fault of the input's own that may pass: its rows are tried again later, or
 * end as dead.  If there is no room for more, the lane has to wait.
 */
extern void fault_input(Input *input, const char *category, const char *message, int status,
						AckRequest *request);

#endif							/* HUBSPOT_FAULT_H */
