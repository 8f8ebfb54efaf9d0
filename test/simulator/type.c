/*
 * type.c
 *	  The types of records; see type.h.
 *
 * The table is section 1.2 of the notes on objects.  The record ids of two
 * types may be the same number: an id is unique within its type only.
 */
#include "type.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config.h"
#include "reading.h"

/* Custom objects of the account count from here. */
#define FIRST_CUSTOM	3465404

/* What is special about a type, letters of "traits". */
#define TRAIT_SWITCHED	'S'		/* has to be activated */
#define TRAIT_BY_ID		'I'		/* paths spell it by its type id */
#define TRAIT_ALONE		'A'		/* no associations */
#define TRAIT_OF_QUOTES	'Q'		/* associations with quotes only */
#define TRAIT_ACTIVITY	'V'		/* an activity */
#define TRAIT_PARENT	'P'		/* needs an association when it is created */
#define TRAIT_CREATED	'C'		/* createdate, not hs_createdate */

typedef struct Standard
{
	const char *id;
	const char *name;
	const char *singular;
	const char *scope;
	const char *other_scope;
	const char *traits;
	const char *required;		/* behind a slash: of the documentation's table, hardly enforced */
	const char *properties;		/* "name:kind", kinds are those of property_define() */
} Standard;

#define PIPELINE	"hs_pipeline:pipeline hs_pipeline_stage:stage "

static const Standard standards[] = {
	{"0-1", "contacts", "contact", "contacts", NULL, "C", "", NULL},
	{"0-2", "companies", "company", "companies", NULL, "C", "", NULL},
	{"0-3", "deals", "deal", "deals", NULL, "C", "dealname dealstage",
		"dealname:string amount:number dealtype:newbusiness|existingbusiness pipeline:pipeline "
	"dealstage:stage closedate:datetime description:text hs_priority:low|medium|high"},
	{"0-5", "tickets", "ticket", NULL, "tickets", "C", "hs_pipeline_stage",
		"subject:string content:text " PIPELINE "hs_ticket_priority:LOW|MEDIUM|HIGH|URGENT "
		"hs_ticket_category:PRODUCT_ISSUE|BILLING_ISSUE|FEATURE_REQUEST|GENERAL_INQUIRY "
	"source_type:CHAT|EMAIL|FORM|PHONE hs_ticket_id:computed closed_date:datetime"},
	{"0-7", "products", "product", "products", "e-commerce", "A",
		"name / price hs_sku description hs_folder",
		"name:string price:number hs_sku:sku description:text hs_folder:string hs_url:string "
	"hs_cost_of_goods_sold:number hs_recurring_billing_period:string"},
	{"0-8", "line_items", "line_item", "line_items", "e-commerce", "", "",
		"name:string price:number quantity:number amount:computed hs_product_id:string hs_sku:string "
		"description:text hs_recurring_billing_period:string hs_discount_percentage:number "
	"hs_line_item_currency_code:string"},
	{"0-14", "quotes", "quote", "quotes", "e-commerce", "", "hs_title hs_expiration_date",
		"hs_title:string hs_expiration_date:date hs_currency:string hs_language:string hs_locked:computed "
	"hs_status:DRAFT|APPROVAL_NOT_NEEDED|PENDING_APPROVAL|APPROVED|REJECTED"},
	{"0-123", "orders", "order", "orders", NULL, "", "hs_order_name",
		"hs_order_name:string " PIPELINE "hs_currency_code:string hs_total_price:number "
	"hs_external_order_id:string hs_external_created_date:datetime hs_fulfillment_status:string"},
	{"0-142", "carts", "cart", "carts", NULL, "", "",
		"hs_cart_name:string hs_currency_code:string hs_total_price:number hs_external_cart_id:string "
	"hs_external_status:string"},
	{"0-53", "invoices", "invoice", "invoices", NULL, "", "hs_currency",
		"hs_currency:string hs_invoice_date:datetime hs_due_date:datetime hs_comments:text "
	"hs_purchase_order_number:string hs_invoice_status:draft|open|paid|voided"},
	{"0-101", "commerce_payments", "commerce_payment", "commercepayments", NULL, "",
		"hs_initial_amount hs_initiated_date",
		"hs_initial_amount:number hs_initiated_date:datetime hs_currency_code:string "
	"hs_latest_status:string hs_reference_number:string"},
	{"0-69", "subscriptions", "subscription", "subscriptions", NULL, "", "hs_name",
		"hs_name:string hs_status:string hs_recurring_revenue:number hs_currency_code:string "
	"hs_start_date:datetime hs_cancelled_at:datetime"},
	{"0-136", "leads", "lead", "leads", NULL, "P", "hs_lead_name",
		"hs_lead_name:string hs_lead_label:HOT|WARM|COLD "
	"hs_lead_type:NEW_BUSINESS|RE_ATTEMPTING|UPSELL " PIPELINE},
	{"0-421", "appointments", "appointment", "appointments", NULL, "SI", "hs_appointment_name",
		"hs_appointment_name:string hs_appointment_start:datetime hs_appointment_end:datetime "
	"hs_appointment_status:string " PIPELINE},
	{"0-162", "services", "service", "services", NULL, "SI", "hs_name hs_pipeline hs_pipeline_stage",
	"hs_name:string " PIPELINE "hs_category:string hs_start_date:datetime hs_total_cost:number"},
	{"0-410", "courses", "course", "courses", NULL, "SI", "hs_course_name",
	"hs_course_name:string hs_course_id:string hs_price:number hs_start_date:datetime " PIPELINE},
	{"0-420", "listings", "listing", "listings", NULL, "SI", "hs_name",
	"hs_name:string hs_price:number hs_city:string hs_zip:string hs_bedrooms:number " PIPELINE},
	{"0-970", "projects", "project", "projects", NULL, "", "hs_name hs_pipeline hs_pipeline_stage",
	"hs_name:string hs_description:text " PIPELINE "hs_due_date:datetime"},
	/* TO" "DO is HubSpot's: lint takes the word for a note */
	{"0-27", "tasks", "task", "contacts", NULL, "V", "hs_timestamp",
		"hs_timestamp:datetime hs_task_subject:string hs_task_body:text hs_task_type:EMAIL|CALL|TO" "DO "
		"hs_task_status:NOT_STARTED|IN_PROGRESS|WAITING|COMPLETED|DEFERRED "
	"hs_task_priority:NONE|LOW|MEDIUM|HIGH"},
	{"0-46", "notes", "note", "contacts", NULL, "V", "hs_timestamp",
	"hs_timestamp:datetime hs_note_body:text"},
	{"0-48", "calls", "call", "contacts", NULL, "V", "hs_timestamp",
		"hs_timestamp:datetime hs_call_title:string hs_call_body:text hs_call_duration:number "
	"hs_call_direction:INBOUND|OUTBOUND hs_call_status:string"},
	{"0-49", "emails", "email", "contacts", "sales-email-read", "V", "hs_timestamp hs_email_direction",
		"hs_timestamp:datetime hs_email_direction:EMAIL|INCOMING_EMAIL|FORWARDED_EMAIL "
	"hs_email_subject:string hs_email_text:text hs_email_html:text hs_email_status:string"},
	{"0-47", "meetings", "meeting", "contacts", NULL, "V", "hs_timestamp",
		"hs_timestamp:datetime hs_meeting_title:string hs_meeting_body:text "
	"hs_meeting_start_time:datetime hs_meeting_end_time:datetime hs_meeting_outcome:string"},
	{"0-18", "communications", "communication", "contacts", NULL, "V", "hs_timestamp",
		"hs_timestamp:datetime hs_communication_body:text hs_communication_logged_from:string "
	"hs_communication_channel_type:SMS|WHATS_APP|LINKEDIN_MESSAGE"},
	{"0-116", "postal_mail", "postal_mail", "contacts", NULL, "V", "hs_timestamp",
	"hs_timestamp:datetime hs_postal_mail_body:text"},
	{"0-115", "users", "user", "users", NULL, "A", "hs_internal_user_id hs_email",
	"hs_internal_user_id:string hs_email:string hs_job_title:string hs_standard_time_zone:string"},
	{"0-84", "discounts", "discount", "line_items", NULL, "Q", "",
	"hs_label:string hs_type:PERCENT|FIXED hs_value:number"},
	{"0-85", "fees", "fee", "line_items", NULL, "Q", "",
	"hs_label:string hs_type:PERCENT|FIXED hs_value:number"},
	{"0-86", "taxes", "tax", "line_items", NULL, "Q", "",
	"hs_label:string hs_type:PERCENT|FIXED hs_value:number"},
};

