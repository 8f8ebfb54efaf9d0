/*
 * record_kinds.c
 *		The requests that records of every type have.
 *
 * Apart from what they are made of and from what their answers mean, which
 * find them by RecordKinds.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "crm/modes.h"
#include "crm/record_kinds.h"

const RequestKind records_upsert = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_UPSERT,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.collects = true,
	.is_list = true,
	.one_property = true,
	.append_input = records_append_upsert,
	.answered = records_answered,
};

const RequestKind records_update = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_UPDATE,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.collects = true,
	.is_list = true,
	.by_record = true,
	.append_input = records_append_update,
	.answered = records_answered,
};

const RequestKind records_seek = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.one_property = true,
	.end_body = records_end_read,
	.append_input = modes_append_sought,
	.answered = modes_answered,
};

const RequestKind records_clear_stage = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_UPDATE,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.by_record = true,
	.append_input = records_append_cleared_stage,
	.answered = records_answered,
};

const RequestKind records_set_stage = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_UPDATE,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.by_record = true,
	.finishes = true,
	.append_input = records_append_stage,
	.answered = records_answered,
};
