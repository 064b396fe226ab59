/* The sketch of hot keys: what stays in it, and how far its counts are off. */
#include "common/core/hotkeys.h"
#include "common/core/hash.h"
#include "t/unit/unit.h"

#include <stdio.h>

static struct hotkeys *sketches[2];
static struct {
    char key[8][32];
    uint64_t count[8], error[8];
    unsigned n;
} top;

static void
begin(void)
{
    sketches[0] = hotkeys_create(0);
    sketches[1] = hotkeys_create(1);
}

static void
end(void)
{
    hotkeys_destroy(&sketches[0]);
    hotkeys_destroy(&sketches[1]);
}

static uint32_t
count(unsigned sketch, const char *text, uint64_t bytes, uint64_t now_ms)
{
    return hotkeys_count(sketches[sketch], span_cstr(text), hash_span(span_cstr(text)), bytes,
                         now_ms);
}

static void
keep(void *arg, const struct hotkey *key)
{
    snprintf(top.key[top.n], sizeof(top.key[0]), "%.*s", SPAN_FMT(key->key));
    top.count[top.n] = key->count;
    top.error[top.n++] = key->error;
}

static void
report(enum hotkeys_order order, unsigned n, uint64_t now_ms)
{
    top.n = 0;
    hotkeys_report(sketches, 2, HOTKEYS_RECENT, order, n, now_ms, keep, NULL);
}

START_TEST(orders_and_adds_up_workers)
{
    begin();
    for (unsigned i = 0; i < 10; i++) {
        count(i % 2, "often", 1, 2);
    }
    count(0, "large", 100000, 2);
    report(HOTKEYS_REQUESTS, 8, 2);
    ck_assert_uint_eq(top.n, 2);
    ck_assert_str_eq(top.key[0], "often");
    ck_assert_uint_eq(top.count[0], 10 * HOTKEYS_EVERY);
    ck_assert_uint_eq(top.error[0], 0);
    report(HOTKEYS_BYTES, 1, 2);
    ck_assert_uint_eq(top.n, 1);
    ck_assert_str_eq(top.key[0], "large");
    ck_assert_uint_eq(top.count[0], 100005 * HOTKEYS_EVERY);
    end();
}
END_TEST

/* A key with 1 % of the requests stays among a flood of keys that come once, and
 * its true count is between count - error and count. */
START_TEST(a_hot_key_survives_a_flood)
{
    begin();
    for (unsigned i = 0; i < 100000; i++) {
        char text[32];
        snprintf(text, sizeof(text), "once%u", i);
        count(0, i % 100 == 0 ? "hot" : text, 0, 2);
    }
    report(HOTKEYS_REQUESTS, 1, 2);
    ck_assert_str_eq(top.key[0], "hot");
    ck_assert_uint_ge(top.count[0], 1000 * HOTKEYS_EVERY);
    ck_assert_uint_le(top.count[0] - top.error[0], 1000 * HOTKEYS_EVERY);
    end();
}
END_TEST

START_TEST(forgets)
{
    begin();
    for (unsigned i = 0; i < 100; i++) {
        count(0, "before", 0, 2);
    }
    for (unsigned i = 0; i < 60; i++) {
        count(1, "now", 0, 2 + HOTKEYS_HALF_LIFE_MS);
    }
    report(HOTKEYS_REQUESTS, 8, 2 + HOTKEYS_HALF_LIFE_MS);
    ck_assert_str_eq(top.key[0], "now");
    ck_assert_uint_eq(top.count[1], 50 * HOTKEYS_EVERY);
    report(HOTKEYS_REQUESTS, 8, 100 * HOTKEYS_HALF_LIFE_MS);
    ck_assert_uint_eq(top.n, 0);
    end();
}
END_TEST

/* A proxy does not know the bytes. */
START_TEST(requests_alone_are_counted)
{
    begin();
    for (unsigned i = 0; i < 30; i++) {
        struct span key = i % 3 == 0 ? SPAN_LIT("a") : SPAN_LIT("b");
        hotkeys_count_request(sketches[i % 2], key, hash_span(key), 2);
    }
    report(HOTKEYS_BYTES, 8, 2);
    ck_assert_uint_eq(top.n, 0);
    report(HOTKEYS_REQUESTS, 8, 2);
    ck_assert_uint_eq(top.n, 2);
    ck_assert_str_eq(top.key[0], "b");
    ck_assert_uint_eq(top.count[0], 20 * HOTKEYS_EVERY);
    ck_assert_uint_eq(hotkeys_total(sketches, 2, 2), 30 * HOTKEYS_EVERY);
    ck_assert_uint_eq(hotkeys_total(sketches, 2, 2 + HOTKEYS_HALF_LIFE_MS), 15 * HOTKEYS_EVERY);
    end();
}
END_TEST

