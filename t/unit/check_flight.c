/* Flights: who may join which, their limits, and that nobody is told a value
 * older than a write that was acknowledged to him. */
#include "proxy/flight.h"
#include "common/core/backoff.h"
#include "common/core/mem.h"
#include "proxy/retry_budget.h"
#include "proxy/write_marks.h"
#include "t/unit/unit.h"

#include <stdio.h>

#define GET  FORM_TEXT
#define GETS (FORM_TEXT | FORM_CAS)
#define MG_V (FORM_META | FORM_VALUE)

static struct lookup_key
named(const char *name, uint64_t hash)
{
    return (struct lookup_key){span_cstr(name), hash, 0};
}

START_TEST(only_the_same_may_be_joined)
{
    struct flight_table t;
    flight_table_init(&t);
    struct lookup_key a = named("a", 1), b = named("b", 1), longer = named("ab", 1);
    struct flight *f = flight_open(&t, &a, GETS, 7);
    ck_assert_ptr_eq(flight_find(&t, &a, GETS, 7), f);
    ck_assert_ptr_eq(flight_find(&t, &a, GET, 7), f);
    ck_assert_ptr_null(flight_find(&t, &a, MG_V, 7));
    ck_assert_ptr_null(flight_find(&t, &b, GETS, 7));
    ck_assert_ptr_null(flight_find(&t, &longer, GETS, 7));
    struct lookup_key elsewhere = a;
    elsewhere.pool = 1;
    ck_assert_ptr_null(flight_find(&t, &elsewhere, GETS, 7));
    struct flight *g = flight_open(&t, &a, MG_V, 7);
    ck_assert_ptr_eq(flight_find(&t, &a, MG_V, 7), g);
    ck_assert_ptr_eq(flight_find(&t, &a, GET, 7), f);
    flight_close(&t, &f);
    ck_assert_ptr_null(f);
    ck_assert_ptr_null(flight_find(&t, &a, GET, 7));
    ck_assert_ptr_eq(flight_find(&t, &a, MG_V, 7), g);
    flight_close(&t, &g);
    flight_table_deinit(&t);
}
END_TEST

START_TEST(nothing_is_left_of_the_last_use)
{
    struct flight_table t;
    flight_table_init(&t);
    struct lookup_key a = named("a", 1);
    struct flight *f = flight_open(&t, &a, GET, 7), *first = f;
    f->at_copy = f->retried = f->leased = true;
    f->lease_until_us = 1;
    f->holder = f->at.target = &t;
    flight_close(&t, &f);
    f = flight_open(&t, &a, GET, 7);
    ck_assert_ptr_eq(f, first);
    ck_assert(!f->at_copy && !f->retried && !f->leased);
    ck_assert(f->lease_until_us == 0 && f->holder == NULL && f->at.target == NULL);
    flight_close(&t, &f);
    flight_table_deinit(&t);
}
END_TEST

START_TEST(a_lead_becomes_a_flight_when_joined)
{
    struct flight_table t;
    flight_table_init(&t);
    struct lookup_key a = named("a", 1), b = named("b", 1), c = named("c", 1);
    struct lead one, two, three;
    ck_assert(flight_begin(&t, &one, &a, GETS, 7, &t));
    ck_assert(flight_begin(&t, &two, &b, GET, 7, &t));
    ck_assert(flight_begin(&t, &three, &c, GET, 7, &t));
    ck_assert_ptr_null(flight_find(&t, &a, MG_V, 7));
    ck_assert_ptr_null(two.flight);
    struct flight *f = flight_find(&t, &b, GET, 7);
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_eq(two.flight, f);
    ck_assert(!two.listed && f->at.listed && f->at.target == &t);
    ck_assert(span_eq_cstr(flight_key_of(f), "b") && span_eq_cstr(lead_key_of(&two), "b"));
    ck_assert_ptr_eq(flight_find(&t, &b, GET, 7), f);
    flight_unlist_lead(&t, &one);
    flight_unlist_lead(&t, &one);
    flight_unlist_lead(&t, &two); /* its flight is */
    ck_assert_uint_eq(t.count, 2);
    ck_assert_ptr_null(flight_find(&t, &a, GET, 7));
    ck_assert_ptr_null(flight_find(&t, &c, GET, 8)); /* written: out of the table */
    ck_assert(!three.listed && three.flight == NULL);
    ck_assert_uint_eq(t.count, 1);
    flight_close(&t, &f);
    flight_table_deinit(&t);
}
END_TEST

