/*
 * verify_start.c
 *		hubspot.verify_start(): the process of hubspot_verify() is started and awaited.
 *
 * Runs in the user's backend.  A session that is cancelled ends the process, which
 * leaves what it has made to the next run, see verify_process.c.
 * Locks: none; two processes for one SERVER wait for each other at the row of
 * hubspot.verify_run.  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_foreign_server.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "base/compat.h"
#include "cluster/shared.h"
#include "verify/verify_order.h"

StaticAssertDecl(sizeof(VerifyOrder) <= BGW_EXTRALEN, "an order must fit into bgw_extra");

PG_FUNCTION_INFO_V1(hubspot_verify_start);

/* Only the owner of a SERVER that is said to be a test account may have it written to. */
static void
check_account(const ForeignServer *server)
{
	if (!object_ownercheck(ForeignServerRelationId, server->serverid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_SERVER, server->servername);
	if (!account_parse_options(server->options)->test_account)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("SERVER \"%s\" is not said to be a test account", server->servername),
				 errdetail("hubspot_verify() creates, changes and deletes records in HubSpot."),
				 errhint("Where nothing of value is in the account: "
						 "ALTER SERVER %s OPTIONS (ADD test_account 'on').",
						 quote_identifier(server->servername))));
	if (hubspot_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("hubspot is not in shared_preload_libraries"),
				 errhint("See hubspot_health().")));
}

static BackgroundWorkerHandle *
start_process(const VerifyOrder *order, const char *server)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "hubspot verification of %s", server);
	strlcpy(worker.bgw_type, "hubspot verification", sizeof(worker.bgw_type));
	strlcpy(worker.bgw_library_name, "hubspot", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "hubspot_verify_main", sizeof(worker.bgw_function_name));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, order, sizeof(*order));
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("out of background worker slots"),
				 errhint("You might need to increase max_worker_processes.")));
	return handle;
}

/* hubspot.verify_start(server, any_size) */
Datum
hubspot_verify_start(PG_FUNCTION_ARGS)
{
	ForeignServer *server = GetForeignServer(account_resolve(PG_ARGISNULL(0) ? NULL
															 : NameStr(*PG_GETARG_NAME(0))));
	VerifyOrder order = {.database = MyDatabaseId, .server = server->serverid};
	BackgroundWorkerHandle *volatile handle;

	order.any_size = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	check_account(server);
	handle = start_process(&order, server->servername);
	PG_TRY();
	{
		if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED)
			proc_exit(1);
	}
	PG_CATCH();
	{
		TerminateBackgroundWorker(handle);
		PG_RE_THROW();
	}
	PG_END_TRY();
	PG_RETURN_OID(server->serverid);
}
