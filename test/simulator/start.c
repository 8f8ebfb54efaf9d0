/*
 * start.c
 *	  What the simulator holds when it starts; see start.h.
 *
 * The program and whoever links the simulator begin here, so that none of them
 * forgets a part.
 */
#include "start.h"

#include "association.h"
#include "config.h"
#include "consent.h"
#include "owner.h"
#include "pipeline.h"
#include "property.h"
#include "type.h"

/* In this order: kinds of associations and properties are of types. */
void
simulator_start(void)
{
	config_init();
	type_init();
	kind_init();
	owner_init();
	pipeline_init();
	property_init();
	consent_init();
}
