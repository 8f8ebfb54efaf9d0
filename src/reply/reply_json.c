/*
 * reply_json.c
 *		JSON of HubSpot's answers: what is read, and what is refused where.
 *
 * See reply_json.h.  The check runs over the bytes once, without memory of its
 * own but a bit for each level of nesting.
 */
#include <stdlib.h>
#include <string.h>

#include "reply/reply.h"
#include "reply/reply_json.h"

/*
 * An attacker's body of 8 MB can hold millions of "[]", and json-c spends hundreds of
 * bytes on each.
 */
#define MAX_CONTAINERS	200000

/* Estimated memory of a tree: bytes per byte of the body, and the maximum. */
#define TREE_SHARE		32
#define TREE_MAX		(3 * 1024 * 1024)

/* json-c counts the scalars in the innermost object or array as a level, too. */
#define JSON_C_DEPTH	(REPLY_MAX_DEPTH + 2)

/* ---- is it JSON? --------------------------------------------------------------------- */

typedef struct Checker
{
	const char *at;
	const char *end;
	uint64_t	objects;		/* a bit for each level: an object, not an array */
	int			depth;
	int			containers;
	const char *what;			/* the first fault, or NULL */
	const char *unread;			/* the name of the member at hand, if it is such a one; else NULL */
	bool		leaves_out;		/* these members, in a copy */
	char	   *copy;			/* NULL: there was none */
	size_t		ncopy;
	const char *copied;			/* so far */
} Checker;

/*
 * Members of records, and of whatever else stands in an array of an answer, that HubSpot always
 * sends and nobody reads.  They are a third of the bytes, and dear to json-c.
 */
static const struct
{
	const char *name;
	size_t		len;
}			unread_names[] =
{
#define UNREAD(text) {"\"" text "\"", sizeof(text) + 1}
	UNREAD("updatedAt"),
	UNREAD("url"),
};

static bool
fail(Checker *checker, const char *what)
{
	checker->what = what;
	return false;
}

static void
skip_blanks(Checker *checker)
{
	while (checker->at < checker->end &&
		   (*checker->at == ' ' || *checker->at == '\n' || *checker->at == '\r' ||
			*checker->at == '\t'))
		checker->at++;
}