/* Leads and flights, through a table that grows. */
START_TEST(many_leads)
{
    enum { MANY = 3000 };
    struct flight_table t;
    static struct lead leads[MANY];
    static char names[MANY][8];
    flight_table_init(&t);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "k%u", i);
        struct lookup_key key = named(names[i], i * 0x9e3779b97f4a7c15ull >> 20);
        ck_assert(flight_begin(&t, &leads[i], &key, GET, 0, &t));
        ck_assert(i % 3 != 0 || flight_find(&t, &key, GET, 0) == leads[i].flight);
    }
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert((leads[i].flight != NULL) == (i % 3 == 0));
        if (leads[i].flight != NULL) {
            flight_close(&t, &leads[i].flight);
        }
        flight_unlist_lead(&t, &leads[i]);
    }
    ck_assert_uint_eq(t.count, 0);
    flight_table_deinit(&t);
}
END_TEST

START_TEST(a_write_ends_joining_not_waiting)
{
    struct flight_table t;
    struct list waiter;
    flight_table_init(&t);
    struct lookup_key a = named("a", 1);
    struct flight *f = flight_open(&t, &a, GET, 7);
    flight_join(f, &waiter);
    ck_assert_ptr_null(flight_find(&t, &a, GET, 8));
    ck_assert(!f->at.listed);
    ck_assert_ptr_null(flight_find(&t, &a, GET, 7));
    ck_assert_uint_eq(f->waiting, 1);
    struct flight *g = flight_open(&t, &a, GET, 8);
    ck_assert_ptr_eq(flight_find(&t, &a, GET, 8), g);
    flight_unlist_all(&t);
    ck_assert_ptr_null(flight_find(&t, &a, GET, 8));
    flight_leave(f, &waiter);
    flight_close(&t, &f);
    flight_close(&t, &g);
    flight_table_deinit(&t);
}
END_TEST

START_TEST(waiters_are_limited)
{
    struct flight_table t;
    static struct list waiters[FLIGHT_WAITERS_MAX];
    flight_table_init(&t);
    struct lookup_key a = named("a", 1);
    struct flight *f = flight_open(&t, &a, GET, 0);
    for (unsigned i = 0; i < FLIGHT_WAITERS_MAX; i++) {
        ck_assert_ptr_eq(flight_find(&t, &a, GET, 0), f);
        flight_join(f, &waiters[i]);
    }
    ck_assert_ptr_null(flight_find(&t, &a, GET, 0));
    ck_assert_uint_eq(t.overflows, 1);
    struct flight *next = flight_open(&t, &a, GET, 0);
    ck_assert_ptr_eq(flight_find(&t, &a, GET, 0), next);
    for (unsigned i = 0; i < FLIGHT_WAITERS_MAX; i++) {
        ck_assert_ptr_eq(list_first(&f->waiters), &waiters[i]);
        flight_leave(f, &waiters[i]);
    }
    flight_close(&t, &f);
    flight_close(&t, &next);
    flight_table_deinit(&t);
}
END_TEST

