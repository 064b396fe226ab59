/* The journal of invalidations, against a model and in its corners. */
#include "proxy/journal.h"
#include "t/unit/unit.h"

#include <pthread.h>
#include <stdio.h>

static struct journal_budget budget;
static struct journal *j;

static void
begin(uint64_t max_entries, uint64_t max_bytes, unsigned workers)
{
    budget.max_entries = max_entries;
    budget.max_bytes = max_bytes;
    j = journal_create(&budget, workers);
}

static void
end(void)
{
    journal_unref(&j);
    ck_assert_ptr_null(j);
    ck_assert_uint_eq(atomic_load(&budget.entries), 0);
    ck_assert_uint_eq(atomic_load(&budget.bytes), 0);
}

static enum journal_result
put(const char *key, unsigned worker, uint64_t now_us)
{
    return journal_put(j, span_cstr(key), worker, now_us);
}

static bool
blocks(const char *key)
{
    return journal_blocks(j, span_cstr(key));
}

static struct journal_entry *
take(unsigned worker, const char *expected)
{
    struct journal_entry *entry = NULL;
    ck_assert_int_eq(journal_take(j, worker, &entry), JOURNAL_DELETE);
    ck_assert(span_eq_cstr(journal_key(entry), expected));
    return entry;
}

static void
takes(unsigned worker, enum journal_task expected)
{
    struct journal_entry *entry = NULL;
    ck_assert_int_eq(journal_take(j, worker, &entry), expected);
}

START_TEST(a_key_is_kept_once_until_it_is_delivered)
{
    begin(10, 10000, 2);
    ck_assert(journal_is_empty(j) && !blocks("a"));
    ck_assert_int_eq(put("a", 0, 1), JOURNAL_KEPT);
    ck_assert_int_eq(put("a", 0, 2), JOURNAL_KNOWN);
    ck_assert(blocks("a") && !blocks("b"));
    ck_assert_uint_eq(journal_count(j), 1);
    ck_assert(journal_owes(j, 0) && !journal_owes(j, 1));
    takes(1, JOURNAL_NOTHING);
    struct journal_entry *entry = take(0, "a");
    ck_assert(blocks("a") && journal_owes(j, 0));
    takes(0, JOURNAL_NOTHING);
    journal_put_back(j, &entry);
    entry = take(0, "a");
    journal_delivered(j, &entry);
    ck_assert_ptr_null(entry);
    ck_assert(journal_is_empty(j) && !blocks("a") && !journal_owes(j, 0));
    end();
}
END_TEST

/* Each has sent something of which nobody knows what became of it, by a connection
 * of its own. */
START_TEST(each_worker_delivers_what_it_put)
{
    begin(10, 10000, 2);
    ck_assert_int_eq(put("a", 0, 1), JOURNAL_KEPT);
    ck_assert_int_eq(put("a", 1, 2), JOURNAL_KEPT);
    ck_assert_uint_eq(journal_count(j), 2);
    struct journal_entry *first = take(0, "a");
    journal_delivered(j, &first);
    ck_assert(blocks("a") && !journal_owes(j, 0) && journal_owes(j, 1));
    struct journal_entry *second = take(1, "a");
    journal_delivered(j, &second);
    ck_assert(!blocks("a"));
    end();
}
END_TEST

/* Between the delivery and the second delete somebody else may have stored. */
START_TEST(what_is_put_during_its_delivery_is_delivered_again)
{
    begin(10, 10000, 1);
    put("a", 0, 1);
    struct journal_entry *entry = take(0, "a");
    ck_assert_int_eq(put("a", 0, 2), JOURNAL_KNOWN);
    journal_delivered(j, &entry);
    ck_assert(blocks("a"));
    entry = take(0, "a");
    journal_delivered(j, &entry);
    ck_assert(!blocks("a"));
    end();
}
END_TEST

START_TEST(order_is_kept_and_what_came_back_goes_first)
{
    begin(10, 10000, 1);
    put("a", 0, 1);
    put("b", 0, 1);
    put("", 0, 1);
    struct journal_entry *a = take(0, "a"), *b = take(0, "b");
    journal_put_back(j, &b);
    b = take(0, "b");
    struct journal_entry *empty = take(0, "");
    journal_delivered(j, &a);
    journal_delivered(j, &b);
    journal_delivered(j, &empty);
    end();
}
END_TEST

