/*
 * custom.h
 *	  Custom objects: their schemas, section 2 of the notes on objects.
 */
#ifndef SIMULATOR_CUSTOM_H
#define SIMULATOR_CUSTOM_H

#include <json-c/json.h>

#include "http.h"
#include "type.h"

/*
 * Makes a custom object of a schema.  A lax one may leave out what a test
 * does not care about.  NULL with *error (static or scratch text) when it is
 * refused.
 */
extern ObjectType *custom_create(struct json_object *schema, bool is_lax, const char **error);

/* The schema of any type. */
extern void custom_render(Buffer *out, ObjectType *type, bool with_properties, bool with_associations);

#endif
