#include "cached/exec.h"
#include "cached/stats.h"
#include "cached/watch.h"
#include "cached/words.h"
#include "common/core/log.h"
#include "common/core/version.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define MEMLIMIT_MB_LOWEST 8
#define MEMLIMIT_MB_MOST   1000000000 /* more is a number of bytes, by mistake */

/* "OK", or the error. */
static void
answer(struct conn *c, const struct request *r, enum proto_error error)
{
    if (!r->noreply) {
        outbox_put_span(&c->out, error == PROTO_OK ? SPAN_LIT("OK\r\n") : error_line(error));
    }
}

static void
do_flush_all(struct conn *c, const struct request *r)
{
    struct worker *w = c->worker;
    worker_count(w, METRIC_ID_NODE_FLUSHES);
    if (w->node->options.no_flush) {
        answer(c, r, PROTO_ERR_FLUSH_NOT_ALLOWED);
        return;
    }
    uint64_t at_ms = node_expiry_ms(w->node, r->exptime, w->now_ms);
    store_flush(w->store, at_ms, w->now_ms);
    answer(c, r, PROTO_OK);
}

static void
do_verbosity(struct conn *c, const struct request *r)
{
    struct words w = words_of(r);
    uint64_t level = 0;
    if (word_number(&w, 0, &level)) {
        node_set_verbosity(c->worker->node, level);
    }
    answer(c, r, PROTO_OK);
}

static void
do_memlimit(struct conn *c, const struct request *r)
{
    struct words w = words_of(r);
    uint64_t mb;
    if (!word_number(&w, 0, &mb)) {
        answer(c, r, PROTO_ERR_UNKNOWN_COMMAND);
    } else if (mb < MEMLIMIT_MB_LOWEST) {
        answer(c, r, PROTO_ERR_MEMLIMIT_TOO_SMALL);
    } else if (mb > MEMLIMIT_MB_MOST) {
        answer(c, r, PROTO_ERR_MEMLIMIT_IN_BYTES);
    } else {
        store_set_memory_limit(c->worker->node->store, mb << 20);
        log_info("memory_limit_set", "megabytes=%llu", (unsigned long long)mb);
        answer(c, r, PROTO_OK);
    }
}

static void
do_shutdown(struct conn *c, const struct request *r)
{
    struct words w = words_of(r);
    if (!c->worker->node->options.shutdown_enabled) {
        conn_put_error(c, PROTO_ERR_SHUTDOWN_DISABLED);
    } else if (w.count == 0 || (w.count == 1 && word_is(&w, 0, "graceful"))) {
        c->closing = true;
        log_info("shutdown", "reason=command");
        node_stop(c->worker->node);
    } else {
        answer(c, r, PROTO_ERR_SHUTDOWN_MODE);
    }
}

static void
do_slabs(struct conn *c, const struct request *r)
{
    struct words w = words_of(r);
    answer(c, r, exec_slabs(&c->worker->node->tuning, &w));
}

static void
do_lru(struct conn *c, const struct request *r)
{
    struct words w = words_of(r);
    answer(c, r, exec_lru(&c->worker->node->tuning, &w));
}

/* Moves the clock by seconds, for tests that would have to wait. */
static void
do_debugtime(struct conn *c, const struct request *r)
{
    struct words w = words_of(r);
    int64_t seconds;
    if (!c->worker->node->options.debug_clock || w.count < 1 || !num_parse_i64(w.at[0], &seconds)) {
        answer(c, r, PROTO_ERR_UNKNOWN_COMMAND);
        return;
    }
    node_shift_clock(c->worker->node, seconds);
    c->worker->now_ms = node_now_ms(c->worker->node);
    answer(c, r, PROTO_OK);
}

static void
do_stats(struct conn *c, const struct request *r)
{
    struct words w = words_of(r);
    stats_reply(c, w.at, w.count < WORDS_MAX ? w.count : WORDS_MAX);
}

static void
do_version(struct conn *c, const struct request *r)
{
    outbox_put_span(&c->out, SPAN_LIT("VERSION " WIRE_VERSION "\r\n"));
}

static void
do_quit(struct conn *c, const struct request *r)
{
    c->closing = true;
}

static void
do_watch(struct conn *c, const struct request *r)
{
    struct words w = words_of(r);
    uint32_t streams;
    if (c->worker->node->options.no_watch) {
        answer(c, r, PROTO_ERR_WATCH_NOT_ALLOWED);
    } else if (outbox_unsent(&c->out) > 0) {
        answer(c, r, PROTO_ERR_PIPELINED_WATCH);
    } else if (w.count > WORDS_MAX || !watch_streams_parse(w.at, w.count, &streams)) {
        answer(c, r, PROTO_ERR_UNKNOWN_COMMAND);
    } else if (!watch_begin(c, streams)) {
        answer(c, r, PROTO_ERR_WATCHER_TOO_MANY);
    }
}

static void
do_refresh_certs(struct conn *c, const struct request *r)
{
    answer(c, r, PROTO_ERR_NO_TLS);
}

typedef void admin_fn(struct conn *c, const struct request *r);

/* Commands that are not here are answered ERROR. */
static admin_fn *const admin_fns[CMD_COUNT] = {
    [CMD_FLUSH_ALL] = do_flush_all,
    [CMD_VERSION] = do_version,
    [CMD_VERBOSITY] = do_verbosity,
    [CMD_STATS] = do_stats,
    [CMD_QUIT] = do_quit,
    [CMD_SHUTDOWN] = do_shutdown,
    [CMD_CACHE_MEMLIMIT] = do_memlimit,
    [CMD_SLABS] = do_slabs,
    [CMD_LRU] = do_lru,
    [CMD_LRU_CRAWLER] = exec_lru_crawler,
    [CMD_WATCH] = do_watch,
    [CMD_REFRESH_CERTS] = do_refresh_certs,
    [CMD_HOTKEYS] = exec_hotkeys,
    [CMD_DEBUGTIME] = do_debugtime,
    [CMD_EPOCH] = exec_epoch,
};

void
exec_admin(struct conn *c, const struct request *r)
{
    if (admin_fns[r->cmd] == NULL) {
        conn_put_error(c, PROTO_ERR_UNKNOWN_COMMAND);
        return;
    }
    admin_fns[r->cmd](c, r);
}
