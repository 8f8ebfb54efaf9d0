/*
 * break_json.c
 *		A json-c that is not as it is needed, for test/t/113_unreadable_answers.pl.
 *
 * Loaded before json-c.  BREAK_JSON=depth: fewer levels are read; numbers:
 * whole numbers lose their upper half.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct json_object;
struct json_tokener;

extern struct json_tokener *json_tokener_new_ex(int depth);
extern int64_t json_object_get_int64(const struct json_object *object);

static int
is_broken(const char *what)
{
	const char *broken = getenv("BREAK_JSON");

	return broken != NULL && strcmp(broken, what) == 0;
}

struct json_tokener *
json_tokener_new_ex(int depth)
{
	struct json_tokener *(*real) (int) = (struct json_tokener *(*) (int)) dlsym(RTLD_NEXT, "json_tokener_new_ex");

	return real(is_broken("depth") ? 16 : depth);
}

int64_t
json_object_get_int64(const struct json_object *object)
{
	int64_t		(*real) (const struct json_object *) = (int64_t (*) (const struct json_object *)) dlsym(RTLD_NEXT, "json_object_get_int64");

	return is_broken("numbers") ? (uint32_t) real(object) : real(object);
}