START_TEST(one_key_is_weighed)
{
    begin();
    struct span a = SPAN_LIT("a"), b = SPAN_LIT("b");
    for (unsigned i = 0; i < 30; i++) {
        struct span key = i % 3 == 0 ? a : b;
        hotkeys_count_request(sketches[0], key, hash_span(key), 2);
    }
    struct hotkeys_weight weight = hotkeys_weigh(sketches[0], a, hash_span(a));
    ck_assert_uint_eq(weight.requests, 10 * HOTKEYS_EVERY);
    ck_assert_uint_eq(weight.total, 30 * HOTKEYS_EVERY);
    for (unsigned i = 0; i < 2 * HOTKEYS_KEPT; i++) {
        char other[16];
        snprintf(other, sizeof(other), "k%u", i);
        hotkeys_count_request(sketches[0], span_cstr(other), hash_span(span_cstr(other)), 2);
    }
    weight = hotkeys_weigh(sketches[0], SPAN_LIT("k255"), hash_span(SPAN_LIT("k255")));
    ck_assert_uint_eq(weight.requests, HOTKEYS_EVERY); /* what it inherited is not certain */
    ck_assert_uint_eq(hotkeys_weigh(sketches[0], SPAN_LIT("c"), 1).requests, 0);
    end();
}
END_TEST

START_TEST(words_are_parsed)
{
    const struct span words[] = {SPAN_LIT("bytes"), SPAN_LIT("7"), SPAN_LIT("x")};
    enum hotkeys_order order;
    uint64_t n;
    ck_assert(hotkeys_parse(words, 0, &order, &n));
    ck_assert(order == HOTKEYS_REQUESTS && n == HOTKEYS_TOP_DEFAULT);
    ck_assert(hotkeys_parse(words, 1, &order, &n));
    ck_assert(order == HOTKEYS_BYTES && n == HOTKEYS_TOP_DEFAULT);
    ck_assert(hotkeys_parse(words, 2, &order, &n));
    ck_assert(order == HOTKEYS_BYTES && n == 7);
    ck_assert(hotkeys_parse(words + 1, 1, &order, &n));
    ck_assert(order == HOTKEYS_REQUESTS && n == 7);
    ck_assert(!hotkeys_parse(words, 3, &order, &n));
    ck_assert(!hotkeys_parse(words + 1, 2, &order, &n));
    ck_assert(!hotkeys_parse(words + 2, 1, &order, &n));
}
END_TEST

/* On average HOTKEYS_EVERY, never 0, and not always the same. */
START_TEST(distances_are_random)
{
    begin();
    uint64_t sum = 0;
    unsigned same = 0;
    uint32_t last = 0;
    for (unsigned i = 0; i < 10000; i++) {
        uint32_t distance = count(0, "k", 0, 2);
        ck_assert_uint_ge(distance, 1);
        ck_assert_uint_lt(distance, 2 * HOTKEYS_EVERY);
        sum += distance;
        same += distance == last;
        last = distance;
    }
    ck_assert_uint_ge(sum, 10000 * (HOTKEYS_EVERY - 1));
    ck_assert_uint_le(sum, 10000 * (HOTKEYS_EVERY + 1));
    ck_assert_uint_lt(same, 400);
    end();
}
END_TEST

/* An interval begins with nothing and is not halved; without one nothing is counted
 * for it. */
START_TEST(intervals_stand_alone)
{
    begin();
    for (unsigned round = 0; round < 2; round++) {
        count(0, "before", 1, 2);
        hotkeys_interval(sketches[0], true);
        hotkeys_interval(sketches[1], true);
        count(0, "during", 1, 2);
        count(1, "during", 1, 2 + 10 * HOTKEYS_HALF_LIFE_MS);
        top.n = 0;
        hotkeys_report(sketches, 2, HOTKEYS_INTERVAL, HOTKEYS_REQUESTS, 8, 2, keep, NULL);
        ck_assert_uint_eq(top.n, 1);
        ck_assert_str_eq(top.key[0], "during");
        ck_assert_uint_eq(top.count[0], 2 * HOTKEYS_EVERY);
        hotkeys_interval(sketches[0], false);
        hotkeys_interval(sketches[1], false);
        count(0, "after", 1, 2);
        top.n = 0;
        hotkeys_report(sketches, 2, HOTKEYS_INTERVAL, HOTKEYS_BYTES, 8, 2, keep, NULL);
        ck_assert_uint_eq(top.n, 0);
    }
    end();
}
END_TEST

UNIT_MAIN("hotkeys", intervals_stand_alone, orders_and_adds_up_workers, a_hot_key_survives_a_flood,
          forgets, requests_alone_are_counted, one_key_is_weighed, words_are_parsed,
          distances_are_random)
