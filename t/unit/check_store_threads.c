/* The store under several threads at once: what every answer must satisfy
 * whatever the others do meanwhile. Run with --with-sanitizer=thread too. */
#include "cached/store/engine.h"
#include "common/core/backoff.h"
#include "common/core/num.h"
#include "config.h"
#include "t/unit/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#define NOW_MS 1000

#ifdef HAVE_SANITIZER
enum { ROUNDS = 3000 };
#else
enum { ROUNDS = 40000 };
#endif
enum { THREADS = 4 };

static struct store *st;
static _Atomic unsigned failures; /* check's own asserts are for the main thread only */

static void
must(bool fact, const char *what)
{
    if (!fact && atomic_fetch_add(&failures, 1) == 0) {
        fprintf(stderr, "# broken: %s\n", what);
    }
}

static void
begin(uint64_t memory_bytes)
{
    struct store_options options = {.memory_bytes = memory_bytes,
                                    .item_max_bytes = 1 << 20,
                                    .concurrency = 1,
                                    .evict = true,
                                    .cas = true};
    st = store_create(&options);
    atomic_store(&failures, 0);
}

static void
run_threads(void *(*fn)(void *arg), int count)
{
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < count; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fn, (void *)i), 0);
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
}

static enum store_outcome
put(struct store_thread *th, struct span key, struct span value, const struct store_write *write,
    struct store_written *written)
{
    struct store_key k = store_key(key);
    struct store_reservation r;
    enum store_outcome outcome = store_reserve(th, &k, value.len, write, NOW_MS, &r);
    if (outcome != STORE_OK) {
        return outcome;
    }
    memcpy(r.value, value.ptr, value.len);
    return store_commit(th, &r, write, NOW_MS, written);
}

/* Flushed and swept, a store holds nothing but its tables. Threads that have ended
 * finish no rounds of the cleaner. */
static void
end(void)
{
    for (struct store_thread *gone = atomic_load(&st->threads); gone != NULL; gone = gone->next) {
        cleaner_drop(gone);
    }
    struct store_thread *th = store_join(st);
    store_flush(th, NOW_MS, NOW_MS);
    for (unsigned i = 0; i < 1000; i++) {
        store_sweep(th, 0, 1, 10000, NOW_MS);
    }
    struct store_info info = store_info(st);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS), 0);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEM_BYTES), 0);
    ck_assert_uint_eq(info.memory_bytes, info.table_bytes);
    store_destroy(&st);
    ck_assert_uint_eq(atomic_load(&failures), 0);
}

/* --- values ------------------------------------------------------------------ */

enum { KEYS = 50, VALUE_MAX = 3000, HELD = 4 };

/* A value says whose it is: the key's number, then one letter over and over. */
static size_t
make_value(unsigned key, uint64_t *rng, char *out)
{
    size_t len = 2 + random_next(rng) % (VALUE_MAX - 2);
    memset(out, 'a' + (int)(random_next(rng) % 26), len);
    out[0] = (char)key;
    return len;
}

static void
check_view(unsigned key, const struct store_view *view)
{
    const char *p = view->value.ptr;
    bool whole = view->value.len >= 2 && p[0] == (char)key;
    for (size_t i = 2; whole && i < view->value.len; i++) {
        whole = p[i] == p[1];
    }
    must(whole, "a value is whole and its key's own");
    if (view->value.len >= STORE_TRAILED_FROM) {
        must(memcmp(p + view->value.len, "\r\n", STORE_TRAILER_BYTES) == 0,
             "CRLF behind the value");
    }
}

struct client {
    struct store_thread *th;
    uint64_t rng;
    uint64_t last_cas[KEYS];
    struct store_view held[HELD]; /* kept for a while, and looked at again */
    unsigned held_key[HELD];
};

