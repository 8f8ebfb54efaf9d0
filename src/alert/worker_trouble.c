/*
 * worker_trouble.c
 *		A step of the worker that fails again and again: in which words, and told to who listens.
 *
 * The error itself may quote data, so it goes by its SQLSTATE.  hubspot_health() has a remedy for
 * each of these words (sql/parts/90-health.sql).
 */
#include "postgres.h"

#include "utils/elog.h"

#include "base/hubspot.h"
#include "alert/alert.h"

static const struct
{
	int			code;
	const char *words;
}			causes[] =
{
	{ERRCODE_DISK_FULL, "there is no space left on the disk"},
	{ERRCODE_LOCK_NOT_AVAILABLE, "another session holds a lock on a table that it needs"},
	{ERRCODE_OUT_OF_MEMORY, "memory has run out"},
	{ERRCODE_IO_ERROR, "the disk cannot be read or written"},
	{ERRCODE_DATA_CORRUPTED, "a table is damaged"},
	{ERRCODE_INDEX_CORRUPTED, "an index is damaged"},
};

const char *
worker_trouble_words(int code)
{
	for (int i = 0; i < lengthof(causes); i++)
		if (causes[i].code == code)
			return causes[i].words;
	return "the server log says why";
}