/* As many as will come, at once; what is there already is found as before. */
START_TEST(room_is_made_for_many)
{
    struct flight_table t;
    struct lead leads[3];
    flight_table_init(&t);
    for (unsigned i = 0; i < 3; i++) {
        struct lookup_key key = named("k", i << 10);
        ck_assert(flight_begin(&t, &leads[i], &key, GET, 0, &t));
    }
    ck_assert(flight_make_room_for(&t, 5000));
    ck_assert_uint_gt(t.mask, 2 * 5003 - 2);
    ck_assert(flight_make_room_for(&t, FLIGHTS_MAX - 3));
    unsigned mask = t.mask;
    ck_assert(!flight_make_room_for(&t, FLIGHTS_MAX - 2));
    ck_assert_uint_eq(t.mask, mask);
    for (unsigned i = 0; i < 3; i++) {
        struct lead **bucket = flight_bucket(&t, leads[i].hash);
        ck_assert(!flight_bucket_lacks(*bucket, leads[i].hash));
        flight_unlist_lead(&t, &leads[i]);
        ck_assert(flight_bucket_lacks(*bucket, leads[i].hash));
        flight_list(&t, bucket, &leads[i]);
        ck_assert_ptr_eq(*bucket, &leads[i]);
        flight_unlist_lead(&t, &leads[i]);
    }
    ck_assert_uint_eq(t.count, 0);
    flight_table_deinit(&t);
}
END_TEST

START_TEST(flights_are_limited)
{
    struct flight_table t;
    struct lead late;
    struct flight **all = mem_alloc((FLIGHTS_MAX + 1) * sizeof(all[0]));
    char name[16];
    flight_table_init(&t);
    for (unsigned i = 0; i <= FLIGHTS_MAX; i++) {
        snprintf(name, sizeof(name), "k%u", i);
        struct lookup_key key = named(name, i * 0x9e3779b97f4a7c15ull);
        all[i] = flight_open(&t, &key, GET, 0);
        ck_assert((all[i] == NULL) == (i == FLIGHTS_MAX));
    }
    ck_assert_uint_eq(t.overflows, 1);
    struct lookup_key one_more = named("late", 1);
    ck_assert(!flight_begin(&t, &late, &one_more, GET, 0, &t));
    ck_assert(!late.listed && late.flight == NULL);
    ck_assert_uint_eq(t.overflows, 2);
    for (unsigned i = 0; i < FLIGHTS_MAX; i++) {
        snprintf(name, sizeof(name), "k%u", i);
        struct lookup_key key = named(name, i * 0x9e3779b97f4a7c15ull);
        ck_assert_ptr_eq(flight_find(&t, &key, GET, 0), all[i]);
        if (i % 2 == 0) {
            flight_close(&t, &all[i]);
            ck_assert_ptr_null(flight_find(&t, &key, GET, 0));
        }
    }
    flight_unlist_all(&t);
    ck_assert_uint_eq(t.count, 0);
    for (unsigned i = 1; i < FLIGHTS_MAX; i += 2) {
        flight_close(&t, &all[i]);
    }
    flight_table_deinit(&t);
    free(all);
}
END_TEST

START_TEST(one_goes_on_alone)
{
    struct flight_table t;
    struct list first, second;
    flight_table_init(&t);
    struct lookup_key a = named("a", 1);
    struct flight *f = flight_open(&t, &a, GETS, 3);
    flight_join(f, &first);
    flight_join(f, &second);
    struct flight *alone = flight_split(&t, f, &first);
    ck_assert_ptr_eq(list_first(&f->waiters), &second);
    ck_assert_ptr_eq(list_first(&alone->waiters), &first);
    ck_assert(span_eq_cstr(flight_key_of(alone), "a"));
    ck_assert_uint_eq(alone->at.form, GETS);
    ck_assert_ptr_eq(flight_find(&t, &a, GET, 3), f);
    flight_leave(alone, &first);
    flight_leave(f, &second);
    flight_close(&t, &alone);
    flight_close(&t, &f);
    flight_table_deinit(&t);
}
END_TEST

START_TEST(large_values_are_shared_by_few_or_none)
{
    ck_assert_uint_ge(flight_shares(100), FLIGHT_WAITERS_MAX);
    ck_assert_uint_ge(flight_shares(FLIGHT_VALUE_MAX), 1);
    ck_assert_uint_lt(flight_shares(FLIGHT_VALUE_MAX), 64);
    ck_assert_uint_eq(flight_shares(FLIGHT_VALUE_MAX + 1), 0);
    ck_assert_uint_eq(flight_shares(UINT64_MAX), 0);
}
END_TEST

