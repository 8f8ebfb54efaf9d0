/*
 * expire.h
 *		Rows whose deadline passes while they wait.
 *
 * A row that is taken for a request is looked at by batch.c.  This is for those that nothing
 * is taken of, because their lane is in trouble: they end within moments of their deadline, and
 * do not come back with the lane.
 */
#ifndef HUBSPOT_EXPIRE_H
#define HUBSPOT_EXPIRE_H

#include "request/batch.h"

/* End what is overdue; returns µs until the next deadline, -1: there is none. */
extern int64 expire_overdue(int64 now);

#endif							/* HUBSPOT_EXPIRE_H */
