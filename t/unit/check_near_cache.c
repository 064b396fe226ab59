/* What is kept of the hottest keys, for whom, and until when. */
#include "proxy/near_cache.h"
#include "common/core/buf.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define TTL_US 250000

static struct near_cache *n;
static uint64_t now;

static void
begin(void)
{
    n = near_cache_create(4096, TTL_US);
    now = 1000000000;
}

static void
end(void)
{
    near_cache_destroy(&n);
}

static struct lookup_key
named(const char *name, uint64_t hash)
{
    return (struct lookup_key){span_cstr(name), hash, 0};
}

static const struct lookup_key a = {{"a", 1}, 1, 0};

static struct fetched
text(const char *value)
{
    struct reply_piece piece = {.kind = REPLY_VALUE,
                                .line = SPAN_LIT("VALUE a 7 1 9"),
                                .value = span_cstr(value),
                                .flags = 7,
                                .cas = 9,
                                .has_cas = true};
    struct fetched f;
    fetched_read(&piece, &f);
    return f;
}

static struct fetched
meta(const char *line)
{
    struct reply_piece piece = {.kind = line[0] == 'V' ? REPLY_VA : REPLY_HD,
                                .line = span_cstr(line),
                                .value = line[0] == 'V' ? SPAN_LIT("v") : SPAN_LIT("")};
    struct fetched f;
    fetched_read(&piece, &f);
    return f;
}

static bool
keep(uint8_t form, uint32_t mark, struct fetched f)
{
    return near_cache_keep(n, &a, form, mark, now, now, &f);
}

static enum near_verdict
find(uint8_t form, uint32_t mark)
{
    const struct fetched *found;
    return near_cache_find(n, &a, form, mark, now, &found);
}

START_TEST(hot_is_a_share_and_not_by_chance)
{
    ck_assert(near_is_hot(NEAR_READS_MIN, NEAR_READS_MIN * NEAR_SHARE));
    ck_assert(!near_is_hot(NEAR_READS_MIN - 1, NEAR_READS_MIN));
    ck_assert(!near_is_hot(NEAR_READS_MIN, (NEAR_READS_MIN + 1) * NEAR_SHARE));
}
END_TEST

START_TEST(only_what_is_hot_is_kept)
{
    begin();
    ck_assert_int_eq(find(FORM_TEXT, 5), NEAR_COLD);
    ck_assert(!keep(FORM_TEXT, 5, text("v")));
    near_cache_admit(n, &a, now);
    ck_assert_int_eq(find(FORM_TEXT, 5), NEAR_WANTED);
    ck_assert(keep(FORM_TEXT, 5, text("v")));
    ck_assert_int_eq(find(FORM_TEXT, 5), NEAR_HIT);
    now += NEAR_HOT_US;
    ck_assert_int_eq(find(FORM_TEXT, 5), NEAR_COLD);
    struct lookup_key b = named("b", 1);
    const struct fetched *found;
    ck_assert_int_eq(near_cache_find(n, &b, FORM_TEXT, 5, now, &found), NEAR_COLD);
    end();
}
END_TEST

START_TEST(what_is_told_is_what_came)
{
    begin();
    char value[] = "value", line[] = "VA 5 f7 c9 ka";
    const struct fetched *found;
    near_cache_admit(n, &a, now);
    struct fetched f = meta(line);
    f.value = span_make(value, 5);
    ck_assert(keep(FORM_META | FORM_VALUE | FORM_FLAGS | FORM_CAS | FORM_KEY, 5, f));
    memset(value, 'x', 5);
    memset(line, 'x', sizeof(line) - 1);
    uint8_t form = FORM_META | FORM_VALUE | FORM_FLAGS;
    ck_assert_int_eq(near_cache_find(n, &a, form, 5, now, &found), NEAR_HIT);
    ck_assert(span_eq_cstr(found->value, "value"));
    ck_assert_int_eq(memcmp(found->value.ptr + 5, "\r\n", 2), 0);
    ck_assert(span_eq_cstr(found->words[FORM_WORD_FLAGS], "f7"));
    ck_assert(span_eq_cstr(found->words[FORM_WORD_CAS], "c9"));
    ck_assert(span_eq_cstr(found->words[FORM_WORD_KEY], "ka"));
    ck_assert_uint_eq(found->words[FORM_WORD_SIZE].len, 0);
    end();
}
END_TEST

