/*
 * form.h
 *	  Forms that can be submitted; form.c owns them.
 */
#ifndef SIMULATOR_FORM_H
#define SIMULATOR_FORM_H

#include <json-c/json.h>
#include <stdbool.h>

/*
 * Defines or replaces a form: {"id": guid, "name": .., "fields": [..]}, a
 * field being a name or {"objectTypeId": .., "name": ..}.  False when the
 * description is not of this shape.
 */
extern bool form_define(struct json_object *description);

#endif
