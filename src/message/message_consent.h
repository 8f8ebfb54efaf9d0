/*
 * message_consent.h
 *		What a subscription call says: {"email", "subscription", "subscribed", ...}.
 *
 * Pure, like message.h.
 */
#ifndef HUBSPOT_MESSAGE_CONSENT_H
#define HUBSPOT_MESSAGE_CONSENT_H

#include "message/message.h"

#define MESSAGE_MAX_SUBSCRIPTION 250	/* bytes of a name */
#define MESSAGE_MAX_EXPLANATION 4000	/* bytes of a legalBasisExplanation */

typedef struct MessageConsent
{
	bool		subscribed;		/* else opted out */
	bool		of_all;			/* out of everything: subscription is NULL */
	bool		again;			/* subscribed even if the person has opted out ("resubscribe") */
	char	   *subscription;	/* name or id of the type */
	char	   *legal_basis;	/* HubSpot's word; NULL: none, and no explanation */
	char	   *explanation;
	char	   *channel;		/* HubSpot's word, in capitals */
	char	   *business_unit;	/* its id, of an opt-out of everything; NULL: none */
} MessageConsent;

/* Texts are palloc'd.  False, with the problem filled in, if it says nothing that can be sent. */
extern bool message_consent(const MessageParts *parts, MessageConsent *consent,
							MessageProblem *problem);

/* Whether a text is the id of a type of subscription, not its name. */
extern bool message_is_subscription_id(const char *text);

#endif							/* HUBSPOT_MESSAGE_CONSENT_H */