START_TEST(the_key_need_not_be_of_the_line)
{
    begin();
    char word[FORM_KEY_WORD_MAX];
    const struct fetched *found;
    uint8_t form = FORM_META | FORM_VALUE | FORM_KEY;
    near_cache_admit(n, &a, now);
    struct fetched f = meta("VA 1");
    fetched_set_key(&f, SPAN_LIT("a b"), word);
    ck_assert(keep(form, 5, f));
    memset(word, 'x', sizeof(word));
    ck_assert_int_eq(near_cache_find(n, &a, form, 5, now, &found), NEAR_HIT);
    ck_assert(found->key_is_binary && span_eq_cstr(found->words[FORM_WORD_KEY], "kYSBi"));
    end();
}
END_TEST

START_TEST(a_write_ends_it)
{
    begin();
    near_cache_admit(n, &a, now);
    ck_assert(keep(FORM_TEXT, 5, text("v")));
    ck_assert_int_eq(find(FORM_TEXT, 6), NEAR_WRITTEN);
    ck_assert_uint_eq(near_cache_bytes(n), 0);
    ck_assert_int_eq(find(FORM_TEXT, 5), NEAR_WANTED);
    ck_assert(keep(FORM_TEXT, 6, text("w")));
    ck_assert_int_eq(find(FORM_TEXT, 6), NEAR_HIT);
    end();
}
END_TEST

START_TEST(time_is_counted_from_the_question)
{
    begin();
    struct fetched f = text("v");
    near_cache_admit(n, &a, now);
    ck_assert(near_cache_keep(n, &a, FORM_TEXT, 5, now, now + TTL_US - 1, &f));
    now += TTL_US - 1;
    ck_assert_int_eq(find(FORM_TEXT, 5), NEAR_HIT);
    now++;
    ck_assert_int_eq(find(FORM_TEXT, 5), NEAR_WANTED);
    ck_assert(!near_cache_keep(n, &a, FORM_TEXT, 5, now - TTL_US, now, &f));
    end();
}
END_TEST

START_TEST(who_asks_for_more_is_not_told_less)
{
    begin();
    near_cache_admit(n, &a, now);
    ck_assert(keep(FORM_TEXT, 5, text("v")));
    ck_assert_int_eq(find(FORM_TEXT | FORM_CAS, 5), NEAR_WANTED);
    ck_assert(keep(FORM_TEXT | FORM_CAS, 5, text("v")));
    ck_assert(!keep(FORM_TEXT, 5, text("v")));
    ck_assert_int_eq(find(FORM_TEXT, 5), NEAR_HIT);
    ck_assert_int_eq(find(FORM_TEXT | FORM_CAS, 5), NEAR_HIT);
    ck_assert_int_eq(find(FORM_META | FORM_VALUE, 5), NEAR_WANTED);
    ck_assert(keep(FORM_META, 5, meta("HD")));
    ck_assert_int_eq(find(FORM_META, 5), NEAR_HIT);
    ck_assert_int_eq(find(FORM_META | FORM_VALUE, 5), NEAR_WANTED);
    ck_assert(keep(FORM_META | FORM_VALUE, 5, meta("VA 1")));
    ck_assert_int_eq(find(FORM_META | FORM_VALUE, 5), NEAR_HIT);
    ck_assert_int_eq(find(FORM_META, 5), NEAR_HIT);
    ck_assert_int_eq(find(FORM_META | FORM_VALUE | FORM_TTL, 5), NEAR_COLD);
    ck_assert_int_eq(find(FORM_NONE, 5), NEAR_COLD);
    end();
}
END_TEST

START_TEST(what_is_stale_or_missing_is_not_kept)
{
    begin();
    static const char *const lines[] = {"VA 1 W", "VA 1 X", "VA 1 W X", "VA 1 Z X", "HD Z"};
    near_cache_admit(n, &a, now);
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_msg(!keep(FORM_META | FORM_VALUE, 5, meta(lines[i])), "%s", lines[i]);
    }
    struct fetched miss = {.kind = REPLY_END, .line = SPAN_LIT("END")};
    struct fetched error = {.kind = REPLY_SERVER_ERROR, .line = SPAN_LIT("SERVER_ERROR x")};
    ck_assert(!keep(FORM_TEXT, 5, miss));
    ck_assert(!keep(FORM_TEXT, 5, error));
    ck_assert_uint_eq(near_cache_bytes(n), 0);
    end();
}
END_TEST

