/*
 * control.h
 *	  The paths under /_sim/, by which tests steer and observe.
 *
 * They need no credential, count in no limit and appear in no log.
 */
#ifndef SIMULATOR_CONTROL_H
#define SIMULATOR_CONTROL_H

#include "http.h"

extern bool control_owns(const Request *request);
extern void control_serve(Request *request);

#endif
