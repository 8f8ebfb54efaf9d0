/*
 * owner.h
 *	  Who can own a record: section 4 of the notes on objects.
 */
#ifndef SIMULATOR_OWNER_H
#define SIMULATOR_OWNER_H

#include <json-c/json.h>
#include <stdbool.h>

/* The owners an account has at the start. */
extern void owner_init(void);

/* May a property hold this id? */
extern bool owner_is_valid(const char *id, size_t len);

/* Adds one, or changes the one of that id; false when it has no id. */
extern bool owner_define(struct json_object *json);

#endif