static void
read_one(struct client *c, unsigned key, const struct store_key *k)
{
    unsigned slot = random_next(&c->rng) % HELD;
    if (c->held[slot].item != NULL) {
        check_view(c->held_key[slot], &c->held[slot]);
        store_release(c->th, &c->held[slot].item);
    }
    struct store_view *view = &c->held[slot];
    if (store_get(c->th, k, NULL, NOW_MS, view) != STORE_OK) {
        return;
    }
    c->held_key[slot] = key;
    check_view(key, view);
    must(view->cas >= c->last_cas[key], "a key's CAS value never falls");
    c->last_cas[key] = view->cas;
}

/* Looked at for as long as it takes, without a reference. */
static void
see_some(struct client *c)
{
    struct store_key keys[STORE_SIGHTS];
    struct store_sight sights[STORE_SIGHTS];
    unsigned numbers[STORE_SIGHTS], count = 1 + random_next(&c->rng) % STORE_SIGHTS;
    char names[STORE_SIGHTS][16];
    for (unsigned i = 0; i < count; i++) {
        numbers[i] = random_next(&c->rng) % KEYS;
        size_t len = (size_t)snprintf(names[i], 16, "key%u", numbers[i]);
        keys[i] = store_key(span_make(names[i], len));
    }
    store_enter(c->th);
    bool meta = random_next(&c->rng) % 2 == 0;
    if (meta) {
        store_see_meta(c->th, keys, count, NOW_MS, sights);
    } else {
        store_see_cas(c->th, keys, count, NOW_MS, sights);
    }
    for (unsigned i = 0; i < count; i++) {
        if (!(meta && sights[i].unsure) && sights[i].item != NULL) {
            struct store_view view = {.value = sights[i].value};
            check_view(numbers[i], &view);
            must(sights[i].cas >= c->last_cas[numbers[i]], "a key's CAS value never falls");
            c->last_cas[numbers[i]] = sights[i].cas;
        }
    }
    store_leave(c->th);
}

static void
write_some(struct client *c)
{
    static __thread char values[STORE_SIGHTS][VALUE_MAX];
    char names[STORE_SIGHTS][16];
    struct store_key keys[STORE_SIGHTS];
    struct store_put puts[STORE_SIGHTS];
    unsigned numbers[STORE_SIGHTS], count = 1 + random_next(&c->rng) % STORE_SIGHTS;
    for (unsigned i = 0; i < count; i++) {
        numbers[i] = random_next(&c->rng) % KEYS;
        size_t len = (size_t)snprintf(names[i], 16, "key%u", numbers[i]);
        keys[i] = store_key(span_make(names[i], len));
        len = make_value(numbers[i], &c->rng, values[i]);
        puts[i] = (struct store_put){.value = span_make(values[i], len)};
    }
    uint64_t effort = 0;
    for (unsigned done = 0; done < count;) {
        done += store_put(c->th, keys + done, puts + done, count - done, &effort, NOW_MS);
    }
    for (unsigned i = 0; i < count; i++) {
        if (puts[i].outcome == STORE_OK) {
            must(puts[i].cas > c->last_cas[numbers[i]], "a write's CAS value is a new one");
            c->last_cas[numbers[i]] = puts[i].cas;
        }
    }
}

static void
write_one(struct client *c, unsigned key, const struct store_key *k)
{
    static const enum store_mode modes[] = {STORE_SET, STORE_ADD, STORE_REPLACE};
    char value[VALUE_MAX];
    size_t len = make_value(key, &c->rng, value);
    struct store_write write = {.mode = modes[random_next(&c->rng) % 3]};
    struct store_written written;
    if (random_next(&c->rng) % 2 == 0) {
        write_some(c);
    } else if (put(c->th, k->key, span_make(value, len), &write, &written) == STORE_OK) {
        must(written.cas > c->last_cas[key], "a write's CAS value is a new one");
        c->last_cas[key] = written.cas;
    }
}

