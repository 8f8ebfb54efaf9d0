/*
 * result_probe.h
 *		Whether a row of the outbox had its verdict when this process started.
 *
 * A row that was queued since then has none that we have not written.
 */
#ifndef HUBSPOT_RESULT_PROBE_H
#define HUBSPOT_RESULT_PROBE_H

#include "ring/ring_scan.h"

/* Open for one page: begin with child = -1, and close it. */
typedef struct ResultProbe
{
	int			child;			/* -1: none is open */
	RingScan	scan;			/* at the result that was found */
} ResultProbe;

/* Remember where the results end; rows above need no look-up. */
extern void result_probe_start(void);
extern bool result_probe_has(ResultProbe *probe, int64 id);
extern void result_probe_close(ResultProbe *probe);

#endif							/* HUBSPOT_RESULT_PROBE_H */
