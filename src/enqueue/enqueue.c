/*
 * enqueue.c
 *		From a message to a row of the outbox.
 *
 * Runs in the user's backend and transaction, with the user's rights.  USAGE on the
 * SERVER decides who may queue; append.c writes the rows without checking rights on the
 * tables.  Locks: ROW EXCLUSIVE on one child of the outbox, until the end of the
 * transaction.  Memory: the caller's context; a group of rows is in a context of its own,
 * which is reset when the group is written.
 *
 * The transaction gets its xid before the row gets its id.  outbox_reader.c relies
 * on this order: whoever has a younger xid has a higher id.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/sequence.h"
#include "funcapi.h"
#include "mapping/record_message.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "base/guc.h"
#include "cluster/shared.h"
#include "enqueue/deadline.h"
#include "enqueue/enqueue.h"
#include "enqueue/opt_out.h"
#include "message/message_consent.h"
#include "enqueue/record_call.h"
#include "facts/objects.h"
#include "message/pair.h"
#include "message/unreadable.h"
#include "ring/outbox.h"
#include "ring/ring.h"
#include "store/append.h"
#include "store/company_contact.h"

#define ENQUEUE_GROUP_BYTES	(256 * 1024)

struct Enqueue
{
	Call		call;
	Source		source;
	Oid			server;
	CallOptions options;		/* of the account; its texts are in home */
	bool		record_problems;	/* record invalid messages as rejected rows; else raise an
									 * error */
	const Interval *wait;		/* from the argument deadline; NULL: none */
	bool		backfill;
	int64		parent;			/* parent of all rows; 0: each message's own */
	RowMode		mode;
	int			report;			/* of a definition's rows; 0: of none */
	TimestampTz deadline;		/* of the present message's rows; 0: none */
	const Catalog *catalog;
	FullTransactionId xid;
	Appender   *append;			/* for the present child; NULL before */
	int			child;
	int			capacity;
	MemoryContext home;			/* for the Appender */
	MemoryContext rows;			/* of rows not yet written; home if */
	Size		bytes;			/* in rows */
	CompanyContacts *pairs;		/* of the associations, NULL before the first one */
	JsonbContainer *associations;	/* message of a record that may name some; NULL: none does */
};

/* Calls that carry a message and are of no record type, and the object of their own row. */
static const struct
{
	Call		call;
	Object		object;
}			other_calls[] =
{
	{CALL_TRACK, OBJECT_IS_EVENT},
	{CALL_PAGE, OBJECT_IS_EVENT},
	{CALL_FORM, OBJECT_IS_FORM},
	{CALL_DELETE, OBJECT_IS_CONTACT},
	{CALL_ADD_TO_LIST, OBJECT_IS_LIST},
	{CALL_REMOVE_FROM_LIST, OBJECT_IS_LIST},
	{CALL_UNGROUP, OBJECT_IS_ASSOCIATION},
	{CALL_SUBSCRIPTION, OBJECT_IS_CONSENT},
	{CALL_RECORD, OBJECT_IS_CONTACT},	/* unless its message names another */
	{CALL_ASSOCIATE, OBJECT_IS_PAIR},
	{CALL_DISSOCIATE, OBJECT_IS_PAIR},
};

/* The object of a call that carries a message; false: it carries none. */
static bool
object_of_call(Call call, Object *object)
{
	foreach_object(type, is_record)
	{
		*object = type;
		if (object_types[type].call == call)
			return true;
	}
	for (int i = 0; i < lengthof(other_calls); i++)
	{
		*object = other_calls[i].object;
		if (other_calls[i].call == call)
			return true;
	}
	return false;
}

/* The call of that name that carries a message; false if there is none. */
static bool
find_call(const char *name, size_t len, Call *call)
{
	for (int i = 0; i < CALL_COUNT; i++)
	{
		Object		object;

		*call = (Call) i;
		if (strlen(call_names[i]) == len && memcmp(name, call_names[i], len) == 0)
			return object_of_call(*call, &object);
	}
	return false;
}