START_TEST(bytes_are_bounded)
{
    begin();
    char value[1100];
    memset(value, 'x', sizeof(value));
    struct fetched f = text("");
    f.value = span_make(value, 900);
    struct lookup_key keys[20];
    char names[20][4];
    for (unsigned i = 0; i < 20; i++) {
        snprintf(names[i], sizeof(names[i]), "k%u", i);
        keys[i] = named(names[i], i);
        near_cache_admit(n, &keys[i], now);
        ck_assert(near_cache_keep(n, &keys[i], FORM_TEXT, 5, now, now, &f));
        ck_assert_uint_le(near_cache_bytes(n), 4096);
    }
    const struct fetched *found;
    for (unsigned i = 0; i < 20; i++) {
        enum near_verdict verdict = near_cache_find(n, &keys[i], FORM_TEXT, 5, now, &found);
        ck_assert_int_eq(verdict, i < 16 ? NEAR_WANTED : NEAR_HIT);
    }
    f.value.len = 1100;
    near_cache_admit(n, &a, now);
    ck_assert(!keep(FORM_TEXT, 5, f));
    end();
}
END_TEST

START_TEST(of_many_keys_the_one_that_was_hot_longest_ago_goes)
{
    begin();
    struct lookup_key keys[NEAR_WAYS + 1];
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    struct fetched f = text("v");
    for (unsigned i = 0; i < NEAR_WAYS; i++) {
        keys[i] = named(names[i], 7 + i * NEAR_SETS);
        near_cache_admit(n, &keys[i], now + i);
        ck_assert(near_cache_keep(n, &keys[i], FORM_TEXT, 5, now, now, &f));
    }
    near_cache_admit(n, &keys[0], now + 10);
    keys[NEAR_WAYS] = named(names[NEAR_WAYS], 7);
    near_cache_admit(n, &keys[NEAR_WAYS], now + 11);
    for (unsigned i = 0; i < NEAR_WAYS; i++) {
        const struct fetched *found;
        enum near_verdict verdict = near_cache_find(n, &keys[i], FORM_TEXT, 5, now, &found);
        ck_assert_int_eq(verdict, i == 1 ? NEAR_COLD : NEAR_HIT);
    }
    end();
}
END_TEST

/* Against what has been said about it: nothing else is told than the newest that
 * was kept under this mark, within its time, and the bytes add up. */
START_TEST(nothing_else_is_ever_told)
{
    begin();
    uint64_t random = 1;
    uint32_t mark = 0, kept_mark = 0;
    uint64_t kept_us = 0;
    unsigned version = 0, kept = 0, hits = 0;
    for (unsigned i = 0; i < 200000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        now += (random >> 33) % 5000;
        const struct fetched *found;
        switch ((random >> 60) % 8) {
        case 0:
            mark++;
            version++;
            break;
        case 1: near_cache_admit(n, &a, now); break;
        case 2: {
            char value[16];
            snprintf(value, sizeof(value), "%u", version);
            if (keep(FORM_TEXT, mark, text(value))) {
                kept = version;
                kept_mark = mark;
                kept_us = now;
            }
            break;
        }
        default:
            if (near_cache_find(n, &a, FORM_TEXT, mark, now, &found) == NEAR_HIT) {
                ck_assert_uint_eq((unsigned)atoi(found->value.ptr), kept);
                ck_assert_uint_eq(kept_mark, mark);
                ck_assert_uint_lt(now - kept_us, TTL_US);
                hits++;
            }
        }
    }
    ck_assert_uint_gt(hits, 1000);
    end();
}
END_TEST

UNIT_MAIN("near_cache", hot_is_a_share_and_not_by_chance, only_what_is_hot_is_kept,
          what_is_told_is_what_came, the_key_need_not_be_of_the_line, a_write_ends_it,
          time_is_counted_from_the_question, who_asks_for_more_is_not_told_less,
          what_is_stale_or_missing_is_not_kept, bytes_are_bounded,
          of_many_keys_the_one_that_was_hot_longest_ago_goes, nothing_else_is_ever_told)
