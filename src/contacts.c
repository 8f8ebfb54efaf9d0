/*
 * contacts.c
 *		Contacts: what a batch/upsert says.
 *
 * Called by batch.c, in the batch's memory context.  One input per contact,
 * keyed by e-mail address or by the account's unique property; each carries
 * an objectWriteTraceId, so that HubSpot can refuse one record of many.
 */
#include "postgres.h"

#include "hubspot.h"
#include "contacts.h"
#include "mapping.h"
#include "value.h"

const char *
contacts_id_property(const WorkKey *key)
{
	return key->property != NULL ? key->property : "email";
}

/* Add one row's properties below those of newer rows. */
static void
add_row(Mapping *mapping, Input *input, Row *row, const MessageParts *parts)
{
	StringInfoData warnings;

	initStringInfo(&warnings);
	mapping_add_contact(mapping, parts, input->key->property, &warnings);
	row->warnings = warnings.len > 0 ? psprintf("[%s]", warnings.data) : NULL;
	pfree(warnings.data);
}

void
contacts_append_input(StringInfo body, Input *input, const MessageParts *parts)
{
	Mapping		mapping;

	appendStringInfoString(body, "{\"idProperty\":");
	value_append_string(body, contacts_id_property(input->key),
						strlen(contacts_id_property(input->key)));
	appendStringInfoString(body, ",\"id\":");
	value_append_string(body, input->key->key, strlen(input->key->key));
	appendStringInfo(body, ",\"objectWriteTraceId\":\"%s\",\"properties\":{", input->trace);
	mapping_begin(&mapping, body);
	for (int i = input->nrows - 1; i >= 0; i--)
		add_row(&mapping, input, input->rows[i], &parts[i]);
	appendStringInfoString(body, "}}");
	pfree(mapping.names);
}
