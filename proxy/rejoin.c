#include "proxy/rejoin.h"
#include "common/core/log.h"
#include "common/core/num.h"
#include "proxy/backend.h"
#include "proxy/copy_name.h"
#include "proxy/fanout.h"
#include "proxy/journal.h"
#include "proxy/leg_queue.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/write_marks.h"

#include <sys/param.h>

#define LINES_A_SECOND 10

/* --- remembering --------------------------------------------------------------------- */

static void
publish_count(struct backend *b)
{
    atomic_store_explicit(&b->stats->journal, journal_count(b->journal), memory_order_relaxed);
}

static void
note_put(struct backend *b)
{
    worker_count(b->worker, METRIC_ID_JOURNALED, 1);
    b->journal_unwritten = b->worker->journals_unwritten = true;
    publish_count(b);
    backend_wake_at(b, rejoin_due_us(b));
}

static void
say_lossy(struct backend *b)
{
    worker_count(b->worker, METRIC_ID_JOURNAL_OVERFLOWS, 1);
    LOG_LIMITED(LINES_A_SECOND, LOG_WARN, "journal_overflow", "node=%s then=flush_all",
                LOG_STR(b->name));
}

void
rejoin_look(struct backend *b)
{
    publish_count(b);
    backend_wake_at(b, rejoin_due_us(b));
}

bool
rejoin_remember(struct backend *b, struct span key)
{
    uint64_t now = worker_now_us(b->worker);
    if (b->rejoin_policy == REJOIN_TRUST) {
        return false;
    }
    switch (journal_put(b->journal, key, b->worker->index, now)) {
    case JOURNAL_KNOWN: break;
    case JOURNAL_KEPT: break;
    case JOURNAL_LOSSY: say_lossy(b); break;
    }
    /* Fetches that are on their way may bring the old value. */
    write_marks_move(b->worker->host->writes, worker_key_hash(b->worker, key));
    note_put(b);
    return true;
}

bool
rejoin_remember_flush(struct backend *b)
{
    if (b->rejoin_policy == REJOIN_TRUST) {
        return false;
    }
    journal_want_flush(b->journal, worker_now_us(b->worker));
    write_marks_move_all(b->worker->host->writes);
    note_put(b);
    return true;
}

/* --- how old is the node's memory? ------------------------------------------------------ */

static void
ask_age(struct backend *b)
{
    size_t mark = backend_mark(b);
    if (!buf_append_span(&b->out, SPAN_LIT("stats\r\n"))) {
        backend_undo(b, mark);
        b->rejoin.age = AGE_TOLD; /* not told, so nothing is forgotten */
        return;
    }
    b->rejoin.age = AGE_ASKED;
    b->rejoin.asked_us = worker_now_us(b->worker);
    b->rejoin.told_age_s = 0;
    b->rejoin.has_told = false;
    struct leg *leg = leg_create(b->worker, NULL, LEG_AGE, CMD_STATS, b->worker->roster);
    leg_queue_append(b, leg, mark, b->request_timeout_us);
}

/* Memory is as old as the process, or older, if it was handed on. */
static void
read_age(struct backend *b, struct span line)
{
    static const struct span rows[] = {{"STAT uptime ", 12}, {"STAT memory_uptime ", 19}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t age_s;
        if (line.len > rows[i].len && memcmp(line.ptr, rows[i].ptr, rows[i].len) == 0 &&
            num_parse_u64(span_skip(line, rows[i].len), &age_s)) {
            b->rejoin.has_told = true;
            b->rejoin.told_age_s = MAX(age_s, b->rejoin.told_age_s);
        }
    }
}

/* The node says its age in whole seconds, so what is forgotten is older by some. */
static void
forget_what_is_gone(struct backend *b)
{
    const struct rejoin *j = &b->rejoin;
    uint64_t clock_s = j->asked_us / 1000000; /* as long as our clock counts */
    if (!j->has_told || j->told_age_s >= clock_s || clock_s - j->told_age_s <= REJOIN_AGE_SLACK_S) {
        return;
    }
    uint64_t age_us = (j->told_age_s + REJOIN_AGE_SLACK_S) * 1000000;
    uint64_t forgotten = journal_forget_before(b->journal, j->asked_us - age_us);
    worker_count(b->worker, METRIC_ID_JOURNAL_MOOT, forgotten);
    publish_count(b);
}

