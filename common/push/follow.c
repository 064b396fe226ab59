/* A table's way from its source to the workers and to disk:
 *
 *   --servers ------------------------------+
 *   follow_state.c, at the start -----------+-> follow_adopt.c -> adopt() ... follower_ack()
 *   follow_file.c   changed -> read --------+          |                             |
 *   follow_push.c   TABLE frame ------------+          +-> refused: NACK             +-> ACK
 *
 * What only the program itself refused is offered to it again after a while.
 */
#include "common/push/follow.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/net/loop.h"
#include "common/push/follow_adopt.h"
#include "common/push/follow_file.h"
#include "common/push/follow_push.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STOP_WAIT_MS   200
#define RETRY_FIRST_MS 1000  /* what adopt() refused is offered again then, */
#define RETRY_MAX_MS   30000 /* and in the end so rarely */

struct follower {
    struct follower_options options;
    struct metric_set *metrics;
    struct loop *loop;
    pthread_t thread;
    bool started;
    struct loop_timer retry; /* runs while a table is pending */
    struct backoff retry_wait;
    struct follow_file *file;
    struct follow_push *push;
    struct follow_push_owner push_owner;
    struct follow_adopt adopt;

    bool file_good; /* what the file holds is what we have */
    _Atomic uint64_t acked_epoch;
    _Atomic uint64_t confirmed_ms;
    _Atomic(const char *) source;

    pthread_mutex_t lookup_lock; /* covers the three below */
    bool ending;                 /* follower_destroy() was called */
    bool looking_up;             /* the thread waits for DNS */
    bool abandoned;              /* destroyed meanwhile: the thread frees */
    bool for_good;               /* what BYE says; set once, with `ending` */
};

static const struct metric_desc descs[] = {FOLLOW_METRICS(METRIC_DESC)};
#define METRIC_COUNT (sizeof(descs) / sizeof(descs[0]))

static void free_follower(struct follower *f);

/* --- what came ---------------------------------------------------------------- */

static void
confirm(struct follower *f, uint64_t at_ms, const char *source)
{
    atomic_store(&f->confirmed_ms, at_ms);
    atomic_store(&f->source, source);
}

static bool
is_held(const struct follower *f)
{
    return f->adopt.held != NULL && f->adopt.held == f->adopt.adopted;
}

/* A table that is refused for what may pass (a name that DNS does not know yet)
 * must not wait for somebody to send it again. */
static void
watch_pending(struct follower *f)
{
    if (f->adopt.pending == NULL) {
        backoff_reset(&f->retry_wait, RETRY_FIRST_MS);
        loop_timer_stop(&f->retry);
    } else if (!loop_timer_running(&f->retry)) {
        loop_timer_start(&f->retry, backoff_next_ms(&f->retry_wait));
    }
}

static void
on_retry(void *arg)
{
    struct follower *f = arg;
    if (follow_adopt_retry(&f->adopt)) {
        confirm(f, clock_mono_ms(), f->adopt.pending_source);
    }
    watch_pending(f);
}

static bool
answer(struct follower *f, const struct adopt_result *result, const char *source)
{
    watch_pending(f);
    if (result->taken) {
        confirm(f, clock_mono_ms(), source);
    }
    if (f->push != NULL && !result->taken) {
        follow_push_nack(f->push, result->epoch, result->code, result->reason);
    } else if (f->push != NULL && is_held(f)) {
        follow_push_ack(f->push, f->adopt.held);
    }
    return result->taken;
}

static void
on_acked(void *arg)
{
    struct follower *f = arg;
    if (follow_adopt_acked(&f->adopt, atomic_load(&f->acked_epoch)) && f->push != NULL) {
        follow_push_ack(f->push, f->adopt.held);
    }
}

/* --- the file ------------------------------------------------------------------- */

static bool
read_file(struct follower *f, struct buf *document, char *why)
{
    if (follow_file_read(f->file, TABLE_BYTES_MAX, document)) {
        return true;
    }
    snprintf(why, TABLE_ERROR_MAX, "%s: %s", f->options.table_file, strerror(errno));
    return false;
}

