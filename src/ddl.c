/*
 * ddl.c
 *		Statements that concern us although they are not ours.
 *
 * Called through ProcessUtility_hook, in every session that has the library.
 *
 *	DROP DATABASE, ALTER DATABASE .. RENAME TO, .. SET TABLESPACE and CREATE
 *	DATABASE .. TEMPLATE refuse to run while anyone is connected to the
 *	database.  Its worker and refreshers are asked to leave first, and no other comes until
 *	the transaction has ended, in whichever way.  Only for who owns the
 *	database: a stranger's statement is going to fail, and disturbs nobody.
 *
 *	CREATE and ALTER EXTENSION, CREATE and ALTER DATABASE: the launcher is
 *	told at commit.
 *
 *	Whatever renames: definitions keep the names of their sources and owners, see
 *	sync_rename.c.
 *
 *	Whatever puts a table under a followed one, or enables its triggers: see sync_follow.c.
 *
 *	DROP ROLE, DROP OWNED, REASSIGN OWNED: see sync_owner.c.
 *
 *	ALTER SERVER: its name is kept for the validator, see account.c.
 *
 * DROP EXTENSION needs no more: the worker looks for the extension in each of
 * its transactions and holds no lock in between.  It is refused while a refresher
 * is stuck, for it would wait for that.
 *
 * Locks: none beyond what shared.c takes.  Memory: the statement's.
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "cluster/shared.h"
#include "ddl.h"
#include "declare/sync_owner.h"
#include "sync/sync_follow.h"

#define LEAVE_MS	2000		/* PostgreSQL itself waits another 5 s */
#define POLL_MS		10

static ProcessUtility_hook_type prev_process_utility = NULL;

/* The value of an option, or NULL when it is missing or DEFAULT. */
static char *
option_value(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

static bool
has_ended_by(int pid, TimestampTz deadline)
{
	while (BackendPidGetProc(pid) != NULL)
	{
		if (GetCurrentTimestamp() >= deadline)
			return false;
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	return true;
}

/* Have no worker in this database until the end of the transaction. */
static void
vacate(const char *name)
{
	Oid			database;
	int			pids[SHARED_PROCESSES];
	int			count;
	TimestampTz deadline;

	if (hubspot_shared == NULL || name == NULL)
		return;
	database = get_database_oid(name, true);

	/*
	 * A role that may not drop or rename the database must not stop its worker: PostgreSQL raises
	 * the error.
	 */
	if (!OidIsValid(database) ||
		!object_ownercheck(DatabaseRelationId, database, GetUserId()))
		return;
	/* Held before we wait: otherwise the launcher would start the next worker meanwhile. */
	count = shared_hold_database(database, pids);
	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LEAVE_MS);
	for (int i = 0; i < count; i++)
		if (!has_ended_by(pids[i], deadline))
			ereport(WARNING,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("the hubspot process with PID %d has not left database \"%s\"", pids[i],
							name),
					 errdetail("A refresher whose query looks for no interrupts goes on "
							   "until that comes back."),
					 errhint("hubspot_health() in that database names the query, "
							 "and what helps.")));
}

/* The same for a statement that is refused in the database it is about. */
static void
vacate_other(const char *name)
{
	if (get_database_oid(name, true) != MyDatabaseId)
		vacate(name);
}

/*
 * A refresher that is stuck keeps its locks on our tables, and DROP EXTENSION would wait as long.
 */
static void
refuse_while_stuck(const DropStmt *statement)
{
	StuckRefresher stuck[SHARED_MAX_REFRESHERS];
	ListCell   *cell;

	if (statement->removeType != OBJECT_EXTENSION)
		return;
	foreach(cell, statement->objects)
	{
		if (strcmp(strVal(lfirst(cell)), HUBSPOT_EXTENSION) == 0 &&
			shared_stuck_refreshers(MyDatabaseId, stuck) > 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("cannot drop extension \"%s\" while a refresher is stuck",
							HUBSPOT_EXTENSION),
					 errdetail("The process with PID %d was told to end, "
							   "and looks for no interrupts.",
							   stuck[0].pid),
					 errhint("hubspot_health() names the definition, and what helps.")));
	}
}

static void
before_statement(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropStmt:
			refuse_while_stuck((DropStmt *) statement);
			break;
		case T_DropdbStmt:
			vacate_other(((DropdbStmt *) statement)->dbname);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				vacate_other(((RenameStmt *) statement)->subname);
			break;
			/* Other options do not ask for the database to be empty. */
		case T_AlterDatabaseStmt:
			if (option_value(((AlterDatabaseStmt *) statement)->options, "tablespace"))
				vacate_other(((AlterDatabaseStmt *) statement)->dbname);
			break;
		case T_CreatedbStmt:
			vacate(option_value(((CreatedbStmt *) statement)->options, "template"));
			break;
		default:
			break;
	}
}

static void
after_statement(NodeTag kind)
{
	switch (kind)
	{
		case T_CreateExtensionStmt:
		case T_AlterExtensionStmt:
			if (OidIsValid(get_extension_oid(HUBSPOT_EXTENSION, true)))
				shared_launch_at_commit();
			break;
		case T_CreatedbStmt:
		case T_AlterDatabaseStmt:
			shared_rescan_at_commit();
			break;
		case T_RenameStmt:
		case T_AlterObjectSchemaStmt:
			sync_follow_names();
			break;
		default:
			break;
	}
}

/* Statements run one inside the other, as by an event trigger. */
static const char *
altered_by(Node *statement, const char *outer)
{
	if (IsA(statement, AlterForeignServerStmt))
		return ((AlterForeignServerStmt *) statement)->servername;
	if (IsA(statement, CreateForeignServerStmt))
		return NULL;
	return outer;
}

static void
on_process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				   ProcessUtilityContext context, ParamListInfo params,
				   QueryEnvironment *environment, DestReceiver *dest,
				   QueryCompletion *completion)
{
	Node	   *statement = pstmt->utilityStmt;
	NodeTag		kind = nodeTag(statement);	/* a ROLLBACK may free the statement */
	const char *outer = account_being_altered;
	RoleStatement about;
	bool		is_about_roles = sync_owner_concerns(statement, &about);

	before_statement(statement);
	account_being_altered = altered_by(statement, outer);
	PG_TRY();
	{
		if (prev_process_utility)
			prev_process_utility(pstmt, query, read_only_tree, context, params,
								 environment, dest, completion);
		else
			standard_ProcessUtility(pstmt, query, read_only_tree, context, params,
									environment, dest, completion);
	}
	PG_FINALLY();
	{
		account_being_altered = outer;
	}
	PG_END_TRY();
	after_statement(kind);
	/* Not before the statement that this one is a part of has made its table. */
	if (context != PROCESS_UTILITY_SUBCOMMAND)
		sync_follow_statement();
	if (is_about_roles)
		sync_owner_follow(&about);
}

void
ddl_init(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = on_process_utility;
}
