/*
 * settings.c
 *		Settings of our background processes, whatever those of the database are.
 *
 * Called once by each worker and refresher, outside a transaction.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "hubspot.h"
#include "settings.h"

typedef struct Setting
{
	const char *name;
	const char *value;
} Setting;

static const Setting for_us[] = {
	{"search_path", "pg_catalog"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"statement_timeout", "0"},
	{"lock_timeout", "1000"},
	{"deadlock_timeout", "100"},	/* who drops the extension shall not be the one to fail */
	{"idle_in_transaction_session_timeout", "0"},
	{"jit", "off"},
	{"zero_damaged_pages", "off"},
	{"row_security", "off"},
};

/* Row security holds for users' queries, and positions are texts that must be read as they were written. */
static const Setting for_queries[] = {
	{"row_security", "on"},
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"hubspot.on_invalid", "record"},
};

static void
set_all(const Setting *settings, int count)
{
	for (int i = 0; i < count; i++)
		SetConfigOption(settings[i].name, settings[i].value, PGC_SUSET, PGC_S_OVERRIDE);
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
	set_all(for_us, lengthof(for_us));
	if (GetConfigOption("transaction_timeout", true, false) != NULL)
		SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	settings_pin_commit();
}

void
settings_pin_for_queries(void)
{
	settings_pin();
	set_all(for_queries, lengthof(for_queries));
}
