#include "proxy/coalesce.h"
#include "common/core/assert.h"
#include "common/proto/errorline.h"
#include "proxy/answer.h"
#include "proxy/backend.h"
#include "proxy/client.h"
#include "proxy/coalesce_copies.h"
#include "proxy/hedge.h"
#include "proxy/multiget.h"
#include "proxy/near.h"
#include "proxy/own_stall.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/tell.h"
#include "proxy/way.h"
#include "proxy/write_marks.h"

static void on_timer(void *arg);
static void run_out(struct coalesce *co, struct waiter *it);

static struct waiter *
first_due(const struct coalesce *co)
{
    return LIST_ENTRY(list_first(&co->due), struct waiter, due);
}

void
coalesce_init(struct coalesce *co, struct worker *w)
{
    co->worker = w;
    flight_table_init(&co->flights);
    flight_table_init(&co->leases);
    objpool_init(&co->waiters, sizeof(struct waiter));
    list_init(&co->due);
    loop_timer_init(&co->timer, w->loop, on_timer, co);
}

void
coalesce_deinit(struct coalesce *co)
{
    while (!list_empty(&co->due)) { /* of leases; no request is on its way any more */
        run_out(co, first_due(co));
    }
    loop_timer_deinit(&co->timer);
    flight_table_deinit(&co->flights);
    flight_table_deinit(&co->leases);
    objpool_deinit(&co->waiters);
}

void
coalesce_forget(struct coalesce *co)
{
    flight_unlist_all(&co->flights);
    flight_unlist_all(&co->leases);
}

/* --- joining ----------------------------------------------------------------------- */

/* A key whose value was too long for sharing when others waited for it: let
 * nobody wait in vain again, until a shorter one has been seen. */
static uint64_t *
large_slot(struct coalesce *co, uint64_t hash)
{
    return &co->large[hash % COALESCE_LARGE_KEYS];
}

/* Whoever comes when a write of the key has begun finds it at the node. */
static struct flight *
find_lease(struct coalesce *co, const struct client *c, const struct coalesce_read *read)
{
    struct flight *f = flight_peek(&co->leases, &read->key, read->form);
    bool joinable =
        f != NULL && f->holder != c && f->at.mark == read->mark && f->waiting < FLIGHT_WAITERS_MAX;
    return joinable ? f : NULL;
}

enum coalesce_verdict
coalesce_judge(const struct client *c, const struct coalesce_read *read, struct flight **found)
{
    struct coalesce *co = &c->worker->coalesce;
    if (client_is_writing(c, read->key.hash)) {
        return COALESCE_ALONE;
    }
    if (co->leases.count > 0 && (*found = find_lease(co, c, read)) != NULL) {
        return COALESCE_JOIN;
    }
    uint64_t overflows = co->flights.overflows;
    struct flight *f = flight_find(&co->flights, &read->key, read->form, read->mark);
    if (f == NULL) {
        if (co->flights.overflows != overflows) {
            worker_count(co->worker, METRIC_ID_FLIGHT_OVERFLOWS, 1);
        }
        return COALESCE_LEAD;
    }
    f->pool_id = co->worker->roster->pools[f->at.pool].id; /* nobody else may have joined yet */
    /* A node that is DOWN by now leaves its legs to run out of time. */
    const struct backend *target = f->at.target;
    if (backend_is_down(target) || *large_slot(co, read->key.hash) == read->key.hash) {
        return COALESCE_ALONE;
    }
    *found = f;
    return COALESCE_JOIN;
}

/* Pools have one timeout each and mostly the same, so the place is nearly always
 * the last. */
static void
queue_by_deadline(struct coalesce *co, struct waiter *it)
{
    struct list *before = co->due.prev;
    while (before != &co->due &&
           LIST_ENTRY(before, struct waiter, due)->deadline_us > it->deadline_us) {
        before = before->prev;
    }
    list_push_front(before, &it->due);
}

