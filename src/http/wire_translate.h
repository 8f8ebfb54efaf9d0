/*
 * wire_translate.h
 *		An answer's texts in the encoding of the database.
 */
#ifndef HUBSPOT_WIRE_TRANSLATE_H
#define HUBSPOT_WIRE_TRANSLATE_H

#include "reply/reply.h"

/* Once, when it has been parsed; outside of transactions. */
extern void wire_translate_reply(Reply *reply);

#endif							/* HUBSPOT_WIRE_TRANSLATE_H */