START_TEST(marks_tell_what_was_written)
{
    static struct write_marks m;
    uint32_t before = write_marks_read(&m, 5), other = write_marks_read(&m, 6);
    write_marks_move(&m, 5);
    ck_assert_uint_ne(write_marks_read(&m, 5), before);
    ck_assert_uint_eq(write_marks_read(&m, 6), other);
    write_marks_move_all(&m);
    ck_assert_uint_ne(write_marks_read(&m, 6), other);
}
END_TEST

START_TEST(retries_have_a_budget)
{
    struct retry_budget b = {.on_their_way = 0, .retries = 0};
    ck_assert(retry_budget_admits(&b));
    b.retries = 2;
    ck_assert(retry_budget_admits(&b));
    b.retries = 3;
    ck_assert(!retry_budget_admits(&b));
    b.on_their_way = 19;
    ck_assert(!retry_budget_admits(&b));
    b.on_their_way = 20;
    ck_assert(retry_budget_admits(&b));
    b.on_their_way = 1000;
    b.retries = 199;
    ck_assert(retry_budget_admits(&b));
    b.retries = 200;
    ck_assert(!retry_budget_admits(&b));
}
END_TEST

/* --- a model --------------------------------------------------------------------
 * Two workers, each with one connection to a node that executes what comes by
 * each connection in order, and answers in order. People have a connection to
 * each worker. What a person reads must not be older, in the node's order, than
 * the writes of that key that were acknowledged to him before he asked. */
#define WORKERS 2
#define PEOPLE  8
#define KEYS    3
#define QUEUE   4096 /* power of two */
#define STEPS   80000

struct reader {
    struct list link;
    unsigned person;
    uint64_t floor; /* the newest write he knew of when he asked */
};

struct message {
    bool write;
    unsigned key, person;
    uint64_t order; /* of a write, when executed; of a read, the write that it saw */
    struct flight *flight;
    struct reader *leader;
};

struct model_worker {
    struct flight_table flights;
    struct message queue[QUEUE]; /* sent; executed up to `done`; answered up to `head` */
    unsigned head, done, tail;
};

struct model {
    struct model_worker workers[WORKERS];
    struct write_marks marks;
    uint64_t value[KEYS]; /* which write the node holds */
    uint64_t writes;
    uint64_t acked[PEOPLE][KEYS];
    unsigned writing[PEOPLE][WORKERS][KEYS];
    uint64_t rng;
    unsigned joined, led, reelected;
};

static unsigned
any(struct model *m, unsigned n)
{
    return (unsigned)(random_next(&m->rng) % n);
}

static struct lookup_key
model_key(unsigned key)
{
    static const char *const names[KEYS] = {"a", "b", "c"};
    return named(names[key], key); /* all in different buckets, with marks of their own */
}

static struct message *
send(struct model_worker *w, struct message message)
{
    struct message *at = &w->queue[w->tail++ % QUEUE];
    *at = message;
    return at;
}

static void
ask(struct model *m, unsigned worker, unsigned person, unsigned key)
{
    struct model_worker *w = &m->workers[worker];
    struct lookup_key k = model_key(key);
    uint32_t mark = write_marks_read(&m->marks, k.hash);
    struct reader *r = mem_zalloc(sizeof(*r));
    *r = (struct reader){.person = person, .floor = m->acked[person][key]};
    bool alone = m->writing[person][worker][key] > 0;
    struct flight *f = alone ? NULL : flight_find(&w->flights, &k, GET, mark);
    if (f != NULL) {
        flight_join(f, &r->link);
        m->joined++;
        return;
    }
    f = alone ? NULL : flight_open(&w->flights, &k, GET, mark);
    send(w, (struct message){.key = key, .person = person, .flight = f, .leader = r});
    m->led++;
}

static void
write_key(struct model *m, unsigned worker, unsigned person, unsigned key)
{
    m->writing[person][worker][key]++;
    send(&m->workers[worker], (struct message){.write = true, .key = key, .person = person});
    write_marks_move(&m->marks, model_key(key).hash);
}