START_TEST(over_the_budget_every_worker_flushes)
{
    begin(2, 10000, 2);
    put("a", 0, 1);
    put("b", 1, 1);
    struct journal_entry *taken = take(1, "b");
    ck_assert_int_eq(put("c", 0, 1), JOURNAL_LOSSY);
    ck_assert(blocks("c") && blocks("anything"));
    ck_assert_uint_eq(journal_count(j), 1);
    ck_assert_int_eq(put("d", 0, 1), JOURNAL_KNOWN);

    takes(0, JOURNAL_FLUSH);
    takes(0, JOURNAL_NOTHING);
    journal_flushed(j, 0);
    ck_assert(!journal_owes(j, 0) && journal_owes(j, 1) && blocks("a"));
    takes(1, JOURNAL_NOTHING); /* what it took may still be on its way */
    journal_put_back(j, &taken);
    takes(1, JOURNAL_FLUSH);
    journal_not_flushed(j, 1);
    takes(1, JOURNAL_FLUSH);
    journal_flushed(j, 1);
    ck_assert(journal_is_empty(j) && !blocks("a"));
    end();
}
END_TEST

START_TEST(bytes_are_limited_too)
{
    begin(1000, 200, 1);
    ck_assert_int_eq(put("a", 0, 1), JOURNAL_KEPT);
    char key[251];
    memset(key, 'k', 250);
    key[250] = '\0';
    ck_assert_int_eq(put(key, 0, 1), JOURNAL_LOSSY);
    end();
}
END_TEST

/* Put while the flush is on its way: that flush does not include it. */
START_TEST(what_is_put_during_a_flush_is_delivered_behind_it)
{
    begin(10, 10000, 1);
    journal_want_flush(j, 1);
    takes(0, JOURNAL_FLUSH);
    ck_assert_int_eq(put("a", 0, 2), JOURNAL_KEPT);
    takes(0, JOURNAL_NOTHING);
    journal_flushed(j, 0);
    struct journal_entry *a = take(0, "a");
    journal_want_flush(j, 3); /* and again while a key is on its way */
    journal_delivered(j, &a);
    takes(0, JOURNAL_FLUSH);
    journal_want_flush(j, 4);
    journal_flushed(j, 0);
    takes(0, JOURNAL_FLUSH);
    journal_flushed(j, 0);
    ck_assert(journal_is_empty(j));
    end();
}
END_TEST

START_TEST(one_workers_flush_keeps_the_keys)
{
    begin(10, 10000, 2);
    put("a", 0, 1);
    journal_want_flush_by(j, 0, 2);
    ck_assert(journal_owes(j, 0) && !journal_owes(j, 1));
    takes(0, JOURNAL_FLUSH);
    journal_flushed(j, 0);
    struct journal_entry *a = take(0, "a");
    journal_delivered(j, &a);
    end();
}
END_TEST

START_TEST(a_node_that_began_empty_needs_nothing_older)
{
    begin(10, 10000, 1);
    put("old", 0, 100);
    put("again", 0, 100);
    put("new", 0, 200);
    put("again", 0, 200);
    struct journal_entry *taken = take(0, "old");
    ck_assert_uint_eq(journal_forget_before(j, 150), 1);
    ck_assert(!blocks("old") && blocks("new") && blocks("again"));
    ck_assert_int_eq(put("old", 0, 300), JOURNAL_KEPT); /* beside the one that is taken */
    journal_delivered(j, &taken);
    ck_assert(blocks("old"));
    journal_want_flush(j, 300);
    ck_assert_int_eq(put("x", 0, 400), JOURNAL_KNOWN);
    ck_assert_uint_eq(journal_forget_before(j, 350), 0);
    ck_assert(blocks("x"));
    ck_assert_uint_eq(journal_forget_before(j, 500), 1);
    ck_assert(journal_is_empty(j));
    end();
}
END_TEST

/* --- against a model --------------------------------------------------------- */

#define KEYS    24
#define WORKERS 3

/* Of one worker. */
struct model_key {
    bool here, taken, again;
    struct journal_entry *entry;
};