static void
on_file_changed(void *arg)
{
    struct follower *f = arg;
    struct buf document = BUF_EMPTY;
    char why[TABLE_ERROR_MAX];
    struct adopt_result result = read_file(f, &document, why)
                                     ? follow_adopt_document(&f->adopt, buf_span(&document), "file")
                                     : follow_adopt_refuse(&f->adopt, 0, "read", why);
    f->file_good = answer(f, &result, "file");
    buf_deinit(&document);
}

static void
on_file_unchanged(void *arg)
{
    struct follower *f = arg;
    if (f->file_good) {
        confirm(f, clock_mono_ms(), "file");
    }
}

static void
on_file_missing(void *arg, const char *reason)
{
    struct follower *f = arg;
    log_warn("table_file_missing", "file=%s reason=%s", LOG_STR(f->options.table_file),
             LOG_STR(reason));
}

/* --- the push stream ------------------------------------------------------------- */

static const struct table *
held_table(void *arg)
{
    return ((struct follower *)arg)->adopt.held;
}

static void
on_push_table(void *arg, struct span document)
{
    struct follower *f = arg;
    struct adopt_result result = follow_adopt_document(&f->adopt, document, "push");
    answer(f, &result, "push");
}

/* What a stale mfcontrol says was true when it last saw etcd. */
static void
on_push_beat(void *arg, const struct push_beat *beat)
{
    struct follower *f = arg;
    const struct table *adopted = f->adopt.adopted;
    if (adopted == NULL || beat->epoch != adopted->epoch ||
        strcmp(beat->incarnation, adopted->incarnation) != 0 ||
        strcmp(beat->sha, adopted->sha) != 0) {
        return;
    }
    uint64_t now_ms = clock_mono_ms();
    uint64_t lag_ms = beat->live ? 0 : beat->lag_ms;
    uint64_t at_ms = lag_ms < now_ms ? now_ms - lag_ms : 0;
    uint64_t before_ms = atomic_load(&f->confirmed_ms);
    confirm(f, at_ms > before_ms ? at_ms : before_ms, "push");
}

static bool
is_healthy(void *arg)
{
    struct follower *f = arg;
    return f->options.healthy == NULL || f->options.healthy(f->options.arg);
}

static void
add_report(void *arg, json_t *report)
{
    struct follower *f = arg;
    if (f->options.report != NULL) {
        f->options.report(f->options.arg, report);
    }
}

static bool
on_lookup_begins(void *arg)
{
    struct follower *f = arg;
    pthread_mutex_lock(&f->lookup_lock);
    bool go_on = !f->ending;
    f->looking_up = go_on;
    pthread_mutex_unlock(&f->lookup_lock);
    return go_on;
}

static bool
on_lookup_ended(void *arg)
{
    struct follower *f = arg;
    pthread_mutex_lock(&f->lookup_lock);
    f->looking_up = false;
    bool go_on = !f->abandoned;
    pthread_mutex_unlock(&f->lookup_lock);
    return go_on;
}

static void
stop_loop(void *arg)
{
    struct follower *f = arg;
    loop_stop(f->loop);
}

/* --- a follower's life -------------------------------------------------------------- */

static bool
options_make_sense(const struct follower_options *o, char **error)
{
    bool control = o->control != NULL && o->control->count > 0;
    int sources = (o->fixed != NULL) + (o->table_file != NULL) + control;
    if (sources != 1) {
        *error = mem_strdup("expected exactly one source of the routing table: servers, a table "
                            "file, or mfcontrols");
        return false;
    }
    if (control && (o->identity.id == NULL || o->identity.id[0] == '\0')) {
        *error = mem_strdup("a name is needed to follow an mfcontrol");
        return false;
    }
    return !control || follow_push_check(o->control, error);
}

/* A file that is bad at the very first start is the operator's slip, and he is
 * there to hear of it; later it is an event like any other. */
