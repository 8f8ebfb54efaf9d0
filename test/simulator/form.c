/*
 * form.c
 *	  Form submissions, public and secure: section 3.9.
 *
 * A submission is refused as a whole; the same one sent twice is two.
 */
#include "form.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "api.h"
#include "config.h"
#include "error.h"
#include "journal.h"
#include "property.h"

#define MAX_FIELDS	1000
#define MONTH_MS	(INT64_C(31) * 86400 * 1000)

typedef struct Form
{
	char	   *id;
	char	   *name;
	Table		fields;			/* by "0-1/name" */
} Form;

static Form **forms;
static int	form_count;

static Form *
find_form(const char *id)
{
	for (int i = 0; i < form_count; i++)
	{
		if (strcmp(forms[i]->id, id) == 0)
			return forms[i];
	}
	return NULL;
}

static char *
field_key(struct json_object *field)
{
	const char *type = json_text(field, "objectTypeId");

	return scratch_printf("%s/%s", type ? type : "0-1",
						  json_object_is_type(field, json_type_string) ?
						  json_object_get_string(field) : json_text(field, "name"));
}

bool
form_define(struct json_object *description)
{
	const char *id = json_text(description, "id");
	const char *name = json_text(description, "name");
	struct json_object *fields;
	Form	   *form;

	if (id == NULL || !json_object_object_get_ex(description, "fields", &fields) ||
		!json_object_is_type(fields, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(fields); i++)
	{
		struct json_object *field = json_object_array_get_idx(fields, i);

		if (!json_object_is_type(field, json_type_string) && json_text(field, "name") == NULL)
			return false;
	}
	form = find_form(id);
	if (form == NULL)
	{
		form = must_alloc(sizeof(Form));
		form->id = must_strdup(id);
		form->name = must_strdup(name ? name : id);
		forms = must_realloc(forms, sizeof(Form *) * (size_t) (form_count + 1));
		forms[form_count++] = form;
	}
	table_clear(&form->fields);
	for (size_t i = 0; i < json_object_array_length(fields); i++)
		table_set(&form->fields, field_key(json_object_array_get_idx(fields, i)), form);
	return true;
}

static void
render_form(Buffer *out, const Form *form)
{
	bool		first = true;

	buffer_puts(out, "{\"id\":");
	buffer_json(out, form->id);
	buffer_puts(out, ",\"name\":");
	buffer_json(out, form->name);
	buffer_puts(out, ",\"formType\":\"hubspot\",\"archived\":false,\"fieldGroups\":[{\"fields\":[");
	for (size_t i = 0; i < form->fields.size; i++)
	{
		const TableEntry *entry = &form->fields.slots[i];
		char	   *key;
		char	   *slash;

		if (entry->key == NULL)
			continue;
		key = scratch_strndup(entry->key, entry->len);
		slash = strchr(key, '/');
		*slash = '\0';
		buffer_printf(out, "%s{\"objectTypeId\":\"%s\",\"name\":", first ? "" : ",", key);
		buffer_json(out, slash + 1);
		buffer_puts(out, ",\"required\":false,\"hidden\":false}");
		first = false;
	}
	buffer_puts(out, "]}]}");
}

void
forms_list(Request *request)
{
	request->reply.len = 0;
	buffer_puts(&request->reply, "{\"results\":[");
	for (int i = 0; i < form_count; i++)
	{
		if (i > 0)
			buffer_puts(&request->reply, ",");
		render_form(&request->reply, forms[i]);
	}
	buffer_puts(&request->reply, "]}");
	reply_json(request, 200);
}

void
form_read(Request *request)
{
	Form	   *form = find_form(request->args[0]);

	if (form == NULL)
	{
		reply_not_found(request);
		return;
	}
	request->reply.len = 0;
	render_form(&request->reply, form);
	reply_json(request, 200);
}

/* Errors of this interface carry errorType where others carry code. */
static void
add_error(Buffer *errors, const char *type, const char *message)
{
	buffer_puts(errors, errors->len ? ",{\"message\":" : "{\"message\":");
	buffer_json(errors, message);
	buffer_printf(errors, ",\"errorType\":\"%s\"}", type);
}

static void
check_fields(Form *form, struct json_object *fields, Buffer *errors)
{
	size_t		count = json_object_is_type(fields, json_type_array) ? json_object_array_length(fields) : 0;

	if (count == 0 || count > MAX_FIELDS)
		add_error(errors, "MAX_NUMBER_OF_SUBMITTED_VALUES_EXCEEDED",
				  "Error in 'fields'. There must be 1 to 1000 fields");
	for (size_t i = 0; i < count; i++)
	{
		struct json_object *field = json_object_array_get_idx(fields, i);
		const char *name = json_text(field, "name");
		const char *value = json_text(field, "value");
		ProblemList problems = {0};

		if (name == NULL || value == NULL)
			add_error(errors, "INVALID_FIELD", "Error in 'fields'. A field has name and value");
		else if (table_find(&form->fields, field_key(field)) == NULL)
			add_error(errors, "FIELD_NOT_IN_FORM_DEFINITION",
					  scratch_printf("Error in 'fields.%s'. Field is not in the form definition", name));
		else if (strcmp(name, "email") == 0 && value_check(contacts->email, value, &problems) == NULL)
			add_error(errors, "INVALID_EMAIL", "Error in 'fields.email'. Invalid email address");
	}
}

static void
check_context(struct json_object *context, Buffer *errors)
{
	const char *hutk = json_text(context, "hutk");
	const char *address = json_text(context, "ipAddress");
	const char *page = json_text(context, "pageUri");
	unsigned char binary[16];

	if (hutk != NULL && (strlen(hutk) != 32 || strspn(hutk, "0123456789abcdef") != 32))
		add_error(errors, "INVALID_HUTK",
				  scratch_printf("Error in 'context.hutk'. '%s' is not a valid Hutk", hutk));
	if (address != NULL && inet_pton(AF_INET, address, binary) != 1 &&
		inet_pton(AF_INET6, address, binary) != 1)
		add_error(errors, "INVALID_IP_ADDRESS", "Error in 'context.ipAddress'. Invalid IP address");
	if (page != NULL && strncmp(page, "http://", 7) != 0 && strncmp(page, "https://", 8) != 0)
		add_error(errors, "INVALID_PAGE_URI", "Error in 'context.pageUri'. Invalid page URI");
}

static void
check_time(struct json_object *json, Buffer *errors)
{
	struct json_object *value;
	int64_t		moment;

	if (!json_object_object_get_ex(json, "submittedAt", &value))
		return;
	moment = strtoll(json_object_get_string(value), NULL, 10);
	if (moment <= 0 || moment < now_ms() - MONTH_MS)
		add_error(errors, "INVALID_SUBMITTED_AT",
				  "Error in 'submittedAt'. It must be within the last month, in milliseconds");
}

static void
apply(Request *request, const Form *form, struct json_object *fields)
{
	const char *email = NULL;
	Object	   *contact = NULL;
	bool		created = false;
	Buffer	   *line;

	for (size_t i = 0; i < json_object_array_length(fields); i++)
	{
		struct json_object *field = json_object_array_get_idx(fields, i);

		if (strcmp(field_key(field), "0-1/email") == 0)
			email = value_key(contacts->email, json_text(field, "value"));
	}
	if (email != NULL && *email != '\0')
		contact = contact_of_address(email, &created);
	for (size_t i = 0; contact != NULL && i < json_object_array_length(fields); i++)
	{
		struct json_object *field = json_object_array_get_idx(fields, i);
		Property   *property = property_find(contacts, json_text(field, "name"));
		ProblemList problems = {0};
		const char *value;

		if (strncmp(field_key(field), "0-1/", 4) != 0 || property == NULL || property->read_only ||
			property->unique || property->role == ROLE_MORE_EMAILS)
			continue;
		value = value_check(property, json_text(field, "value"), &problems);
		if (value != NULL)
			object_set(contact, property, value);
	}
	line = journal_begin(request, "form", "forms");
	if (line == NULL)
		return;
	buffer_puts(line, ",\"form\":");
	buffer_json(line, form->id);
	buffer_puts(line, ",\"key\":");
	buffer_json(line, email ? email : "");
	buffer_printf(line, ",\"created\":%s,\"submission\":", created ? "true" : "false");
	buffer_puts(line, json_object_to_json_string_ext(request->json, JSON_C_TO_STRING_PLAIN |
													 JSON_C_TO_STRING_NOSLASHESCAPE));
	journal_end(line);
}

void
form_submit(Request *request)
{
	Form	   *form = find_form(request->args[1]);
	struct json_object *fields = NULL;
	struct json_object *context = NULL;
	Buffer		errors = {0};

	request->records = 1;
	if (form == NULL ||
		strcmp(request->args[0], scratch_printf("%lld", (long long) config.portal_id)) != 0)
	{
		reply_not_found(request);
		return;
	}
	json_object_object_get_ex(request->json, "fields", &fields);
	json_object_object_get_ex(request->json, "context", &context);
	check_fields(form, fields, &errors);
	check_context(context, &errors);
	check_time(request->json, &errors);
	if (errors.len == 0)
	{
		apply(request, form, fields);
		request->reply.len = 0;
		buffer_puts(&request->reply, answer_is(ANSWER_REDIRECT) ?
					"{\"redirectUri\":\"https://example.com/thanks\"}" :
					"{\"inlineMessage\":\"<p>Thanks</p>\"}");
		reply_json(request, 200);
		return;
	}
	request->reply.len = 0;
	buffer_printf(&request->reply, "{\"status\":\"error\",\"message\":\"The request is not valid\","
				  "\"correlationId\":\"%s\",\"errors\":[", request->correlation_id);
	buffer_add(&request->reply, errors.data, errors.len);
	buffer_puts(&request->reply, "]}");
	reply_json(request, 400);
	buffer_free(&errors);
}
