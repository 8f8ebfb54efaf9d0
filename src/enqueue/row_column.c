/*
 * row_column.c
 *		Columns of a table as members of a jsonb object.
 *
 * Called for each column of each changed row, in the transaction that changes the row:
 * the most frequent types take a fast path.  Values of types that may fail are converted in a
 * subtransaction each, which writes nothing and so uses no transaction id.  Locks: none.
 * Memory: the current context.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/resowner.h"

#include "base/hubspot.h"
#include "base/guc.h"
#include "enqueue/row_column.h"
#include "message/message.h"
#include "message/unreadable.h"
#include "text/value.h"

#define MEMBER_BYTES	16		/* of a member beside its name and value, about */

bool
row_column_is_stored(Form_pg_attribute attribute)
{
	return attribute->attgenerated != ATTRIBUTE_GENERATED_VIRTUAL;
}

RowRoom
row_room(void)
{
	return hubspot_max_message_size;
}

/*
 * Whether to_jsonb() can raise an error for a value of the type.  Of the types of initdb these
 * are json and what may have it inside; of others nothing is known, but that a label is a text.
 */
static bool
type_may_fail(Oid type)
{
	Oid			element = get_element_type(type);

	if (OidIsValid(element))
		type = getBaseType(element);
	switch (get_typtype(type))
	{
		case TYPTYPE_ENUM:
			return false;
		case TYPTYPE_COMPOSITE:
		case TYPTYPE_PSEUDO:
			return true;
		default:
			return type == JSONOID || type >= FirstNormalObjectId;
	}
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
	column->may_fail = type_may_fail(column->type);
	fmgr_info(F_TO_JSONB, &column->to_jsonb);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &column->to_jsonb);
}

/* ---- conversions that may fail --------------------------------------------------------- */

/* In UTC, whatever the session's time zone is: what is compared must not change with it. */
static char *
time_text(Datum datum)
{
	static const int utc = 0;

	return JsonEncodeDateTime(palloc(MAXDATELEN + 1), datum, TIMESTAMPTZOID, &utc);
}

static void *
convert_to_jsonb(RowColumn *column, Datum datum)
{
	JsonbValue	value = {.type = jbvString};

	if (column->type == TIMESTAMPTZOID)
	{
		value.val.string.val = time_text(datum);
		value.val.string.len = strlen(value.val.string.val);
		return JsonbValueToJsonb(&value);
	}
	return DatumGetJsonbP(FunctionCall1(&column->to_jsonb, datum));
}

static void *
convert_to_text(RowColumn *column, Datum datum)
{
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(column->type, &output, &is_varlena);
	return OidOutputFunctionCall(output, datum);
}

/* The result of the conversion; NULL if it raises an error, whose text is in *why. */
static void *
convert(void *(*function) (RowColumn *, Datum), RowColumn *column, Datum datum, char **why)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	void	   *volatile result = NULL;

	*why = NULL;
	if (!column->may_fail)
		return function(column, datum);
	BeginInternalSubTransaction(NULL);
	/* The result must survive the subtransaction, whose memory context is current now. */
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		result = function(column, datum);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		/* A cancel or a shutdown must end the user's statement: it says nothing about the value. */
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		*why = error->message;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return result;
}

/* ---- room ----------------------------------------------------------------------------- */

static bool
takes_room(Size size, RowRoom *room)
{
	if (size > *room && size > MESSAGE_MAX_KEY)
		return false;
	*room -= Min(size, *room);
	return true;
}

static Jsonb *
too_long(Size size)
{
	return unreadable_make(psprintf("with its %zu bytes the message would exceed "
									"hubspot.max_message_size (%d bytes)",
									size, hubspot_max_message_size));
}

/* ---- members --------------------------------------------------------------------------- */

/* The spaces that fill up a char(n) are no part of its text. */
static int
text_length(Oid type, struct varlena *words)
{
	int			len = VARSIZE_ANY_EXHDR(words);

	return type == BPCHAROID ? bpchartruelen(VARDATA_ANY(words), len) : len;
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

				value_push_text(state, WJB_VALUE, VARDATA_ANY(words), text_length(type, words));
				return true;
			}
		case TIMESTAMPTZOID:
			{
				char	   *words = time_text(datum);

				value_push_text(state, WJB_VALUE, words, strlen(words));
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

/* A value by to_jsonb(), or the marker. */
static Jsonb *
slow_value(RowColumn *column, Datum datum, RowRoom *room)
{
	char	   *why;
	Jsonb	   *jsonb = convert(convert_to_jsonb, column, datum, &why);

	if (jsonb == NULL)
		return unreadable_make(why);
	/* A varlena took its room before it was detoasted; as jsonb it may be longer. */
	if (!takes_room(column->is_varlena
					? VARSIZE(jsonb) - Min(toast_raw_datum_size(datum), VARSIZE(jsonb))
					: VARSIZE(jsonb), room))
		return too_long(VARSIZE(jsonb));
	return jsonb;
}

/* The raw size is in the toast pointer: to detoast first would allocate up to 1 GB. */
static bool
varlena_has_room(const RowColumn *column, Datum datum, RowRoom *room)
{
	return !column->is_varlena || takes_room(toast_raw_datum_size(datum), room);
}

void
row_column_push(RowColumn *column, TupleTableSlot *slot, RowRoom *room, JsonbInState *state)
{
	JsonbValue	value;
	Jsonb	   *jsonb;
	bool		isnull;
	Datum		datum = slot_getattr(slot, column->attno, &isnull);

	*room -= Min(*room, column->name_len + MEMBER_BYTES);
	if (isnull)
	{
		row_column_push_null(column, state);
		return;
	}
	value_push_text(state, WJB_KEY, column->name, column->name_len);
	if (!varlena_has_room(column, datum, room))
		jsonb = too_long(toast_raw_datum_size(datum));
	else if (push_common(column->type, datum, state))
		return;
	else
		jsonb = slow_value(column, datum, room);
	value.type = jbvBinary;
	value.val.binary.data = &jsonb->root;
	value.val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	pushJsonbValue(state, WJB_VALUE, &value);
}

Jsonb *
row_column_value(RowColumn *column, TupleTableSlot *slot, RowRoom *room)
{
	bool		isnull;
	Datum		datum = slot_getattr(slot, column->attno, &isnull);

	if (isnull)
		return NULL;
	if (!varlena_has_room(column, datum, room))
		return too_long(toast_raw_datum_size(datum));
	if (column->type == BPCHAROID)
	{
		text	   *words = DatumGetTextPP(datum);
		JsonbValue	value = {.type = jbvString};

		value.val.string.val = VARDATA_ANY(words);
		value.val.string.len = text_length(column->type, words);
		return JsonbValueToJsonb(&value);
	}
	return slow_value(column, datum, room);
}

char *
row_column_text(const RowColumn *column, TupleTableSlot *slot, char **why)
{
	bool		isnull;
	Datum		datum = slot_getattr(slot, column->attno, &isnull);

	if (column->is_varlena && toast_raw_datum_size(datum) > row_room())
	{
		*why = psprintf("it has %zu bytes", (size_t) toast_raw_datum_size(datum));
		return NULL;
	}
	if (column->type == BPCHAROID)
	{
		text	   *words = DatumGetTextPP(datum);

		return pnstrdup(VARDATA_ANY(words), text_length(column->type, words));
	}
	return convert(convert_to_text, unconstify(RowColumn *, column), datum, why);
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
