/*
 * unreadable.c
 *		A value that jsonb cannot hold: a message has a marker in its place.
 *
 * Pure: results are palloc'd in the current context.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "message/unreadable.h"
#include "text/value.h"

#define MEMBER "hubspot.unreadable"

Jsonb *
unreadable_make(const char *why)
{
	JsonbInState state = {0};

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	value_push_pair(&state, MEMBER, why);
	return value_end_object(&state);
}

bool
unreadable_is(const JsonbValue *value, char **why)
{
	JsonbContainer *object = value->type == jbvBinary ? value->val.binary.data : NULL;
	JsonbValue	text;

	if (object == NULL || !JsonContainerIsObject(object) || JsonContainerSize(object) != 1 ||
		getKeyJsonValueFromContainer(object, MEMBER, strlen(MEMBER), &text) == NULL ||
		text.type != jbvString)
		return false;
	if (why != NULL)
		*why = pnstrdup(text.val.string.val, text.val.string.len);
	return true;
}

/* The first marker among the members of an object. */
static char *
describe_member(JsonbContainer *object)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	name;
	JsonbValue	value;
	char	   *why;

	while ((token = JsonbIteratorNext(&it, &name, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &value, true);
		if (unreadable_is(&value, &why))
			return psprintf("column \"%.*s\" cannot be read: %s", name.val.string.len,
							name.val.string.val, why);
	}
	return NULL;
}

char *
unreadable_describe(JsonbContainer *message)
{
	static const char *const places[] = {"traits", "properties"};
	char	   *found = JsonContainerIsObject(message) ? describe_member(message) : NULL;

	for (int i = 0; i < lengthof(places) && found == NULL && JsonContainerIsObject(message); i++)
	{
		JsonbValue	inner;

		if (getKeyJsonValueFromContainer(message, places[i], strlen(places[i]), &inner) != NULL &&
			inner.type == jbvBinary && JsonContainerIsObject(inner.val.binary.data))
			found = describe_member(inner.val.binary.data);
	}
	return found;
}
