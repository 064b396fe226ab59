#include "control/leader.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/fleet/table_build.h"
#include "control/document.h"
#include "control/planner.h"
#include "control/publisher.h"

#include <inttypes.h>
#include <stdlib.h>

#define GATHER_MS 20   /* changes that come in a burst are planned once */
#define RETRY_MS  1000 /* after a publication that failed */
#define ECHO_MS   5000 /* for the watch to show what we published */

struct leader {
    struct mirror *mirror;
    struct offload *offload;
    struct leader_options options;
    struct metric_block *metrics;
    struct election *election;
    struct publisher *publisher;
    struct loop_timer plan;
    bool building;            /* the helper is at it */
    bool missed;              /* a plan came due while we were busy with another */
    bool gathering;           /* the timer runs for GATHER_MS: further nudges do not put it off */
    uint64_t published_epoch; /* our last, as long as the mirror does not show it ... */
    uint64_t published_ms;    /* ... or until then + ECHO_MS */
    char current[NAME_MAX_BYTES + 1];
    char trouble[PLAN_TEXT_MAX];
    uint64_t publishing_epoch;
};

/* Said once, when it changes. */
static void
set_trouble(struct leader *l, const char *text)
{
    if (strcmp(l->trouble, text) == 0) {
        return;
    }
    snprintf(l->trouble, sizeof(l->trouble), "%s", text);
    if (text[0] != '\0') {
        metric_add(l->metrics, METRIC_ID_PLANS_REFUSED, 1);
        log_warn("plan_refused", "reason=%s", LOG_STR(text));
    }
}

/* --- building, on the helper thread ------------------------------------------ */

struct build {
    struct offload_job job; /* first */
    struct leader *leader;
    struct plan plan;
    struct table *base; /* a reference, or NULL */
    struct document document;
    bool fit;
    char error[TABLE_ERROR_MAX];
};

/* The checks of every consumer, before the write instead of after it. */
static bool
is_fit(struct build *b, struct span text)
{
    struct table *next = table_parse(text, b->error);
    if (next == NULL) {
        return false;
    }
    enum table_verdict verdict = table_judge(b->base, next);
    table_unref(&next);
    if (verdict != TABLE_ADOPT) {
        snprintf(b->error, sizeof(b->error), "%s", table_verdict_why(verdict));
    }
    return verdict == TABLE_ADOPT;
}

static void
build(struct offload_job *job)
{
    struct build *b = (struct build *)job;
    struct buf text = BUF_EMPTY;
    b->fit = table_build(&b->plan.draft, &text, b->error) && is_fit(b, buf_span(&text)) &&
             document_split(buf_span(&text), &b->document, b->error);
    buf_deinit(&text);
}

static void
publish(struct leader *l, struct build *b)
{
    const struct table *base;
    const char *why;
    if (!b->fit) {
        set_trouble(l, b->error);
        return;
    }
    if (!mirror_base(l->mirror, &base, &why) || base != b->base) {
        leader_nudge(l); /* the ground has moved: plan anew */
        return;
    }
    l->publishing_epoch = b->plan.draft.epoch;
    if (!publisher_start(l->publisher, mirror_inventory(l->mirror), &b->document,
                         l->publishing_epoch, b->error)) {
        set_trouble(l, b->error);
        return;
    }
    log_info("table_publishing", "epoch=%" PRIu64 " reason=%s", l->publishing_epoch,
             LOG_STR(b->plan.reason));
}

static void
on_built(struct offload_job *job, bool worked)
{
    struct build *b = (struct build *)job;
    struct leader *l = b->leader;
    if (worked) {
        l->building = false;
        if (election_is_leader(l->election)) {
            publish(l, b);
        }
        if (l->missed) {
            leader_nudge(l);
        }
    }
    plan_deinit(&b->plan);
    table_unref(&b->base);
    document_deinit(&b->document);
    free(b);
}

/* Takes the plan over. */
static void
begin_build(struct leader *l, const struct plan *plan, const struct table *base)
{
    struct build *b = mem_zalloc(sizeof(*b));
    b->job.work = build;
    b->job.done = on_built;
    b->leader = l;
    b->plan = *plan;
    b->base = base != NULL ? table_ref((struct table *)base) : NULL;
    l->building = true;
    offload_run(l->offload, &b->job);
}

/* --- planning -------------------------------------------------------------------- */

/* Has the watch not shown yet what we wrote last? */
static bool
awaits_echo(const struct leader *l)
{
    const struct table *served = mirror_table(l->mirror);
    return l->published_epoch > (served != NULL ? served->epoch : 0) &&
           clock_mono_ms() - l->published_ms < ECHO_MS;
}

