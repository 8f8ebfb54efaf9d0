/*
 * api.h
 *	  The operations: each serves one kind of request.
 *
 * The router calls them with the credential, the scope and the limits
 * checked, the body parsed (request->json, owned by the router) where the
 * operation wants one, request->type and ->other set from the path and
 * request->args holding its other parts.  They fill the reply.
 */
#ifndef SIMULATOR_API_H
#define SIMULATOR_API_H

#include "http.h"
#include "type.h"

/* write.c: section 3.1 to 3.3 */
extern void objects_upsert(Request *request);
extern void objects_create(Request *request);
extern void objects_update(Request *request);
extern void object_create(Request *request);
extern void object_update(Request *request);

/* read.c: section 3.2, 3.10 */
extern void objects_read(Request *request);
extern void object_read(Request *request);
extern void object_page(Request *request);

/* archive.c: section 3.10 */
extern void objects_archive(Request *request);
extern void object_archive(Request *request);
extern void object_erase(Request *request);

/* search.c: section 3.13 */
extern void objects_search(Request *request);

/* schema.c: section 3.5 */
extern void properties_list(Request *request);
extern void property_read(Request *request);
extern void property_add_one(Request *request);
extern void property_add_many(Request *request);
extern void property_archive(Request *request);
extern void groups_list(Request *request);
extern void group_add(Request *request);

/* custom.c: section 2 of the notes on objects */
extern void schemas_list(Request *request);
extern void schemas_read(Request *request);
extern void schema_read(Request *request);
extern void schema_create(Request *request);
extern void schema_change(Request *request);
extern void schema_delete(Request *request);
extern void enablement_list(Request *request);
extern void schema_allow(Request *request);
extern void schema_forbid(Request *request);

/* owner.c, pipeline.c: section 4 and 5 of the notes on objects */
extern void owners_list(Request *request);
extern void owner_read(Request *request);
extern void pipelines_list(Request *request);
extern void pipeline_read(Request *request);
extern void pipeline_create(Request *request);
extern void pipeline_change(Request *request);
extern void pipeline_delete(Request *request);
extern void stages_list(Request *request);
extern void stage_create(Request *request);
extern void stage_change(Request *request);
extern void stage_delete(Request *request);

/* account.c: section 3.11 */
extern void account_details(Request *request);
extern void account_usage(Request *request);

/* association_batch.c, association_label.c: section 3.4, and 3 of the notes on objects */
extern void association_put(Request *request);
extern void association_label(Request *request);
extern void association_delete(Request *request);
extern void association_page(Request *request);
extern void labels_list(Request *request);
extern void label_create(Request *request);
extern void label_rename(Request *request);
extern void label_drop(Request *request);
extern void associations_default(Request *request);
extern void associations_create(Request *request);
extern void associations_read(Request *request);
extern void associations_archive(Request *request);
extern void associations_unlabel(Request *request);

/* consent.c: section 7 of the notes on objects */
extern void consent_types(Request *request);
extern void consent_status(Request *request);
extern void consent_subscribe(Request *request);
extern void consent_unsubscribe(Request *request);
extern void consent_read(Request *request);
extern void consent_write(Request *request);
extern void consent_leave(Request *request);
extern void consent_read_wide(Request *request);
extern void consent_write_many(Request *request);
extern void consent_leave_many(Request *request);
extern void consent_read_many(Request *request);
extern void consent_read_wide_many(Request *request);

/* event.c, definition.c: section 3.6 */
extern void event_send(Request *request);
extern void events_send(Request *request);
extern void definition_create(Request *request);
extern void definitions_list(Request *request);
extern void definition_read(Request *request);
extern void definition_delete(Request *request);
extern void definition_add_property(Request *request);
extern void definition_delete_property(Request *request);

/* form.c: section 3.9 */
extern void form_submit(Request *request);
extern void forms_list(Request *request);
extern void form_read(Request *request);

/* list.c: section 3.12 */
extern void list_create(Request *request);
extern void list_delete(Request *request);
extern void list_read(Request *request);
extern void list_by_name(Request *request);
extern void list_members(Request *request);
extern void list_change(Request *request);
extern void list_add(Request *request);
extern void list_remove(Request *request);

/* tracking.c: section 3.7 */
extern void tracking_event(Request *request);

/*
 * Helpers that several operations share (batch.c).
 */

/* The array "inputs", or NULL after the reply was filled. */
extern struct json_object *batch_inputs(Request *request, int limit);

/* {"status":"COMPLETE",...,"results":[ ... and its end, with its errors. */
extern void batch_begin(Request *request);
extern void batch_end(Request *request, int status, const Buffer *errors, int error_count);

/* An OBJECT_NOT_FOUND error item that names the ids. */
extern void batch_missing(Buffer *errors, const ObjectType *type,
						  const char *const *ids, int count);

/* A property that may be an idProperty, of a request that writes; else NULL after filling the reply. */
extern struct Property *batch_id_property(Request *request, const char *name);

/* A JSON string member; NULL when it is absent or of another type. */
extern const char *json_text(struct json_object *object, const char *name);

/*
 * The contact of an address that an event or a form named; created when
 * nobody has it, *created says so.  The address is checked already.
 */
extern Object *contact_of_address(const char *address, bool *created);

/* {"id":..,"properties":{..},..}; names may be NULL for the default set. */
extern void object_render(Buffer *out, const Object *object, struct json_object *names);

/* The end of an object: its times, archived, and url; without the brace. */
extern void object_render_tail(Buffer *out, const Object *object);

#endif
