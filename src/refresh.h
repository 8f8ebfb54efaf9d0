#ifndef HUBSPOT_REFRESH_H
#define HUBSPOT_REFRESH_H
#include "sync.h"
typedef struct RefreshCounts { int64 source_rows, entered, changed, exited, bad; } RefreshCounts;
extern void refresh_run(Sync *sync, bool confirm, RefreshCounts *counts);
#endif
