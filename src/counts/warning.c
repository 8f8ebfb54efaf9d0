/*
 * warning.c
 *		What the warnings of a row say of its properties.
 *
 * Read from their JSON, which this worker has written itself: whoever makes a warning knows of no
 * definition, and needs not.  No memory, no catalog: between transactions.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "counts/warning.h"

/* Codes that mean that a value is not in HubSpot; of any other the value is there. */
static const struct
{
	const char *code;
	bool		lacks;			/* for want of something that can be made in HubSpot */
}			codes[] =
{
	{"unknown_property", true},
	{"invalid_option", true},
	{"unknown_owner", true},
	{"unknown_pipeline", true},
	{"unknown_stage", true},
	{"read_only_property", false},
	{"unreadable_value", false},
	{"too_many_properties", false},
	{"key_property", false},
	{"duplicate_property", false},
	{"invalid_number", false},
	{"invalid_boolean", false},
	{"invalid_date", false},
	{"invalid_datetime", false},
	{"invalid_domain", false},
	{"invalid_email", false},
};

/* The text of the string behind this, without its escapes; "" of one that does not fit. */
static bool
read_member(const char **at, const char *name, char *text, size_t size)
{
	const char *from = strstr(*at, name);
	size_t		len = 0;

	if (from == NULL)
		return false;
	for (from += strlen(name); *from != '"' && *from != '\0'; from++)
	{
		if (*from == '\\' && from[1] != '\0')
			from++;
		if (len < size - 1)
			text[len] = *from;
		len++;
	}
	text[len < size ? len : 0] = '\0';
	*at = *from == '"' ? from + 1 : from;
	return true;
}

bool
warning_next(const char **at, Warning *warning)
{
	char		detail[1];

	if (!read_member(at, "{\"code\":\"", warning->code, sizeof(warning->code)) ||
		!read_member(at, "\"property\":\"", warning->property, sizeof(warning->property)) ||
		!read_member(at, "\"detail\":\"", detail, sizeof(detail)))
		return false;
	warning->left_out = warning->lacks = false;
	for (int i = 0; i < lengthof(codes); i++)
		if (strcmp(codes[i].code, warning->code) == 0)
		{
			warning->left_out = true;
			warning->lacks = codes[i].lacks;
		}
	return true;
}
