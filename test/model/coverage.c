/*
 * coverage.c
 *		What the schedules have reached, and what none has.
 *
 * Arrows from state to state of a key, by the table of queue/key.c; events of
 * lanes; and what became of which requests.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "account/lane.h"
#include "queue/key.h"
#include "queue/row.h"
#include "model.h"

#define MAX_TROUBLES	32

/* Of the copy of queue/key.c: see Makefile. */
extern void model_key_set_state(WorkKey *key, KeyState state, KeyWait wait);
extern uint32 model_key_next(int state);
extern const char *model_key_words(int state);

extern void __real_lane_event(LaneStatus *status, LaneEvent event, const char *detail, int64 wait_s);
extern void __wrap_lane_event(LaneStatus *status, LaneEvent event, const char *detail, int64 wait_s);

/* Parts of paths; a request is of the first that its path has. */
static const char *const endpoints[] = {
	"contacts/batch/upsert", "contacts/batch/update", "contacts/batch/create",
	"contacts/batch/read", "contacts/search", "companies/search", "companies/batch/create",
	"companies/batch/update", "companies/batch/upsert", "companies/batch/read",
	"deals/batch/upsert", "deals/batch/update", "deals/batch/create", "deals/batch/read", "deals/batch/archive",
	CAR_TYPE "/batch/upsert", CAR_TYPE "/batch/update", CAR_TYPE "/batch/create", CAR_TYPE "/batch/read",
	CAR_TYPE "/batch/archive", "contact/company/", "/batch/associate/default", "/batch/labels/archive", "/labels",
	"/associations/",
	"/send", "submit", "/properties/", "event-definitions", "account-info"
};

static int64 arrows[KEY_STATE_COUNT][KEY_STATE_COUNT];
static int64 lane_events[LANE_EVENT_COUNT];
static int64 requests[lengthof(endpoints)][MAX_TROUBLES];
static const char *troubles[MAX_TROUBLES];
static int	ntroubles;

void
key_set_state(WorkKey *key, KeyState state, KeyWait wait)
{
	arrows[key->stand.state][state]++;
	model_key_set_state(key, state, wait);
}

void
__wrap_lane_event(LaneStatus *status, LaneEvent event, const char *detail, int64 wait_s)
{
	lane_events[event]++;
	__real_lane_event(status, event, detail, wait_s);
}

void
coverage_request(const char *path, const char *what)
{
	int			trouble = 0;

	while (trouble < ntroubles && troubles[trouble] != what)
		trouble++;
	if (trouble == MAX_TROUBLES)
		return;
	troubles[trouble] = what;
	ntroubles = Max(ntroubles, trouble + 1);
	for (int i = 0; i < lengthof(endpoints); i++)
		if (strstr(path, endpoints[i]) != NULL)
		{
			requests[i][trouble]++;
			return;
		}
}

static void
print_unmet(const char *words)
{
	for (int i = 0; i < ntroubles; i++)
		if (troubles[i] == words)
			return;
	fprintf(stderr, "coverage:          0  %s  NEVER\n", words);
}

void
coverage_print(void)
{
	fprintf(stderr, "coverage: states of keys\n");
	for (int from = 0; from < KEY_STATE_COUNT; from++)
		for (int to = 0; to < KEY_STATE_COUNT; to++)
			if (arrows[from][to] > 0 || (model_key_next(from) & (1U << to)) != 0)
				fprintf(stderr, "coverage: %10lld  %s -> %s%s\n", (long long) arrows[from][to],
						model_key_words(from), model_key_words(to),
						arrows[from][to] == 0 ? "  NEVER" : "");
	fprintf(stderr, "coverage: events of lanes\n");
	for (int i = 0; i < LANE_EVENT_COUNT; i++)
		fprintf(stderr, "coverage: %10lld  %s%s\n", (long long) lane_events[i], lane_rules[i].event,
				lane_events[i] == 0 ? "  NEVER" : "");
	fprintf(stderr, "coverage: troubles\n");
	network_each_trouble(print_unmet);
	fprintf(stderr, "coverage: requests\n");
	for (int i = 0; i < lengthof(endpoints); i++)
	{
		int64		sum = 0;

		for (int j = 0; j < ntroubles; j++)
			sum += requests[i][j];
		fprintf(stderr, "coverage: %10lld  %s%s\n", (long long) sum, endpoints[i],
				sum == 0 ? "  NEVER" : "");
		for (int j = 0; j < ntroubles; j++)
			if (sum > 0 && requests[i][j] == 0)
				fprintf(stderr, "coverage:                %s  NEVER\n", troubles[j]);
	}
}