#define STANDARD_COUNT	((int) (sizeof(standards) / sizeof(standards[0])))

ObjectType *contacts;
ObjectType *companies;

static ObjectType **types;
static int	count;
static Table spellings;			/* of paths: the standard types, and custom ones by id */

static bool
has_trait(const Standard *standard, char trait)
{
	return strchr(standard->traits, trait) != NULL;
}

static char *
changed_case(const char *text, int (*change) (int))
{
	char	   *copy = must_strdup(text);

	for (char *c = copy; *c != '\0'; c++)
		*c = (char) change((unsigned char) *c);
	return copy;
}

static ObjectType *
add_type(const char *id, const char *name, const char *singular)
{
	ObjectType *type = must_alloc(sizeof(ObjectType));

	types = must_realloc(types, sizeof(ObjectType *) * (size_t) (count + 1));
	type->number = count;
	types[count++] = type;
	type->id = must_strdup(id);
	type->name = must_strdup(name);
	type->singular = must_strdup(singular);
	type->title = must_strdup(singular);
	*(char *) type->title = (char) toupper((unsigned char) *singular);
	type->upper = changed_case(singular, toupper);
	type->id_base = UINT64_C(5000000000);
	type->created_name = "hs_createdate";
	type->modified_name = "hs_lastmodifieddate";
	type->group = must_strdup(scratch_printf("%sinformation", singular));
	table_set(&type->groups, type->group, must_strdup(scratch_printf("%s information", type->title)));
	table_set(&spellings, id, type);
	return type;
}

