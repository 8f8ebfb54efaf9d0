/*
 * automation.h
 *	  Companies that HubSpot makes by itself: section 10 of the notes on objects.
 *
 * With auto_company_ms a contact that comes into being, in whatever way, is put
 * down; that long afterwards it is associated with the company of its address's
 * domain, which is made when there is none.
 */
#ifndef SIMULATOR_AUTOMATION_H
#define SIMULATOR_AUTOMATION_H

#include "http.h"
#include "store.h"

/* A contact has come into being; its values may still follow. */
extern void automation_note(const Object *contact);

/* Does what is due; the journal's lines go with this request. */
extern void automation_run(Request *request);

extern void automation_reset(void);

#endif
