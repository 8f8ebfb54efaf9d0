/*
 * library_json.c
 *		What we lean on in json-c; see library.h.
 *
 * The texts are such as reply_json.c has checked: what is no JSON never
 * reaches json-c.
 */
#include <string.h>

#include "http/library.h"
#include "reply/reply.h"
#include "reply/reply_json.h"

/* Parse the text.  A rule holds if memory is short: that is no fault of the library. */
static bool
is_read(const char *text, json_object **root)
{
	JsonFault	fault;

	*root = reply_json_parse(text, strlen(text),
							 text[0] == '{' ? json_type_object : json_type_array, &fault);
	return *root != NULL || fault.what == NULL;
}

/* The first element of an array is this string. */
static bool
first_is(const char *text, const char *expected)
{
	json_object *root;
	bool		good = is_read(text, &root);

	if (root != NULL)
	{
		const char *first = reply_json_text(json_object_array_get_idx(root, 0));

		good = first != NULL && strcmp(first, expected) == 0;
	}
	json_object_put(root);
	return good;
}

static bool
reads_letters(void)
{
	return first_is("[\"Gr\xc3\xb6\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80\"]",
					"Gr\xc3\xb6\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80");
}

static bool
reads_escapes(void)
{
	return first_is("[\"\\u00fc\\u20ac\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
					"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"\\/\b\f\n\r\t");
}

static bool
replaces_half_pairs(void)
{
	return first_is("[\"\\ud83dx\"]", "\xef\xbf\xbdx") && first_is("[\"\\ude00\"]", "\xef\xbf\xbd");
}

static bool
takes_controls(void)
{
	return first_is("[\"a\tb\x01\"]", "a\tb\x01");
}

static bool
ends_at_nul(void)
{
	return first_is("[\"a\\u0000b\"]", "a");
}

static bool
reads_names(void)
{
	json_object *root;
	int64_t		number = 0;
	bool		good = is_read("{\"a\":1,\"gr\xc3\xb6\xc3\x9f" "e\":2,\"\":3,\"a\":4}", &root);

	if (root != NULL)
		good = reply_json_whole(reply_json_member(root, "a", json_type_int), &number) &&
			number == 4 &&
			reply_json_whole(reply_json_member(root, "gr\xc3\xb6\xc3\x9f" "e", json_type_int),
							 &number) && number == 2;
	json_object_put(root);
	return good;
}

/* An integer can be read as int64 and as its digits. */
static bool
reads_whole_numbers(void)
{
	json_object *root;
	int64_t		number = 0;
	const char *digits;
	bool		good = is_read("[9223372036854775806,-9223372036854775807]", &root);

	if (root != NULL)
	{
		digits = reply_json_id(json_object_array_get_idx(root, 0));
		good = (digits == NULL || strcmp(digits, "9223372036854775806") == 0) &&
			reply_json_whole(json_object_array_get_idx(root, 0), &number) &&
			number == INT64_C(9223372036854775806) &&
			reply_json_whole(json_object_array_get_idx(root, 1), &number) &&
			number == -INT64_C(9223372036854775807);
	}
	json_object_put(root);
	return good;
}

static bool
knows_what_is_too_large(void)
{
	json_object *root;
	int64_t		number;
	bool		good = is_read("[9223372036854775808,18446744073709551616,-9223372036854775809,"
							   "123456789012345678901234567890]", &root);

	for (size_t i = 0; root != NULL && i < json_object_array_length(root); i++)
		good &= !reply_json_whole(json_object_array_get_idx(root, i), &number);
	json_object_put(root);
	return good;
}

static bool
reads_fractions(void)
{
	json_object *root;
	bool		good = is_read("[1.5,1e2,1E-2,1e999,-0,-0.0,0e0]", &root);

	json_object_put(root);
	return good;
}

/* json-c keeps types apart: 1.0 is no integer, null is no string. */
static bool
keeps_types(void)
{
	static const enum json_type types[] = {
		json_type_double, json_type_null, json_type_boolean, json_type_string, json_type_array,
		json_type_object
	};
	json_object *root;
	bool		good = is_read("[1.0,null,true,\"1\",[],{}]", &root);

	for (size_t i = 0; root != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		good &= json_object_is_type(json_object_array_get_idx(root, i), types[i]);
	json_object_put(root);
	return good;
}

static bool
keeps_order(void)
{
	json_object *root;
	int64_t		number;
	bool		good = is_read("[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,"
							   "25,26,27,28,29,30,31,32,33]", &root);

	if (root != NULL)
		good = json_object_array_length(root) == 34 && json_object_array_get_idx(root, 34) == NULL;
	for (size_t i = 0; root != NULL && i < json_object_array_length(root); i++)
		good &= reply_json_whole(json_object_array_get_idx(root, i), &number) &&
			number == (int64_t) i;
	json_object_put(root);
	return good;
}

static bool
reads_depth(void)
{
	char		text[2 * REPLY_MAX_DEPTH + 2];
	json_object *root;
	bool		good;

	memset(text, '[', REPLY_MAX_DEPTH);
	text[REPLY_MAX_DEPTH] = '1';
	memset(text + REPLY_MAX_DEPTH + 1, ']', REPLY_MAX_DEPTH);
	text[2 * REPLY_MAX_DEPTH + 1] = '\0';
	good = is_read(text, &root);
	json_object_put(root);
	return good;
}

static bool
reads_blanks(void)
{
	json_object *root;
	bool		good = is_read("[ \t\r\n1 , 2 ] \t\r\n", &root);

	json_object_put(root);
	return good;
}

/* reply_translate.c replaces strings in the tree; it renames a member by removing and adding it. */
static bool
changes_in_place(void)
{
	json_object *root;
	bool		good = is_read("{\"a\":\"gr\xc3\xb6\xc3\x9f" "er\",\"b\":1}", &root);
	json_object *text = reply_json_member(root, "a", json_type_string);
	const char *changed;

	if (root != NULL && json_object_set_string_len(text, "gr\xf6\xdf" "er", 6) == 1)
	{
		changed = reply_json_text(text);
		good = changed != NULL && strcmp(changed, "gr\xf6\xdf" "er") == 0 &&
			json_object_get_string_len(text) == 6;
		text = json_object_get(text);
		json_object_object_del(root, "a");
		good &= reply_json_member(root, "a", json_type_string) == NULL;
		if (json_object_object_add(root, "c", text) == 0)
			good &= reply_json_member(root, "c", json_type_string) == text;
		else
			json_object_put(text);
	}
	json_object_put(root);
	return good;
}

/* json-c accepts NULL as a value, so that callers need not test for it. */
static bool
takes_null(void)
{
	return !json_object_is_type(NULL, json_type_object) &&
		json_object_is_type(NULL, json_type_null) &&
		!json_object_object_get_ex(NULL, "a", NULL) && json_object_put(NULL) == 0;
}

static const LibraryRule rules[] = {
	{"letters beyond ASCII are read as they are", reads_letters, NULL},
	{"escapes of strings are read, pairs of surrogates as one character", reads_escapes, NULL},
	{"the last of several members with one name counts, and names may have any letter", reads_names,
	NULL},
	{"whole numbers of 64 bits are read and written without loss", reads_whole_numbers, NULL},
	{"whole numbers beyond 64 bits are read as the largest or smallest", knows_what_is_too_large,
	NULL},
	{"values keep their types", keeps_types, NULL},
	{"arrays keep their order", keeps_order, NULL},
	{"as many levels are read as our own check allows", reads_depth,
	"deeper answers are unreadable"},
	{"fractions and exponents are read, whatever their size", reads_fractions,
	"answers with such numbers are unreadable"},
	{"blanks are passed over, also behind the end", reads_blanks, NULL},
	{"half a pair of surrogates becomes a character of its own", replaces_half_pairs,
	"such texts are shown as they come"},
	{"control characters in strings are read", takes_controls,
	"answers with such strings are unreadable"},
	{"a string with a NUL is one that ends there", ends_at_nul, "such texts may be cut elsewhere"},
	{"a text can become another, and a member have another name", changes_in_place,
	"databases of other encodings than UTF8 have answers they cannot read"},
	{"nothing is of no type, has no members and can be freed", takes_null, NULL},
};

const Library library_json = {
	.name = "json-c",
	.built_with = JSON_C_VERSION,
	.version = json_c_version,
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
};
