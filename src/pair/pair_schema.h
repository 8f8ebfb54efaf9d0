/*
 * pair_schema.h
 *		Requests about the labels of two types: reading them, creating one.
 */
#ifndef HUBSPOT_PAIR_SCHEMA_H
#define HUBSPOT_PAIR_SCHEMA_H

#include "pair/labels.h"

extern const RequestKind pair_read_labels;
extern const RequestKind pair_create_label;

/* Whether what is known of the labels was read since the row that creates one was queued. */
extern bool pair_label_is_settled(const KnownLabels *known, const Row *row);

/* What is said of a label that HubSpot does not have; palloc'd. */
extern char *pair_unknown_label(Account *account, const PairMessage *message);

#endif							/* HUBSPOT_PAIR_SCHEMA_H */
