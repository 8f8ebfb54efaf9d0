/*
 * words.c
 *		The labels of the script's enums; see words.h.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "base/words.h"

const char *const call_names[CALL_COUNT] =
{"identify", "track", "group", "page", "form", "delete",
	"refresh_schema", "create_property", "create_event",
	"add_to_list", "remove_from_list", "create_list", "ungroup", "subscription", "record",
"associate", "dissociate", "create_label"};

const char *const source_names[SOURCE_COUNT] = {"function", "trigger", "sync"};
