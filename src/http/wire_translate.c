/*
 * wire_translate.c
 *		An answer's texts in the encoding of the database.
 *
 * reply.c knows no PostgreSQL, and encoding.c no answers: here they meet.
 * Memory: that of the Reply.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "http/wire_translate.h"
#include "text/encoding.h"

void
wire_translate_reply(Reply *reply)
{
	if (encoding_stays_utf8())
		return;
	encoding_prepare();
	encoding_array_from_wire(reply->message, sizeof(reply->message));
	encoding_array_from_wire(reply->category, sizeof(reply->category));
	encoding_array_from_wire(reply->policy, sizeof(reply->policy));
	encoding_array_from_wire(reply->correlation_id, sizeof(reply->correlation_id));
	encoding_array_from_wire(reply->scopes, sizeof(reply->scopes));
	reply_translate(reply, encoding_from_wire_malloc);
}
