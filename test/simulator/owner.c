/*
 * owner.c
 *	  Owners over HTTP; see owner.h.
 *
 * An owner has two numbers, his own and the one of his user; a property takes
 * the first alone.
 */
#include "owner.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "error.h"
#include "reading.h"

#define MAX_PAGE	500

typedef struct Owner
{
	char	   *id;
	char	   *email;			/* of a queue NULL, as all that follows */
	char	   *first_name;
	char	   *last_name;
	int64_t		user_id;
	bool		is_archived;
	int64_t		created_ms;
} Owner;

/* Those an account has at the start: two persons, a queue, and one who has left. */
static const char *const at_start =
"[{\"id\":\"41629779\",\"email\":\"ada.owner@example.com\",\"firstName\":\"Ada\",\"lastName\":\"Lovelace\",\"userId\":9586504},"
"{\"id\":\"41629780\",\"email\":\"grace.owner@example.com\",\"firstName\":\"Grace\",\"lastName\":\"Hopper\",\"userId\":9586505},"
"{\"id\":\"41629781\",\"type\":\"QUEUE\"},"
"{\"id\":\"41629782\",\"email\":\"former.owner@example.com\",\"firstName\":\"Charles\",\"lastName\":\"Babbage\","
"\"userId\":9586507,\"archived\":true}]";

static Owner **owners;
static int	count;

void
owner_init(void)
{
	struct json_object *list = json_tokener_parse(at_start);

	for (size_t i = 0; i < json_object_array_length(list); i++)
		(void) owner_define(json_object_array_get_idx(list, i));
	json_object_put(list);
}

static Owner *
find(const char *id, size_t len)
{
	for (int i = 0; i < count; i++)
	{
		if (strlen(owners[i]->id) == len && memcmp(owners[i]->id, id, len) == 0)
			return owners[i];
	}
	return NULL;
}

bool
owner_is_valid(const char *id, size_t len)
{
	const Owner *owner = find(id, len);

	return owner != NULL && (!owner->is_archived || reading_is(READING_ARCHIVED_OWNERS));
}

static char *
copy_text(struct json_object *json, const char *name)
{
	const char *text = json_text(json, name);

	return text ? must_strdup(text) : NULL;
}

bool
owner_define(struct json_object *json)
{
	const char *id = json_text(json, "id");
	struct json_object *member;
	Owner	   *owner;

	if (id == NULL)
		return false;
	owner = find(id, strlen(id));
	if (owner == NULL)
	{
		owner = must_alloc(sizeof(Owner));
		owners = must_realloc(owners, sizeof(Owner *) * (size_t) (count + 1));
		owners[count++] = owner;
		owner->id = must_strdup(id);
		owner->created_ms = now_ms();
	}
	owner->email = copy_text(json, "email");
	owner->first_name = copy_text(json, "firstName");
	owner->last_name = copy_text(json, "lastName");
	owner->user_id = json_object_object_get_ex(json, "userId", &member) ? json_object_get_int64(member) : 0;
	owner->is_archived = json_object_object_get_ex(json, "archived", &member) && json_object_get_boolean(member);
	return true;
}

static void
render_text(Buffer *out, const char *name, const char *text)
{
	if (text == NULL)
		return;
	buffer_printf(out, ",\"%s\":", name);
	buffer_json(out, text);
}

static void
render(Buffer *out, const Owner *owner)
{
	buffer_printf(out, "{\"id\":\"%s\",\"type\":\"%s\"", owner->id, owner->email ? "PERSON" : "QUEUE");
	render_text(out, "email", owner->email);
	render_text(out, "firstName", owner->first_name);
	render_text(out, "lastName", owner->last_name);
	if (owner->is_archived)
		buffer_puts(out, ",\"userId\":null");
	else if (owner->user_id != 0)
		buffer_printf(out, ",\"userId\":%lld", (long long) owner->user_id);
	if (owner->user_id != 0)
		buffer_printf(out, ",\"userIdIncludingInactive\":%lld", (long long) owner->user_id);
	buffer_printf(out, ",\"archived\":%s,\"createdAt\":\"", owner->is_archived ? "true" : "false");
	buffer_time(out, owner->created_ms);
	buffer_puts(out, "\",\"updatedAt\":\"");
	buffer_time(out, owner->created_ms);
	buffer_puts(out, "\"}");
}

static bool
wants_archived(Request *request)
{
	const char *archived = request_query(request, "archived");

	return archived != NULL && strcmp(archived, "true") == 0;
}

void
owners_list(Request *request)
{
	const char *email = request_query(request, "email");
	const char *after = request_query(request, "after");
	const char *limit_text = request_query(request, "limit");
	long		limit = limit_text ? strtol(limit_text, NULL, 10) : 100;
	int			at = after ? atoi(after) : 0;
	bool		archived = wants_archived(request);
	long		shown = 0;
	Buffer	   *out = &request->reply;

	if (limit < 1 || limit > MAX_PAGE || at < 0)
	{
		reply_error(request, 400, "VALIDATION_ERROR", "limit must be between 1 and %d", MAX_PAGE);
		return;
	}
	out->len = 0;
	buffer_puts(out, "{\"results\":[");
	for (; at < count && shown < limit; at++)
	{
		if (owners[at]->is_archived != archived ||
			(email != NULL && (owners[at]->email == NULL || strcmp(owners[at]->email, email) != 0)))
			continue;
		if (shown++ > 0)
			buffer_puts(out, ",");
		render(out, owners[at]);
	}
	buffer_puts(out, "]");
	if (at < count)
		buffer_printf(out, ",\"paging\":{\"next\":{\"after\":\"%d\",\"link\":\"?after=%d\"}}", at, at);
	buffer_puts(out, "}");
	reply_json(request, 200);
}

void
owner_read(Request *request)
{
	const char *id_property = request_query(request, "idProperty");
	bool		by_user = id_property != NULL && strcmp(id_property, "userId") == 0;

	for (int i = 0; i < count; i++)
	{
		if (owners[i]->is_archived != wants_archived(request) ||
			strcmp(by_user ? scratch_printf("%lld", (long long) owners[i]->user_id) : owners[i]->id,
				   request->args[0]) != 0)
			continue;
		request->reply.len = 0;
		render(&request->reply, owners[i]);
		reply_json(request, 200);
		return;
	}
	reply_not_found(request);
}
