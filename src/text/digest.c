/*
 * digest.c
 *		Hashes by the server's own functions, outside of transactions.
 *
 * These functions need a resource owner, but the worker calls them without a transaction.
 * They raise an error if memory runs out; it is caught here.
 */
#include "postgres.h"

#include "common/sha1.h"
#include "common/sha2.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/hubspot.h"
#include "text/digest.h"

/* The name space of this extension's names: a random UUID. */
static const uint8 name_space[16] = {
	0x5b, 0x0c, 0x7c, 0x1e, 0x6f, 0x3a, 0x4d, 0x8e, 0x9a, 0x41, 0x2e, 0x77, 0x10, 0xc3, 0x58, 0x94
};

static bool
hash(pg_cryptohash_type type, const uint8 *prefix, size_t prefix_size, const char *text,
	 uint8 *digest, size_t size)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(type);
	bool		done;

	done = context != NULL && pg_cryptohash_init(context) == 0 &&
		pg_cryptohash_update(context, prefix, prefix_size) == 0 &&
		pg_cryptohash_update(context, (const uint8 *) text, strlen(text)) == 0 &&
		pg_cryptohash_final(context, digest, size) == 0;
	pg_cryptohash_free(context);
	return done;
}

static bool
hash_outside_transaction(pg_cryptohash_type type, const uint8 *prefix, size_t prefix_size,
						 const char *text,
						 uint8 *digest, size_t size)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner old = CurrentResourceOwner;
	volatile bool done = false;

	PG_TRY();
	{
		/*
		 * pg_cryptohash_create() registers with CurrentResourceOwner, which is NULL outside of a
		 * transaction.
		 */
		ResourceOwner owner = ResourceOwnerCreate(NULL, "hubspot digest");

		CurrentResourceOwner = owner;
		done = hash(type, prefix, prefix_size, text, digest, size);
		CurrentResourceOwner = old;
		ResourceOwnerDelete(owner);
	}
	PG_CATCH();
	{
		CurrentResourceOwner = old;
		MemoryContextSwitchTo(context);

		/*
		 * The only error is want of memory.  The resource owner is leaked: it lives in
		 * TopMemoryContext and is a few hundred bytes.
		 */
		FlushErrorState();
	}
	PG_END_TRY();
	return done;
}

bool
digest_text(pg_cryptohash_type type, const char *text, uint8 *digest, size_t size)
{
	return hash_outside_transaction(type, NULL, 0, text, digest, size);
}

bool
digest_uuid(const char *name, char uuid[DIGEST_UUID_TEXT])
{
	uint8		digest[SHA1_DIGEST_LENGTH];
	int			at = 0;

	if (!hash_outside_transaction(PG_SHA1, name_space, sizeof(name_space), name, digest,
								  sizeof(digest)))
		return false;
	digest[6] = (digest[6] & 0x0f) | 0x50;
	digest[8] = (digest[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++)
		at += snprintf(uuid + at, DIGEST_UUID_TEXT - at, "%s%02x",
					   i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", digest[i]);
	return true;
}
