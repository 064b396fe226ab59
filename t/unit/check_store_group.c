/* Sets in groups do what the same sets do one by one. */
#include "t/unit/store_steps.h"

#include "common/core/backoff.h"

enum { KEYS = 40, LARGEST = MB - 100 };

/* What each key was given last, as far as it was stored. */
struct given {
    char name[16];
    size_t value_bytes;
    char letter;
    uint64_t flags, expiry_ms, cas;
    bool binary_key, there;
};

static struct given given[KEYS];
static uint64_t rng, now_ms;
static char *letters[26]; /* a value is one letter over and over */

static void
begin(uint64_t memory, bool evict)
{
    open_store(memory, evict);
    now_ms = T0;
    for (unsigned i = 0; i < KEYS; i++) {
        given[i] = (struct given){0};
        snprintf(given[i].name, sizeof(given[i].name), "%.*skey%u", (int)(i % 3) * 4, "long-long-",
                 i);
    }
    for (unsigned i = 0; i < 26; i++) {
        letters[i] = malloc(MB);
        memset(letters[i], 'a' + (int)i, MB);
    }
}

static void
end(void)
{
    for (unsigned i = 0; i < 26; i++) {
        free(letters[i]);
    }
    store_flush(th, 0, now_ms);
    close_store();
}