static void
do_something(struct client *c)
{
    unsigned key = random_next(&c->rng) % KEYS;
    char name[16];
    struct store_key k = store_key(span_make(name, (size_t)snprintf(name, 16, "key%u", key)));
    unsigned dice = random_next(&c->rng) % 100;
    if (dice < 15) {
        see_some(c);
    } else if (dice < 50) {
        read_one(c, key, &k);
    } else if (dice < 90) {
        write_one(c, key, &k);
    } else if (dice < 96) {
        store_delete(c->th, &k, NULL, NOW_MS);
    } else if (dice < 98) {
        store_sweep(c->th, 0, 1, 20, NOW_MS);
    } else if (dice < 99) {
        store_flush(c->th, NOW_MS, NOW_MS);
    } else {
        store_set_memory_limit(st, 40000 + random_next(&c->rng) % 100000);
    }
}

static void *
live(void *arg)
{
    struct client c = {.th = store_join(st), .rng = (uintptr_t)arg + 1};
    for (int i = 0; i < ROUNDS; i++) {
        do_something(&c);
    }
    for (unsigned i = 0; i < HELD; i++) {
        if (c.held[i].item != NULL) {
            check_view(c.held_key[i], &c.held[i]);
        }
        store_release(c.th, &c.held[i].item);
    }
    return NULL;
}

START_TEST(values_are_whole_and_memory_is_accounted)
{
    begin(100000);
    run_threads(live, THREADS);
    end();
}
END_TEST

/* --- numbers ------------------------------------------------------------------ */

static const struct span COUNTER = {"counter", 7};

/* Enough for everything that is ever stored: where memory is short, a thread that
 * is off the CPU within a read may cost others' items their place. */
#define AMPLE_MEMORY ((uint64_t)256 << 20)

static void
set_counter(struct store_thread *th, const char *digits)
{
    struct store_write write = {.mode = STORE_SET};
    struct store_written written;
    must(put(th, COUNTER, span_cstr(digits), &write, &written) == STORE_OK, "the counter is set");
}

static uint64_t
counter_value(struct store_thread *th)
{
    struct store_key k = store_key(COUNTER);
    struct store_view view;
    uint64_t value = 0;
    if (store_get(th, &k, NULL, NOW_MS, &view) != STORE_OK) {
        return UINT64_MAX;
    }
    must(num_parse_u64(view.value, &value), "the counter is a number");
    store_release(th, &view.item);
    return value;
}

/* The readers see to it that some numbers cannot be changed where they stand. */
static void *
count_and_look(void *arg)
{
    struct store_thread *th = store_join(st);
    struct store_key k = store_key(COUNTER);
    struct store_arith how = {.delta = 1};
    uint64_t last = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct store_view view;
        uint64_t before = 0, after = 0;
        must(store_get(th, &k, NULL, NOW_MS, &view) == STORE_OK, "the counter stays");
        must(num_parse_u64(view.value, &before) && before >= last, "a counter never falls");
        struct store_number number;
        must(store_arith(th, &k, &how, NOW_MS, &number) == STORE_OK, "incr");
        must(number.value > before, "incr adds to what was seen");
        must(num_parse_u64(view.value, &after) && after == before, "a view stands still");
        last = number.value;
        store_release(th, &view.item);
    }
    return NULL;
}

START_TEST(no_increment_is_lost)
{
    begin(AMPLE_MEMORY);
    struct store_thread *th = store_join(st);
    set_counter(th, "0");
    run_threads(count_and_look, THREADS);
    ck_assert_uint_eq(counter_value(th), THREADS * ROUNDS);
    end();
}
END_TEST

static void *
compare_and_swap(void *arg)
{
    struct store_thread *th = store_join(st);
    struct store_key k = store_key(COUNTER);
    for (int i = 0; i < ROUNDS;) {
        struct store_view view;
        uint64_t value = 0;
        must(store_get(th, &k, NULL, NOW_MS, &view) == STORE_OK, "the counter stays");
        must(num_parse_u64(view.value, &value), "the counter is a number");
        struct store_write write = {.mode = STORE_SET, .compare = true, .compare_cas = view.cas};
        store_release(th, &view.item);
        char digits[NUM_MAX_DIGITS];
        struct span next = span_make(digits, num_format_u64(value + 1, digits));
        struct store_written written;
        enum store_outcome outcome = put(th, COUNTER, next, &write, &written);
        must(outcome == STORE_OK || outcome == STORE_EXISTS, "cas stores or says EXISTS");
        i += outcome == STORE_OK;
    }
    return NULL;
}