/* --- delivering ---------------------------------------------------------------------------- */

static void
send_delivery(struct backend *b, enum leg_kind kind, enum proto_command cmd, size_t mark,
              struct journal_entry *entry)
{
    struct leg *leg = leg_create(b->worker, NULL, kind, cmd, b->worker->roster);
    leg->entry = entry;
    b->rejoin.on_way++;
    leg_queue_append(b, leg, mark, b->request_timeout_us);
}

/* False if nothing can be sent now. */
static bool
deliver_one(struct backend *b)
{
    struct journal_entry *entry = NULL;
    enum proto_command cmd = CMD_FLUSH_ALL;
    size_t mark = backend_mark(b);
    switch (journal_take(b->journal, b->worker->index, &entry)) {
    case JOURNAL_NOTHING: return false;
    case JOURNAL_FLUSH:
        if (!buf_append_span(&b->out, SPAN_LIT("flush_all\r\n"))) {
            backend_undo(b, mark);
            journal_not_flushed(b->journal, b->worker->index);
            return false;
        }
        send_delivery(b, LEG_FLUSH, cmd, mark, NULL);
        return true;
    case JOURNAL_DELETE:
        if (!request_put_delete(&b->out, journal_key(entry), &cmd)) {
            backend_undo(b, mark);
            journal_put_back(b->journal, &entry);
            return false;
        }
        send_delivery(b, LEG_REPLAY, cmd, mark, entry);
        return true;
    }
    return false;
}

/* How many may go now, by this worker's share of the rate; and how long those keep the next
 * waiting. */
static unsigned
burst(const struct backend *b, uint64_t *pace_us)
{
    uint64_t rate = b->worker->limits->replay_rate;
    uint64_t n = rate * REJOIN_PACE_MS / 1000;
    n = n < 1 ? 1 : n < REJOIN_WINDOW ? n : REJOIN_WINDOW;
    uint64_t by_rate_us = n * 1000000 / rate;
    *pace_us = by_rate_us > REJOIN_PACE_MS * 1000 ? by_rate_us : REJOIN_PACE_MS * 1000;
    return (unsigned)n;
}

static bool
may_deliver(const struct backend *b)
{
    return !b->masked && !b->retired && b->health.state != HEALTH_DOWN;
}

/* Requests of the proxy before this one may still stand in the node's sockets,
 * before our deletes in time and behind them in the order of the node's. So it
 * first must have answered something, and then have had time for them. */
static bool
must_settle(const struct backend *b)
{
    return journal_left_us(b->journal) > b->rejoin.settled_us;
}

void
rejoin_begin(struct backend *b)
{
    if (b->rejoin_policy == REJOIN_FLUSH) {
        /* As of when it went away: one that began empty since needs none. */
        journal_want_flush_by(b->journal, b->worker->index, b->rejoin.down_since_us);
        publish_count(b);
    }
    rejoin_run(b, worker_now_us(b->worker));
}

void
rejoin_run(struct backend *b, uint64_t now_us)
{
    bool rejoining = b->health.state == HEALTH_REJOINING;
    if (!may_deliver(b)) {
        return;
    }
    if (!journal_owes(b->journal, b->worker->index)) {
        if (rejoining) {
            backend_note(b, HEALTH_CAUGHT_UP);
        }
        return;
    }
    if (must_settle(b) && b->rejoin.age == AGE_TOLD) {
        b->rejoin.age = AGE_UNKNOWN; /* it was before, and the node may stand still since */
    }
    if ((rejoining || must_settle(b)) && b->rejoin.age == AGE_UNKNOWN) {
        ask_age(b);
    }
    if (b->rejoin.age == AGE_ASKED || now_us < b->rejoin.not_before_us) {
        return;
    }
    uint64_t pace_us;
    unsigned n = burst(b, &pace_us);
    b->rejoin.not_before_us = now_us + pace_us;
    for (; n > 0 && b->rejoin.on_way < REJOIN_WINDOW; n--) {
        if (!deliver_one(b)) {
            break;
        }
    }
}

