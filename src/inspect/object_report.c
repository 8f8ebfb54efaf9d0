/*
 * object_report.c
 *		The table of objects as a SQL function, hubspot.object_types().
 *
 * A copy of object_types[], which is the same everywhere: no lock, no catalog.
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

Datum
hubspot_object_types(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < OBJECT_COUNT; i++)
	{
		const CrmType *type = &object_types[i];
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
	return (Datum) 0;
}
