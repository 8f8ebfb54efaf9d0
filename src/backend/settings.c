/*
 * settings.c
 *		Settings of our background processes and of our own SQL, independent of the database's.
 *
 * The owner of a database can change settings for everything that connects to it,
 * including our processes; a session can change its own.
 *
 * settings_pin() and settings_pin_for_queries() are called once by each worker
 * and refresher, outside a transaction; settings_pin_for_statement() and
 * settings_pin_for_chunk() by src/backend/statement.c for each statement.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "base/hubspot.h"
#include "backend/settings.h"
#include "base/guc.h"

typedef struct Setting
{
	const char *name;
	const char *value;
} Setting;

/*
 * The meaning of our statements, or whether they may run at all, depends on these, in
 * sessions, too.
 */
static const Setting for_statements[] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"standard_conforming_strings", "on"},
	{"transform_null_equals", "off"},
	{"array_nulls", "on"},
	{"restrict_nonsystem_relation_kind", ""},
};

/*
 * For a chunk of a large table, read by an index or by blocks.  Without statistics of a
 * table that was just filled, the planner would read and sort all of it for each chunk.
 */
static const Setting for_chunks[] = {
	{"enable_indexscan", "on"},
	{"enable_tidscan", "on"},
	{"enable_partition_pruning", "on"},
	{"enable_seqscan", "off"},
	{"enable_bitmapscan", "off"},
	{"enable_sort", "off"},
};

static const Setting for_us[] = {
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"statement_timeout", "0"},
	{"lock_timeout", "1000"},
	{"deadlock_timeout", "100"},	/* in a deadlock with DROP EXTENSION, we fail first */
	{"idle_in_transaction_session_timeout", "0"},
	{"jit", "off"},
	{"zero_damaged_pages", "off"},
	{"row_security", "off"},
	{"exit_on_error", "off"},
	{"transaction_timeout", "0"},
	{"default_transaction_deferrable", "off"},
};

/*
 * Row security applies to users' queries; and positions are texts, which must be read
 * with the settings that they were written with.
 */
static const Setting for_queries[] = {
	{"row_security", "on"},
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"hubspot.on_invalid", "record"},
};

/* Skips settings that this PostgreSQL does not have. */
static void
set_all(const Setting *settings, int count)
{
	for (int i = 0; i < count; i++)
		if (GetConfigOption(settings[i].name, true, false) != NULL)
			SetConfigOption(settings[i].name, settings[i].value, PGC_SUSET, PGC_S_OVERRIDE);
}

/* ALTER DATABASE ... SET role applies even to a background worker: undo it. */
static void
pin_identity(void)
{
	SetSessionAuthorization(BOOTSTRAP_SUPERUSERID, true);
	SetConfigOption("role", "none", PGC_SUSET, PGC_S_OVERRIDE);
}

static void
pin_until_end(const Setting *settings, int count)
{
	for (int i = 0; i < count; i++)
	{
		const Setting *setting = &settings[i];
		const char *present = GetConfigOption(setting->name, true, false);

		if (present != NULL && strcmp(present, setting->value) != 0)
			(void) set_config_option(setting->name, setting->value, PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_SAVE, true, 0, false);
	}
}

void
settings_pin_for_statement(void)
{
	pin_until_end(for_statements, lengthof(for_statements));
}

void
settings_pin_for_chunk(void)
{
	settings_pin_for_statement();
	pin_until_end(for_chunks, lengthof(for_chunks));
}

void
settings_pin_commit(void)
{
	SetConfigOption("synchronous_commit", hubspot_ack_synchronous_commit ? "on" : "off",
					PGC_SUSET, PGC_S_OVERRIDE);
}

void
settings_pin(void)
{
	pin_identity();
	set_all(for_statements, lengthof(for_statements));
	set_all(for_us, lengthof(for_us));
	settings_pin_commit();
}

void
settings_pin_for_queries(void)
{
	settings_pin();
	set_all(for_queries, lengthof(for_queries));
}
