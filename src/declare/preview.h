/*
 * preview.h
 *		What the preview functions have in common.
 */
#ifndef HUBSPOT_PREVIEW_H
#define HUBSPOT_PREVIEW_H

#include "fmgr.h"

/*
 * The rows of a statement as the function's result.  It runs as the
 * extension's owner, over plain values.
 */
extern void preview_return_rows(FunctionCallInfo fcinfo, const char *sql, int nargs, Oid *types,
								Datum *values, const char *nulls);

#endif							/* HUBSPOT_PREVIEW_H */
