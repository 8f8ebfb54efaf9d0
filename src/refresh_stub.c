#include "postgres.h"
#include "executor/spi.h"
#include "hubspot.h"
#include "refresh.h"
void
refresh_run(Sync *sync, bool confirm, RefreshCounts *counts)
{
	SyncIdentity b;
	sync_act_as_owner(sync, &b);
	SPI_connect();
	SPI_execute(sync->source, false, 0);
	counts->source_rows = SPI_processed;
	SPI_finish();
	sync_act_back(&b);
	sync_act_as_extension(&b);
	SPI_connect();
	SPI_execute(psprintf("UPDATE hubspot.sync_state SET refreshed_at = clock_timestamp(), source_rows = %d WHERE sync = %d", (int) counts->source_rows, sync->id), false, 0);
	SPI_finish();
	sync_act_back(&b);
}
