/*
 * reply_fuzz.c
 *		Arbitrary answers into reply_parse() and all that looks at its result.
 *
 * The input is a status, a newline, and the body.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "reply/reply.h"
#include "reply/reply_json.h"

#define NINPUTS		4

static int
take_status(const char **body, size_t *len)
{
	int			status = 0;
	size_t		i = 0;

	for (; i < *len && i < 3 && (*body)[i] >= '0' && (*body)[i] <= '9'; i++)
		status = status * 10 + (*body)[i] - '0';
	if (i < *len && (*body)[i] == '\n')
		i++;
	*body += i;
	*len -= i;
	return status;
}

static void
look_at_texts(const Reply *reply)
{
	ReplyList	list;

	expect_clean(reply->message, sizeof(reply->message));
	expect_clean(reply->category, sizeof(reply->category));
	expect_clean(reply->policy, sizeof(reply->policy));
	expect_clean(reply->correlation_id, sizeof(reply->correlation_id));
	expect_clean(reply->scopes, sizeof(reply->scopes));
	expect_clean(reply->correct_hublet, sizeof(reply->correct_hublet));
	expect(reply->correct_hublet[0] == '\0' || reply_is_hublet(reply->correct_hublet), "a hublet");
	expect(reply->class == REPLY_RECORDS || reply->message[0] != '\0', "a failure has a message");
	(void) strlen(reply_text(reply, "status"));
	(void) reply_number(reply, "portalId");
	(void) reply_lists_id(reply, "recordIdsMissing", "99");
	if (reply_list(reply, &list))
		expect(reply_is_id(list.id), "an id of a list is one");
	for (int i = 0; i < reply->nresults; i++)
	{
		const char *ids[] = {reply->results[i].id, reply->results[i].from_id, reply->results[i].to_id};

		for (int j = 0; j < 3; j++)
			expect(ids[j] == NULL || (reply_is_id(ids[j]) && strlen(ids[j]) < REPLY_ID_BYTES), "an id is one");
	}
	(void) reply_names(reply, "ada@example.com");
	(void) reply_named_property(reply);
}

static void
look_at_class(const Reply *reply)
{
	bool		is_success = reply->status >= 200 && reply->status < 300;

	expect(is_success == (reply->class == REPLY_RECORDS) || reply->class == REPLY_UNREADABLE || reply->class == REPLY_UNAVAILABLE,
		   "only a 2xx is looked at by record");
	expect(is_success || reply->class != REPLY_UNREADABLE, "only a 2xx has to be read");
	expect(reply->class != REPLY_RECORDS || reply->is_json || reply->status == 204, "a success is readable");
	expect(reply->is_json || (reply->nresults == 0 && reply->nerrors == 0), "records come from JSON");
}

static void
look_at_match(const Reply *reply, const char *key_property)
{
	ReplyInput	inputs[NINPUTS] = {{.trace = "918273", .key = "ada@example.com"},
	{.trace = "918274", .key = "bob@example.com"}, {.trace = "1"}, {.key = "2"}};
	int			confirmed = 0;

	reply_match(reply, key_property, inputs, NINPUTS);
	for (int i = 0; i < NINPUTS; i++)
	{
		confirmed += inputs[i].outcome == REPLY_CONFIRMED;
		expect((inputs[i].outcome == REPLY_FAILED) == (inputs[i].error != NULL), "a failure has its error");
		expect(inputs[i].outcome == REPLY_CONFIRMED || inputs[i].result == NULL, "a result confirms");
	}
	expect(confirmed <= reply->nresults, "no more confirmed than there are results");
}

/* A character for each that is not ASCII, as an encoding of one byte does it. */
static char *
to_one_byte(const char *text, size_t len, size_t *new_len)
{
	char	   *result = malloc(len + 1);
	size_t		used = 0;

	for (size_t i = 0; i < len; i++)
		if (((unsigned char) text[i] & 0xc0) != 0x80)
			result[used++] = text[i];
	result[used] = '\0';
	*new_len = used;
	return result;
}

/* In another encoding the answer says the same of the records. */
static void
look_at_translation(Reply *reply)
{
	ReplyClass	class = reply->class;
	int			nresults = reply->nresults;
	int			nerrors = reply->nerrors;

	reply_translate(reply, to_one_byte);
	expect(reply->class == class, "the class stays when the texts are translated");
	expect(reply->nresults == nresults && reply->nerrors == nerrors, "so do results and errors");
	look_at_match(reply, "email");
	look_at_match(reply, NULL);
}

/* json-c reads whatever our own check lets pass, and is given nothing else. */
static void
look_at_json(const char *body, size_t size)
{
	JsonFault	fault = {0};
	json_object *root;

	if (!reply_json_check(body, size, &fault))
	{
		expect(fault.what != NULL && fault.at <= size, "what is refused has a place and a reason");
		return;
	}
	for (enum json_type type = json_type_object; type <= json_type_array; type++)
	{
		root = reply_json_parse(body, size, type, &fault);
		expect(root != NULL || fault.what == NULL || strncmp(fault.what, "no", 2) == 0, "json-c reads what is JSON");
		json_object_put(root);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *body = (const char *) data;
	ReplyHeaders headers;
	Reply		reply;
	int			status = take_status(&body, &size);

	reply_headers_init(&headers);
	look_at_json(body, size);
	reply_parse(&reply, status, &headers, body, size);
	look_at_texts(&reply);
	look_at_class(&reply);
	look_at_match(&reply, "email");
	look_at_match(&reply, NULL);
	look_at_translation(&reply);
	reply_free(&reply);
	return 0;
}