static void
wake_at(struct coalesce *co, uint64_t due_us)
{
    if (co->timer_due_us != 0 && co->timer_due_us <= due_us) {
        return;
    }
    uint64_t now = worker_now_us(co->worker);
    co->timer_due_us = due_us;
    loop_timer_start(&co->timer, due_us > now ? (due_us - now + 999) / 1000 : 0);
}

struct waiter *
coalesce_wait_for(struct pending *p, struct flight *f, uint32_t part)
{
    struct worker *w = p->worker;
    struct waiter *it = objpool_borrow(&w->coalesce.waiters);
    it->flight = f;
    it->pending = p;
    it->part = part;
    it->deadline_us = worker_now_us(w) + w->roster->pools[f->at.pool].request_timeout_us;
    if (f->leased && f->lease_until_us < it->deadline_us) {
        it->deadline_us = f->lease_until_us;
    }
    p->legs++;
    flight_join(f, &it->link);
    queue_by_deadline(&w->coalesce, it);
    wake_at(&w->coalesce, it->deadline_us);
    return it;
}

void
coalesce_keep_ask(struct pending *p, struct waiter *it, struct span ask)
{
    if (ask.len > 0) {
        it->ask = bufpool_borrow(&p->worker->bufs);
        if (!buf_append_span(&it->ask, ask)) {
            p->client->doomed = true;
        }
    }
}

void
coalesce_wait(struct pending *p, struct flight *f, struct span ask)
{
    worker_count(p->worker, METRIC_ID_COALESCED, 1);
    coalesce_keep_ask(p, coalesce_wait_for(p, f, WHOLE), ask);
}

void
coalesce_wait_part(struct pending *p, struct flight *f, uint32_t part)
{
    worker_count(p->worker, METRIC_ID_COALESCED, 1);
    (void)coalesce_wait_for(p, f, part);
}

void
coalesce_too_many(struct coalesce *co)
{
    worker_count(co->worker, METRIC_ID_FLIGHT_OVERFLOWS, 1);
}

struct flight *
coalesce_open(struct coalesce *co, const struct coalesce_read *read, const struct backend *target)
{
    struct flight *f = flight_open(&co->flights, &read->key, read->form, read->mark);
    if (f == NULL) {
        coalesce_too_many(co);
        return NULL;
    }
    f->at.target = target;
    f->pool_id = co->worker->roster->pools[read->key.pool].id;
    f->near_of = read->near_of;
    if (f->near_of != 0) {
        f->asked_us = worker_now_us(co->worker);
    }
    return f;
}

void
coalesce_lead_kept(struct coalesce *co, struct lead *lead, const struct coalesce_read *read,
                   const struct backend *target, bool shared)
{
    lead->flight = coalesce_open(co, read, target);
    if (lead->flight != NULL && !shared) {
        flight_unlist(&co->flights, lead->flight);
    }
}

/* --- telling the waiters --------------------------------------------------------------- */

/* Off the flight and the clock; the pending is the caller's to answer. */
static struct pending *
release(struct coalesce *co, struct waiter *it)
{
    struct pending *p = it->pending;
    p->legs--;
    flight_leave(it->flight, &it->link);
    list_remove(&it->due);
    bufpool_give_back(&co->worker->bufs, &it->ask);
    objpool_give_back(&co->waiters, it);
    return p;
}

static void
fail_waiter(struct coalesce *co, struct waiter *it, enum failure failure)
{
    bool whole = it->part == WHOLE;
    struct pending *p = release(co, it);
    way_count_failure(co->worker, failure);
    if (whole) {
        pending_fail(p, failure);
    } else {
        answer_part_failure(p, failure);
        answer_complete(p);
    }
}

static void
tell(struct coalesce *co, struct waiter *it, const struct fetched *f, bool may_win)
{
    bool whole = it->part == WHOLE;
    struct span key = flight_key_of(it->flight);
    if (!whole) {
        tell_part(it->pending, it->part, f);
    } else if (it->pending->request.cmd == CMD_MG) {
        tell_meta(it->pending, buf_span(&it->ask), f, may_win);
    } else {
        tell_text(it->pending, key, f);
    }
    struct pending *p = release(co, it);
    if (whole) {
        pending_done(p);
    } else {
        answer_complete(p);
    }
}

