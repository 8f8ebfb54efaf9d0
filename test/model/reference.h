/*
 * reference.h
 *		What reference.c and objects.c know together.
 */
#ifndef HUBSPOT_MODEL_REFERENCE_H
#define HUBSPOT_MODEL_REFERENCE_H

#include "model.h"

struct json_object;

/* A verdict. */
typedef struct Verdicts
{
	int64		id;
	char		word[24];
	int64		merged_into;
	char		category[64];
	char		message[200];
} Verdicts;

/* A record of HubSpot's; one that was archived stays here, and its number may have another. */
typedef struct Record
{
	char		id[24];
	RecordSort	sort;
	int			number;
} Record;

/* ---- reference.c ------------------------------------------------------------------------ */

extern const Verdicts *verdict_of(int64 id);

/* The verdict of the row that carried this one's values. */
extern const Verdicts *carrier(int64 id);
extern bool is_success(const char *word);

/* The call's row of an object; 0: it has none. */
extern int64 row_of(const ModelCall *call, int object);

/* Anything may end in any way, for HubSpot has contradicted itself. */
extern bool reference_is_excused(void);

/*
 * The contacts that the userId of a call may mean, a bit each.  *certain: a row before the call
 * tells one.
 */
extern int	contacts_told(const ModelCall *call, int user, bool *certain);

/*
 * Whether a call may delete one of these contacts; but for those that are surely before this one.
 */
extern bool may_be_deleted(int contacts, const ModelCall *behind);

/* Whether a row before this one makes the contact. */
extern bool is_made_before(const ModelCall *call, int contacts);

/* The record of an id, of which HubSpot is asked where nothing has told it; NULL: none of ours. */
extern Record *find_record(const char *id, RecordSort sort);

/* Whether HubSpot has ever had a record of this number under that id. */
extern bool has_had(RecordSort sort, int number, const char *id);
extern int	count_records(RecordSort sort, int number);

/* Text member of an object; NULL: it has none. */
extern const char *member(struct json_object *object, const char *name);

/* The call whose value a text is; -1: of none. */
extern int	call_of(const char *value);

/* The number of the record that a line of the journal is about; -1: none of ours. */
extern int	learn_record(struct json_object *line, struct json_object *properties, RecordSort sort);

/* ---- objects.c ---------------------------------------------------------------------------- */

extern void objects_begin(void);

/* A line of the simulator's journal about records of that sort, or about a pair. */
extern void objects_note_record(struct json_object *line, struct json_object *properties, RecordSort sort);
extern void objects_note_archive(struct json_object *line, RecordSort sort);
extern void objects_note_pair(struct json_object *line, bool is_made);

/* Whether a request is about a record that the call names, or may be about its label. */
extern bool objects_concern(const ModelCall *call, const char *path, const char *body);

/* Of a row that is a deal's, a car's or a pair's. */
extern void objects_check_verdict(const ModelCall *call, int object, const Verdicts *verdict);
extern void objects_check(void);

#endif							/* HUBSPOT_MODEL_REFERENCE_H */
