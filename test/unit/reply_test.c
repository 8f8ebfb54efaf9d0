/*
 * reply_test.c
 *		What reply.c makes of HubSpot's answers; runs without a server.
 *
 *	reply_test DIRECTORY		of the seeds
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reply/reply.h"
#include "check.h"
#include "seed.h"

static const char *directory;
static void
check_text(const char *is, const char *should_be, const char *what)
{
	bool		good = is != NULL && should_be != NULL ? strcmp(is, should_be) == 0 : is == should_be;

	check(good, what);
	if (!good)
		printf("#   is \"%s\", should be \"%s\"\n", is ? is : "(null)", should_be ? should_be : "(null)");
}

/* ---- whole answers ------------------------------------------------------------------ */

static Reply
parse_text(int status, const char *body)
{
	ReplyHeaders headers;
	Reply		reply;

	reply_headers_init(&headers);
	reply_parse(&reply, status, &headers, body, body == NULL ? 0 : strlen(body));
	return reply;
}

static Reply
parse_seed(const char *name)
{
	ReplyHeaders headers;
	Reply		reply;
	Seed		seed;
	char		path[512];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	seed = seed_read(path);
	reply_headers_init(&headers);
	reply_parse(&reply, seed.status, &headers, seed.body, seed.len);
	seed_free(&seed);
	return reply;
}