static struct waiter *
first_waiter(const struct flight *f)
{
    return LIST_ENTRY(list_first(&f->waiters), struct waiter, link);
}

/* --- asking again ------------------------------------------------------------------------ */

enum proto_command
coalesce_command_of(uint8_t form)
{
    if (form & FORM_META) {
        return CMD_MG;
    }
    return form & FORM_CAS ? CMD_GETS : CMD_GET;
}

/* Asks for the flight's key on behalf of its waiters, by the table that is in use
 * now. NULL and why if nothing could be sent. */
static struct leg *
launch(struct worker *w, struct flight *f, enum failure *failure)
{
    struct lookup_key key;
    if (!lookup_key_again(w, flight_key_of(f), f->pool_id, &key)) {
        way_count_failure(w, FAILURE_NO_ROUTE);
        *failure = FAILURE_NO_ROUTE;
        return NULL;
    }
    if (w->roster->pools[key.pool].moves && moving_reads_apart(w, &key)) {
        way_count_failure(w, FAILURE_DOWN);
        *failure = FAILURE_DOWN; /* a table too late */
        return NULL;
    }
    enum gutter_use use = gutter_serves(f->at.form) ? GUTTER_READ : GUTTER_NEVER;
    struct way way = way_to_key(w, &key, use);
    if (!way.open) {
        *failure = way.failure;
        return NULL;
    }
    size_t mark = backend_mark(way.backend);
    if (!form_put_request(&way.backend->out, f->at.form, key.bytes)) {
        backend_undo(way.backend, mark);
        way_count_failure(w, FAILURE_OVERLOADED);
        *failure = FAILURE_OVERLOADED;
        return NULL;
    }
    struct leg *leg = way_queue_fetch(&way, w, coalesce_command_of(f->at.form), mark);
    leg->lead.flight = f;
    f->at.target = way.backend;
    f->at_copy = false;
    return leg;
}

static void
end(struct coalesce *co, struct flight *f, enum failure failure)
{
    while (f->waiting > 0) {
        fail_waiter(co, first_waiter(f), failure);
    }
    flight_close(&co->flights, &f);
}

/* Those whose time is over, and those whose clients have gone, get what they
 * would have got alone. */
static void
drop_the_late(struct coalesce *co, struct flight *f, enum failure failure)
{
    uint64_t now = worker_now_us(co->worker);
    LIST_EACH_SAFE (link, &f->waiters) {
        struct waiter *it = LIST_ENTRY(link, struct waiter, link);
        if (it->deadline_us <= now || it->pending->client == NULL) {
            fail_waiter(co, it, failure);
        }
    }
}

void
coalesce_fail(struct coalesce *co, struct lead *lead, enum failure failure, bool begun)
{
    struct flight *f = lead->flight;
    struct worker *w = co->worker;
    flight_unlist_lead(&co->flights, lead);
    if (f == NULL) {
        return;
    }
    lead->flight = NULL;
    if (f->second != NULL) {
        coalesce_keep_other(f, lead);
        return;
    }
    hedge_cancel(f);
    drop_the_late(co, f, failure);
    if (f->waiting == 0 || begun || f->retried || !retry_budget_admits(&w->retry_budget)) {
        end(co, f, failure);
        return;
    }
    f->retried = true;
    struct leg *leg = launch(w, f, &failure);
    if (leg == NULL) {
        end(co, f, failure);
        return;
    }
    leg_is_retry(w, leg);
    worker_count(w, METRIC_ID_FLIGHTS_REELECTED, 1);
}

/* Those who were not told: the value is too long to be shared at all, and each
 * goes its own way, or by so many at a time, and they ask once more together. */