START_TEST(no_compare_and_swap_is_lost)
{
    begin(AMPLE_MEMORY);
    struct store_thread *th = store_join(st);
    set_counter(th, "0");
    run_threads(compare_and_swap, THREADS);
    ck_assert_uint_eq(counter_value(th), THREADS * ROUNDS);
    end();
}
END_TEST

/* --- appends ------------------------------------------------------------------- */

enum { PIECES = 500, PIECE_BYTES = 16 };

static void *
append_pieces(void *arg)
{
    struct store_thread *th = store_join(st);
    struct store_write write = {.mode = (intptr_t)arg % 2 ? STORE_APPEND : STORE_PREPEND,
                                .vivify = true};
    char piece[PIECE_BYTES];
    memset(piece, 'a' + (int)(intptr_t)arg, sizeof(piece));
    for (int i = 0; i < PIECES; i++) {
        struct store_written written;
        must(put(th, SPAN_LIT("log"), span_make(piece, sizeof(piece)), &write, &written) ==
                 STORE_OK,
             "a piece is joined");
    }
    return NULL;
}

START_TEST(every_piece_is_joined_whole)
{
    begin(AMPLE_MEMORY);
    run_threads(append_pieces, THREADS);
    struct store_thread *th = store_join(st);
    struct store_key k = store_key(SPAN_LIT("log"));
    struct store_view view;
    ck_assert_int_eq(store_get(th, &k, NULL, NOW_MS, &view), STORE_OK);
    ck_assert_uint_eq(view.value.len, THREADS * PIECES * PIECE_BYTES);
    unsigned pieces[THREADS] = {0};
    for (size_t i = 0; i < view.value.len; i++) {
        ck_assert_int_eq(view.value.ptr[i], view.value.ptr[i - i % PIECE_BYTES]);
        pieces[view.value.ptr[i] - 'a'] += i % PIECE_BYTES == 0;
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_uint_eq(pieces[i], PIECES);
    }
    store_release(th, &view.item);
    end();
}
END_TEST

/* --- flush ----------------------------------------------------------------------- */

static atomic_bool enough;

static void *
count_on(void *arg)
{
    struct store_thread *th = store_join(st);
    struct store_key k = store_key(COUNTER);
    struct store_arith how = {.delta = 1};
    while (!atomic_load_explicit(&enough, memory_order_relaxed)) {
        struct store_number number;
        store_arith(th, &k, &how, NOW_MS, &number);
    }
    return NULL;
}

/* Each flush leaves open segments behind, and a reader who was interrupted keeps
 * them from being used again; so small a store may be full then, or let go of
 * the counter for the other thread's. */
static void
set_and_hold(struct store_thread *th, const char *digits, struct store_view *view)
{
    struct store_key k = store_key(COUNTER);
    struct store_write write = {.mode = STORE_SET};
    struct store_written written;
    while (put(th, COUNTER, span_cstr(digits), &write, &written) != STORE_OK ||
           store_get(th, &k, NULL, NOW_MS, view) != STORE_OK) {
        sched_yield();
    }
}

/* The view keeps the number from being changed in place: a new item is made of
 * the old one's value, and must be flushed like it. */
START_TEST(a_flush_leaves_nothing_of_what_was_before)
{
    begin(1 << 20);
    struct store_thread *th = store_join(st);
    pthread_t counter;
    atomic_store(&enough, false);
    ck_assert_int_eq(pthread_create(&counter, NULL, count_on, NULL), 0);
    uint64_t rng = 1;
    for (int i = 0; i < ROUNDS * 5; i++) {
        struct store_view view;
        set_and_hold(th, "100", &view);
        for (volatile uint64_t spin = random_next(&rng) % 200; spin > 0; spin--) {
        }
        store_flush(th, NOW_MS, NOW_MS);
        must(counter_value(th) == UINT64_MAX, "the counter is flushed");
        store_release(th, &view.item);
    }
    atomic_store(&enough, true);
    pthread_join(counter, NULL);
    end();
}
END_TEST