static void
end_one(struct model_key *m, bool delivered)
{
    if (delivered) {
        journal_delivered(j, &m->entry);
    } else {
        journal_put_back(j, &m->entry);
    }
    m->here = !delivered || m->again;
    m->taken = m->again = false;
}

static void
take_one(struct model_key keys[KEYS][WORKERS], unsigned worker)
{
    struct journal_entry *entry = NULL;
    bool waits = false;
    for (unsigned i = 0; i < KEYS; i++) {
        waits |= keys[i][worker].here && !keys[i][worker].taken;
    }
    ck_assert_int_eq(journal_take(j, worker, &entry), waits ? JOURNAL_DELETE : JOURNAL_NOTHING);
    if (waits) {
        struct model_key *m = &keys[journal_key(entry).ptr[0] - 'a'][worker];
        ck_assert(m->here && !m->taken);
        m->taken = true;
        m->entry = entry;
    }
}

static void
put_one(struct model_key *m, struct span key, unsigned worker)
{
    ck_assert_int_eq(journal_put(j, key, worker, 1), m->here ? JOURNAL_KNOWN : JOURNAL_KEPT);
    m->again |= m->taken;
    m->here = true;
}

static void
compare(struct model_key keys[KEYS][WORKERS])
{
    unsigned count = 0;
    bool owes[WORKERS] = {false};
    for (unsigned i = 0; i < KEYS; i++) {
        char key = (char)('a' + i);
        bool here = false;
        for (unsigned w = 0; w < WORKERS; w++) {
            here |= keys[i][w].here;
            count += keys[i][w].here;
            owes[w] |= keys[i][w].here;
        }
        ck_assert_int_eq(journal_blocks(j, span_make(&key, 1)), here);
    }
    ck_assert_uint_eq(journal_count(j), count);
    for (unsigned w = 0; w < WORKERS; w++) {
        ck_assert_int_eq(journal_owes(j, w), owes[w]);
    }
}

START_TEST(does_as_its_model)
{
    begin(1000, 100000, WORKERS);
    struct model_key keys[KEYS][WORKERS] = {{{0}}};
    srand((unsigned)_i + 1);
    for (int step = 0; step < 3000; step++) {
        unsigned i = (unsigned)rand() % KEYS, worker = (unsigned)rand() % WORKERS;
        struct model_key *m = &keys[i][worker];
        char key = (char)('a' + i);
        switch (rand() % 3) {
        case 0: put_one(m, span_make(&key, 1), worker); break;
        case 1: take_one(keys, worker); break;
        case 2:
            if (m->taken) {
                end_one(m, rand() % 2 == 0);
            }
            break;
        }
        compare(keys);
    }
    for (unsigned i = 0; i < KEYS * WORKERS; i++) {
        if (keys[i / WORKERS][i % WORKERS].taken) {
            end_one(&keys[i / WORKERS][i % WORKERS], true);
        }
    }
    end();
}
END_TEST

/* --- many threads ---------------------------------------------------------------- */

static void *
put_and_deliver(void *arg)
{
    unsigned worker = *(unsigned *)arg;
    for (unsigned i = 0; i < 20000; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%u", i % 97);
        put(key, worker, i);
        (void)blocks(key);
        struct journal_entry *entry = NULL;
        switch (journal_take(j, worker, &entry)) {
        case JOURNAL_NOTHING: break;
        case JOURNAL_DELETE: journal_delivered(j, &entry); break;
        case JOURNAL_FLUSH: journal_flushed(j, worker); break;
        }
    }
    return NULL;
}

START_TEST(workers_share_it)
{
    begin(50, 100000, WORKERS);
    pthread_t threads[WORKERS];
    unsigned numbers[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, put_and_deliver, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    end();
}
END_TEST

UNIT_MAIN("journal", a_key_is_kept_once_until_it_is_delivered, each_worker_delivers_what_it_put,
          what_is_put_during_its_delivery_is_delivered_again,
          order_is_kept_and_what_came_back_goes_first, over_the_budget_every_worker_flushes,
          bytes_are_limited_too, what_is_put_during_a_flush_is_delivered_behind_it,
          one_workers_flush_keeps_the_keys, a_node_that_began_empty_needs_nothing_older,
          does_as_its_model, workers_share_it)