static void
ask_again(struct coalesce *co, struct flight *f, bool each_alone)
{
    enum failure failure = FAILURE_OVERLOADED;
    while (each_alone && f->waiting > 1) {
        struct flight *alone = flight_split(&co->flights, f, list_first(&f->waiters));
        first_waiter(alone)->flight = alone;
        if (launch(co->worker, alone, &failure) == NULL) {
            end(co, alone, failure);
        }
    }
    if (launch(co->worker, f, &failure) == NULL) {
        end(co, f, failure);
    }
}

/* --- landing --------------------------------------------------------------------------------- */

/* A zero is a free slot. */
static void
set_large(struct coalesce *co, uint64_t *slot, uint64_t hash)
{
    co->large_count += (hash != 0) - (*slot != 0);
    *slot = hash;
}

static void
note_size(struct coalesce *co, uint64_t hash, uint64_t value_bytes)
{
    uint64_t *slot = large_slot(co, hash);
    if (value_bytes > FLIGHT_VALUE_MAX) {
        set_large(co, slot, hash);
    } else if (*slot == hash) {
        set_large(co, slot, 0);
    }
}

/* --- leases ------------------------------------------------------------------------------- */

/* One will write what he missed. While nobody has written the key since it was
 * asked for, that is worth waiting for; once. */
static uint64_t
lease_us(const struct coalesce *co, const struct flight *f, const struct fetched *fetched)
{
    const struct worker *w = co->worker;
    bool missed = fetched->kind == REPLY_END || fetched->kind == REPLY_EN;
    bool written = write_marks_read(w->host->writes, f->at.hash) != f->at.mark;
    return missed && !written && !f->leased ? w->roster->pools[f->at.pool].miss_lease_us : 0;
}

static void
move_waiters(struct coalesce *co, struct flight *from, struct flight *to)
{
    while (from->waiting > 0) {
        struct waiter *it = first_waiter(from);
        flight_leave(from, &it->link);
        flight_join(to, &it->link);
        it->flight = to;
        if (to->lease_until_us < it->deadline_us) {
            it->deadline_us = to->lease_until_us;
            list_remove(&it->due);
            queue_by_deadline(co, it);
        }
    }
}

/* `leader` has been told the miss. All who wait for `f` wait on; false if they
 * may not. */
static bool
lease(struct coalesce *co, struct flight *f, uint64_t us, const struct client *leader)
{
    struct lookup_key key = {flight_key_of(f), f->at.hash, f->at.pool};
    struct flight *leased = flight_open(&co->leases, &key, f->at.form, f->at.mark);
    if (leased == NULL) {
        return false;
    }
    leased->leased = true;
    leased->pool_id = f->pool_id;
    leased->holder = leader;
    leased->lease_until_us = worker_now_us(co->worker) + us;
    move_waiters(co, f, leased);
    wake_at(co, first_due(co)->deadline_us);
    worker_count(co->worker, METRIC_ID_MISS_LEASES, 1);
    flight_close(&co->flights, &f);
    return true;
}

/* When the worker ends, all are gone, and nothing must be sent any more. */
static void
drop_the_gone(struct coalesce *co, struct flight *f)
{
    LIST_EACH_SAFE (link, &f->waiters) {
        struct waiter *it = LIST_ENTRY(link, struct waiter, link);
        if (it->pending->client == NULL) {
            fail_waiter(co, it, FAILURE_TIMEOUT);
        }
    }
}

void
coalesce_written(struct coalesce *co, uint64_t hash)
{
    struct flight *f;
    while ((f = flight_of_hash(&co->leases, hash)) != NULL) {
        enum failure failure = FAILURE_OVERLOADED;
        flight_unlist(&co->leases, f);
        drop_the_gone(co, f);
        if (f->waiting == 0) {
            flight_close(&co->leases, &f);
        } else if (launch(co->worker, f, &failure) == NULL) {
            end(co, f, failure);
        }
    }
}

/* Its time is over. Who waited for a write has what he would have had without. */
static void
run_out(struct coalesce *co, struct waiter *it)
{
    static const struct fetched text_miss = {.kind = REPLY_END, .line = {"END", 3}};
    static const struct fetched meta_miss = {.kind = REPLY_EN, .line = {"EN", 2}};
    struct flight *f = it->flight;
    if (!f->leased) {
        fail_waiter(co, it, FAILURE_TIMEOUT);
        return;
    }
    tell(co, it, f->at.form & FORM_META ? &meta_miss : &text_miss, false);
    if (f->waiting == 0 && f->at.target == NULL) {
        flight_close(&co->leases, &f);
    }
}

