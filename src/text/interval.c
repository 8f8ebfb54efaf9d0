/*
 * interval.c
 *		Parses an interval without raising an error.
 *
 * Memory is the caller's context.
 */
#include "postgres.h"

#include "utils/datetime.h"

#include "base/hubspot.h"
#include "text/interval.h"

/* interval_in() raises an error for invalid text; its parts, used here, return one. */
bool
interval_decode(const char *text, Interval *interval)
{
	char		workbuf[256];
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	int			nf;
	int			dtype;
	struct pg_itm_in itm = {0};
	int			error;

	error = ParseDateTime(text, workbuf, sizeof(workbuf), field, ftype, MAXDATEFIELDS, &nf);
	if (error == 0)
		error = DecodeInterval(field, ftype, nf, INTERVAL_FULL_RANGE, &dtype, &itm);
	if (error == DTERR_BAD_FORMAT)
		error = DecodeISO8601Interval(pstrdup(text), &dtype, &itm);
	return error == 0 && dtype == DTK_DELTA && itmin2interval(&itm, interval) == 0;
}