static bool
next_is(const Checker *checker, char c)
{
	return checker->at < checker->end && *checker->at == c;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* at: the byte after the backslash. */
static bool
check_escape(Checker *checker)
{
	if (checker->at == checker->end)
		return fail(checker, "the end within a string");
	if (*checker->at == '\0' || strchr("\"\\/bfnrtu", *checker->at) == NULL)
		return fail(checker, "an escape that JSON does not have");
	if (*checker->at++ != 'u')
		return true;
	for (int i = 0; i < 4; i++, checker->at++)
		if (checker->at == checker->end || !is_hex(*checker->at))
			return fail(checker, "no four digits of an escaped character");
	return true;
}

/* The bytes of a string up to one that ends it or needs a look; most of an answer is such. */
static void
skip_plain(Checker *checker)
{
	static const bool needs_look[0x80] = {
		['\0'] = true,
		['"'] = true,
		['\\'] = true,
	};
	const char *at = checker->at;
	const char *end = checker->end;

	while (at < end && (unsigned char) *at < 0x80 && !needs_look[(unsigned char) *at])
		at++;
	checker->at = at;
}

/* at: the opening quote. */
static bool
check_string(Checker *checker)
{
	checker->at++;
	for (;;)
	{
		unsigned char c;

		/* Control characters are plain, see reply_json.h. */
		skip_plain(checker);
		if (checker->at == checker->end)
			return fail(checker, "the end within a string");
		c = (unsigned char) *checker->at;
		if (c == '"')
		{
			checker->at++;
			return true;
		}
		else if (c == '\\')
		{
			checker->at++;
			if (!check_escape(checker))
				return false;
		}

		/*
		 * json-c, which is not strict here, would copy malformed UTF-8 into texts that PostgreSQL
		 * refuses later, in the middle of a transaction.
		 */
		else if (c >= 0x80)
		{
			size_t		len = reply_utf8_length(checker->at, checker->end - checker->at);

			if (len == 0)
				return fail(checker, "malformed UTF-8");
			checker->at += len;
		}

		/* C would read a shorter string. */
		else
			return fail(checker, "a NUL byte");
	}
}

static bool
check_digits(Checker *checker)
{
	if (checker->at == checker->end || !is_digit(*checker->at))
		return fail(checker, "a number without a digit where one must be");
	while (checker->at < checker->end && is_digit(*checker->at))
		checker->at++;
	return true;
}

/* at: the sign or first digit. */
static bool
check_number(Checker *checker)
{
	if (*checker->at == '-')
		checker->at++;
	if (next_is(checker, '0'))
		checker->at++;
	else if (!check_digits(checker))
		return false;
	if (next_is(checker, '.'))
	{
		checker->at++;
		if (!check_digits(checker))
			return false;
	}
	if (next_is(checker, 'e') || next_is(checker, 'E'))
	{
		checker->at++;
		if (next_is(checker, '+') || next_is(checker, '-'))
			checker->at++;
		if (!check_digits(checker))
			return false;
	}
	return true;
}

static bool
check_word(Checker *checker, const char *word)
{
	size_t		len = strlen(word);

	if ((size_t) (checker->end - checker->at) < len || memcmp(checker->at, word, len) != 0)
		return fail(checker, "no value of JSON");
	checker->at += len;
	return true;
}

/* at: the first byte of a value that is neither an object nor an array. */
static bool
check_scalar(Checker *checker)
{
	switch (*checker->at)
	{
		case '"':
			return check_string(checker);
		case 't':
			return check_word(checker, "true");
		case 'f':
			return check_word(checker, "false");
		case 'n':
			return check_word(checker, "null");
	}
	if (*checker->at == '-' || is_digit(*checker->at))
		return check_number(checker);
	return fail(checker, "no value of JSON");
}

/*
 * Whether a name is one of a member that nobody reads.  Not of a record's properties, which are one
 * level below: one of them may be called so.  Of the first member the comma is behind it: it stays.
 */
static bool
is_unread(const Checker *checker, const char *name)
{
	size_t		len = checker->at - name;

	if (!checker->leaves_out || checker->depth != 3 || (checker->objects >> 2 & 1) != 0 ||
		name[-1] != ',')
		return false;
	for (size_t i = 0; i < sizeof(unread_names) / sizeof(unread_names[0]); i++)
		if (len == unread_names[i].len && memcmp(name, unread_names[i].name, len) == 0)
			return true;
	return false;
}

/* at: the byte after the member's value.  Without memory it stays. */
static void
leave_out(Checker *checker)
{
	size_t		len = checker->unread - 1 - checker->copied;

	if (checker->copy == NULL)
		checker->copy = malloc(checker->end - checker->copied);
	if (checker->copy == NULL)
		return;
	memcpy(checker->copy + checker->ncopy, checker->copied, len);
	checker->ncopy += len;
	checker->copied = checker->at;
}

/* Skip the name of an object's next member and the colon. */
static bool
check_name(Checker *checker)
{
	const char *name;

	skip_blanks(checker);
	if (!next_is(checker, '"'))
		return fail(checker, "no name of a member");
	name = checker->at;
	if (!check_string(checker))
		return false;
	checker->unread = is_unread(checker, name) ? name : NULL;
	skip_blanks(checker);
	if (!next_is(checker, ':'))
		return fail(checker, "no colon behind a member's name");
	checker->at++;
	return true;
}

static bool
is_in_object(const Checker *checker)
{
	return (checker->objects >> checker->depth & 1) != 0;
}

/*
 * at: an opening bracket.  Returns false on a fault.  *is_over: the container is empty
 * and already closed; otherwise a value follows.
 */
static bool
open_container(Checker *checker, bool *is_over)
{
	bool		is_object = *checker->at == '{';

	if (checker->depth == REPLY_MAX_DEPTH)
		return fail(checker, "more levels of objects and arrays than are read");
	if (++checker->containers > MAX_CONTAINERS)
		return fail(checker, "more objects and arrays than are read");
	checker->unread = NULL;		/* its value is more than a scalar: it stays */
	checker->at++;
	skip_blanks(checker);
	*is_over = next_is(checker, is_object ? '}' : ']');
	if (*is_over)
	{
		checker->at++;
		return true;
	}
	checker->depth++;
	checker->objects &= ~(UINT64_C(1) << checker->depth);
	checker->objects |= (uint64_t) is_object << checker->depth;
	return !is_object || check_name(checker);
}

/*
 * at: the byte after a value.  Close the containers that end there; *is_over if that was
 * the outermost one.
 */
static bool
close_containers(Checker *checker, bool *is_over)
{
	*is_over = false;
	for (;;)
	{
		skip_blanks(checker);
		if (checker->depth == 0)
		{
			*is_over = true;
			return checker->at == checker->end || fail(checker, "something behind the end");
		}
		if (checker->at == checker->end)
			return fail(checker, "the end within an object or array");
		if (*checker->at == ',')
		{
			checker->at++;
			return !is_in_object(checker) || check_name(checker);
		}
		if (*checker->at != (is_in_object(checker) ? '}' : ']'))
			return fail(checker, "neither a comma nor the end of an object or array");
		checker->at++;
		checker->depth--;
	}
}

static bool
check_text(Checker *checker)
{
	bool		is_over;

	for (;;)
	{
		skip_blanks(checker);
		if (checker->at == checker->end)
			return fail(checker, "the end where a value should be");
		if (*checker->at == '{' || *checker->at == '[')
		{
			if (!open_container(checker, &is_over))
				return false;
			if (!is_over)
				continue;
		}
		else if (!check_scalar(checker))
			return false;
		else if (checker->unread != NULL)
		{
			/* once: the values of an array, which follow, have no name */
			leave_out(checker);
			checker->unread = NULL;
		}
		if (!close_containers(checker, &is_over))
			return false;
		if (is_over)
			return true;
	}
}

static bool
check(Checker *checker, const char *text, size_t len, JsonFault *fault)
{
	checker->at = checker->copied = text;
	checker->end = text + len;
	if (check_text(checker))
		return true;
	fault->what = checker->what;
	fault->at = checker->at - text;
	return false;
}

bool
reply_json_check(const char *text, size_t len, JsonFault *fault)
{
	Checker		checker = {0};

	return check(&checker, text, len, fault);
}

/* The same; *copy is the text without the members that nobody reads, *len its length. */
static bool
check_and_leave_out(const char *text, size_t *len, char **copy, JsonFault *fault)
{
	Checker		checker = {.leaves_out = true};
	bool		good = check(&checker, text, *len, fault);

	*copy = checker.copy;
	if (!good || checker.copy == NULL)
		return good;
	memcpy(checker.copy + checker.ncopy, checker.copied, checker.end - checker.copied);
	*len = checker.ncopy + (checker.end - checker.copied);
	return true;
}

/* ---- its tree -------------------------------------------------------------------------- */

/*
 * Whether the tree of a body fits into memory. json-c (0.16) crashes if it has no memory
 * for the name of a member, so parsing must not start unless it can end.  The block that
 * is allocated and freed here serves json-c's small allocations.
 */
static bool
has_memory_for(size_t len)
{
	size_t		size = len > TREE_MAX / TREE_SHARE ? TREE_MAX : len * TREE_SHARE + 4096;
	void	   *volatile room = malloc(size);

	free(room);
	return room != NULL;
}

/* NULL if there is no memory, or if json-c refuses text that is JSON: *tokener_error says which. */
static json_object *
build_tree(const char *text, size_t len, const char **tokener_error)
{
	struct json_tokener *tokener = has_memory_for(len) ? json_tokener_new_ex(JSON_C_DEPTH) : NULL;
	json_object *root;

	*tokener_error = NULL;
	if (tokener == NULL)
		return NULL;
	root = json_tokener_parse_ex(tokener, text, (int) len);
	/* json-c waits for more digits at the end of a text that is only a number: a blank ends it. */
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		root = json_tokener_parse_ex(tokener, " ", 1);
	if (json_tokener_get_error(tokener) != json_tokener_success)
	{
		*tokener_error = json_tokener_error_desc(json_tokener_get_error(tokener));
		json_object_put(root);
		root = NULL;
	}
	json_tokener_free(tokener);
	return root;
}

json_object *
reply_json_parse(const char *text, size_t len, enum json_type type, JsonFault *fault)
{
	json_object *root = NULL;
	char	   *copy = NULL;

	memset(fault, 0, sizeof(*fault));
	if (len > INT32_MAX)
		fault->what = "more bytes than are read";
	else if (check_and_leave_out(text, &len, &copy, fault))
	{
		if (copy != NULL)
			text = copy;
		root = build_tree(text, len, &fault->what);

		/*
		 * json-c reports any error when memory is short.  So a text that passed our check and
		 * fails in json-c is parsed twice; it is refused only if memory is available both times.
		 */
		if (root == NULL && fault->what != NULL)
			root = build_tree(text, len, &fault->what);
		if (root != NULL && !json_object_is_type(root, type))
		{
			fault->what = type == json_type_object
				? "no object" : "not of the type that was expected";
			json_object_put(root);
			root = NULL;
		}
	}
	free(copy);
	return root;
}

/* ---- values ------------------------------------------------------------------------------ */

json_object *
reply_json_member(json_object *object, const char *name, enum json_type type)
{
	json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
		!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

const char *
reply_json_text(json_object *value)
{
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

/* json-c returns the ends of the range for all numbers beyond 64 bits: both are refused. */
bool
reply_json_whole(json_object *value, int64_t *number)
{
	if (!json_object_is_type(value, json_type_int))
		return false;
	*number = json_object_get_int64(value);
	return *number != INT64_MAX && *number != INT64_MIN;
}

/* No more digits than a number of 64 bits always has room for. */
static bool
is_text_of_whole(json_object *value, int64_t *number)
{
	const char *text = reply_json_text(value);
	size_t		len = text == NULL ? 0 : strspn(text, "0123456789");

	if (len == 0 || len > 18 || text[len] != '\0')
		return false;
	*number = strtoll(text, NULL, 10);
	return true;
}

bool
reply_json_number(json_object *object, const char *name, int64_t *number)
{
	json_object *value = NULL;

	return json_object_is_type(object, json_type_object) &&
		json_object_object_get_ex(object, name, &value) &&
		(reply_json_whole(value, number) || is_text_of_whole(value, number));
}

/* json-c allocates the text of a number; NULL if it has no memory. */
const char *
reply_json_id(json_object *value)
{
	int64_t		number;

	return reply_json_whole(value, &number)
		? json_object_get_string(value) : reply_json_text(value);
}

const char *
reply_json_scalar(json_object *value)
{
	if (json_object_is_type(value, json_type_double) ||
		json_object_is_type(value, json_type_boolean))
		return json_object_get_string(value);
	return reply_json_id(value);
}
