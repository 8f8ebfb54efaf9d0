/*
 * object_report.c
 *		The tables of objects as SQL functions, hubspot.object_types() and record_types().
 *
 * Copies of what is the same everywhere: no lock, no catalog.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "mapping/mapping_name.h"

PG_FUNCTION_INFO_V1(hubspot_object_types);
PG_FUNCTION_INFO_V1(hubspot_object_type);
PG_FUNCTION_INFO_V1(hubspot_record_types);
PG_FUNCTION_INFO_V1(hubspot_word_of_object);
PG_FUNCTION_INFO_V1(hubspot_lane_of_object);

/* The columns, in the order of the function's declaration. */
typedef enum ObjectColumn
{
	COL_OBJECT,
	COL_LANE,
	COL_CALL,
	COL_PER_REQUEST,
	COL_OWN_LIMIT,
	COL_MERGES,
	COL_HAS_SCHEMA,
	COL_CAN_BE_SYNCED,
	COL_KEYED_BY_CONTACT,
	COL_IS_RECORD,
	COL_TYPE_ID,
	COL_ID_MEMBER,
	COL_ID_OPTION,
	COL_NATURAL_KEY,
	COL_NATURAL_KEY_IS_UNIQUE,
	COL_KEY_TRAIT,
	COL_STAGE_PROPERTY,
	COL_SPECIAL_FIELDS,
	COL_CAN_BE_ERASED
#define OBJECT_COLUMNS (COL_CAN_BE_ERASED + 1)
} ObjectColumn;

static void
put_text(Datum *values, bool *nulls, ObjectColumn column, const char *text)
{
	nulls[column] = text == NULL;
	if (text != NULL)
		values[column] = CStringGetTextDatum(text);
}