static bool
file_is_good(struct follower *f, char **error)
{
    char why[TABLE_ERROR_MAX];
    struct buf document = BUF_EMPTY;
    struct table *table = NULL;
    bool read = read_file(f, &document, why); /* else `why` names the file */
    if (read) {
        table = table_parse(buf_span(&document), why);
    }
    bool good = table != NULL;
    if (!good) {
        *error = mem_printf("table file %s%s%s", read ? f->options.table_file : "",
                            read ? ": " : "", why);
    }
    buf_deinit(&document);
    table_unref(&table);
    return good;
}

/* Files are read at once and are the operator's word; what was pushed to another
 * is what would be pushed to us. A bad one is no reason not to start. */
static void
inherit(struct follower *f)
{
    char why[TABLE_ERROR_MAX];
    if (f->options.inherited.len == 0 || f->options.control == NULL) {
        return;
    }
    struct table *table = table_parse(f->options.inherited, why);
    if (table == NULL) {
        log_warn("inherited_table_unusable", "reason=%s", LOG_STR(why));
    } else if (f->adopt.known == NULL ||
               table_judge_published(f->adopt.known, table) == TABLE_ADOPT) {
        table_unref(&f->adopt.known);
        f->adopt.known = table_ref(table);
        f->adopt.unsaved = true;
    }
    table_unref(&table);
}

static bool
open_source(struct follower *f, char **error)
{
    if (f->options.state_dir != NULL && f->options.fixed == NULL) {
        f->adopt.state = follow_state_create(f->options.state_dir, error);
        if (f->adopt.state == NULL) {
            return false;
        }
        follow_adopt_load_state(&f->adopt);
    }
    inherit(f);
    f->options.inherited = SPAN_LIT("");
    if (f->options.table_file == NULL) {
        return true;
    }
    f->file = follow_file_create(f->options.table_file);
    return f->adopt.known != NULL || file_is_good(f, error);
}

struct follower *
follower_create(const struct follower_options *options, char **error)
{
    if (!options_make_sense(options, error)) {
        return NULL;
    }
    struct follower *f = mem_zalloc(sizeof(*f));
    f->options = *options;
    f->metrics = metric_set_create(options->identity.role == FOLLOWER_NODE ? "memfleet" : "mfproxy",
                                   descs, METRIC_COUNT);
    struct metric_block *counts = metric_set_block(f->metrics);
    f->adopt = (struct follow_adopt){.adopt = options->adopt,
                                     .arg = options->arg,
                                     .counts = counts,
                                     .published = options->control != NULL};
    f->push_owner = (struct follow_push_owner){
        .identity = &f->options.identity,
        .metrics = counts,
        .held = held_table,
        .table = on_push_table,
        .beat = on_push_beat,
        .healthy = is_healthy,
        .report = add_report,
        .lookup_begins = on_lookup_begins,
        .lookup_ended = on_lookup_ended,
        .goodbye_done = stop_loop,
        .arg = f,
    };
    f->loop = loop_create();
    loop_timer_init(&f->retry, f->loop, on_retry, f);
    backoff_init(&f->retry_wait, RETRY_FIRST_MS / 2, RETRY_FIRST_MS, RETRY_MAX_MS, random_seed());
    pthread_mutex_init(&f->lookup_lock, NULL);
    atomic_init(&f->confirmed_ms, clock_mono_ms());
    atomic_init(&f->source, "none");
    if (!open_source(f, error)) {
        f->options.fixed = NULL; /* it stays the caller's */
        free_follower(f);
        return NULL;
    }
    return f;
}

static void
bring(struct follower *f, struct table *table, const char *source)
{
    struct adopt_result result = follow_adopt_table(&f->adopt, table, source);
    answer(f, &result, source);
}

static void
bring_first_table(struct follower *f)
{
    if (f->options.fixed != NULL) {
        bring(f, f->options.fixed, "fixed");
        return;
    }
    if (f->adopt.known != NULL) {
        bring(f, f->adopt.known, "state");
    }
    if (f->file != NULL) {
        on_file_changed(f);
    }
}

