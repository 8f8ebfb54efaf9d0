/*
 * record_kinds.h
 *		The requests that records of every type have.
 */
#ifndef HUBSPOT_RECORD_KINDS_H
#define HUBSPOT_RECORD_KINDS_H

#include "crm/records.h"

extern const RequestKind records_upsert;
extern const RequestKind records_update;
extern const RequestKind records_seek;
extern const RequestKind records_clear_stage;
extern const RequestKind records_set_stage;

/* They stand in the RecordKinds of each type. */
#define RECORD_KINDS_OF_ALL \
	.upsert = &records_upsert, .update = &records_update, .seek = &records_seek, \
	.clear_stage = &records_clear_stage, .set_stage = &records_set_stage

#endif							/* HUBSPOT_RECORD_KINDS_H */
