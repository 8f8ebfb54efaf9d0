/*
 * digest.h
 *		Hashes by the server's own functions, outside of transactions.
 */
#ifndef HUBSPOT_DIGEST_H
#define HUBSPOT_DIGEST_H

#include "common/cryptohash.h"

#define DIGEST_UUID_TEXT	37	/* 36 characters and the end */

/*
 * Hash of a text, size bytes long as the type has it.  False when there was
 * no memory; raises no error.
 */
extern bool digest_text(pg_cryptohash_type type, const char *text, uint8 *digest, size_t size);

/* The UUID of version 5 that a name has among this extension's names. */
extern bool digest_uuid(const char *name, char uuid[DIGEST_UUID_TEXT]);

#endif							/* HUBSPOT_DIGEST_H */
