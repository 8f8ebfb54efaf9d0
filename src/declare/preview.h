/*
 * preview.h
 *		Shared by the preview functions.
 */
#ifndef HUBSPOT_PREVIEW_H
#define HUBSPOT_PREVIEW_H

#include "fmgr.h"

/*
 * Return the rows of a statement as the function's result.  The statement runs as the
 * extension's owner, over plain values.
 */
extern void preview_return_rows(FunctionCallInfo fcinfo, const char *sql, int nargs, Oid *types,
								Datum *values, const char *nulls);

#endif							/* HUBSPOT_PREVIEW_H */
