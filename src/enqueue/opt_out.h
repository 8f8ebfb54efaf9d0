/*
 * opt_out.h
 *		Opt-outs that enter hubspot.suppressed: the SERVER option suppress_opt_outs.
 */
#ifndef HUBSPOT_OPT_OUT_H
#define HUBSPOT_OPT_OUT_H

#include "message/message_consent.h"

/*
 * A call has told this of a contact on an account: who opts out is entered, who subscribes again
 * ("resubscribe") is taken out, as far as a call has entered him.
 */
extern void opt_out_note(const char *server, const MessageKey *contact,
						 const MessageConsent *consent);

#endif							/* HUBSPOT_OPT_OUT_H */
