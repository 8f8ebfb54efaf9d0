/*
 * archive.h
 *	  A record that goes because another change takes it along.
 */
#ifndef SIMULATOR_ARCHIVE_H
#define SIMULATOR_ARCHIVE_H

#include "http.h"
#include "store.h"

/* With its associations, and with what belongs to it alone. */
extern void archive_record(Request *request, Object *object);

#endif