/* --- walking while the table grows --------------------------------------------------- */

enum { RESIDENTS = 2000, NEWCOMERS = ROUNDS };

static void
put_numbered(struct store_thread *th, char kind, unsigned number)
{
    char name[16];
    struct store_write write = {.mode = STORE_SET};
    struct store_written written;
    struct span key = span_make(name, (size_t)snprintf(name, sizeof(name), "%c%u", kind, number));
    must(put(th, key, SPAN_LIT("v"), &write, &written) == STORE_OK, "an item is stored");
}

static void *
move_in(void *arg)
{
    struct store_thread *th = store_join(st);
    for (unsigned i = 0; i < NEWCOMERS; i++) {
        put_numbered(th, 'n', i);
        put_numbered(th, 'r', i % RESIDENTS);
    }
    atomic_store(&enough, true);
    return NULL;
}

static void
see(void *arg, const struct store_view *view)
{
    unsigned char *seen = arg;
    if (view->key.ptr[0] == 'r') {
        uint64_t number = RESIDENTS;
        must(num_parse_u64(span_skip(view->key, 1), &number) && number < RESIDENTS, "a resident");
        seen[number]++;
    }
}

START_TEST(a_walk_sees_each_once_while_the_table_grows)
{
    begin(64 << 20);
    struct store_thread *th = store_join(st);
    for (unsigned i = 0; i < RESIDENTS; i++) {
        put_numbered(th, 'r', i);
    }
    pthread_t thread;
    atomic_store(&enough, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, move_in, NULL), 0);
    while (!atomic_load(&enough)) {
        unsigned char seen[RESIDENTS] = {0};
        uint64_t cursor = 0;
        while (store_walk(th, &cursor, 10, NOW_MS, see, seen)) {
        }
        for (unsigned i = 0; i < RESIDENTS; i++) {
            must(seen[i] == 1, "a resident is seen once");
        }
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_ITEMS), RESIDENTS + NEWCOMERS);
    end();
}
END_TEST

/* --- sweeping while segments are opened -------------------------------------------------- */

static void *
close_heads(void *arg)
{
    struct store_thread *th = store_join(st);
    while (!atomic_load(&enough)) {
        heads_close(st, false, NOW_MS);
        segments_reclaim(&th->st->segments);
    }
    return NULL;
}

/* A segment with nothing in it yet is closed by whoever sweeps, and then there was no
 * room for who had opened it. */
START_TEST(no_room_is_lost_to_a_sweep)
{
    begin(64 << 20);
    struct store_thread *th = store_join(st);
    static char value[30000]; /* two fill a segment */
    struct store_write write = {.mode = STORE_SET};
    struct store_written written;
    pthread_t sweeper;
    atomic_store(&enough, false);
    ck_assert_int_eq(pthread_create(&sweeper, NULL, close_heads, NULL), 0);
    for (int i = 0; i < ROUNDS * 2; i++) {
        must(put(th, COUNTER, span_make(value, sizeof(value)), &write, &written) == STORE_OK,
             "there is room");
    }
    atomic_store(&enough, true);
    pthread_join(sweeper, NULL);
    ck_assert_uint_eq(metric_sum(store_metrics(st), METRIC_ID_STORE_EVICTIONS), 0);
    end();
}
END_TEST

UNIT_MAIN("store_threads", values_are_whole_and_memory_is_accounted, no_increment_is_lost,
          no_compare_and_swap_is_lost, every_piece_is_joined_whole,
          a_flush_leaves_nothing_of_what_was_before, a_walk_sees_each_once_while_the_table_grows,
          no_room_is_lost_to_a_sweep)