/* The names that find_call() knows. */
static char *
valid_calls(void)
{
	StringInfoData valid;
	Object		object;

	initStringInfo(&valid);
	for (int i = 0; i < CALL_COUNT; i++)
		if (object_of_call((Call) i, &object))
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "", call_names[i]);
	return valid.data;
}

Call
enqueue_call_by_name(const char *name)
{
	Call		call;

	if (!find_call(name, strlen(name), &call))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown call \"%s\"", name),
				 errhint("Valid calls are: %s.", valid_calls())));
	return call;
}

/* Types of Segment's messages that HubSpot has no use for. */
static const char *const useless_types[] = {"alias", "screen"};

bool
enqueue_call_of_type(Jsonb *message, int place, Call *call)
{
	JsonbValue	type;

	if (!JB_ROOT_IS_OBJECT(message) || !message_member(&message->root, "type", &type) ||
		type.type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("message %d of the array has no \"type\"", place),
				 errhint("Name the call, or leave such messages out.")));
	for (int i = 0; i < lengthof(useless_types); i++)
		if (strlen(useless_types[i]) == type.val.string.len &&
			memcmp(useless_types[i], type.val.string.val, type.val.string.len) == 0)
			return false;
	if (!find_call(type.val.string.val, type.val.string.len, call))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("message %d of the array has the unknown type \"%s\"", place,
						pnstrdup(type.val.string.val, type.val.string.len)),
				 errhint("Valid types are: %s; "
						 "messages of the types alias and screen are left out.",
						 valid_calls())));
	return true;
}

void
enqueue_raise(const MessageProblem *problem)
{
	ereport(ERROR,
			(errcode(problem->sqlerrcode),
			 errmsg("%s", problem->message),
			 problem->detail ? errdetail("%s", problem->detail) : 0,
			 problem->hint ? errhint("%s", problem->hint) : 0));
}

/* Copy the texts of the options: the cache may be emptied while messages are queued. */
static void
keep_texts(CallOptions *options)
{
	options->server_name = pstrdup(options->server_name);
	for (int i = 0; i < ID_PROPERTY_COUNT; i++)
		if (options->id_property[i] != NULL)
			options->id_property[i] = pstrdup(options->id_property[i]);
}

Enqueue *
enqueue_begin(Call call, Source source, const char *server, Oid role, int capacity)
{
	Enqueue    *enqueue = palloc0(sizeof(Enqueue));

	PreventCommandIfReadOnly("queueing a HubSpot call");
	PreventCommandIfParallelMode("queueing a HubSpot call");
	PreventCommandDuringRecovery("queueing a HubSpot call");

	enqueue->call = call;
	enqueue->source = source;
	enqueue->server = account_resolve(server);
	account_check_usage(enqueue->server, role);
	enqueue->options = *account_call_options(enqueue->server);
	keep_texts(&enqueue->options);

	/*
	 * A sync and a trigger run in somebody's business transaction, which must not fail because of
	 * a value.
	 */
	enqueue->record_problems = source == SOURCE_SYNC || hubspot_on_invalid == ON_INVALID_RECORD ||
		(hubspot_on_invalid == ON_INVALID_AUTO && source != SOURCE_FUNCTION);
	enqueue->catalog = ring_outbox_catalog();
	/* Before any id is drawn: see the head of this file. */
	enqueue->xid = GetTopFullTransactionId();
	enqueue->child = -1;
	enqueue->capacity = capacity;
	enqueue->home = CurrentMemoryContext;
	enqueue->rows = capacity == 1 ? enqueue->home :
		AllocSetContextCreate(enqueue->home, "hubspot rows to queue", ALLOCSET_DEFAULT_SIZES);
	return enqueue;
}

void
enqueue_set_call(Enqueue *enqueue, Call call)
{
	enqueue->call = call;
}

void
enqueue_set_terms(Enqueue *enqueue, const Interval *deadline, bool backfill)
{
	enqueue->wait = deadline;
	enqueue->backfill = backfill;
}

void
enqueue_set_parent(Enqueue *enqueue, int64 parent)
{
	enqueue->parent = parent;
}

