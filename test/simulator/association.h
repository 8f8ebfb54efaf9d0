/*
 * association.h
 *	  What belongs to what: section 3.4, and section 3 of the notes on objects.
 *
 * A kind is what an association between two types may be, a pair is two
 * records with a set of kinds; the unlabelled kind of their types is always
 * among them.  Kinds live as long as the process (association_kind.c), pairs
 * are owned by association.c.
 */
#ifndef SIMULATOR_ASSOCIATION_H
#define SIMULATOR_ASSOCIATION_H

#include <json-c/json.h>

#include "http.h"
#include "type.h"

#define MAX_MARKS		12		/* kinds of one pair beside the unlabelled one */

typedef enum Category
{
	HUBSPOT_DEFINED,
	USER_DEFINED,
	INTEGRATOR_DEFINED
} Category;

/* Numbers are unique within a category and a direction only. */
typedef struct Kind
{
	ObjectType *ends[2];		/* in the order of their numbers */
	Category	category;
	int			ids[2];			/* as seen from each end; 0: is not seen from there */
	char	   *name;
	char	   *labels[2];		/* NULL: it has none */
	bool		is_default;		/* the unlabelled one */
	bool		is_dropped;
	int			single;			/* the end whose records have one such pair at most; -1: none */
	int			limits[2];		/* of the unlabelled one: how many pairs a record of the end has;
								 * 0: any number */
} Kind;

/* A kind of a pair; turned: the pair's first record is at the kind's second end. */
typedef struct Mark
{
	Kind	   *kind;
	bool		turned;
} Mark;

typedef struct Pair
{
	Object	   *ends[2];		/* as the types of a kind; of one type, the lower id first */
	Mark		marks[MAX_MARKS];
	int			mark_count;
} Pair;

/* The pairs of one record. */
typedef struct Links
{
	Pair	  **pairs;
	size_t		count;
} Links;

/* The types that a request names for a pair, with the end at which its first record is. */
typedef struct Types
{
	struct
	{
		Kind	   *kind;
		int			side;
	}			items[MAX_MARKS];
	int			count;
	const char *wrong;			/* "0-5", what is no type of such a pair, or NULL */
} Types;

/* association_kind.c */

/* The kinds HubSpot has. */
extern void kind_init(void);

/* The unlabelled kind; NULL: the two cannot be associated. */
extern Kind *kind_default(ObjectType *from, ObjectType *to);

/* The kind of which a record has one at most, of companies; NULL: there is none. */
extern Kind *kind_primary(const ObjectType *one, const ObjectType *other);

/* By number as seen from a type, to another or (NULL) to any; *side is the first one's end. */
extern Kind *kind_find(const ObjectType *from, const ObjectType *to, Category category, int id, int *side);

/* Calls each kind of the two types, NULL: of all that the first one has. */
extern void kind_each(const ObjectType *type, const ObjectType *other,
					  void (*each) (void *state, Kind *kind), void *state);

/* Lets a custom object be associated with another type. */
extern Kind *kind_allow(ObjectType *from, ObjectType *to, const char *name);

/* A label of the account; inverse NULL: the same text in both directions. */
extern Kind *kind_label(ObjectType *from, ObjectType *to, const char *name, const char *label, const char *inverse);

extern const char *category_name(Category category);

/* association.c */

/* The pair of two records, in either order; NULL if not created. */
extern Pair *pair_find(Object *from, Object *to, bool create);
extern void pair_remove(Pair *pair);

/* The kind and label of a mark as seen from a record; 0 and NULL when it is not. */
extern int	mark_id(const Pair *pair, int mark, const Object *from);
extern const char *mark_label(const Pair *pair, int mark, const Object *from);
extern Object *pair_other(const Pair *pair, const Object *from);
extern bool pair_is_primary(const Pair *pair);

/* Writing a pair again replaces its marks. */
extern void pair_apply(Pair *pair, const Object *from, const Types *types);

/* A pair came into being without a mark: HubSpot may give it one. */
extern void pair_apply_default(Pair *pair);

/* Takes the named marks away; false when nothing of the pair is left. */
extern bool pair_strip(Request *request, Pair *pair, const Object *from, const Types *types);

/* Takes the pair away, with what that entails. */
extern void pair_end(Request *request, Pair *pair);

/* Is one more pair with such a record beyond a limit? */
extern bool pair_beyond_limit(const Object *from, ObjectType *to);

/* Reads "types" as seen from a type to another; returns what is wrong, or NULL. */
extern const char *types_read(struct json_object *json, const ObjectType *from, const ObjectType *to,
							  Types *types);

/* Writes the journal's line. */
extern void pair_log(Request *request, const char *op, const Pair *pair);

/* The "associations" array of a create: what is wrong with it, or NULL; and its effect. */
extern const char *association_fault(const ObjectType *type, struct json_object *list);
extern void association_of_create(Request *request, Object *object, struct json_object *list);

/* Does such an array name a contact or company that a new record of the type can belong to? */
extern bool association_has_parent(const ObjectType *type, struct json_object *list);

/* The record goes: so do its pairs. */
extern void association_forget(Object *object);

/* The id of a contact's primary company, in scratch memory; NULL when it has none. */
extern const char *association_primary(const Object *contact);

extern size_t association_count(void);
extern void association_reset(void);

/* The pairs of a record as JSON, for tests; and all pairs (of two types unless NULL), a line each. */
extern void association_render(Buffer *out, const Object *object);
extern void association_render_all(Buffer *out, const ObjectType *from, const ObjectType *to);

#endif
