/*
 * digest.h
 *		Hashes by the server's own functions, outside of transactions.
 */
#ifndef HUBSPOT_DIGEST_H
#define HUBSPOT_DIGEST_H

#include "common/cryptohash.h"

#define DIGEST_UUID_TEXT	37	/* 36 characters and the end */

/*
 * Hash a text; size is the digest size of the type.  False if there is no memory; raises
 * no error.
 */
extern bool digest_text(pg_cryptohash_type type, const char *text, uint8 *digest, size_t size);

/* The version 5 UUID of a name in this extension's name space. */
extern bool digest_uuid(const char *name, char uuid[DIGEST_UUID_TEXT]);

#endif							/* HUBSPOT_DIGEST_H */
