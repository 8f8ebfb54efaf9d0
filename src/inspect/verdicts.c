/*
 * verdicts.c
 *		The table of the verdicts as SQL functions.
 *
 * The planner evaluates hubspot.verdicts_with() itself, so that a condition of
 * a view can use the partial index of the results that failed.  Both are
 * called by the extension's script, too, before its tables are there: what
 * they need of the catalogs is the enum, which they know by their own result.
 */
#include "postgres.h"

#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "base/verdict.h"

PG_FUNCTION_INFO_V1(hubspot_verdicts);
PG_FUNCTION_INFO_V1(hubspot_verdicts_with);

static Datum
label_of(Oid type, Verdict verdict)
{
	const char *word = verdict_rules[verdict].word;
	Oid			label = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
										ObjectIdGetDatum(type), CStringGetDatum(word));

	if (!OidIsValid(label))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type \"%s\" has no value \"%s\"", format_type_be(type), word),
				 errhint("Run ALTER EXTENSION %s UPDATE.", HUBSPOT_EXTENSION)));
	return ObjectIdGetDatum(label);
}

/* Who tries again, as text[]. */
static Datum
retried_by(int flags)
{
	static const VerdictFlag retries[] = {
		{"refresh", RETRIED_BY_REFRESH},
		{"retry", RETRIED_BY_RETRY},
		{"retry by name", RETRIED_BY_NAME}
	};
	Datum		words[lengthof(retries)];
	int			count = 0;

	for (int i = 0; i < lengthof(retries); i++)
		if ((flags & retries[i].flags) != 0)
			words[count++] = CStringGetTextDatum(retries[i].word);
	return PointerGetDatum(construct_array(words, count, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
hubspot_verdicts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < VERDICT_COUNT; i++)
	{
		int			flags = verdict_rules[i].flags;
		Datum		values[] = {
			label_of(TupleDescAttr(result->setDesc, 0)->atttypid, i),
			BoolGetDatum((flags & VERDICT_IS_ARRIVED) != 0),
			BoolGetDatum((flags & VERDICT_IS_DOUBTFUL) != 0),
			BoolGetDatum((flags & VERDICT_IS_FAILURE) != 0),
			BoolGetDatum((flags & VERDICT_IS_SHARED) == 0),
			retried_by(flags), CStringGetTextDatum(verdict_rules[i].meaning)
		};
		bool		nulls[lengthof(values)] = {
			[1] = (flags & (VERDICT_IS_ARRIVED | VERDICT_IS_MISSING)) == 0
		};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The flags that a word stands for. */
static int
flags_of(const char *word)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (const VerdictFlag *flag = verdict_flags; flag->word != NULL; flag++)
	{
		if (strcmp(word, flag->word) == 0)
			return flag->flags;
		appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "", flag->word);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("verdicts have no flag \"%s\"", word),
			 errhint("Flags are: %s.", valid.data)));
}

Datum
hubspot_verdicts_with(PG_FUNCTION_ARGS)
{
	int			flags = flags_of(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Oid			type = get_element_type(get_func_rettype(fcinfo->flinfo->fn_oid));
	Datum		labels[VERDICT_COUNT];
	int			count = 0;

	for (int i = 0; i < VERDICT_COUNT; i++)
		if ((verdict_rules[i].flags & flags) != 0)
			labels[count++] = label_of(type, i);
	PG_RETURN_ARRAYTYPE_P(construct_array(labels, count, type, sizeof(Oid), true, TYPALIGN_INT));
}
