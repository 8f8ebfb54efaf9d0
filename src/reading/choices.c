/*
 * choices.c
 *		Lists of HubSpot's own, from which values of properties are chosen, as rows need them.
 *
 * Called while a request is put together, and when it was refused.  No memory of its own.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "reading/choices.h"
#include "reading/reading.h"

/* By bit of Choice; options of a property are its own, see schema_sync.h. */
static const struct
{
	Choice		choice;
	ReadingId	reading;
	bool		by_type;		/* each type of records has its own */
}			lists[] =
{
	{CHOICE_OWNER, READING_OWNERS, false},
	{CHOICE_STAGE, READING_PIPELINES, true},
};

static const char *
subject_of(const Lane *lane, bool by_type)
{
	return by_type ? object_types[lane->family].name : "";
}

bool
choices_serve(Lane *lane, const Mapping *mapping)
{
	bool		served = true;

	for (int i = 0; i < lengthof(lists); i++)
	{
		const char *subject;

		if ((mapping->used & lists[i].choice) == 0)
			continue;
		subject = subject_of(lane, lists[i].by_type);
		if (!reading_use(lane, lists[i].reading, subject) ||
			((mapping->missed & lists[i].choice) != 0 &&
			 reading_look_again(lane, lists[i].reading, subject)))
			served = false;
	}
	return served;
}

void
choices_doubt(Lane *lane)
{
	for (int i = 0; i < lengthof(lists); i++)
		reading_doubt(lane, lists[i].reading, subject_of(lane, lists[i].by_type));
}
