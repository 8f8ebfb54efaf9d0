/*
 * backend.c
 *		The SQL function that runs a fuzz target inside a server process.
 *
 * Linked with all of the extension's objects into a library that takes its
 * place in a throw-away cluster; see the file "run".  In single-user mode there
 * is neither launcher nor worker, and what ends the process ends the fuzzer.
 */
#include "postgres.h"

#include <signal.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/hubspot.h"

#include "backend.h"
#include "fuzz.h"

#define DEEPEST_INPUT	2000	/* nesting; PostgreSQL's parser recurses */

PG_FUNCTION_INFO_V1(hubspot_fuzz);

static const BackendTarget *const targets[] = {&message_target, &batch_target};

/* libFuzzer does not replace handlers, and wants these for itself. */
static const int signals_of_fuzzer[] = {SIGALRM, SIGINT, SIGTERM, SIGFPE};

static const BackendTarget *target;
static MemoryContext input_context;

/* Tell what an error says, and that there should have been none. */
static void
complain(void)
{
	ErrorData  *error;

	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	fprintf(stderr, "error: %s (%s:%d)\n", error->message, error->filename, error->lineno);
	expect(false, "no input raises an error");
}

Jsonb *
backend_jsonb(const char *text, int len)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb	   *volatile result = NULL;
	int			depth = 0;

	for (int i = 0; i < len; i++)
		depth += text[i] == '[' || text[i] == '{';
	if (depth > DEEPEST_INPUT || !pg_verify_mbstr(PG_UTF8, text, len, true))
		return NULL;
	PG_TRY();
	{
		result = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(text, len))));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return result;
}

static int
run_input(const uint8_t *data, size_t size)
{
	MemoryContext old = MemoryContextSwitchTo(input_context);
	Jsonb	   *input = size > 0 ? backend_jsonb((const char *) data, (int) size) : NULL;

	PG_TRY();
	{
		if (input != NULL)
			target->run(input);
	}
	PG_CATCH();
	{
		complain();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextReset(input_context);
	return 0;
}

static const BackendTarget *
find_target(const char *name)
{
	for (int i = 0; i < lengthof(targets); i++)
		if (strcmp(targets[i]->name, name) == 0)
			return targets[i];
	elog(ERROR, "no such fuzz target: %s", name);
}

/* hubspot_fuzz(target text, arguments text[]): the arguments are libFuzzer's. */
Datum
hubspot_fuzz(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum	   *arguments;
	int			narguments;
	int			argc;
	char	  **argv;

	target = find_target(name);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &arguments, NULL, &narguments);
	argc = narguments + 1;
	argv = palloc0(sizeof(char *) * (argc + 1));
	argv[0] = name;
	for (int i = 0; i < narguments; i++)
		argv[i + 1] = TextDatumGetCString(arguments[i]);
	input_context = AllocSetContextCreate(TopMemoryContext, "fuzz input", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < lengthof(signals_of_fuzzer); i++)
		pqsignal(signals_of_fuzzer[i], PG_SIG_DFL);
	target->start();
	if (LLVMFuzzerRunDriver(&argc, &argv, run_input) != 0)
		elog(ERROR, "fuzz target %s failed", name);
	fprintf(stderr, "fuzz target %s is done\n", name);
	PG_RETURN_VOID();
}