/* By the time somebody asks again, `f` has been unlisted: what is told now may be
 * older than those who come now want. */
static void
land_shared(struct coalesce *co, struct flight *f, const struct reply_piece *piece,
            const struct client *leader, bool current)
{
    struct fetched fetched;
    char word[FORM_KEY_WORD_MAX];
    coalesce_fetched(f, piece, &fetched, word);
    unsigned shares = flight_shares(fetched.value.len);
    bool each_alone = shares == 0, may_win = leader == NULL;
    if (leader == NULL && shares == 0) {
        shares = 1;
    }
    uint64_t us = current && leader != NULL ? lease_us(co, f, &fetched) : 0;
    if (us > 0 && lease(co, f, us, leader)) {
        return;
    }
    worker_count(co->worker, METRIC_ID_FLIGHTS, leader != NULL || f->waiting > 1);
    while (f->waiting > 0 && shares > 0) {
        struct waiter *it = first_waiter(f);
        bool there = it->pending->client != NULL;
        tell(co, it, &fetched, may_win);
        may_win &= !there;
        shares -= there;
    }
    if (f->waiting > 0) {
        ask_again(co, f, each_alone);
    } else {
        flight_close(&co->flights, &f);
    }
}

static void
ask_owner(struct coalesce *co, struct flight *f)
{
    enum failure failure = FAILURE_OVERLOADED;
    coalesce_note_missed(co, f, f->at.target);
    drop_the_gone(co, f);
    if (f->waiting == 0) {
        flight_close(&co->flights, &f);
    } else if (launch(co->worker, f, &failure) == NULL) {
        end(co, f, failure);
    }
}

void
coalesce_land_slowly(struct coalesce *co, struct lead *lead, const struct reply_piece *piece,
                     const struct client *leader)
{
    struct flight *f = lead->flight;
    if (f == NULL) { /* nobody waits, but this may tell that its value is not large any more */
        if (*large_slot(co, lead->hash) == lead->hash) {
            note_size(co, lead->hash, piece->value.len);
        }
        flight_unlist_lead(&co->flights, lead);
        return;
    }
    bool current = f->at.listed; /* so the pool is one of the table in use */
    lead->flight = NULL;
    if (f->second != NULL && !coalesce_comes_first(co, f, lead, piece)) {
        return;
    }
    hedge_answered(f, (struct backend *)f->at.target);
    if (f->waiting == 0 && f->near_of == 0 && *large_slot(co, f->at.hash) != f->at.hash) {
        flight_close(&co->flights, &f); /* who joined has left */
        return;
    }
    if (f->at_copy && !coalesce_is_copy(f, f->copy_cas, piece)) {
        ask_owner(co, f);
        return;
    }
    note_size(co, f->at.hash, piece->value.len);
    if (f->near_of != 0) {
        near_keep(co->worker, f, piece);
    }
    flight_unlist(&co->flights, f);
    if (f->waiting == 0) {
        flight_close(&co->flights, &f);
    } else {
        land_shared(co, f, piece, leader, current);
    }
}

/* --- time ----------------------------------------------------------------------------------------
 */

static void
on_timer(void *arg)
{
    struct coalesce *co = arg;
    struct worker *w = co->worker;
    uint64_t now = worker_now_us(w);
    bool excused = own_stall_excuses(&co->excused, co->timer_due_us, now);
    co->timer_due_us = 0;
    if (excused) {
        wake_at(co, now + OWN_STALL_GRACE_US);
        return;
    }
    while (!list_empty(&co->due)) {
        struct waiter *it = first_due(co);
        if (it->deadline_us > now) {
            wake_at(co, it->deadline_us);
            return;
        }
        run_out(co, it);
    }
}