static void
execute(struct model *m, struct model_worker *w)
{
    if (w->done != w->tail) {
        struct message *at = &w->queue[w->done++ % QUEUE];
        if (at->write) {
            m->value[at->key] = ++m->writes;
        }
        at->order = m->value[at->key];
    }
}

static void
tell(struct reader *r, uint64_t order)
{
    ck_assert_msg(order >= r->floor, "read write %lu after %lu was acknowledged",
                  (unsigned long)order, (unsigned long)r->floor);
    free(r);
}

static void
land(struct model_worker *w, struct message *at)
{
    struct flight *f = at->flight;
    if (at->leader != NULL) {
        tell(at->leader, at->order);
    }
    while (f != NULL && f->waiting > 0) {
        struct reader *r = LIST_ENTRY(list_first(&f->waiters), struct reader, link);
        flight_leave(f, &r->link);
        tell(r, at->order);
    }
    if (f != NULL) {
        flight_close(&w->flights, &f);
    }
}

static void
answer(struct model *m, unsigned worker)
{
    struct model_worker *w = &m->workers[worker];
    if (w->head == w->done) {
        return;
    }
    struct message *at = &w->queue[w->head++ % QUEUE];
    if (!at->write) {
        land(w, at);
        return;
    }
    write_marks_move(&m->marks, model_key(at->key).hash);
    m->writing[at->person][worker][at->key]--;
    if (at->order > m->acked[at->person][at->key]) {
        m->acked[at->person][at->key] = at->order;
    }
}

/* The reply to the first request is lost: one of those who wait asks again. */
static void
lose(struct model *m, unsigned worker)
{
    struct model_worker *w = &m->workers[worker];
    if (w->head == w->done) {
        return;
    }
    struct message at = w->queue[w->head % QUEUE];
    if (at.write) {
        return;
    }
    w->head++;
    free(at.leader);
    if (at.flight != NULL && at.flight->waiting > 0) {
        send(w, (struct message){.key = at.key, .person = at.person, .flight = at.flight});
        m->reelected++;
    } else if (at.flight != NULL) {
        flight_close(&w->flights, &at.flight);
    }
}

static void
step(struct model *m)
{
    unsigned worker = any(m, WORKERS), person = any(m, PEOPLE), key = any(m, KEYS);
    struct model_worker *w = &m->workers[worker];
    unsigned kind = any(m, 40);
    bool room = w->tail - w->head < QUEUE;
    if (kind < 16 && room) {
        ask(m, worker, person, key);
    } else if (kind < 17 && room) {
        write_key(m, worker, person, key);
    } else if (kind < 28) {
        execute(m, w);
    } else if (kind < 39) {
        answer(m, worker);
    } else {
        lose(m, worker);
    }
}

START_TEST(nobody_reads_older_than_his_own_acknowledged_write)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct model *m = mem_zalloc(sizeof(*m));
        m->rng = seed;
        for (unsigned i = 0; i < WORKERS; i++) {
            flight_table_init(&m->workers[i].flights);
        }
        for (unsigned i = 0; i < STEPS; i++) {
            step(m);
        }
        for (unsigned i = 0; i < WORKERS; i++) {
            while (m->workers[i].head != m->workers[i].tail) {
                execute(m, &m->workers[i]);
                answer(m, i);
            }
            flight_table_deinit(&m->workers[i].flights);
        }
        ck_assert_uint_gt(m->joined, 1000);
        ck_assert_uint_gt(m->led, 1000);
        ck_assert_uint_gt(m->reelected, 100);
        free(m);
    }
}
END_TEST

UNIT_MAIN("flight", only_the_same_may_be_joined, nothing_is_left_of_the_last_use,
          a_lead_becomes_a_flight_when_joined, many_leads, a_write_ends_joining_not_waiting,
          waiters_are_limited, room_is_made_for_many, flights_are_limited, one_goes_on_alone,
          large_values_are_shared_by_few_or_none, marks_tell_what_was_written,
          retries_have_a_budget, nobody_reads_older_than_his_own_acknowledged_write)
