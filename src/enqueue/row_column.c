/*
 * row_column.c
 *		Columns of a table as members of a jsonb object.
 *
 * Called for each column of each changed row, in the transaction that changes the row:
 * the most frequent types take a fast path.  Locks: none.  Memory: the current context.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "base/hubspot.h"
#include "base/value.h"
#include "enqueue/row_column.h"

bool
row_column_is_stored(Form_pg_attribute attribute)
{
	return attribute->attgenerated != ATTRIBUTE_GENERATED_VIRTUAL;
}

/* to_jsonb() learns its argument's type from the call's expression. */
void
row_column_init(RowColumn *column, const char *name, Form_pg_attribute attribute)
{
	Expr	   *argument = (Expr *) makeNullConst(attribute->atttypid, attribute->atttypmod,
												  attribute->attcollation);

	Assert(row_column_is_stored(attribute));
	column->name = name;
	column->name_len = strlen(name);
	column->attno = attribute->attnum;
	column->type = getBaseType(attribute->atttypid);
	column->is_varlena = attribute->attlen == -1;
	fmgr_info(F_TO_JSONB, &column->to_jsonb);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &column->to_jsonb);
}

bool
row_column_may_fail(const RowColumn *column)
{
	Oid			element = get_element_type(column->type);
	Oid			type = OidIsValid(element) ? getBaseType(element) : column->type;

	return type == JSONOID || (type >= FirstNormalObjectId && !type_is_enum(type));
}

/* The fast path; false if there is none for this type. */
static bool
push_common(Oid type, Datum datum, JsonbInState *state)
{
	JsonbValue	value;

	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			{
				text	   *words = DatumGetTextPP(datum);

				value_push_text(state, WJB_VALUE, VARDATA_ANY(words), VARSIZE_ANY_EXHDR(words));
				return true;
			}
		case BOOLOID:
			value.type = jbvBool;
			value.val.boolean = DatumGetBool(datum);
			break;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			value.type = jbvNumeric;
			value.val.numeric = int64_to_numeric(type == INT8OID ? DatumGetInt64(datum) :
												 type == INT4OID
												 ? DatumGetInt32(datum) : DatumGetInt16(datum));
			break;
		case NUMERICOID:
			value.type = jbvNumeric;
			value.val.numeric = DatumGetNumeric(datum);
			/* JSON has no such number: to_jsonb() makes them strings. */
			if (numeric_is_nan(value.val.numeric) || numeric_is_inf(value.val.numeric))
				return false;
			break;
		default:
			return false;
	}
	pushJsonbValue(state, WJB_VALUE, &value);
	return true;
}

void
row_column_push(RowColumn *column, TupleTableSlot *slot, JsonbInState *state)
{
	JsonbValue	value;
	Jsonb	   *jsonb;
	bool		isnull;
	Datum		datum = slot_getattr(slot, column->attno, &isnull);

	if (isnull)
	{
		row_column_push_null(column, state);
		return;
	}
	value_push_text(state, WJB_KEY, column->name, column->name_len);
	if (push_common(column->type, datum, state))
		return;
	jsonb = DatumGetJsonbP(FunctionCall1(&column->to_jsonb, datum));
	value.type = jbvBinary;
	value.val.binary.data = &jsonb->root;
	value.val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	pushJsonbValue(state, WJB_VALUE, &value);
}

void
row_column_push_null(const RowColumn *column, JsonbInState *state)
{
	JsonbValue	value;

	value_push_text(state, WJB_KEY, column->name, column->name_len);
	value.type = jbvNull;
	pushJsonbValue(state, WJB_VALUE, &value);
}

Form_pg_attribute
row_find_attribute(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0)
			return attribute;
	}
	return NULL;
}
