/*
 * forms.h
 *		Form submissions: what one says.
 */
#ifndef HUBSPOT_FORMS_H
#define HUBSPOT_FORMS_H

#include "message/message.h"
#include "utils/timestamp.h"

/* Append the body of a submission. */
extern void forms_append_body(StringInfo body, const MessageParts *parts, TimestampTz called_at,
							  bool with_hutk);

/* Append the path of the form that a message is for. */
extern void forms_append_path(StringInfo path, const MessageParts *parts, int64 portal_id,
							  bool is_public);

#endif							/* HUBSPOT_FORMS_H */
