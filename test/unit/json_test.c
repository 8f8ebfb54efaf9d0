/*
 * json_test.c
 *		What is JSON to us, whatever version of json-c builds the tree.
 *
 * Each text is either refused, at a byte and for a reason that this table says,
 * or json-c reads all of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply/reply.h"
#include "reply/reply_json.h"
#include "check.h"

typedef struct Case
{
	const char *text;
	size_t		len;
	int			at;				/* of the byte that is refused, -1: it is JSON */
	const char *what;			/* what is said of that byte; of what is JSON: how json-c writes
								 * it, NULL: somehow */
} Case;

#define IS(text)			{text, sizeof(text) - 1, -1, text}
#define IS_READ_AS(text, as)	{text, sizeof(text) - 1, -1, as}
#define IS_NOT(text, at, what)	{text, sizeof(text) - 1, at, what}

static const Case cases[] = {
	/* what is JSON */
	IS("{}"),
	IS("[]"),
	IS_READ_AS(" \t\r\n{ \"a\" : [ 1 , 2 ] } \n", "{\"a\":[1,2]}"),
	IS("{\"a\":{\"b\":[{},[],null,true,false,\"\"]}}"),
	IS("[0,-1,12,1.5,-0.25]"),
	IS("{\"\":1}"),
	IS_READ_AS("{\"a\":1,\"a\":2}", "{\"a\":2}"),
	IS_READ_AS("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[\"\\\"\\\\/\\b\\f\\n\\r\\t\"]"),
	IS_READ_AS("[\"\\u00fc\\u20ac\\ud83d\\ude00\"]", "[\"ü€\U0001F600\"]"),
	IS("[\"Größe €\U0001F600\",\"日本\"]"),
	IS("{\"größe\":1}"),
	IS_READ_AS("[\"\\ud83d\",\"\\ude00\",\"\\ud83dx\",\"\\ud83d\\n\"]", "[\"\uFFFD\",\"\uFFFD\",\"\uFFFDx\",\"\uFFFD\\n\"]"),
	IS_READ_AS("[\"a\tb\x01\"]", "[\"a\\tb\\u0001\"]"),
	IS("[9223372036854775807,-9223372036854775808]"),
	IS("[9223372036854775808,18446744073709551615]"),
	IS_READ_AS("[18446744073709551616,-9223372036854775809]", NULL),
	IS_READ_AS("[123456789012345678901234567890,1e2,1E+2,1e-2,1e999,-1e999]", NULL),
	IS("[\"\\u0000\"]"),

	/* members of records that nobody reads, see unread_names[] */
	IS_READ_AS("{\"a\":[{\"id\":\"1\",\"updatedAt\":\"x\",\"url\":\"y\"}]}", "{\"a\":[{\"id\":\"1\"}]}"),
	IS_READ_AS("{\"a\":[{\"id\":1,\"url\":\"y\",\"b\":2},{\"id\":2,\"url\":null}]}", "{\"a\":[{\"id\":1,\"b\":2},{\"id\":2}]}"),
	IS_READ_AS("{\"a\":[{\"id\":1,\"url\" : \"\\\",\\\"}\" } ],\"c\":3}", "{\"a\":[{\"id\":1}],\"c\":3}"),
	IS_READ_AS("{\"a\":[{\"id\":1,\"p\":{\"b\":1,\"url\":2},\"url\":3}]}", "{\"a\":[{\"id\":1,\"p\":{\"b\":1,\"url\":2}}]}"),
	IS("{\"a\":[{\"url\":\"the first\",\"id\":1}]}"),
	IS("{\"a\":[{\"id\":1,\"url\":[1,2],\"updatedAt\":{\"b\":{}},\"urls\":3}]}"),
	IS("{\"a\":{\"b\":{\"c\":1,\"url\":2},\"url\":3},\"url\":4}"),
	IS("{\"a\":[[{\"c\":1,\"url\":2}],\"b\",\"url\"],\"url\":[\"url\"]}"),
	IS("[{\"a\":1,\"url\":2}]"),
	IS_NOT("{\"a\":[{\"b\":1,\"url\":\"y\"", 22, "the end within an object or array"),
	IS_NOT("{\"a\":[{\"b\":1,\"url\":2,}]}", 21, "no name of a member"),

	/* its end is missing, or not all of it is */
	IS_NOT("", 0, "the end where a value should be"),
	IS_NOT("  ", 2, "the end where a value should be"),
	IS_NOT("{", 1, "no name of a member"),
	IS_NOT("[", 1, "the end where a value should be"),
	IS_NOT("[1", 2, "the end within an object or array"),
	IS_NOT("{\"a\"", 4, "no colon behind a member's name"),
	IS_NOT("{\"a\":", 5, "the end where a value should be"),
	IS_NOT("{\"a", 3, "the end within a string"),
	IS_NOT("[\"\\", 3, "the end within a string"),
	IS_NOT("[\"\\u12", 6, "no four digits of an escaped character"),
	IS_NOT("{}{}", 2, "something behind the end"),
	IS_NOT("{} x", 3, "something behind the end"),
	IS_NOT("[1]\0", 3, "something behind the end"),

	/* what json-c lets pass when it is not strict */
	IS_NOT("[1,]", 3, "no value of JSON"),
	IS_NOT("{\"a\":1,}", 7, "no name of a member"),
	IS_NOT("[,1]", 1, "no value of JSON"),
	IS_NOT("['a']", 1, "no value of JSON"),
	IS_NOT("{'a':1}", 1, "no name of a member"),
	IS_NOT("{a:1}", 1, "no name of a member"),
	IS_NOT("[NaN]", 1, "no value of JSON"),
	IS_NOT("[Infinity]", 1, "no value of JSON"),
	IS_NOT("[-Infinity]", 2, "a number without a digit where one must be"),
	IS_NOT("[nUll]", 1, "no value of JSON"),
	IS_NOT("[TRUE]", 1, "no value of JSON"),
	IS_NOT("[01]", 2, "neither a comma nor the end of an object or array"),
	IS_NOT("[-01]", 3, "neither a comma nor the end of an object or array"),
	IS_NOT("[1.]", 3, "a number without a digit where one must be"),
	IS_NOT("[.5]", 1, "no value of JSON"),
	IS_NOT("[+1]", 1, "no value of JSON"),
	IS_NOT("[1e]", 3, "a number without a digit where one must be"),
	IS_NOT("[1e+]", 4, "a number without a digit where one must be"),
	IS_NOT("[-]", 2, "a number without a digit where one must be"),
	IS_NOT("[0x10]", 2, "neither a comma nor the end of an object or array"),
	IS_NOT("/* c */[]", 0, "no value of JSON"),
	IS_NOT("[1//\n]", 2, "neither a comma nor the end of an object or array"),
	IS_NOT("\f[]", 0, "no value of JSON"),
	IS_NOT("\xef\xbb\xbf[]", 0, "no value of JSON"),

	/* brackets, names and escapes */
	IS_NOT("[}", 1, "no value of JSON"),
	IS_NOT("[1}", 2, "neither a comma nor the end of an object or array"),
	IS_NOT("{\"a\":1]", 6, "neither a comma nor the end of an object or array"),
	IS_NOT("{\"a\",1}", 4, "no colon behind a member's name"),
	IS_NOT("{1:1}", 1, "no name of a member"),
	IS_NOT("[1 2]", 3, "neither a comma nor the end of an object or array"),
	IS_NOT("[\"\\x\"]", 3, "an escape that JSON does not have"),
	IS_NOT("[\"\\'\"]", 3, "an escape that JSON does not have"),
	IS_NOT("[\"\\u12g4\"]", 6, "no four digits of an escaped character"),
	IS_NOT("[\"\\\0\"]", 3, "an escape that JSON does not have"),
	IS_NOT("<html>", 0, "no value of JSON"),

	/* UTF-8 */
	IS_NOT("[\"a\0b\"]", 3, "a NUL byte"),
	IS_NOT("[\"\x80\"]", 2, "malformed UTF-8"),
	IS_NOT("[\"M\xfcller\"]", 3, "malformed UTF-8"),
	IS_NOT("[\"\xc3\"]", 2, "malformed UTF-8"),
	IS_NOT("[\"\xc3", 2, "malformed UTF-8"),
	IS_NOT("[\"\xc0\xaf\"]", 2, "malformed UTF-8"),
	IS_NOT("[\"\xe0\x80\xaf\"]", 2, "malformed UTF-8"),
	IS_NOT("[\"\xed\xa0\x80\"]", 2, "malformed UTF-8"),
	IS_NOT("[\"\xf4\x90\x80\x80\"]", 2, "malformed UTF-8"),
	IS_NOT("[\"\xf8\x88\x80\x80\x80\"]", 2, "malformed UTF-8"),
	IS_NOT("[\xc3\xbc]", 1, "no value of JSON"),
	IS_NOT("{\"M\xfcller\":1}", 3, "malformed UTF-8"),
};