static void
test_classes(void)
{
	static const struct
	{
		const char *name;
		ReplyClass	class;
	}			cases[] = {
		{"200-upsert", REPLY_RECORDS}, {"200-silent", REPLY_RECORDS}, {"200-account", REPLY_RECORDS},
		{"201-associations", REPLY_RECORDS}, {"204", REPLY_RECORDS}, {"207-upsert", REPLY_RECORDS},
		{"200-empty", REPLY_UNREADABLE}, {"200-cut", REPLY_UNREADABLE},
		{"200-trailing", REPLY_UNREADABLE}, {"200-utf8", REPLY_UNREADABLE}, {"200-umlaut", REPLY_RECORDS},
		{"200-control", REPLY_RECORDS}, {"200-big-numbers", REPLY_RECORDS}, {"400-property", REPLY_REFUSED},
		{"400-json", REPLY_REFUSED}, {"401", REPLY_UNAUTHORIZED}, {"403-errors", REPLY_FORBIDDEN},
		{"404-record", REPLY_REFUSED}, {"404-resource", REPLY_REFUSED},
		{"404-html", REPLY_NOT_FOUND}, {"404-bare", REPLY_NOT_FOUND}, {"409", REPLY_REFUSED},
		{"414", REPLY_REFUSED}, {"423", REPLY_LOCKED}, {"429-daily", REPLY_DAILY},
		{"429-daily-words", REPLY_DAILY}, {"429-burst", REPLY_LIMITED}, {"429-search", REPLY_LIMITED},
		{"477", REPLY_MIGRATING}, {"488", REPLY_WRONG_HUBLET}, {"502", REPLY_UNAVAILABLE},
		{"524", REPLY_UNAVAILABLE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Reply		reply = parse_seed(cases[i].name);

		check(reply.class == cases[i].class, cases[i].name);
		if (reply.class != REPLY_RECORDS)
			check(reply.message[0] != '\0', "... has a message");
		reply_free(&reply);
	}
}

static void
test_bare_statuses(void)
{
	static const struct
	{
		int			status;
		ReplyClass	class;
	}			cases[] = {
		{0, REPLY_UNAVAILABLE}, {301, REPLY_MISDIRECTED}, {307, REPLY_MISDIRECTED},
		{405, REPLY_MISDIRECTED}, {406, REPLY_MISDIRECTED}, {408, REPLY_UNAVAILABLE},
		{413, REPLY_REFUSED}, {415, REPLY_MISDIRECTED}, {422, REPLY_REFUSED},
		{500, REPLY_UNAVAILABLE}, {599, REPLY_UNAVAILABLE}, {999, REPLY_UNAVAILABLE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Reply		reply = parse_text(cases[i].status, NULL);
		char		what[64];

		snprintf(what, sizeof(what), "status %d without a body", cases[i].status);
		check(reply.class == cases[i].class, what);
		reply_free(&reply);
	}
}

static void
test_error(const char *name, const char *code, const char *property, const char *message)
{
	Reply		reply = parse_seed(name);

	printf("# %s\n", name);
	check_text(reply.error.code, code, "code");
	check_text(reply_named_property(&reply), property, "property");
	if (message != NULL)
		check_text(reply.message, message, "message");
	reply_free(&reply);
}

static void
test_errors(void)
{
	test_error("400-property", "PROPERTY_DOESNT_EXIST", "testproperty",
			   "Property \"testproperty\" does not exist");
	test_error("400-several", "PROPERTY_DOESNT_EXIST", "first000name",
			   "Property \"first000name\" does not exist");
	test_error("400-localised", "INVALID_EMAIL", "email",
			   "Endereço de e-mail tb.tb@yahoo.comtttt inválido");
	test_error("400-cut", "PROPERTY_DOESNT_EXIST", "testproperty",
			   "Property \"testproperty\" does not exist");
	test_error("400-cut-alone", NULL, NULL, NULL);
	test_error("400-option", "INVALID_OPTION", "color", NULL);
	test_error("400-duplicates", NULL, NULL,
			   "Duplicate IDs found in batch input: [123456]. IDs must be unique");
	test_error("500-control", NULL, NULL, "a b c d €");
}

/* Each character that is not ASCII becomes one "#". */
static char *
to_hashes(const char *text, size_t len, size_t *new_len)
{
	char	   *result = malloc(len + 1);
	size_t		used = 0;

	for (size_t i = 0; i < len; i++)
		if (((unsigned char) text[i] & 0xc0) != 0x80)
			result[used++] = (unsigned char) text[i] < 0x80 ? text[i] : '#';
	result[used] = '\0';
	*new_len = used;
	return result;
}

static char *
no_memory(const char *text, size_t len, size_t *new_len)
{
	(void) text, (void) len, (void) new_len;
	return NULL;
}

static void
test_translation(void)
{
	static const char *const good = "{\"results\":[{\"id\":\"7\",\"properties\":{\"größe\":\"日本\",\"plain\":\"€\"}}],"
	"\"errors\":[{\"category\":\"Ä\",\"message\":\"Ö\",\"context\":{\"ids\":[\"ü\"]}}]}";
	static const char *const refused = "{\"category\":\"Ä\",\"message\":\"ü: [{\\\"message\\\":\\\"d\\\\u00e4\\\","
	"\\\"error\\\":\\\"CODE\\\",\\\"name\\\":\\\"größe\\\"}]\"}";
	Reply		reply = parse_text(207, good);

	reply_translate(&reply, to_hashes);
	check(reply.class == REPLY_RECORDS && reply.nresults == 1 && reply.nerrors == 1, "a translated answer has its records");
	check_text(reply.nresults == 1 ? reply_property(&reply.results[0], "gr##e") : NULL, "##", "names and values are translated");
	check_text(reply.nresults == 1 ? reply_property(&reply.results[0], "plain") : NULL, "#", "those with ASCII names, too");
	check_text(reply.nresults == 1 ? reply.results[0].id : NULL, "7", "ASCII stays");
	check_text(reply.nerrors == 1 ? reply.errors[0].message : NULL, "#", "errors are translated");
	check(reply.nerrors == 1 && reply.errors[0].category == NULL, "what is no word is no category");
	check(reply.nerrors == 1 && reply_error_names(&reply.errors[0], "#"), "and what they name");
	reply_free(&reply);

	reply = parse_text(400, refused);
	reply_translate(&reply, to_hashes);
	check_text(reply.error.message, "d#", "details within a message were read as UTF-8");
	check_text(reply_named_property(&reply), "gr##e", "all of them");
	reply_free(&reply);

	reply = parse_text(207, good);
	reply_translate(&reply, no_memory);
	check(reply.class == REPLY_UNAVAILABLE && reply.nresults == 0 && reply.nerrors == 0, "without memory it is unreadable");
	reply_free(&reply);
	reply = parse_text(400, refused);
	reply_translate(&reply, no_memory);
	check(reply.class == REPLY_REFUSED && reply.error.message == NULL, "a refusal stays one");
	reply_free(&reply);
	reply = parse_text(204, NULL);
	reply_translate(&reply, no_memory);
	check(reply.class == REPLY_RECORDS, "what has no text stays");
	reply_free(&reply);
}

static void
test_hints(void)
{
	Reply		reply = parse_seed("403-context");

	check_text(reply.scopes, "custom-object-read", "scopes in the context");
	reply_free(&reply);
	reply = parse_seed("403-errors");
	check_text(reply.scopes, "crm.schemas.deals.read, crm.objects.deals.read", "scopes in errors");
	reply_free(&reply);
	reply = parse_seed("488");
	check_text(reply.correct_hublet, "eu1", "the right hublet");
	check_text(reply.correlation_id, "01a0754d", "correlation id of the body");
	reply_free(&reply);
	reply = parse_seed("488-forged");
	check_text(reply.correct_hublet, "", "no hublet but a hublet's name");
	reply_free(&reply);
	reply = parse_seed("429-search");
	check_text(reply.policy, "SECONDLY", "policy from the words");
	reply_free(&reply);
	reply = parse_seed("429-burst");
	check_text(reply.policy, "TEN_SECONDLY_ROLLING", "policy from its name");
	reply_free(&reply);
	reply = parse_seed("200-account");
	check(reply_number(&reply, "portalId") == 1234567 && reply_number(&reply, "timeZone") == 0, "numbers");
	check_text(reply_text(&reply, "timeZone"), "US/Eastern", "texts");
	check_text(reply_text(&reply, "portalId"), "", "a number is no text");
	reply_free(&reply);
	reply = parse_seed("400-duplicates");
	check(reply_names(&reply, "123456") && !reply_names(&reply, "12345"), "names an id");
	reply_free(&reply);
	reply = parse_seed("400-localised");
	check(reply_names(&reply, "TB.tb@yahoo.comtttt") && !reply_names(&reply, "b@yahoo.comtttt"),
		  "quotes a key as a word");
	reply_free(&reply);
}

static void
test_scopes_fit(void)
{
	char		body[2048] = "{\"category\":\"MISSING_SCOPES\",\"context\":{\"requiredGranularScopes\":[";
	Reply		reply;
	size_t		len;

	for (int i = 0; i < 40; i++)
		snprintf(body + strlen(body), sizeof(body) - strlen(body), "\"scope.number.%02d\",", i);
	snprintf(body + strlen(body) - 1, 8, "]}}");
	reply = parse_text(403, body);
	len = strlen(reply.scopes);
	check(len > 200 && strncmp(reply.scopes + len - 15, "scope.number.", 13) == 0, "only whole scopes");
	reply_free(&reply);
}

static void
test_hostile_bodies(void)
{
	size_t		len = 2 * 1024 * 1024;
	char	   *body = malloc(len + 1);
	Reply		reply;

	memset(body, '[', len);
	body[len] = '\0';
	reply = parse_text(400, body);
	check(!reply.is_json && reply.class == REPLY_REFUSED, "deep nesting is no JSON");
	reply_free(&reply);

	memcpy(body, "{\"results\":[", 12);
	for (size_t i = 12; i + 3 <= len; i += 3)
		memcpy(body + i, "{},", 3);
	memcpy(body + len - 6, "{} ]} ", 6);
	reply = parse_text(200, body);
	check(reply.class == REPLY_UNREADABLE, "a body that would grow to gigabytes is unreadable");
	reply_free(&reply);
	free(body);

	reply = parse_text(200, "{\"results\":[1,null,[],{\"id\":{}},{\"id\":7}],\"errors\":[null,\"x\",{\"context\":[]}]}");
	check(reply.nresults == 1 && reply.nerrors == 1, "members of odd types are skipped");
	check_text(reply.results[0].id, "7", "an id may be a number");
	reply_free(&reply);
	reply = parse_text(200, "{\"a\":\"\xff\"}");
	check(reply.class == REPLY_UNREADABLE, "malformed UTF-8 is unreadable");
	check(strstr(reply.message, "HTTP status 200, after 6 of 9 bytes: malformed UTF-8, in \"{\"a\":\"?\"}\" (json-c ") != NULL,
		  "and the message says where, and who read it");
	reply_free(&reply);
}

/* What json-c's versions read differently, or refuse when they are strict. */
static void
test_same_with_each_version(void)
{
	Reply		reply = parse_seed("200-umlaut");

	check(reply.nresults == 1, "a record with letters beyond ASCII");
	check_text(reply.nresults == 1 ? reply_property(&reply.results[0], "firstname") : NULL, "Ünal \U0001F600", "and its text");
	reply_free(&reply);
	reply = parse_seed("200-control");
	check_text(reply.nresults == 1 ? reply_property(&reply.results[0], "firstname") : NULL, "A\tda\nB", "control characters are taken");
	reply_free(&reply);

	reply = parse_seed("200-big-numbers");
	check(reply.nresults == 1, "a number beyond 64 bits is no record's id");
	check_text(reply.nresults == 1 ? reply.results[0].id : NULL, "9223372036854775806", "the largest one is");
	check(reply_number(&reply, "portalId") == 0 && reply_number(&reply, "userId") == -9223372036854775807, "nor a number");
	reply_free(&reply);
	reply = parse_text(200, "{\"results\":[],\"results\":[{\"id\":\"1\"}]}");
	check(reply.nresults == 1, "the last of two members of one name counts");
	reply_free(&reply);
}

/* What HubSpot may say of ids: of a result, of the ends of an association, of a list. */
static void
test_ids(void)
{
	static const char *const none[] = {
		"\"\"", "\"7\\\"\"", "\"7 \"", "\" 7\"", "\"\\u00fc\"", "\"123456789012345678901234\"", "\"NaN\"", "\"1e400\"", "\"-7\"",
		"\"+7\"", "\"7.0\"", "\"0\"", "\"007\"", "\"0x7\"", "\"7\\u00008\"", "\"ada\"", "NaN", "Infinity", "1e400", "-7", "7.5", "0",
		"true", "{}", "[7]"
	};
	static const char *const shapes[] = {
		"{\"results\":[{\"id\":%s,\"objectWriteTraceId\":\"918273\",\"properties\":{\"email\":\"ada@example.com\"}}]}",
		"{\"results\":[{\"fromObjectId\":%s,\"toObjectId\":7,\"objectWriteTraceId\":\"918273\"}]}",
		"{\"results\":[{\"fromObjectId\":7,\"toObjectId\":%s,\"objectWriteTraceId\":\"918273\"}]}",
		"{\"results\":[{\"from\":{\"id\":%s},\"to\":{\"id\":7},\"objectWriteTraceId\":\"918273\"}]}",
		"{\"results\":[{\"from\":{\"id\":7},\"to\":{\"id\":%s},\"objectWriteTraceId\":\"918273\"}]}"
	};
	char		body[256];
	char		what[128];
	ReplyList	list;
	Reply		reply;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
	{
		for (size_t j = 0; j < sizeof(shapes) / sizeof(shapes[0]); j++)
		{
			ReplyInput	input = {.trace = "918273", .key = "ada@example.com"};

			snprintf(body, sizeof(body), shapes[j], none[i]);
			reply = parse_text(200, body);
			reply_match(&reply, "email", &input, 1);
			snprintf(what, sizeof(what), "%s confirms nobody (%zu)", none[i], j);
			check(reply.nresults == 0 && input.outcome == REPLY_UNKNOWN, what);
			reply_free(&reply);
		}
		snprintf(body, sizeof(body), "{\"list\":{\"listId\":%s}}", none[i]);
		reply = parse_text(200, body);
		snprintf(what, sizeof(what), "%s is no list", none[i]);
		check(!reply_list(&reply, &list), what);
		reply_free(&reply);
	}
	reply = parse_text(200, "{\"results\":[{\"id\":\"12345678901234567890123\"},{\"id\":null},{}]}");
	check(reply.nresults == 3 && reply.results[1].id == NULL && reply.results[2].id == NULL, "what has no id at all is a result");
	check_text(reply.results[0].id, "12345678901234567890123", "the longest id");
	reply_free(&reply);
}

/* Both forms of an association; the category decides whose number its type is. */
static void
test_associations(void)
{
	static const struct
	{
		const char *result;
		const char *from;
		const char *to;
		int			association;
	}			cases[] = {
		{"{\"fromObjectTypeId\":\"0-1\",\"fromObjectId\":7,\"toObjectTypeId\":\"0-2\",\"toObjectId\":8,\"labels\":[]}", "7", "8", 0},
		{"{\"fromObjectId\":\"7\",\"toObjectId\":\"8\"}", "7", "8", 0},
		{"{\"from\":{\"id\":\"7\"},\"to\":{\"id\":\"8\"},\"associationSpec\":{\"associationCategory\":\"HUBSPOT_DEFINED\",\"associationTypeId\":279}}", "7", "8", 279},
		{"{\"from\":{\"id\":7},\"to\":{\"id\":8},\"associationSpec\":{\"associationCategory\":\"USER_DEFINED\",\"associationTypeId\":280}}", "7", "8", 0},
		{"{\"from\":\"7\",\"to\":[8],\"associationSpec\":null}", NULL, NULL, 0},
		{"{\"from\":null,\"to\":{}}", NULL, NULL, 0},
		{"{\"fromObjectId\":7,\"from\":{\"id\":\"9\"},\"to\":{\"id\":\"8\"}}", "7", "8", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char		body[512];
		Reply		reply;

		snprintf(body, sizeof(body), "{\"status\":\"COMPLETE\",\"results\":[%s]}", cases[i].result);
		reply = parse_text(200, body);
		check(reply.nresults == 1, cases[i].result);
		check_text(reply.results[0].from_id, cases[i].from, "its first end");
		check_text(reply.results[0].to_id, cases[i].to, "its second end");
		check(reply.results[0].association == cases[i].association, "its type");
		reply_free(&reply);
	}
}

/* A 404, and who says so. */
static void
test_not_found(void)
{
	Reply		reply = parse_text(404, "{\"status\":\"error\",\"message\":\"Not Found\",\"correlationId\":\"c\"}");

	check(reply.class == REPLY_NOT_FOUND && reply.is_of_hubspot, "HubSpot's words, and nothing about what");
	reply_settle_not_found(&reply);
	check(reply.class == REPLY_REFUSED, "a refusal, once that is known");
	check_text(reply_code(&reply), "not_found", "with a category");
	reply_free(&reply);
	reply = parse_text(404, "{\"error\":\"not found\"}");
	check(reply.class == REPLY_NOT_FOUND && !reply.is_of_hubspot, "words of somebody else");
	reply_free(&reply);
	reply = parse_text(404, "<html></html>");
	check(reply.class == REPLY_NOT_FOUND && !reply.is_of_hubspot, "a page");
	reply_free(&reply);
}

/* An object that the account does not have, and who says so. */
static void
test_no_type(void)
{
	Reply		reply = parse_text(400, "{\"status\":\"error\",\"message\":\"Unable to infer object type from: 2-9\",\"correlationId\":\"c\"}");

	check(reply.class == REPLY_NO_TYPE, "the object is not there");
	reply_settle_no_type(&reply);
	check(reply.class == REPLY_REFUSED, "a refusal, where it is one part of several");
	check_text(reply_code(&reply), "unknown_object", "with a category");
	reply_free(&reply);
	reply = parse_text(400, "{\"error\":\"unable to infer object type\"}");
	check(reply.class == REPLY_REFUSED, "words of somebody else");
	reply_free(&reply);
}

/* ---- records ----------------------------------------------------------------------------- */

static ReplyInput ada = {.trace = "918273", .key = "ada@example.com"};
static ReplyInput bob = {.trace = "918274", .key = "bob@example.com"};
static ReplyInput eve = {.trace = "918275", .key = "eve@example.com"};

/* One letter per input: Confirmed, Failed, Unknown. */
static void
test_match(const char *body, const char *key_property, int ninputs, const char *outcomes, const char *what)
{
	ReplyInput	inputs[3] = {ada, bob, eve};
	Reply		reply = parse_text(207, body);
	char		got[4] = "";

	reply_match(&reply, key_property, inputs, ninputs);
	for (int i = 0; i < ninputs; i++)
		got[i] = inputs[i].outcome == REPLY_CONFIRMED ? 'C' : inputs[i].outcome == REPLY_FAILED ? 'F' : 'U';
	check_text(got, outcomes, what);
	reply_free(&reply);
}

#define RESULT(email)	"{\"id\":\"1\",\"properties\":{\"email\":\"" email "\"}}"
#define ERROR(trace)	"{\"category\":\"X\",\"context\":{\"objectWriteTraceId\":[\"" trace "\"]}}"
#define BODY(results, errors)	"{\"results\":[" results "],\"errors\":[" errors "]}"

static void
test_matches(void)
{
	test_match(BODY(RESULT("BOB@example.com") "," RESULT("ada@example.com"), ""), "email", 2, "CC",
			   "by key, in any order and case");
	test_match(BODY("{\"id\":\"5\",\"objectWriteTraceId\":\"918274\"}", ERROR("918273")), "email", 2, "FC",
			   "by trace");
	test_match(BODY(RESULT("other@example.com"), ERROR("918274")), "email", 2, "CF", "by elimination");
	test_match(BODY("", ERROR("918274")), "email", 2, "UF", "an input without a word is open");
	test_match(BODY(RESULT("ada@example.com") "," RESULT("x@y.z"), "{\"category\":\"X\"}"), "email", 3, "CUU",
			   "an error without a name stops elimination");
	test_match(BODY("", ""), "email", 2, "UU", "a silent answer confirms nothing");
	test_match(BODY(RESULT("x@y.z"), ERROR("918274") "," ERROR("918274")), "email", 2, "CF",
			   "two errors of one input");
	test_match(BODY(RESULT("bob@example.com"), ERROR("918274")), "email", 2, "UF",
			   "a result of what failed is no success of the other");
	test_match(BODY(RESULT("ada@example.com") "," RESULT("ada@example.com"), ""), "email", 2, "CU",
			   "a result twice is no success of the other");
	test_match(BODY(RESULT("x@y.z") "," RESULT("z@y.x"), ""), "email", 2, "CC", "all by elimination");
	test_match(BODY(RESULT("x@y.z") "," RESULT("z@y.x"), ""), "email", 1, "U", "more results than inputs");
	test_match(BODY("", "{\"context\":{\"ids\":[\"ADA@example.com\",\"eve@example.com\"]}}"), "email", 3, "FUF",
			   "one error of two inputs, by id");
	test_match(BODY("", "{\"context\":{\"ids\":[null,{},1.5,true,42]}}"), "email", 2, "UU", "odd names name nobody");
	test_match(BODY(RESULT("bob@example.com"), "{\"category\":\"X\"}"), "email", 2, "FC",
			   "an error without a name is the last open input's");
	test_match(BODY("", "{\"category\":\"X\"}"), "email", 1, "F", "an error about a single input");
	test_match(BODY("", "{\"category\":\"X\"},{\"category\":\"Y\"}"), "email", 2, "UU",
			   "errors without names of several inputs are nobody's");
	test_match(BODY(RESULT("x@y.z"), "{\"category\":\"X\"}"), "email", 1, "U",
			   "a result and an error left for one input");
}

static void
test_match_details(void)
{
	ReplyInput	inputs[2] = {ada, bob};
	Reply		reply = parse_seed("207-upsert");

	reply_match(&reply, "email", inputs, 2);
	check(inputs[0].outcome == REPLY_CONFIRMED && inputs[0].result != NULL, "the good one");
	if (inputs[0].result != NULL)
	{
		check_text(inputs[0].result->id, "171596044870", "its record");
		check(inputs[0].result->created == 0, "updated");
	}
	check(inputs[1].outcome == REPLY_FAILED && inputs[1].error != NULL, "the bad one");
	if (inputs[1].error != NULL)
	{
		check_text(inputs[1].error->code, "INVALID_EMAIL", "its code");
		check_text(inputs[1].error->message, "Email address bob@x is invalid", "its message");
	}
	reply_free(&reply);

	reply = parse_seed("207-create-conflict");
	check(reply.nerrors == 1 && reply.results[0].created == -1, "batch/create does not say whether it did");
	check_text(reply.errors[0].existing_id, "171591000198", "the record in the way");
	reply_free(&reply);

	inputs[0].trace = inputs[0].key = inputs[1].trace = inputs[1].key = NULL;
	reply = parse_seed("200-upsert");
	reply_match(&reply, "email", inputs, 2);
	check(inputs[0].outcome == REPLY_CONFIRMED && inputs[0].result == NULL, "inputs without names");
	reply_match(&reply, "email", NULL, 0);
	reply_free(&reply);
}

static void
test_lists(void)
{
	ReplyList	list;
	Reply		reply = parse_seed("200-list");

	check(reply_list(&reply, &list) && list.is_dynamic, "a dynamic list");
	check_text(list.id, "7", "its id");
	reply_free(&reply);

	reply = parse_text(200, "{\"list\":{\"listId\":12,\"processingType\":\"MANUAL\"}}");
	check(reply_list(&reply, &list) && !list.is_dynamic, "a static list");
	check_text(list.id, "12", "an id that is a number");
	reply_free(&reply);

	reply = parse_text(200, "{\"list\":{\"listId\":\"1/../2\"}}");
	check(!reply_list(&reply, &list), "an id that would lead elsewhere");
	reply_free(&reply);

	reply = parse_text(404, "{\"category\":\"OBJECT_NOT_FOUND\",\"list\":{\"listId\":\"7\"}}");
	check(!reply_list(&reply, &list), "a refusal tells of no list");
	reply_free(&reply);

	reply = parse_seed("200-list-members");
	check(reply_lists_id(&reply, "recordsIdsAdded", "1") && reply_lists_id(&reply, "recordsIdsAdded", "2"), "members that came");
	check(!reply_lists_id(&reply, "recordIdsRemoved", "1"), "nobody went");
	check(reply_lists_id(&reply, "recordIdsMissing", "99") && !reply_lists_id(&reply, "recordIdsMissing", "9"), "who is missing");
	reply_free(&reply);
}

/* A hundred inputs must not take their square. */
static void
test_speed(void)
{
	static char body[64 * 1024] = "{\"results\":[";
	static char traces[100][16];
	static char keys[100][32];
	static ReplyInput inputs[100];
	clock_t		start = clock();
	bool		good = true;

	for (int i = 0; i < 100; i++)
	{
		snprintf(traces[i], sizeof(traces[i]), "%d", 918273 + i);
		snprintf(keys[i], sizeof(keys[i]), "user%d@example.com", i);
		inputs[i] = (ReplyInput)
		{
			.trace = traces[i], .key = keys[i]
		};
		snprintf(body + strlen(body), sizeof(body) - strlen(body),
				 "%s{\"id\":\"%d\",\"new\":true,\"createdAt\":\"2025-11-03T23:36:13.632Z\",\"properties\":"
				 "{\"email\":\"%s\",\"firstname\":\"Ada\",\"hs_object_id\":\"%d\",\"plan\":\"pro\"}}",
				 i > 0 ? "," : "", 1000 + i, keys[i], 1000 + i);
	}
	snprintf(body + strlen(body), sizeof(body) - strlen(body), "]}");
	for (int turn = 0; turn < 1000; turn++)
	{
		Reply		reply = parse_text(200, body);

		reply_match(&reply, "email", inputs, 100);
		good &= inputs[99].result == &reply.results[99];
		reply_free(&reply);
	}
	check(good, "a thousand answers of a hundred results");
	printf("# %.0f results per second\n", 100000.0 * CLOCKS_PER_SEC / (double) (clock() - start));
}

/* ---- headers and text ------------------------------------------------------------------------ */

static ReplyHeaders
header(const char *line)
{
	ReplyHeaders headers;

	reply_headers_init(&headers);
	reply_header_line(&headers, line, strlen(line));
	return headers;
}

static void
test_headers(void)
{
	char		line[128];
	time_t		soon = time(NULL) + 100;
	int			seconds;

	check(header("retry-after:12\r\n").retry_after == 12, "seconds to wait");
	check(header("Retry-After: 1.5").retry_after == -1, "no whole number");
	check(header("Retry-After: -5").retry_after == -1, "no negative number");
	check(header("Retry-After: 99999999").retry_after == 7 * 86400, "at most a week");
	check(header("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT").retry_after == 0, "a past date");
	strftime(line, sizeof(line), "Retry-After: %a, %d %b %Y %H:%M:%S GMT", gmtime(&soon));
	seconds = header(line).retry_after;
	check(seconds >= 95 && seconds <= 100, "a date to come");
	check(header("X-HubSpot-RateLimit-Max: 190").burst_limit == 190, "burst limit");
	check(header("X-HubSpot-RateLimit-Remaining: 0").burst_remaining == 0, "nothing remaining");
	check(header("X-HubSpot-RateLimit-Interval-Milliseconds: 10000").burst_interval_ms == 10000, "interval");
	check(header("X-HubSpot-RateLimit-Daily: 1000000").daily_limit == 1000000, "daily limit");
	check(header("X-HubSpot-RateLimit-Daily-Remaining: x").daily_remaining == -1, "no number");
	check_text(header("x-hubspot-correct-hublet:  eu1 ").correct_hublet, "eu1", "hublet");
	check_text(header("X-HubSpot-Correct-Hublet: eu1.evil.example").correct_hublet, "", "no hublet");
	check_text(header("X-HubSpot-Correlation-Id: a\x01z").correlation_id, "a z", "no control characters");
	check(header("X-HubSpot-RateLimit-Max").burst_limit == -1 && header("").burst_limit == -1, "no header");
}

static void
test_clean_text(void)
{
	char		buffer[8] = "unused";

	reply_clean_text(buffer, sizeof(buffer), "abcdef€", 9);
	check_text(buffer, "abcdef", "no half characters");
	reply_clean_text(buffer, sizeof(buffer), "a\n\xff\xc2\x85\xc3", 6);
	check_text(buffer, "a ? ?", "control characters and stray bytes");
	reply_clean_text(buffer, 1, "abc", 3);
	check_text(buffer, "", "room for nothing");
	buffer[0] = 'x';
	reply_clean_text(buffer, 0, "abc", 3);
	check(buffer[0] == 'x', "no room at all");
}

int
main(int argc, char **argv)
{
	directory = argc > 1 ? argv[1] : "../fuzz/seeds/reply";
	test_classes();
	test_bare_statuses();
	test_errors();
	test_translation();
	test_hints();
	test_scopes_fit();
	test_hostile_bodies();
	test_ids();
	test_associations();
	test_not_found();
	test_no_type();
	test_same_with_each_version();
	test_matches();
	test_match_details();
	test_lists();
	test_speed();
	test_headers();
	test_clean_text();
	return check_end();
}