void
enqueue_set_mode(Enqueue *enqueue, RowMode mode)
{
	enqueue->mode = mode;
}

void
enqueue_set_report(Enqueue *enqueue, int report)
{
	enqueue->report = report;
}

/* Open the child for this id, if it is not open. */
static void
open_child(Enqueue *enqueue, int64 id)
{
	MemoryContext old;

	if (enqueue->child == RING_CHILD(id))
		return;
	old = MemoryContextSwitchTo(enqueue->home);
	if (enqueue->append != NULL)
		append_close(enqueue->append);
	enqueue->child = RING_CHILD(id);
	enqueue->append = append_open(enqueue->catalog->outbox[enqueue->child], enqueue->capacity);
	MemoryContextSwitchTo(old);
}

/* Whether the row has a mode: modes are about records, not about events, forms or deletions. */
static bool
has_mode(const Enqueue *enqueue, Object object)
{
	return enqueue->mode != MODE_UPSERT && enqueue->call != CALL_DELETE &&
		enqueue->call != CALL_UNGROUP &&
		(object_types[object].is_record || object == OBJECT_IS_ASSOCIATION);
}

/* In a group, rows outlive their message: copy it. */
static Jsonb *
keep_message(Enqueue *enqueue, Jsonb *message)
{
	Size		size = VARSIZE(message);

	if (enqueue->capacity == 1)
		return message;
	enqueue->bytes += size;
	return memcpy(palloc(size), message, size);
}

