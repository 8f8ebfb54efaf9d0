/*
 * association.h
 *	  Which contacts belong to which companies: section 3.4.
 *
 * A pair has a set of types; the store of pairs is owned by association.c.
 */
#ifndef SIMULATOR_ASSOCIATION_H
#define SIMULATOR_ASSOCIATION_H

#include <json-c/json.h>

#include "http.h"
#include "store.h"

/* The "associations" array of a create; what is malformed in it is ignored. */
extern void association_of_create(Request *request, Object *object, struct json_object *list);

/* The record goes: so do its pairs. */
extern void association_forget(const Object *object);

extern size_t association_count(void);
extern void association_reset(void);

/* The pairs of a record as JSON, for tests. */
extern void association_render(Buffer *out, const Object *object);

#endif
