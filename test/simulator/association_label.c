/*
 * association_label.c
 *	  Labels of associations over HTTP: section 3.1 of the notes on objects.
 *
 * A label has a number for each direction.  Its name never changes, and it can
 * be dropped only while no pair has it.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "association.h"
#include "error.h"

#define MAX_LABELS	10			/* of the account's own, between two types */

typedef struct Listing
{
	Buffer	   *out;
	const ObjectType *from;
	int			count;
} Listing;

static void
render_side(Listing *listing, const Kind *kind, int side)
{
	Buffer	   *out = listing->out;

	if (listing->count++ > 0)
		buffer_puts(out, ",");
	buffer_printf(out, "{\"category\":\"%s\",\"typeId\":%d,\"label\":", category_name(kind->category),
				  kind->ids[side]);
	if (kind->labels[side] != NULL)
		buffer_json(out, kind->labels[side]);
	else
		buffer_puts(out, "null");
	buffer_puts(out, "}");
}

static void
list_kind(void *state, Kind *kind)
{
	Listing    *listing = state;

	for (int side = 0; side < 2; side++)
	{
		if (kind->ends[side] == listing->from && kind->ids[side] != 0 &&
			(side == 0 || kind->ends[0] != kind->ends[1] || kind->ids[0] != kind->ids[1]))
			render_side(listing, kind, side);
	}
}

void
labels_list(Request *request)
{
	Listing		listing = {.out = &request->reply, .from = request->type};

	/* what may be associated has its unlabelled kind from now on */
	(void) kind_default(request->type, request->other);
	request->reply.len = 0;
	buffer_puts(&request->reply, "{\"results\":[");
	kind_each(request->type, request->other, list_kind, &listing);
	buffer_puts(&request->reply, "]}");
	reply_json(request, 200);
}

static bool
valid_name(const char *name)
{
	return *name != '\0' && !isdigit((unsigned char) *name) && strchr(name, '-') == NULL && strlen(name) <= 100;
}

typedef struct Names
{
	const char *name;
	int			count;
	bool		taken;
} Names;

static void
look_at_name(void *state, Kind *kind)
{
	Names	   *names = state;

	if (kind->category != USER_DEFINED || kind->is_default)
		return;
	names->count++;
	names->taken |= strcmp(kind->name, names->name) == 0;
}

void
label_create(Request *request)
{
	const char *name = json_text(request->json, "name");
	const char *label = json_text(request->json, "label");
	const char *inverse = json_text(request->json, "inverseLabel");
	Names		names = {.name = name};
	Listing		listing = {.out = &request->reply, .from = request->type};
	Kind	   *kind;
	int			first;

	if (name == NULL || label == NULL)
	{
		reply_error(request, 400, "VALIDATION_ERROR", "Some required fields were not set: [%s]",
					name == NULL ? "name" : "label");
		return;
	}
	kind_each(request->type, request->other, look_at_name, &names);
	if (kind_default(request->type, request->other) == NULL)
		reply_error(request, 400, "VALIDATION_ERROR", "No association is defined between %s and %s",
					request->type->upper, request->other->upper);
	else if (!valid_name(name))
		reply_error(request, 400, "VALIDATION_ERROR", "The name of a label has no hyphen and no leading digit");
	else if (names.taken)
		reply_error(request, 409, "OBJECT_ALREADY_EXISTS", "A label named %s already exists", name);
	else if (names.count >= MAX_LABELS)
		reply_error(request, 400, "VALIDATION_ERROR", "The limit of %d labels is reached", MAX_LABELS);
	else
	{
		kind = kind_label(request->type, request->other, name, label, inverse);
		first = kind->ends[0] != request->type;
		request->reply.len = 0;
		buffer_puts(&request->reply, "{\"results\":[");
		render_side(&listing, kind, first);
		if (kind->ids[0] != kind->ids[1])
			render_side(&listing, kind, 1 - first);
		buffer_puts(&request->reply, "]}");
		reply_json(request, 200);
	}
}

/* A label of the account's own by its number as seen from the path's first type; NULL: the reply is filled. */
static Kind *
own_label(Request *request, int id, int *side)
{
	Kind	   *kind = kind_find(request->type, request->other, USER_DEFINED, id, side);

	if (kind != NULL && !kind->is_default)
		return kind;
	if (kind == NULL && kind_find(request->type, request->other, HUBSPOT_DEFINED, id, side) == NULL)
		reply_not_found(request);
	else
		reply_error(request, 400, "VALIDATION_ERROR", "Association type %d is defined by HubSpot", id);
	return NULL;
}

void
label_rename(Request *request)
{
	struct json_object *id = NULL;
	const char *label = json_text(request->json, "label");
	const char *inverse = json_text(request->json, "inverseLabel");
	Kind	   *kind;
	int			side;

	if (!json_object_object_get_ex(request->json, "associationTypeId", &id) || label == NULL)
	{
		reply_error(request, 400, "VALIDATION_ERROR",
					"Some required fields were not set: [associationTypeId, label]");
		return;
	}
	kind = own_label(request, json_object_get_int(id), &side);
	if (kind == NULL)
		return;
	kind->labels[side] = must_strdup(label);
	if (inverse != NULL || strcmp(kind->labels[0], kind->labels[1]) == 0)
		kind->labels[1 - side] = must_strdup(inverse ? inverse : label);
	reply_empty(request, 204);
}

static bool
is_used(const Kind *kind)
{
	const ObjectType *type = kind->ends[0];

	for (size_t i = 0; i < type->object_count; i++)
	{
		const Links *links = type->objects[i]->links;

		for (size_t at = 0; links != NULL && at < links->count; at++)
		{
			for (int mark = 0; mark < links->pairs[at]->mark_count; mark++)
			{
				if (links->pairs[at]->marks[mark].kind == kind)
					return true;
			}
		}
	}
	return false;
}

void
label_drop(Request *request)
{
	int			side;
	Kind	   *kind = own_label(request, atoi(request->args[0]), &side);

	if (kind == NULL)
		return;
	if (is_used(kind))
	{
		reply_error(request, 400, "VALIDATION_ERROR", "Label %s is in use", kind->name);
		return;
	}
	kind->is_dropped = true;
	reply_empty(request, 204);
}