static void *
run(void *arg)
{
    struct follower *f = arg;
    static const struct follow_file_events file_events = {on_file_changed, on_file_unchanged,
                                                          on_file_missing};
    if (f->file != NULL) {
        follow_file_watch(f->file, f->loop, &file_events, f);
    } else if (f->options.fixed == NULL) {
        f->push = follow_push_create(f->loop, f->options.control, &f->push_owner);
    }
    loop_run(f->loop);
    pthread_mutex_lock(&f->lookup_lock);
    bool abandoned = f->abandoned;
    pthread_mutex_unlock(&f->lookup_lock);
    if (abandoned) {
        free_follower(f);
    }
    return NULL;
}

void
follower_start(struct follower *f)
{
    ASSERT(!f->started);
    bring_first_table(f);
    ASSERT(pthread_create(&f->thread, NULL, run, f) == 0);
    f->started = true;
}

static void
say_goodbye(void *arg)
{
    struct follower *f = arg;
    if (f->push != NULL) {
        follow_push_goodbye(f->push, f->for_good);
    } else {
        loop_stop(f->loop);
    }
}

/* False: the thread waits for DNS, which nothing can interrupt. It has been told
 * and frees the follower when DNS lets it go. */
static bool
join_thread(struct follower *f)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += STOP_WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    if (pthread_timedjoin_np(f->thread, NULL, &until) == 0) {
        return true;
    }
    pthread_mutex_lock(&f->lookup_lock);
    f->abandoned = f->looking_up;
    bool abandoned = f->abandoned;
    if (abandoned) {
        pthread_detach(f->thread);
        loop_stop(f->loop);
    }
    pthread_mutex_unlock(&f->lookup_lock);
    if (!abandoned) {
        pthread_join(f->thread, NULL);
    }
    return !abandoned;
}

static void
free_follower(struct follower *f)
{
    follow_push_destroy(&f->push);
    follow_file_destroy(&f->file);
    loop_timer_deinit(&f->retry);
    loop_destroy(&f->loop);
    follow_adopt_deinit(&f->adopt);
    table_unref(&f->options.fixed);
    metric_set_destroy(&f->metrics);
    pthread_mutex_destroy(&f->lookup_lock);
    free(f);
}

void
follower_destroy(struct follower **f, bool for_good)
{
    struct follower *it = *f;
    if (it == NULL) {
        return;
    }
    if (it->started) {
        pthread_mutex_lock(&it->lookup_lock);
        it->for_good = for_good;
        it->ending = true;
        pthread_mutex_unlock(&it->lookup_lock);
        loop_post(it->loop, say_goodbye, it);
        if (!join_thread(it)) {
            *f = NULL;
            return;
        }
    }
    /* Not before: a callback that still ran may have used it. */
    *f = NULL;
    free_follower(it);
}

/* --- from any thread ------------------------------------------------------------------ */

void
follower_ack(struct follower *f, uint64_t epoch)
{
    atomic_store(&f->acked_epoch, epoch);
    loop_post(f->loop, on_acked, f);
}

static void
on_hurry(void *arg)
{
    struct follower *f = arg;
    if (f->push != NULL) {
        follow_push_hurry(f->push);
    }
}

void
follower_hurry(struct follower *f)
{
    loop_post(f->loop, on_hurry, f);
}

uint64_t
follower_table_age_ms(const struct follower *f)
{
    if (f->options.fixed != NULL) {
        return 0;
    }
    uint64_t at_ms = atomic_load_explicit(&f->confirmed_ms, memory_order_relaxed);
    uint64_t now_ms = clock_mono_ms();
    return now_ms > at_ms ? now_ms - at_ms : 0;
}

const struct metric_set *
follower_metrics(const struct follower *f)
{
    return f->metrics;
}

const char *
follower_source(const struct follower *f)
{
    return atomic_load(&f->source);
}
