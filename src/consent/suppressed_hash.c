/*
 * suppressed_hash.c
 *		What hubspot.suppressed keeps of contacts that were erased: keyed hashes.
 *
 * erase/purge.c makes the same in SQL.  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "consent/suppressed_hash.h"
#include "ring/ring.h"

struct SuppressedHashes
{
	int			count;
	bytea	  **keys;
};

SuppressedHashes *
suppressed_hashes_load(void)
{
	Oid			relation = ring_catalog(false)->suppressed_key;
	SuppressedHashes *hashes;
	Relation	rel;
	TupleTableSlot *slot;
	TableScanDesc scan;

	if (ring_is_empty(relation))
		return NULL;
	hashes = palloc0(sizeof(SuppressedHashes));
	rel = table_open(relation, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL, SO_NONE);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		key = slot_getattr(slot, 1, &isnull);

		hashes->keys = hashes->count == 0 ? palloc(sizeof(bytea *))
			: repalloc(hashes->keys, sizeof(bytea *) * (hashes->count + 1));
		hashes->keys[hashes->count++] = DatumGetByteaPCopy(key);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return hashes;
}

int
suppressed_hashes_count(const SuppressedHashes *hashes)
{
	return hashes == NULL ? 0 : hashes->count;
}

char *
suppressed_hash(const SuppressedHashes *hashes, int n, const char *text)
{
	const bytea *key = hashes->keys[n];
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *hash = palloc(strlen(SUPPRESSED_HASH_PREFIX) + SUPPRESSED_HASH_DIGITS + 1);
	char	   *end = stpcpy(hash, SUPPRESSED_HASH_PREFIX);
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);

	if (context == NULL || pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) VARDATA_ANY(key),
							 VARSIZE_ANY_EXHDR(key)) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) text, strlen(text)) < 0 ||
		pg_cryptohash_final(context, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a hash");
	pg_cryptohash_free(context);
	hex_encode((const char *) digest, sizeof(digest), end);
	end[SUPPRESSED_HASH_DIGITS] = '\0';
	return hash;
}

bool
suppressed_is_hash(const char *text)
{
	size_t		prefix = strlen(SUPPRESSED_HASH_PREFIX);

	return strncmp(text, SUPPRESSED_HASH_PREFIX, prefix) == 0 &&
		strlen(text) == prefix + SUPPRESSED_HASH_DIGITS &&
		strspn(text + prefix, "0123456789abcdef") == SUPPRESSED_HASH_DIGITS;
}
