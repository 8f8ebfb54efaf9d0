/*
 * secret.h
 *		Tokens: files named by a SERVER's option "secret".
 *
 * Only the worker calls this.  A token lives in the worker's own memory, in
 * one malloc'd block, and nowhere else: not in shared memory, not in a
 * message, not in a table.  What others see is its fingerprint.
 */
#ifndef HUBSPOT_SECRET_H
#define HUBSPOT_SECRET_H

#define SECRET_MAX_BYTES	4096
#define SECRET_NAME_MAX		63	/* [a-z0-9_-]{1,63} */

typedef struct Secret
{
	char	   *token;			/* malloc'd, NULL when there is none */
	char		fingerprint[17];	/* first 16 hex digits of its SHA-256 */
	uint64_t	hash;			/* the same 64 bits, never 0: keys the shared rate meter */
} Secret;

/* Whether a name may stand in the option (shape only; the file may be missing). */
extern bool secret_name_is_valid(const char *name);

/*
 * Read the token of this name from hubspot.secret_directory.  On failure
 * returns false, leaves *secret as it was, and writes the reason (which never
 * contains the file's content) to problem, of size 256.  Never raises an error.
 */
extern bool secret_read(const char *directory, const char *name, Secret *secret,
						char *problem);

/* Overwrite and free; idempotent. */
extern void secret_forget(Secret *secret);

#endif							/* HUBSPOT_SECRET_H */
