/*
 * record_call.h
 *		Which records hubspot_record() is about; of contacts and companies it is another call.
 */
#ifndef HUBSPOT_RECORD_CALL_H
#define HUBSPOT_RECORD_CALL_H

#include "message/message.h"

/*
 * The type of records that a message names, by any of the names that the SERVER's account has for
 * it; false, with a problem that lists what the account has, if there is none.
 */
extern bool record_object(Oid server, const MessageParts *parts, Object *object,
						  MessageProblem *problem);

/*
 * The message of an identify or group call that says what this one says of a record of the type;
 * NULL, with the problem: there is none.
 */
extern Jsonb *record_as_own_call(Jsonb *message, const MessageParts *parts, Object object,
								 MessageProblem *problem);

#endif							/* HUBSPOT_RECORD_CALL_H */
