/*
 * hubspot.c
 *		Entry of the library.
 *
 * _PG_init() runs in the postmaster when the library is preloaded, as it
 * should be; then the launcher is registered and shared memory asked for.  It
 * runs in a session when a function is called in a server that does not
 * preload it: the settings exist, queueing works, nobody delivers.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"

#include "base/hubspot.h"
#include "account/meter.h"
#include "backend/user_tree.h"
#include "base/guc.h"
#include "cluster/home.h"
#include "cluster/shared.h"
#include "ddl.h"
#include "enqueue/trigger_creator.h"
#include "sync/sync_follow.h"

PG_MODULE_MAGIC;

static const SharedPart meters = {.size = meter_shared_size, .startup = meter_shared_startup};

static void
register_launcher(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, "hubspot launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "hubspot launcher", sizeof(worker.bgw_type));
	strlcpy(worker.bgw_library_name, "hubspot", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "hubspot_launcher_main",
			sizeof(worker.bgw_function_name));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	RegisterBackgroundWorker(&worker);
}

void
_PG_init(void)
{
	guc_define();

	/* pg_upgrade must find the databases as it left them */
	if (IsBinaryUpgrade)
		return;

	ddl_init();
	trigger_creator_init();
	user_tree_init();
	sync_follow_init();
	if (process_shared_preload_libraries_in_progress)
	{
		home_note_start();
		shared_init(&meters);
		register_launcher();
	}
}
