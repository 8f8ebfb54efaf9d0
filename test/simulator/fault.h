/*
 * fault.h
 *	  Rules that make the simulator misbehave, as HubSpot or the network would.
 *
 * Rules are added by POST /_sim/fault and consulted in the order in which
 * they were added; the first that matches and is due acts on the request.  A
 * rule stays valid for the requests that it caught, even after it is deleted.
 */
#ifndef SIMULATOR_FAULT_H
#define SIMULATOR_FAULT_H

#include <json-c/json.h>

#include "http.h"

typedef struct FaultRule FaultRule;

/* The rule's id, or 0 with *error (static or scratch text). */
extern int	fault_add(struct json_object *description, const char **error);
extern void fault_render(Buffer *out);
extern void fault_clear(void);

/* The rule that acts on this request, counted as a hit; or NULL. */
extern FaultRule *fault_match(const Request *request);
extern const char *fault_action(const FaultRule *rule);

/* Does this record of a batch fail by itself, for a reason that is not its own? */
extern bool fault_fails_record(const Request *request, const char *id, const char **category, const char **message);

/* A pretended 429 must not use up the window. */
extern bool fault_is_refusal(const FaultRule *rule);

extern int64_t fault_delay_us(const FaultRule *rule);

/* Does the request take effect in spite of the fault? */
extern bool fault_applies(const FaultRule *rule);

/* Replaces or spoils the reply, and chooses its delivery. */
extern void fault_reply(Request *request);

#endif