/* The properties of the special fields, each once, as text[]. */
static Datum
fields_of(const CrmType *type)
{
	Datum		names[64];
	int			count = 0;

	for (const SpecialField *field = type->fields; field->property != NULL; field++)
	{
		if (field > type->fields && strcmp(field->property, field[-1].property) == 0)
			continue;
		Assert(count < lengthof(names));
		names[count++] = CStringGetTextDatum(field->property);
	}
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* What only records have. */
static void
put_record(const CrmType *type, Datum *values, bool *nulls)
{
	put_text(values, nulls, COL_TYPE_ID, type->type_id);
	put_text(values, nulls, COL_ID_MEMBER, type->id_member);
	put_text(values, nulls, COL_ID_OPTION, type->id_option);
	put_text(values, nulls, COL_NATURAL_KEY, type->natural_key);
	put_text(values, nulls, COL_KEY_TRAIT, type->key_trait);
	put_text(values, nulls, COL_STAGE_PROPERTY, type->stage_property);
	nulls[COL_NATURAL_KEY_IS_UNIQUE] = type->natural_key == NULL;
	values[COL_NATURAL_KEY_IS_UNIQUE] = BoolGetDatum(type->natural_key_is_unique);
	nulls[COL_SPECIAL_FIELDS] = type->fields == NULL;
	if (type->fields != NULL)
		values[COL_SPECIAL_FIELDS] = fields_of(type);
	nulls[COL_CAN_BE_ERASED] = !type->is_record;
	values[COL_CAN_BE_ERASED] = BoolGetDatum(type->can_be_erased);
}

static void
put_object(ReturnSetInfo *result, const CrmType *type)
{
	Datum		values[OBJECT_COLUMNS] = {0};
	bool		nulls[OBJECT_COLUMNS] = {false};

	put_text(values, nulls, COL_OBJECT, type->name);
	put_text(values, nulls, COL_LANE, type->plural);
	put_text(values, nulls, COL_CALL, call_names[type->call]);
	values[COL_PER_REQUEST] = Int32GetDatum(type->per_request);
	nulls[COL_OWN_LIMIT] = type->own_limit < 0;
	values[COL_OWN_LIMIT] = Int32GetDatum(type->own_limit);
	values[COL_MERGES] = BoolGetDatum(type->merges);
	values[COL_HAS_SCHEMA] = BoolGetDatum(type->has_schema);
	values[COL_CAN_BE_SYNCED] = BoolGetDatum(type->can_be_synced);
	values[COL_KEYED_BY_CONTACT] = BoolGetDatum(type->keyed_by_contact);
	values[COL_IS_RECORD] = BoolGetDatum(type->is_record);
	put_record(type, values, nulls);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
hubspot_object_types(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < OBJECT_COUNT; i++)
		put_object(result, &object_types[i]);
	return (Datum) 0;
}

/* The row of one object, whichever it is; none: there is no such object. */
Datum
hubspot_object_type(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			object;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	object = object_of_text(PG_GETARG_TEXT_PP(0));
	if (object >= 0 && object < object_known)
		put_object(result, &object_types[object]);
	return (Datum) 0;
}

/* ---- types of records --------------------------------------------------------------- */

/* The columns, in the order of the function's declaration. */
enum RecordTypeColumn
{
	AT_OBJECT, AT_LANE, AT_TYPE_ID, AT_PATH, AT_SCOPES, AT_MODIFIED_PROPERTY, AT_PIPELINE_PROPERTY,
	AT_STAGE_PROPERTY, AT_BORN_WITH, AT_BORN_ASSOCIATED, AT_STANDS_ALONE
#define RECORD_TYPE_COLUMNS (AT_STANDS_ALONE + 1)
};

/* "a, b" as text[]; NULL as an empty one. */
static Datum
words_of(const char *list)
{
	Datum		words[16];
	int			count = 0;

	while (list != NULL && *list != '\0')
	{
		int			len = strcspn(list, ",");

		Assert(count < lengthof(words));
		words[count++] = PointerGetDatum(cstring_to_text_with_len(list, len));
		list += len;
		list += strspn(list, ", ");
	}
	return PointerGetDatum(construct_array(words, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
birth_objects(const BirthType *births)
{
	Datum		words[BIRTH_MAX];
	int			count = 0;

	for (; births != NULL && births->object != NULL; births++)
		words[count++] = CStringGetTextDatum(births->object);
	return PointerGetDatum(construct_array(words, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
put_record_type(ReturnSetInfo *result, const CrmType *type)
{
	const char *const texts[] =
	{type->name, type->plural, type->type_id, type->path, NULL, type->modified_property,
	type->pipeline_property, type->pipeline_stage};
	Datum		values[RECORD_TYPE_COLUMNS] = {0};
	bool		nulls[RECORD_TYPE_COLUMNS] = {false};

	for (int i = 0; i < lengthof(texts); i++)
	{
		nulls[i] = texts[i] == NULL;
		if (texts[i] != NULL)
			values[i] = CStringGetTextDatum(texts[i]);
	}
	values[AT_SCOPES] = words_of(type->scopes);
	nulls[AT_SCOPES] = false;
	values[AT_BORN_WITH] = words_of(type->born_with);
	values[AT_BORN_ASSOCIATED] = birth_objects(type->born_associated);
	values[AT_STANDS_ALONE] = BoolGetDatum(type->stands_alone);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
hubspot_record_types(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach_object(object, is_record)
	{
		put_record_type(result, &object_types[object]);
	}
	for (const CrmType *type = record_types + 1; type->name != NULL; type++)
		put_record_type(result, type);
	return (Datum) 0;
}

/* ---- words ---------------------------------------------------------------------------- */

static Datum
word_of_argument(FunctionCallInfo fcinfo, const char *(*word_of) (uint32 code))
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	uint32		code;

	if (!object_find_code(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), &code))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(CStringGetTextDatum(word_of(code)));
}

Datum
hubspot_word_of_object(PG_FUNCTION_ARGS)
{
	return word_of_argument(fcinfo, object_code_name);
}

Datum
hubspot_lane_of_object(PG_FUNCTION_ARGS)
{
	return word_of_argument(fcinfo, object_code_lane);
}
