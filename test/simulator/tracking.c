/*
 * tracking.c
 *	  The legacy HTTP event of track.hubspot.com: section 3.7.
 *
 * Whatever is sent, the answer is an empty picture: there is no error.
 */
#include <string.h>

#include "api.h"
#include "config.h"
#include "error.h"
#include "journal.h"
#include "property.h"

typedef struct Writing
{
	Buffer	   *line;
	int			count;
} Writing;

static void
write_parameter(void *state, const char *name, const char *value)
{
	Writing    *writing = state;

	if (writing->count++ > 0)
		buffer_puts(writing->line, ",");
	buffer_json(writing->line, name);
	buffer_puts(writing->line, ":");
	buffer_json(writing->line, value);
}

/* A parameter that names a property of the contact sets it. */
static void
set_property(void *state, const char *name, const char *value)
{
	Object	   *contact = state;
	Property   *property = property_find(contacts, name);
	ProblemList problems = {0};

	if (property == NULL || property->read_only || property->role == ROLE_EMAIL ||
		property->role == ROLE_MORE_EMAILS || property->unique)
		return;
	value = value_check(property, value, &problems);
	if (value != NULL)
		object_set(contact, property, value);
}

static void
apply(Request *request)
{
	const char *account = request_query(request, "_a");
	const char *name = request_query(request, "_n");
	const char *email = request_query(request, "email");
	ProblemList problems = {0};
	Object	   *contact = NULL;
	Writing		writing = {0};
	bool		created = false;

	if (account == NULL || name == NULL || *name == '\0' ||
		strcmp(account, scratch_printf("%lld", (long long) config.portal_id)) != 0)
		return;
	email = email ? value_check(contacts->email, email, &problems) : NULL;
	if (email != NULL && *email != '\0')
		contact = contact_of_address(email, &created);
	if (contact != NULL)
		request_each_query(request, set_property, contact);
	writing.line = journal_begin(request, "legacy_event", "events");
	if (writing.line == NULL)
		return;
	buffer_puts(writing.line, ",\"event\":");
	buffer_json(writing.line, name);
	buffer_printf(writing.line, ",\"created\":%s,\"parameters\":{", created ? "true" : "false");
	request_each_query(request, write_parameter, &writing);
	buffer_puts(writing.line, "}");
	journal_end(writing.line);
}

void
tracking_event(Request *request)
{
	request->records = 1;
	apply(request);
	reply_empty(request, 200);
	request->content_type = "image/gif";
}