static uint64_t
one_of(const uint64_t *numbers, size_t count)
{
    return numbers[random_next(&rng) % count];
}
#define ONE_OF(...)                                                                                \
    one_of((const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static struct given
some_set(void)
{
    return (struct given){
        .value_bytes = ONE_OF(0, 1, 100, 100, 100, 255, 256, 1000, 2046, 2047, 3000, 20000, 33000,
                              70000, random_next(&rng) % 500, random_next(&rng) % 500, MB),
        .letter = (char)('a' + random_next(&rng) % 26),
        .flags = ONE_OF(0, 0, 0, 5, 65535, 65536, UINT64_MAX),
        .expiry_ms = ONE_OF(0, 0, now_ms + 50, now_ms + 5000, EXPIRES_AT_ONCE),
        .binary_key = random_next(&rng) % 4 == 0,
    };
}

static void
note(struct given *was, const struct given *set, const struct store_put *put)
{
    bool stored = put->outcome == STORE_OK;
    if (stored) {
        ck_assert_uint_gt(put->cas, was->cas);
    }
    memcpy((char *)set->name, was->name, sizeof(was->name));
    uint64_t cas = stored ? put->cas : was->cas;
    *was = *set;
    was->cas = cas;
    was->there = stored;
}

static void
put_some(void)
{
    struct store_key keys[STORE_SIGHTS];
    struct store_put puts[STORE_SIGHTS];
    struct given sets[STORE_SIGHTS];
    unsigned numbers[STORE_SIGHTS], count = 1 + random_next(&rng) % STORE_SIGHTS;
    for (unsigned i = 0; i < count; i++) {
        numbers[i] = random_next(&rng) % KEYS;
        sets[i] = some_set();
        keys[i] = key_of(given[numbers[i]].name);
        puts[i] = (struct store_put){
            .value = span_make(letters[sets[i].letter - 'a'], sets[i].value_bytes),
            .flags = sets[i].flags,
            .expiry_ms = sets[i].expiry_ms,
            .binary_key = sets[i].binary_key,
            .outcome = STORE_EXISTS,
        };
    }
    put_all(keys, puts, count, now_ms);
    for (unsigned i = 0; i < count; i++) {
        note(&given[numbers[i]], &sets[i], &puts[i]);
    }
}

/* `maybe`: it may have been evicted. */
static void
check_key(const struct given *g, bool maybe)
{
    struct store_key key = key_of(g->name);
    struct store_lookup peek = {.peek = true};
    struct store_view view;
    bool alive = g->there && (g->expiry_ms == 0 || g->expiry_ms > now_ms);
    if (store_get(th, &key, &peek, now_ms, &view) != STORE_OK) {
        ck_assert(maybe || !alive);
        return;
    }
    ck_assert(alive);
    ck_assert_uint_eq(view.value.len, g->value_bytes);
    ck_assert_mem_eq(view.value.ptr, letters[g->letter - 'a'], g->value_bytes);
    if (g->value_bytes >= STORE_TRAILED_FROM) {
        ck_assert_mem_eq(view.value.ptr + view.value.len, "\r\n", STORE_TRAILER_BYTES);
    }
    ck_assert_uint_eq(view.flags, g->flags);
    ck_assert_uint_eq(view.expiry_ms, g->expiry_ms);
    ck_assert_uint_eq(view.cas, g->cas);
    ck_assert_int_eq(view.binary_key, g->binary_key);
    ck_assert(!view.fetched && !view.stale && !view.taken);
    store_release(th, &view.item);
}

static void
check_all(bool maybe)
{
    for (unsigned i = 0; i < KEYS; i++) {
        check_key(&given[i], maybe);
    }
    check_bands();
}

static void
disturb(void)
{
    unsigned dice = random_next(&rng) % 100;
    if (dice < 5) {
        store_flush(th, now_ms, now_ms);
        for (unsigned i = 0; i < KEYS; i++) {
            given[i].there = false;
        }
    } else if (dice < 20) {
        now_ms += random_next(&rng) % 100;
    } else if (dice < 30) {
        struct given *g = &given[random_next(&rng) % KEYS];
        struct store_key key = key_of(g->name);
        store_delete(th, &key, NULL, now_ms);
        g->there = false;
    } else if (dice < 40) {
        store_sweep(th, 0, 1, 100, now_ms);
    } else if (dice == 40) {
        now_ms += UINT64_C(13) * 3600 * 1000; /* no segment stays open so long */
    }
}

static void
go_on(unsigned rounds, bool maybe)
{
    for (unsigned i = 0; i < rounds; i++) {
        put_some();
        check_all(maybe);
        disturb();
    }
}

START_TEST(groups_store_what_was_given)
{
    rng = 4711;
    begin(64 * MB, true);
    go_on(3000, false);
    end();
}
END_TEST

START_TEST(groups_evict)
{
    rng = 815;
    begin(400000, true);
    go_on(3000, true);
    ck_assert_uint_gt(metric_sum(store_metrics(st), METRIC_ID_STORE_EVICTIONS), 0);
    end();
}
END_TEST

/* What was refused leaves nothing, and what was not is there. */
START_TEST(groups_are_refused_one_by_one)
{
    rng = 1234;
    begin(400000, false);
    go_on(3000, false);
    ck_assert_uint_gt(metric_sum(store_metrics(st), METRIC_ID_STORE_REFUSED_MEMORY), 0);
    ck_assert_uint_gt(metric_sum(store_metrics(st), METRIC_ID_STORE_REFUSED_SIZE), 0);
    end();
}
END_TEST

/* Who finds no room waits for it while some is made; one that fits does not, and whoever
 * comes next begins anew. */
START_TEST(a_put_may_have_to_wait)
{
    begin(8 * MB, true);
    struct store_key key = key_of("k"), small_key = key_of("s");
    struct store_put put = {.value = span_make(letters[0], 1000)}, small = {.value = {"x", 1}};
    char name[16];
    for (unsigned i = 0; i < 8000; i++) {
        snprintf(name, sizeof(name), "fill%u", i);
        struct store_key fill = key_of(name);
        put_all(&fill, &put, 1, T0);
    }
    store_set_memory_limit(st, 4 * MB);
    uint64_t effort = 0;
    while (store_put(th, &key, &put, 1, &effort, T0) == 1) {
        ck_assert_uint_eq(effort, 0);
    }
    ck_assert_uint_gt(effort, 0);
    ck_assert_uint_eq(store_put(th, &small_key, &small, 1, &effort, T0), 1);
    ck_assert_uint_eq(effort, 0);
    uint64_t evictions = metric_sum(store_metrics(st), METRIC_ID_STORE_EVICTIONS);
    unsigned waits = 0;
    while (store_put(th, &key, &put, 1, &effort, T0) == 0) {
        uint64_t now = metric_sum(store_metrics(st), METRIC_ID_STORE_EVICTIONS);
        ck_assert_uint_le(now - evictions, 64);
        evictions = now;
        waits++;
    }
    ck_assert_uint_gt(waits, 3);
    ck_assert_uint_le(waits, 64);
    ck_assert_int_eq(put.outcome, STORE_OK);
    end();
}
END_TEST

/* So many within a millisecond that their CAS values need wide items. */
START_TEST(a_key_set_over_and_over)
{
    begin(64 * MB, true);
    struct store_key keys[STORE_SIGHTS];
    struct store_put puts[STORE_SIGHTS];
    uint64_t cas = 0;
    for (unsigned i = 0; i < STORE_SIGHTS; i++) {
        keys[i] = key_of("k");
        puts[i] = (struct store_put){.value = span_make(letters[i], 10 + i)};
    }
    for (unsigned round = 0; round < 2000; round++) {
        put_all(keys, puts, STORE_SIGHTS, T0);
        for (unsigned i = 0; i < STORE_SIGHTS; i++) {
            ck_assert_int_eq(puts[i].outcome, STORE_OK);
            ck_assert_uint_gt(puts[i].cas, cas);
            cas = puts[i].cas;
        }
        ck_assert_uint_eq(cas_of("k"), cas);
    }
    ck_assert_str_eq(value_at("k", T0), "ppppppppppppppppppppppppp");
    end();
}
END_TEST

UNIT_MAIN("store_group", groups_store_what_was_given, groups_evict, groups_are_refused_one_by_one,
          a_put_may_have_to_wait, a_key_set_over_and_over)
