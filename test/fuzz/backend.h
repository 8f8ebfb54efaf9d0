/*
 * backend.h
 *		Fuzz targets that run inside a server process.
 *
 * They see an extension that is installed, with the accounts, properties and
 * mappings of backend.sql.  Each input has a memory context of its own, which is
 * current and is reset afterwards.  A target raises no error: one that leaves it
 * is a broken promise.
 */
#ifndef HUBSPOT_FUZZ_BACKEND_H
#define HUBSPOT_FUZZ_BACKEND_H

#include "utils/jsonb.h"

typedef struct BackendTarget
{
	const char *name;
	void		(*start) (void);	/* once; in the transaction that all inputs run in */
	void		(*run) (Jsonb *input);
} BackendTarget;

extern const BackendTarget message_target;
extern const BackendTarget batch_target;

/* Text as jsonb, NULL when it is none. */
extern Jsonb *backend_jsonb(const char *text, int len);

#endif							/* HUBSPOT_FUZZ_BACKEND_H */