int64
enqueue_work(Enqueue *enqueue, const Work *work)
{
	int64		id =
	(work->id != 0 ? work->id : nextval_internal(enqueue->catalog->outbox_id_seq, false));
	MemoryContext old;
	Datum	   *values;
	bool	   *isnull;
	bool		written;

	/*
	 * The id may be in another child than the row before: the worker starts new generations at any
	 * time.
	 */
	open_child(enqueue, id);
	old = MemoryContextSwitchTo(enqueue->rows);
	append_next(enqueue->append, &values, &isnull);

#define PUT(column, datum) \
	do { \
		values[Anum_outbox_##column - 1] = (datum); \
		isnull[Anum_outbox_##column - 1] = false; \
	} while (0)

	PUT(id, Int64GetDatum(id));
	PUT(xid, FullTransactionIdGetDatum(enqueue->xid));
	PUT(created_at, TimestampTzGetDatum(GetCurrentTimestamp()));
	PUT(server, ObjectIdGetDatum(enqueue->server));
	PUT(call, ObjectIdGetDatum(enqueue->catalog->call[enqueue->call]));
	PUT(source, ObjectIdGetDatum(enqueue->catalog->source[enqueue->source]));
	if (enqueue->report != 0)
		PUT(report, Int32GetDatum(enqueue->report));
	if (work->parent != 0 || enqueue->parent != 0)
		PUT(parent, Int64GetDatum(enqueue->parent != 0 ? enqueue->parent : work->parent));
	if (enqueue->deadline != 0)
		PUT(deadline, TimestampTzGetDatum(enqueue->deadline));
	if (enqueue->backfill)
		PUT(backfill, BoolGetDatum(true));
	if (has_mode(enqueue, work->object))
		PUT(mode, CharGetDatum((char) enqueue->mode));
	PUT(object, object_datum(work->object));
	if (work->key.property != NULL)
		PUT(key_property, CStringGetTextDatum(work->key.property));
	PUT(key, CStringGetTextDatum(work->key.key != NULL ? work->key.key : ""));
	if (work->problem != NULL)
		PUT(problem, CStringGetTextDatum(work->problem));
	if (work->message != NULL)
		PUT(message, JsonbPGetDatum(keep_message(enqueue, work->message)));
#undef PUT

	written = append_row(enqueue->append);
	/* A group is bounded in rows by its capacity; a few large messages must not exhaust memory. */
	if (!written && enqueue->bytes > ENQUEUE_GROUP_BYTES)
	{
		append_flush(enqueue->append);
		written = true;
	}
	MemoryContextSwitchTo(old);
	if (written && enqueue->rows != enqueue->home)
	{
		MemoryContextReset(enqueue->rows);
		enqueue->bytes = 0;
	}
	shared_wake_at_commit();
	return id;
}

/* Write a row that is rejected. */
static int64
enqueue_bad_work(Enqueue *enqueue, Work *work, const MessageProblem *problem)
{
	const char *unreadable =
	(work->message != NULL ? unreadable_describe(&work->message->root) : NULL);

	work->problem = problem->detail ? psprintf("%s (%s)", problem->message, problem->detail)
		: problem->message;
	/* What is missing may be what could not be read. */
	if (unreadable != NULL)
		work->problem = psprintf("%s; %s", work->problem, unreadable);
	return enqueue_work(enqueue, work);
}

int64
enqueue_problem(Enqueue *enqueue, Jsonb *message, const MessageProblem *problem)
{
	Work		work = {.message = message};
	MessageProblem ignored;

	(void) object_of_call(enqueue->call, &work.object);
	if (enqueue->call == CALL_RECORD && message != NULL && JB_ROOT_IS_OBJECT(message))
		(void) message_record_type(&message->root, &work.object, &ignored);
	if (!enqueue->record_problems)
		enqueue_raise(problem);
	return enqueue_bad_work(enqueue, &work, problem);
}

/* Find the deadline of the message's rows: from the argument, else from the message. */
static bool
find_deadline(Enqueue *enqueue, const MessageParts *parts, MessageProblem *problem)
{
	MessageParts whole = *parts;

	if (enqueue->wait != NULL)
		return deadline_after(enqueue->wait, &enqueue->deadline, problem);
	/* no column of a record of any type is called so */
	whole.flat = parts->flat && enqueue->call != CALL_RECORD;
	return deadline_of_message(&whole, enqueue->options.zone, &enqueue->deadline, problem);
}

/*
 * Find the key of the call's own row, and the object of a deletion; false, with the
 * problem, if it has none.
 */
static bool
find_key(const Enqueue *enqueue, const MessageParts *parts, Work *work, MessageProblem *problem)
{
	const CallOptions *options = &enqueue->options;
	MessageKey *key = &work->key;
	MessageConsent consent;

	switch (enqueue->call)
	{
		case CALL_TRACK:
		case CALL_PAGE:
			return message_event_key(enqueue->call, parts,
									 options->id_property[OBJECT_IS_CONTACT],
									 key, problem);
		case CALL_FORM:
			return message_form_key(parts, key, problem);
		case CALL_DELETE:
			return message_deleted_key(work->object, parts, options->id_property, key,
									   problem);
		case CALL_ADD_TO_LIST:
		case CALL_REMOVE_FROM_LIST:
			return message_member_key(enqueue->call, parts, options->id_property, key, problem);
		case CALL_SUBSCRIPTION:

			/* HubSpot keeps subscriptions by address, whatever the account's own key is */
			return message_consent(parts, &consent, problem) &&
				message_known_contact_key(enqueue->call, parts, NULL, key, problem);
		case CALL_IDENTIFY:

			/*
			 * A sync's row may name its contact by the userId alone, if another call has given the
			 * address before.
			 */
			if (enqueue->source == SOURCE_SYNC)
				return message_known_contact_key(enqueue->call, parts,
												 options->id_property[OBJECT_IS_CONTACT],
												 key, problem);
			return message_contact_key(enqueue->call, parts,
									   options->id_property[OBJECT_IS_CONTACT],
									   key, problem);
		default:
			return message_record_key(work->object, enqueue->call, parts,
									  object_id_property(options->id_property, work->object), key,
									  problem);
	}
}

/*
 * Find contact and company of a call that takes the one out of the other.  Its row is an
 * association's, and has the message of one.
 */
static bool
find_leaving(const Enqueue *enqueue, const MessageParts *parts, Work *work, MessageKey *company,
			 MessageProblem *problem)
{
	const CallOptions *options = &enqueue->options;

	if (!message_company_key(enqueue->call, parts, options->id_property[OBJECT_IS_COMPANY],
							 company, problem) ||
		!message_known_contact_key(enqueue->call, parts, options->id_property[OBJECT_IS_CONTACT],
								   &work->key, problem))
		return false;
	work->message = message_make_association(company);
	return true;
}

static PairNames
pair_names(const Enqueue *enqueue)
{
	return (PairNames)
	{
		.id_property = enqueue->options.id_property, .server = enqueue->server,
			.word_of = objects_find
	};
}

/* Find the two records of a call that associates them, or does so no longer. */
static bool
find_pair(const Enqueue *enqueue, const MessageParts *parts, Work *work, MessageProblem *problem)
{
	PairNames	names = pair_names(enqueue);
	PairMessage pair;

	if (!message_pair(parts, &names, &pair, problem))
		return false;
	work->key = message_pair_key(&pair);
	work->message = message_make_pair(&pair);
	return true;
}

/* Find the contact of a group call, if it names one. */
static bool
find_member(const Enqueue *enqueue, const MessageParts *parts, MessageKey *key,
			MessageProblem *problem)
{
	key->key = NULL;
	return enqueue->call != CALL_GROUP || !message_names_contact(enqueue->call, parts) ||
		message_known_contact_key(enqueue->call, parts,
								  enqueue->options.id_property[OBJECT_IS_CONTACT],
								  key, problem);
}

/* Remember that the contact belongs to the company, or does not any more, as this row says. */
static void
note_pair(Enqueue *enqueue, const MessageKey *contact, const MessageKey *company, int64 id,
		  bool leaves)
{
	if (enqueue->pairs == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(enqueue->home);

		enqueue->pairs = company_contact_begin(enqueue->options.server_name, enqueue->capacity);
		MemoryContextSwitchTo(old);
	}
	company_contact_add(enqueue->pairs, company, contact, id, leaves);
}

/* Queue an association: {"property": .., "company": ..}. */
static int64
enqueue_association(Enqueue *enqueue, const MessageKey *contact, const MessageKey *company,
					int64 parent)
{
	Work		work = {.object = OBJECT_IS_ASSOCIATION, .parent = parent, .key = *contact};
	int64		id;

	work.message = message_make_association(company);
	id = enqueue_work(enqueue, &work);
	note_pair(enqueue, contact, company, id, false);
	return id;
}

/*
 * Queue a company among the traits of a contact like the company of a group call;
 * contacts.c warns of one that has no key.
 */
static void
enqueue_company(Enqueue *enqueue, Jsonb *message, const MessageParts *parts,
				const MessageKey *contact, int64 parent)
{
	Work		work = {.object = OBJECT_IS_COMPANY, .parent = parent, .message = message};
	const char *why;

	if (!enqueue->options.associate_company_trait ||
		!message_contact_company(enqueue->call, parts,
								 enqueue->options.id_property[OBJECT_IS_COMPANY], &work.key, &why))
		return;
	(void) enqueue_work(enqueue, &work);
	(void) enqueue_association(enqueue, contact, &work.key, parent);
}

/* Queue the contact's part of a track or group call like an identify call. */
static void
enqueue_contact(Enqueue *enqueue, Jsonb *message, const MessageParts *parts,
				const MessageKey *contact, int64 parent)
{
	Work		work =
	{.object = OBJECT_IS_CONTACT, .parent = parent, .key = *contact, .message = message};

	(void) enqueue_work(enqueue, &work);
	enqueue_company(enqueue, message, parts, contact, parent);
}

/* Queue the rows that a call makes besides its own. */
static void
enqueue_children(Enqueue *enqueue, Jsonb *message, const MessageParts *parts, const Work *work,
				 const MessageKey *member)
{
	MessageKey	contact;
	MessageProblem problem;

	if (enqueue->call == CALL_IDENTIFY)
		enqueue_company(enqueue, message, parts, &work->key, work->id);
	else if (enqueue->call == CALL_TRACK && !enqueue->options.legacy_events &&
			 message_has_traits(parts->context_traits) &&
			 message_known_contact_key(enqueue->call, parts,
									   enqueue->options.id_property[OBJECT_IS_CONTACT],
									   &contact, &problem))
		enqueue_contact(enqueue, message, parts, &contact, work->id);
	else if (enqueue->call == CALL_GROUP && member->key != NULL)
	{
		if (message_has_traits(parts->context_traits))
			enqueue_contact(enqueue, message, parts, member, work->id);
		(void) enqueue_association(enqueue, member, &work->key, work->id);
	}
}

/*
 * Draw the row's id.  With hubspot.dedup_message_id, return the id of an earlier row with
 * the same messageId instead, or 0.
 */
static int64
earlier_row(Enqueue *enqueue, const MessageParts *parts, Work *work)
{
	work->id = nextval_internal(enqueue->catalog->outbox_id_seq, false);
	if (!hubspot_dedup_message_id || parts->message_id.type == jbvNull)
		return 0;
	return dedup_message_id(enqueue->server, message_id(parts), work->id);
}

/* Find the object of a message that names it, and what its row may do. */
static bool
find_object(Enqueue *enqueue, const MessageParts *parts, Work *work, MessageProblem *problem)
{
	if (enqueue->call != CALL_RECORD && enqueue->call != CALL_DELETE)
		return true;
	return record_object(enqueue->server, parts, &work->object, problem) &&
		(enqueue->call == CALL_DELETE || message_mode(parts, &enqueue->mode, problem));
}

/* The associations that a record's message names beside it. */
typedef struct Associations
{
	PairMessage *pairs;
	MessageProblem *problems;	/* of a definition's row: what is wrong with each; else NULL */
	int			npairs;
} Associations;

static bool
find_associations(const Enqueue *enqueue, const Work *work, Associations *found,
				  MessageProblem *problem)
{
	PairEnd		from =
	{.object = work->object, .property = work->key.property, .key = work->key.key};
	PairNames	names = pair_names(enqueue);

	found->npairs = 0;
	found->problems = NULL;

	/* a table's row is not lost for one column that holds no key */
	return enqueue->associations == NULL ||
		message_associations(enqueue->associations, &from, &names, &found->pairs,
							 enqueue->source == SOURCE_SYNC ? &found->problems : NULL,
							 &found->npairs, problem);
}

/* What the message says of the association with this number. */
static Jsonb *
association_as_written(const Enqueue *enqueue, int n)
{
	JsonbValue	array;

	return message_member(enqueue->associations, MESSAGE_ASSOCIATIONS, &array)
		? JsonbValueToJsonb(getIthJsonbValueFromContainer(array.val.binary.data, n)) : NULL;
}

/* Rows of their own, as of hubspot_associate(), which belong to the record's. */
static void
enqueue_associations(Enqueue *enqueue, const Associations *found, int64 parent)
{
	Call		call = enqueue->call;

	enqueue->call = CALL_ASSOCIATE;
	for (int i = 0; i < found->npairs; i++)
	{
		Work		work = {.object = OBJECT_IS_PAIR, .parent = parent};

		if (found->problems != NULL && found->problems[i].message != NULL)
		{
			work.message = association_as_written(enqueue, i);
			(void) enqueue_bad_work(enqueue, &work, &found->problems[i]);
			continue;
		}
		work.key = message_pair_key(&found->pairs[i]);
		work.message = message_make_pair(&found->pairs[i]);
		(void) enqueue_work(enqueue, &work);
	}
	enqueue->call = call;
}

static int64 queue_message(Enqueue *enqueue, Jsonb *message);

/* A contact or a company is queued by the call of its own. */
static int64
enqueue_as_own_call(Enqueue *enqueue, Jsonb *message, const MessageParts *parts, Object object)
{
	MessageProblem problem;
	Jsonb	   *translated = record_as_own_call(message, parts, object, &problem);
	int64		id;

	if (translated == NULL)
		return enqueue_problem(enqueue, message, &problem);
	enqueue->call = object_types[object].call;
	enqueue->associations = parts->root;
	id = queue_message(enqueue, translated);
	enqueue->associations = NULL;
	enqueue->call = CALL_RECORD;
	return id;
}

static int64
queue_message(Enqueue *enqueue, Jsonb *message)
{
	MessageParts parts;
	MessageProblem problem;
	Work		work = {.message = message};
	MessageKey	member;
	MessageKey	company;		/* that is left */
	MessageConsent consent;
	Associations associations;
	int64		earlier;

	(void) object_of_call(enqueue->call, &work.object);
	enqueue->deadline = 0;
	if (VARSIZE_ANY_EXHDR(message) > hubspot_max_message_size)
	{
		problem.sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		problem.message = psprintf("message of %zu bytes exceeds hubspot.max_message_size",
								   (size_t) VARSIZE_ANY_EXHDR(message));
		problem.detail = psprintf("The limit is %d bytes.", hubspot_max_message_size);
		problem.hint = NULL;
		return enqueue_problem(enqueue, NULL, &problem);
	}

	/*
	 * All checks come before the first row is written: a rejected call is one row, and leaves no
	 * half of itself.
	 */
	if (!message_read(message, &parts, &problem) || !message_check_envelope(&parts, &problem) ||
		!find_object(enqueue, &parts, &work, &problem))
		return enqueue_problem(enqueue, message, &problem);
	if (enqueue->call == CALL_RECORD && work.object < OBJECT_COUNT)
		return enqueue_as_own_call(enqueue, message, &parts, work.object);
	if (enqueue->call == CALL_RECORD)
		enqueue->associations = parts.root;
	if (!find_deadline(enqueue, &parts, &problem) ||
		!(enqueue->call == CALL_UNGROUP
		  ? find_leaving(enqueue, &parts, &work, &company, &problem)
		  : work.object == OBJECT_IS_PAIR
		  ? find_pair(enqueue, &parts, &work, &problem)
		  : find_key(enqueue, &parts, &work, &problem)) ||
		!find_member(enqueue, &parts, &member, &problem) ||
		!find_associations(enqueue, &work, &associations, &problem))
		return enqueue_problem(enqueue, message, &problem);
	earlier = earlier_row(enqueue, &parts, &work);
	if (earlier != 0)
		return earlier;
	(void) enqueue_work(enqueue, &work);
	if (enqueue->call == CALL_UNGROUP)
		note_pair(enqueue, &work.key, &company, work.id, true);
	if (enqueue->call == CALL_SUBSCRIPTION && enqueue->options.suppress_opt_outs &&
		message_consent(&parts, &consent, &problem))
		opt_out_note(enqueue->options.server_name, &work.key, &consent);
	enqueue_children(enqueue, message, &parts, &work, &member);
	enqueue_associations(enqueue, &associations, work.id);
	return work.id;
}

int64
enqueue_message(Enqueue *enqueue, Jsonb *message)
{
	RowMode		mode = enqueue->mode;	/* a message may name its own */
	int64		id = queue_message(enqueue, message);

	enqueue->mode = mode;
	enqueue->associations = NULL;
	return id;
}

int64
enqueue_membership(Enqueue *enqueue, Jsonb *message)
{
	MessageParts parts;
	MessageProblem problem;
	MessageKey	company;
	MessageKey	contact;

	enqueue->deadline = 0;
	if (!message_read(message, &parts, &problem) ||
		!find_deadline(enqueue, &parts, &problem) ||
		!message_company_key(CALL_GROUP, &parts, enqueue->options.id_property[OBJECT_IS_COMPANY],
							 &company, &problem) ||
		!message_known_contact_key(enqueue->call, &parts,
								   enqueue->options.id_property[OBJECT_IS_CONTACT],
								   &contact, &problem))
		return enqueue_problem(enqueue, message, &problem);
	return enqueue_association(enqueue, &contact, &company, 0);
}

void
enqueue_end(Enqueue *enqueue)
{
	if (enqueue->append != NULL)
		append_close(enqueue->append);
	if (enqueue->pairs != NULL)
		company_contact_end(enqueue->pairs);
	if (enqueue->rows != enqueue->home)
		MemoryContextDelete(enqueue->rows);
	pfree(enqueue);
}
