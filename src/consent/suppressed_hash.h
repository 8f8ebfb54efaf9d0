/*
 * suppressed_hash.h
 *		What hubspot.suppressed keeps of contacts that were erased: keyed hashes.
 *
 * An erasure leaves no address in our tables, but who had opted out is not to be written to again:
 * a row of the table stays with the hash in place of the address.  The key of the hashes is in the
 * same database, so that a restore finds them; they are pseudonyms, no secrets.
 */
#ifndef HUBSPOT_SUPPRESSED_HASH_H
#define HUBSPOT_SUPPRESSED_HASH_H

#define SUPPRESSED_HASH_PREFIX "sha256:"
#define SUPPRESSED_HASH_DIGITS 64

typedef struct SuppressedHashes SuppressedHashes;

/* The keys of hubspot.suppressed_key; NULL: none.  Inside a transaction with a snapshot. */
extern SuppressedHashes *suppressed_hashes_load(void);

/*
 * How many there are (a restore into a table that has one adds another); the n-th hash of a text.
 */
extern int	suppressed_hashes_count(const SuppressedHashes *hashes);
extern char *suppressed_hash(const SuppressedHashes *hashes, int n, const char *text);

/* Whether a text has the form of one. */
extern bool suppressed_is_hash(const char *text);

#endif							/* HUBSPOT_SUPPRESSED_HASH_H */