static void
add_word(char ***list, int *length, const char *word, size_t len)
{
	char	   *copy = must_realloc(NULL, len + 1);

	memcpy(copy, word, len);
	copy[len] = '\0';
	*list = must_realloc(*list, sizeof(char *) * (size_t) (*length + 1));
	(*list)[(*length)++] = copy;
}

static void
show(ObjectType *type, const char *property)
{
	add_word(&type->shown, &type->shown_count, property, strlen(property));
}

static void
add_standard(const Standard *standard)
{
	ObjectType *type = add_type(standard->id, standard->name, standard->singular);

	type->scope = standard->scope;
	type->other_scope = standard->other_scope;
	type->is_switched = has_trait(standard, TRAIT_SWITCHED);
	type->is_alone = has_trait(standard, TRAIT_ALONE);
	type->is_of_quotes = has_trait(standard, TRAIT_OF_QUOTES);
	type->is_activity = has_trait(standard, TRAIT_ACTIVITY);
	type->needs_parent = has_trait(standard, TRAIT_PARENT);
	if (has_trait(standard, TRAIT_CREATED))
		type->created_name = "createdate";
	for (const char *at = standard->required; *at != '\0';)
	{
		size_t		len = strcspn(at, " ");

		add_word(&type->required, &type->required_count, at, len);
		at += len + (at[len] == ' ');
	}
	if (!has_trait(standard, TRAIT_BY_ID))
	{
		table_set(&spellings, type->name, type);
		table_set(&spellings, type->singular, type);
	}
	/* What a type is called by, or what it cannot be without, is shown unasked. */
	if (standard->properties != NULL)
		add_word(&type->shown, &type->shown_count, standard->properties, strcspn(standard->properties, ":"));
}

void
type_init(void)
{
	for (int i = 0; i < STANDARD_COUNT; i++)
		add_standard(&standards[i]);
	contacts = types[0];
	companies = types[1];
	contacts->id_base = UINT64_C(171000000000);
	companies->id_base = UINT64_C(29000000000);
	contacts->modified_name = "lastmodifieddate";
	show(contacts, "email");
	show(contacts, "firstname");
	show(contacts, "lastname");
	show(companies, "domain");
	show(companies, "name");
}

int
type_count(void)
{
	return count;
}

ObjectType *
type_at(int number)
{
	return types[number];
}

static ObjectType *
custom_named(const char *name)
{
	for (int i = STANDARD_COUNT; i < count; i++)
	{
		if (!types[i]->is_deleted && strcasecmp(types[i]->singular, name) == 0)
			return types[i];
	}
	return NULL;
}

/* The name in "p1234567_cars" and "p_cars". */
static ObjectType *
custom_spelled(const char *spelling)
{
	const char *prefix = scratch_printf("p%lld_", (long long) config.portal_id);

	if (strncmp(spelling, prefix, strlen(prefix)) == 0)
		return custom_named(spelling + strlen(prefix));
	return strncmp(spelling, "p_", 2) == 0 ? custom_named(spelling + 2) : NULL;
}

ObjectType *
object_type(const char *name)
{
	ObjectType *type = table_find(&spellings, name);

	if (type == NULL)
		return custom_spelled(name);
	return type->is_deleted ? NULL : type;
}

ObjectType *
type_named(const char *name)
{
	ObjectType *type = object_type(name);

	for (int i = 0; type == NULL && i < STANDARD_COUNT; i++)
	{
		if (strcasecmp(types[i]->name, name) == 0 || strcasecmp(types[i]->singular, name) == 0)
			type = types[i];
	}
	return type != NULL ? type : custom_named(name);
}

bool
type_is_active(const ObjectType *type)
{
	return !type->is_switched || list_allows(&config.activated, type->id);
}

ObjectType *
type_create(const char *name, const char *label)
{
	char	   *id = scratch_printf("2-%d", FIRST_CUSTOM + count - STANDARD_COUNT);
	ObjectType *type = add_type(id, id, name);

	type->title = must_strdup(label);
	type->scope = "custom";
	type->is_custom = true;
	type->group = must_strdup(scratch_printf("%s_information", name));
	table_set(&type->groups, type->group, must_strdup(scratch_printf("%s information", label)));
	return type;
}

const char *
type_full_name(const ObjectType *type)
{
	return scratch_printf("p%lld_%s", (long long) config.portal_id, type->singular);
}

const char *
type_properties(const ObjectType *type)
{
	return type->is_custom ? "" : standards[type->number].properties;
}

void
type_require(ObjectType *type, const char *property)
{
	add_word(&type->required, &type->required_count, property, strlen(property));
}

void
type_require_none(ObjectType *type)
{
	type->required_count = 0;
}

int
type_required(const ObjectType *type, bool is_upsert)
{
	if (is_upsert && reading_is(READING_UPSERT_LACKS))
		return 0;
	for (int i = 0; i < type->required_count; i++)
	{
		if (strcmp(type->required[i], "/") == 0 && reading_is(READING_FEWER_REQUIRED))
			return i;
	}
	return type->required_count;
}
