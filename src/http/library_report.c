/*
 * library_report.c
 *		Rules about json-c and libcurl: reported in SQL and at a worker's start.
 *
 * See library.h.  A worker has its libraries from the postmaster, as every
 * session has that asks: what hubspot.libraries() says holds for both, as long
 * as hubspot is preloaded.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "http/library.h"
#include "http/library_report.h"

PG_FUNCTION_INFO_V1(hubspot_libraries);

char *
library_tell(void)
{
	char	   *obstacle = NULL;

	for (int i = 0; i < LIBRARY_COUNT; i++)
	{
		const Library *library = libraries[i];
		const LibraryRule *rule;
		int			next = 0;

		while ((rule = library_broken(library, &next)) != NULL)
		{
			/*
			 * All broken rules are logged, also behind the first fatal one: whoever replaces the
			 * library needs the whole list at once.
			 */
			ereport(WARNING,
					(errmsg("%s %s is not as it is needed: it does not hold that %s", library->name,
							library->version(), rule->what),
					 errdetail("hubspot was built with %s %s.  %s", library->name,
							   library->built_with,
							   rule->otherwise != NULL ? rule->otherwise : "Nothing is sent.")));
			if (rule->otherwise == NULL && obstacle == NULL)
				obstacle = psprintf("%s %s is not as it is needed: it does not hold that %s",
									library->name, library->version(), rule->what);
		}
	}
	return obstacle;
}

/* One row per library; if rules are broken, one row per broken rule instead. */
Datum
hubspot_libraries(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < LIBRARY_COUNT; i++)
	{
		const Library *library = libraries[i];
		int			next = 0;
		const LibraryRule *rule = library_broken(library, &next);

		/*
		 * A library without a broken rule has a row, too, whose rule is NULL: users see its
		 * version.
		 */
		do
		{
			Datum		values[] = {
				CStringGetTextDatum(library->name), CStringGetTextDatum(library->version()),
				CStringGetTextDatum(library->built_with),
				CStringGetTextDatum(rule != NULL ? rule->what : ""),
				CStringGetTextDatum(rule == NULL ? "" : rule->otherwise != NULL
									? rule->otherwise : "nothing is sent")
			};
			bool		nulls[lengthof(values)] = {[3] = rule == NULL,[4] = rule == NULL};

			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
			rule = library_broken(library, &next);
		} while (rule != NULL);
	}
	return (Datum) 0;
}
