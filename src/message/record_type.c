/*
 * record_type.c
 *		HubSpot's own types of records, beside contacts and companies.
 *
 * What their requests differ by stands here, and nowhere in code: object_type.c
 * makes a row of object_types[] of each that a process meets.  The first row is
 * what a custom object begins as.
 *
 * "born_with" is what HubSpot's documentation asks for at creation; an account
 * may ask for more (hubspot.property tells none of that), or for less.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "message/object_type.h"

/* A primary one of either is enough: HubSpot deletes a lead with the last of these. */
static const BirthType lead_is_of[] = {{"contact", 578}, {"company", 580}, {NULL}};

static const BirthType line_item_is_of[] = {
	{"deal", 20}, {"quote", 68}, {"order", 514}, {"invoice", 410}, {"subscription", 302},
	{"cart", 591}, {NULL}
};

StaticAssertDecl(lengthof(line_item_is_of) <= BIRTH_MAX, "BIRTH_MAX holds the longest of them");

/* What is true of each of them, and of custom objects. */
#define RECORD_OF_ANY_TYPE \
	.call = CALL_RECORD, \
	.per_request = 100, \
	.own_limit = -1, \
	.merges = true, \
	.has_schema = true, \
	.can_be_synced = true, \
	.is_record = true, \
	.natural_key_is_unique = true, \
	.id_member = "id", \
	.id_option = ID_PROPERTIES_OPTION, \
	.modified_property = "hs_lastmodifieddate"

const CrmType record_types[] = {
	{
		RECORD_OF_ANY_TYPE,
		.scopes = "crm.objects.custom.write",
		.pipeline_property = "hs_pipeline",
		.pipeline_stage = "hs_pipeline_stage",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "deal",
		.plural = "deals",
		.type_id = "0-3",
		.path = "deals",
		.scopes = "crm.objects.deals.write",
		.pipeline_property = "pipeline",
		.pipeline_stage = "dealstage",
		.born_with = "dealname, dealstage",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "ticket",
		.plural = "tickets",
		.type_id = "0-5",
		.path = "tickets",
		.scopes = "tickets",
		.pipeline_property = "hs_pipeline",
		.pipeline_stage = "hs_pipeline_stage",
		.born_with = "subject, hs_pipeline_stage",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "product",
		.plural = "products",
		.type_id = "0-7",
		.path = "products",
		.scopes = "crm.objects.products.write, e-commerce",
		.born_with = "name",
		.stands_alone = true,
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "line_item",
		.plural = "line_items",
		.type_id = "0-8",
		.path = "line_items",
		.scopes = "crm.objects.line_items.write, e-commerce",
		.born_associated = line_item_is_of,
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "quote",
		.plural = "quotes",
		.type_id = "0-14",
		.path = "quotes",
		.scopes = "crm.objects.quotes.write, e-commerce",
		.born_with = "hs_title, hs_expiration_date",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "order",
		.plural = "orders",
		.type_id = "0-123",
		.path = "orders",
		.scopes = "crm.objects.orders.write",
		.pipeline_property = "hs_pipeline",
		.pipeline_stage = "hs_pipeline_stage",
		.born_with = "hs_order_name",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "cart",
		.plural = "carts",
		.type_id = "0-142",
		.path = "carts",
		.scopes = "crm.objects.carts.write",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "invoice",
		.plural = "invoices",
		.type_id = "0-53",
		.path = "invoices",
		.scopes = "crm.objects.invoices.write",
		.born_with = "hs_currency",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "payment",
		.plural = "payments",
		.type_id = "0-101",
		.path = "commerce_payments",
		.scopes = "crm.objects.commercepayments.write",
		.born_with = "hs_initial_amount, hs_initiated_date",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "subscription",
		.plural = "subscriptions",
		.type_id = "0-69",
		.path = "subscriptions",
		.scopes = "crm.objects.subscriptions.write",
		.born_with = "hs_name",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "lead",
		.plural = "leads",
		.type_id = "0-136",
		.path = "leads",
		.scopes = "crm.objects.leads.write",
		.pipeline_property = "hs_pipeline",
		.pipeline_stage = "hs_pipeline_stage",
		.born_with = "hs_lead_name",
		.born_associated = lead_is_of,
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "appointment",
		.plural = "appointments",
		.type_id = "0-421",
		.path = "0-421",
		.scopes = "crm.objects.appointments.write",
		.born_with = "hs_appointment_name",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "service",
		.plural = "services",
		.type_id = "0-162",
		.path = "0-162",
		.scopes = "crm.objects.services.write",
		.pipeline_property = "hs_pipeline",
		.pipeline_stage = "hs_pipeline_stage",
		.born_with = "hs_name, hs_pipeline, hs_pipeline_stage",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "course",
		.plural = "courses",
		.type_id = "0-410",
		.path = "0-410",
		.scopes = "crm.objects.courses.write",
		.born_with = "hs_course_name",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "listing",
		.plural = "listings",
		.type_id = "0-420",
		.path = "0-420",
		.scopes = "crm.objects.listings.write",
		.born_with = "hs_name",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "project",
		.plural = "projects",
		.type_id = "0-970",
		.path = "projects",
		.scopes = "crm.objects.projects.write",
		.pipeline_property = "hs_pipeline",
		.pipeline_stage = "hs_pipeline_stage",
		.born_with = "hs_name, hs_pipeline, hs_pipeline_stage",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "task",
		.plural = "tasks",
		.type_id = "0-27",
		.path = "tasks",
		.scopes = "crm.objects.contacts.write",
		.born_with = "hs_timestamp",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "note",
		.plural = "notes",
		.type_id = "0-46",
		.path = "notes",
		.scopes = "crm.objects.contacts.write",
		.born_with = "hs_timestamp",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "call",
		.plural = "calls",
		.type_id = "0-48",
		.path = "calls",
		.scopes = "crm.objects.contacts.write",
		.born_with = "hs_timestamp",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "email",
		.plural = "emails",
		.type_id = "0-49",
		.path = "emails",
		.scopes = "crm.objects.contacts.write, sales-email-read",
		.born_with = "hs_timestamp, hs_email_direction",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "meeting",
		.plural = "meetings",
		.type_id = "0-47",
		.path = "meetings",
		.scopes = "crm.objects.contacts.write",
		.born_with = "hs_timestamp",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "user",
		.plural = "users",
		.type_id = "0-115",
		.path = "users",
		.scopes = "crm.objects.users.write",
		.born_with = "hs_internal_user_id, hs_email",
		.stands_alone = true,
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "discount",
		.plural = "discounts",
		.type_id = "0-84",
		.path = "discounts",
		.scopes = "crm.objects.line_items.write",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "fee",
		.plural = "fees",
		.type_id = "0-85",
		.path = "fees",
		.scopes = "crm.objects.line_items.write",
	},
	{
		RECORD_OF_ANY_TYPE,
		.name = "tax",
		.plural = "taxes",
		.type_id = "0-86",
		.path = "taxes",
		.scopes = "crm.objects.line_items.write",
	},
	{NULL}
};