/* A copy that ends where the text does, so that the sanitizer sees who looks behind it. */
static json_object *
parse(const char *text, size_t len, enum json_type type, JsonFault *fault)
{
	char	   *copy = malloc(len > 0 ? len : 1);
	json_object *root;

	memcpy(copy, text, len);
	root = reply_json_parse(copy, len, type, fault);
	free(copy);
	return root;
}

static void
test_case(const Case *it)
{
	bool		is_object = it->text[strspn(it->text, " \t\r\n")] == '{';
	const char *written = NULL;
	JsonFault	fault;
	json_object *root = parse(it->text, it->len, is_object ? json_type_object : json_type_array, &fault);
	bool		good;

	if (root != NULL)
		written = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (it->at >= 0)
		good = root == NULL && fault.what != NULL && strcmp(fault.what, it->what) == 0 && fault.at == (size_t) it->at;
	else
		good = root != NULL && (it->what == NULL || strcmp(written, it->what) == 0);
	check(good, it->at >= 0 ? it->what : "JSON");
	if (!good && root == NULL)
		printf("#   %s: refused at %zu: %s\n", it->text, fault.at, fault.what != NULL ? fault.what : "no memory");
	else if (!good)
		printf("#   %s: read as %s\n", it->text, written);
	json_object_put(root);
}