uint64_t
rejoin_due_us(const struct backend *b)
{
    bool waits = b->rejoin.age == AGE_ASKED || b->rejoin.on_way >= REJOIN_WINDOW;
    if (!may_deliver(b) || waits || !journal_owes(b->journal, b->worker->index)) {
        return UINT64_MAX;
    }
    return b->rejoin.not_before_us;
}

/* --- how it ended ------------------------------------------------------------------------------
 */

bool
rejoin_owns(const struct leg *leg)
{
    return leg->kind == LEG_REPLAY || leg->kind == LEG_FLUSH || leg->kind == LEG_AGE;
}

static void
hold_off(struct backend *b)
{
    b->rejoin.not_before_us = worker_now_us(b->worker) + REJOIN_RETRY_MS * 1000;
    backend_wake_at(b, b->rejoin.not_before_us);
}

/* Copies of what it had may be elsewhere; of copies there are none. */
static void
tell_of_delivery(struct backend *b, struct span key)
{
    if (!copy_name_is(key)) {
        fanout_owner_caught_up(b, key);
        moving_source_caught_up(b, key);
    }
}

/* One that the node refuses as such (an old memcached asked for `md`) will not be
 * taken later either, so it needs a flush instead. */
static void
end_delete(struct backend *b, struct leg *leg, enum reply_kind kind)
{
    bool done =
        kind == REPLY_DELETED || kind == REPLY_NOT_FOUND || kind == REPLY_HD || kind == REPLY_NF;
    bool refused = kind == REPLY_ERROR || kind == REPLY_CLIENT_ERROR;
    if (refused) {
        journal_want_flush(b->journal, worker_now_us(b->worker));
        say_lossy(b);
    }
    if (done) {
        worker_count(b->worker, METRIC_ID_REPLAYED, 1);
        tell_of_delivery(b, journal_key(leg->entry));
        journal_delivered(b->journal, &leg->entry);
    } else {
        journal_put_back(b->journal, &leg->entry);
        hold_off(b);
    }
}

static void
end_flush(struct backend *b, bool done)
{
    if (done) {
        worker_count(b->worker, METRIC_ID_REJOIN_FLUSHES, 1);
        LOG_LIMITED(LINES_A_SECOND, LOG_INFO, "node_flushed", "node=%s", LOG_STR(b->name));
        journal_flushed(b->journal, b->worker->index);
    } else {
        LOG_LIMITED(LINES_A_SECOND, LOG_WARN, "flush_refused", "node=%s", LOG_STR(b->name));
        journal_not_flushed(b->journal, b->worker->index);
        hold_off(b);
    }
}

bool
rejoin_piece(struct backend *b, struct leg *leg, const struct reply_piece *piece)
{
    if (leg->kind == LEG_AGE) {
        read_age(b, piece->line);
        if (!piece->final) {
            return true;
        }
        b->rejoin.age = AGE_TOLD;
        if (must_settle(b)) {
            b->rejoin.not_before_us = worker_now_us(b->worker) + REJOIN_SETTLE_MS * 1000;
            b->rejoin.settled_us = journal_left_us(b->journal);
        }
        forget_what_is_gone(b);
    } else {
        b->rejoin.on_way--;
        if (leg->kind == LEG_FLUSH) {
            end_flush(b, piece->kind == REPLY_OK);
        } else {
            end_delete(b, leg, piece->kind);
        }
        publish_count(b);
    }
    backend_wake_at(b, worker_now_us(b->worker)); /* for what is next */
    return true;
}

void
rejoin_failed(struct backend *b, struct leg *leg)
{
    hold_off(b);
    if (leg->kind == LEG_AGE) {
        b->rejoin.age = AGE_UNKNOWN;
        return;
    }
    b->rejoin.on_way--;
    if (leg->kind == LEG_FLUSH) {
        journal_not_flushed(b->journal, b->worker->index);
    } else {
        journal_put_back(b->journal, &leg->entry);
    }
}

void
rejoin_disconnected(struct backend *b)
{
    b->rejoin.age = AGE_UNKNOWN;
}