static void
on_plan(void *arg)
{
    struct leader *l = arg;
    const struct table *base;
    const char *why;
    l->gathering = false;
    if (!election_is_leader(l->election)) {
        return;
    }
    if (l->building || publisher_is_busy(l->publisher)) {
        l->missed = true;
        return;
    }
    l->missed = false;
    if (awaits_echo(l)) {
        loop_timer_start(&l->plan, RETRY_MS);
        return;
    }
    if (!mirror_base(l->mirror, &base, &why)) {
        set_trouble(l, mirror_is_live(l->mirror) ? why : "");
        return;
    }
    struct plan plan;
    switch (plan_make(mirror_inventory(l->mirror), base, l->options.cluster, l->options.id,
                      clock_mono_ms(), &plan)) {
    case PLAN_NOTHING: set_trouble(l, plan.refusals); break;
    case PLAN_WAIT: loop_timer_start(&l->plan, plan.wait_ms); break;
    case PLAN_PUBLISH:
        set_trouble(l, plan.refusals);
        begin_build(l, &plan, base);
        return;
    }
    plan_deinit(&plan);
}

/* Does not put off a plan that is due sooner. */
static void
plan_again(struct leader *l)
{
    if (!l->gathering) {
        loop_timer_start(&l->plan, RETRY_MS);
    }
}

static void
on_published(void *arg, enum publish_outcome outcome, const char *detail)
{
    struct leader *l = arg;
    switch (outcome) {
    case PUBLISH_DONE:
        log_info("table_published", "epoch=%" PRIu64, l->publishing_epoch);
        l->published_epoch = l->publishing_epoch;
        l->published_ms = clock_mono_ms();
        leader_nudge(l);
        return;
    case PUBLISH_FENCED:
    case PUBLISH_FAILED:
        log_warn("table_not_published", "epoch=%" PRIu64 " outcome=%s reason=%s",
                 l->publishing_epoch, publish_outcome_name(outcome), LOG_STR(detail));
        plan_again(l);
        return;
    }
}

void
leader_nudge(struct leader *l)
{
    if (election_is_leader(l->election) && !l->gathering) {
        l->gathering = true;
        loop_timer_start(&l->plan, GATHER_MS);
    }
}

static void
on_elected(void *arg, int64_t fence)
{
    struct leader *l = arg;
    metric_set_value(l->metrics, METRIC_ID_LEADER, 1);
    log_info("leader_elected", "id=%s fence=%" PRId64, LOG_STR(l->options.id), fence);
    leader_nudge(l);
}

static void
on_deposed(void *arg, const char *reason)
{
    struct leader *l = arg;
    metric_set_value(l->metrics, METRIC_ID_LEADER, 0);
    log_warn("leader_deposed", "id=%s reason=%s", LOG_STR(l->options.id), LOG_STR(reason));
    loop_timer_stop(&l->plan);
    l->gathering = false;
    l->published_epoch = 0;
    l->trouble[0] = '\0';
}

static void
on_leader(void *arg, const struct etcd_kv *leader)
{
    struct leader *l = arg;
    json_t *json =
        leader != NULL ? json_loadb(leader->value.ptr, leader->value.len, 0, NULL) : NULL;
    const char *id = json_string_value(json_object_get(json, "id"));
    snprintf(l->current, sizeof(l->current), "%s", id != NULL ? id : "");
    json_decref(json);
}

struct leader *
leader_create(struct etcd *client, struct mirror *mirror, struct offload *offload,
              const struct leader_options *options, struct metric_block *metrics)
{
    static const struct election_events events = {
        .elected = on_elected,
        .deposed = on_deposed,
        .leader = on_leader,
    };
    struct leader *l = mem_zalloc(sizeof(*l));
    l->mirror = mirror;
    l->offload = offload;
    l->options = *options;
    l->metrics = metrics;
    loop_timer_init(&l->plan, etcd_loop(client), on_plan, l);
    json_t *json = json_pack("{s:s s:s}", "id", options->id, "address", options->address);
    char *identity = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    struct election_options election = {.identity = span_cstr(identity),
                                        .ttl_s = options->lease_ttl_s};
    l->election = election_create(client, &election, &events, l);
    free(identity);
    l->publisher = publisher_create(client, l->election, metrics, on_published, l);
    return l;
}

void
leader_destroy(struct leader **leader)
{
    struct leader *it = *leader;
    if (it == NULL) {
        return;
    }
    publisher_destroy(&it->publisher);
    election_destroy(&it->election);
    loop_timer_deinit(&it->plan);
    free(it);
    *leader = NULL;
}

void
leader_resign(struct leader *leader, void (*done)(void *arg), void *arg)
{
    election_resign(leader->election, done, arg);
}

bool
leader_is_leading(const struct leader *leader)
{
    return election_is_leader(leader->election);
}

const char *
leader_current(const struct leader *leader)
{
    return leader->current;
}

const char *
leader_trouble(const struct leader *leader)
{
    return leader->trouble;
}