/* Objects within arrays within objects. */
static bool
reads_levels(int levels, JsonFault *fault)
{
	char		text[1024] = "";
	json_object *root;

	for (int i = 0; i < levels; i++)
		strcat(text, i % 2 == 0 ? "{\"a\":" : "[");
	strcat(text, "1");
	for (int i = levels - 1; i >= 0; i--)
		strcat(text, i % 2 == 0 ? "}" : "]");
	root = parse(text, strlen(text), json_type_object, fault);
	json_object_put(root);
	return root != NULL;
}

static bool
reads_containers(int count, JsonFault *fault)
{
	size_t		len = (size_t) count * 3 + 1;
	char	   *text = malloc(len);
	json_object *root;

	/* the outer one counts, too */
	text[0] = '[';
	for (int i = 0; i < count - 1; i++)
		memcpy(text + 1 + i * 3, "{},", 3);
	text[(count - 1) * 3] = ']';
	root = parse(text, (size_t) (count - 1) * 3 + 1, json_type_array, fault);
	free(text);
	json_object_put(root);
	return root != NULL;
}

static void
test_bounds(void)
{
	JsonFault	fault;

	check(reads_levels(REPLY_MAX_DEPTH, &fault), "as many levels as are allowed");
	check(!reads_levels(REPLY_MAX_DEPTH + 1, &fault) && strcmp(fault.what, "more levels of objects and arrays than are read") == 0,
		  "and not one more");
	check(reads_containers(200000, &fault), "as many objects as are allowed");
	check(!reads_containers(200001, &fault) && strcmp(fault.what, "more objects and arrays than are read") == 0,
		  "and not one more");
	check(parse("[]", 2, json_type_object, &fault) == NULL && strcmp(fault.what, "no object") == 0, "an array is no object");
}

static void
test_values(void)
{
	JsonFault	fault;
	static const char text[] = "{\"n\":9007199254740993,\"s\":\"x\",\"big\":9223372036854775808,\"d\":1.0,\"z\":null,"
	"\"t\":\"31\",\"long\":\"9223372036854775807\",\"b\":true}";
	json_object *root = parse(text, sizeof(text) - 1, json_type_object, &fault);
	int64_t		number = 0;

	check(reply_json_whole(reply_json_member(root, "n", json_type_int), &number) && number == 9007199254740993,
		  "a number that no double holds");
	check(!reply_json_whole(reply_json_member(root, "big", json_type_int), &number), "a number beyond 64 bits");
	check(reply_json_id(reply_json_member(root, "big", json_type_int)) == NULL, "is no id");
	check(!reply_json_whole(reply_json_member(root, "d", json_type_double), &number), "a fraction is no whole number");
	check(!reply_json_whole(NULL, &number) && reply_json_id(NULL) == NULL && reply_json_text(NULL) == NULL, "nothing is none");
	check(strcmp(reply_json_id(reply_json_member(root, "s", json_type_string)), "x") == 0, "a text is an id");
	check(strcmp(reply_json_id(reply_json_member(root, "n", json_type_int)), "9007199254740993") == 0, "a number is one");
	check(reply_json_number(root, "n", &number) && number == 9007199254740993, "a member that is a number");
	check(reply_json_number(root, "t", &number) && number == 31, "one that is the text of a number");
	check(!reply_json_number(root, "s", &number) && !reply_json_number(root, "d", &number) && !reply_json_number(root, "long", &number) &&
		  !reply_json_number(root, "none", &number) && !reply_json_number(NULL, "n", &number), "others are none");
	check(strcmp(reply_json_scalar(reply_json_member(root, "d", json_type_double)), "1.0") == 0 &&
		  strcmp(reply_json_scalar(reply_json_member(root, "b", json_type_boolean)), "true") == 0 &&
		  strcmp(reply_json_scalar(reply_json_member(root, "n", json_type_int)), "9007199254740993") == 0 &&
		  strcmp(reply_json_scalar(reply_json_member(root, "s", json_type_string)), "x") == 0, "what is told as a text elsewhere, as text");
	check(reply_json_scalar(root) == NULL && reply_json_scalar(NULL) == NULL, "an object and null are none");
	check(reply_json_member(root, "z", json_type_string) == NULL && reply_json_member(NULL, "n", json_type_int) == NULL,
		  "null is no text");
	json_object_put(root);
}

int
main(void)
{
	printf("# json-c %s\n", json_c_version());
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		test_case(&cases[i]);
	test_bounds();
	test_values();
	return check_end();
}
