/*
 * expire.h
 *		Rows whose deadline passes while they wait.
 *
 * batch.c checks the deadline of a row that it takes for a request.  This file is for
 * rows that are not taken, because their lane is in trouble: they end shortly after their
 * deadline, and not only when the lane works again.
 */
#ifndef HUBSPOT_EXPIRE_H
#define HUBSPOT_EXPIRE_H

#include "request/batch.h"

/* End overdue rows; returns the µs until the next deadline, -1: there is none. */
extern int64 expire_overdue(int64 now);

#endif							/* HUBSPOT_EXPIRE_H */
