/*
 * consent.h
 *	  Who wants which mail: section 7 of the notes on objects.
 *
 * A preference is kept by address, whether or not a contact has it.
 */
#ifndef SIMULATOR_CONSENT_H
#define SIMULATOR_CONSENT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

/* The subscription types an account has at the start. */
extern void consent_init(void);

/* Has the owner of the address opted out of a subscription, or of everything (0)? */
extern bool consent_is_out(const char *address, int64_t subscription);

/* Adds or changes a type; and what a person does by himself.  False: the JSON lacks something. */
extern bool consent_define(struct json_object *json);
extern bool consent_opt_out(struct json_object *json);

/* All preferences, a line each, for tests. */
extern void consent_render_all(Buffer *out);

/* Forgets the preferences, not the types. */
extern void consent_reset(void);

#endif
