/* A store that ends and comes back: everything that can be asked for is as it
 * was, what was damaged is refused, and the new one works on. */
#include "cached/store/image_items.h"
#include "cached/store/memory_file.h"
#include "cached/store/store_image.h"
#include "common/core/clock.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

#define MB   (1024u * 1024u)
#define T0   1000u
#define WALL 1790000000000u

static char path[] = "/tmp/memfleet-image-XXXXXX";
static struct memory_file *file;
static struct store *st;
static struct store_thread *th;
static struct buf image;
static struct store_options options = {
    .memory_bytes = 8 * MB, .item_max_bytes = MB, .concurrency = 1, .evict = true, .cas = true};

static void
open_store(void)
{
    char *error = NULL;
    file = memory_file_open(path, &error);
    ck_assert_msg(file != NULL, "%s", error);
    options.file = file;
    st = store_create(&options);
    th = store_join(st);
}

static void
begin(void)
{
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    open_store();
}

static void
drop_store(void)
{
    store_destroy(&st);
    memory_file_close(&file);
}

static void
save(void)
{
    buf_clear(&image);
    ck_assert(store_image_save(st, T0, &image));
    drop_store();
}

static const char *
load(void)
{
    open_store();
    return store_image_load(st, buf_span(&image));
}

static void
come_back(void)
{
    save();
    const char *why = load();
    ck_assert_msg(why == NULL, "%s", why);
}

static void
set(const char *name, const char *value, uint64_t flags, uint64_t expiry_ms)
{
    struct store_key key = store_key(span_cstr(name));
    struct store_reservation r;
    struct store_write write = {.flags = flags, .expiry_ms = expiry_ms};
    ck_assert_int_eq(store_reserve(th, &key, strlen(value), &write, T0, &r), STORE_OK);
    memcpy(r.value, value, strlen(value));
    struct store_written out;
    ck_assert_int_eq(store_commit(th, &r, &write, T0, &out), STORE_OK);
}

static bool
get_at(const char *name, uint64_t now_ms, struct store_view *view)
{
    struct store_key key = store_key(span_cstr(name));
    return store_get(th, &key, NULL, now_ms, view) == STORE_OK;
}

static bool
has(const char *name, const char *value)
{
    struct store_view view;
    if (!get_at(name, T0, &view)) {
        return false;
    }
    bool same = span_eq_cstr(view.value, value);
    store_release(th, &view.item);
    return same;
}

static uint64_t
cas_of(const char *name)
{
    struct store_view view;
    ck_assert(get_at(name, T0, &view));
    store_release(th, &view.item);
    return view.cas;
}

static void delete (const char *name)
{
    struct store_key key = store_key(span_cstr(name));
    ck_assert_int_eq(store_delete(th, &key, NULL, T0), STORE_OK);
}

static uint64_t
metric(enum store_metric id)
{
    return metric_sum(store_metrics(st), id);
}

/* key N has a value of some length made of its digits. */
static const char *
numbered(unsigned n, char name[16])
{
    static char value[700];
    snprintf(name, 16, "key%u", n);
    size_t length = n % 600;
    for (size_t i = 0; i < length; i++) {
        value[i] = (char)('a' + (n + i) % 26);
    }
    value[length] = '\0';
    return value;
}

static void
fill(unsigned from, unsigned to)
{
    char name[16];
    for (unsigned n = from; n < to; n++) {
        const char *value = numbered(n, name);
        set(name, value, n % 3, n % 5 == 0 ? T0 + 1000000 : 0);
    }
}

static unsigned
count_right(unsigned from, unsigned to)
{
    char name[16];
    unsigned right = 0;
    for (unsigned n = from; n < to; n++) {
        const char *value = numbered(n, name);
        right += has(name, value);
    }
    return right;
}

/* Finds every leak of memory accounts. */
static void
end(void)
{
    store_flush(th, 0, T0);
    for (int i = 0; i < 10000 && store_info(st).memory_bytes > store_info(st).table_bytes; i++) {
        store_sweep(th, 0, 1, 1000, T0);
    }
    ck_assert_uint_eq(store_info(st).memory_bytes, store_info(st).table_bytes);
    ck_assert_uint_eq(metric(METRIC_ID_STORE_ITEMS), 0);
    ck_assert_uint_eq(metric(METRIC_ID_STORE_ITEM_BYTES), 0);
    drop_store();
    buf_deinit(&image);
    unlink(path);
}

START_TEST(an_empty_one_comes_back)
{
    begin();
    come_back();
    set("a", "1", 0, 0);
    come_back();
    ck_assert(has("a", "1"));
    end();
}
END_TEST

START_TEST(items_come_back)
{
    begin();
    set("plain", "value", 0, 0);
    set("empty", "", 0, 0);
    set("flags", "f", 0xfedcba9876543210u, 0);
    set("expires", "e", 7, T0 + 5000);
    set("gone", "x", 0, 0);
    delete ("gone");
    set("twice", "old", 0, 0);
    set("twice", "new", 0, 0);
    uint64_t cas = cas_of("plain");
    come_back();
    ck_assert(has("plain", "value"));
    ck_assert_uint_eq(cas_of("plain"), cas);
    ck_assert(has("empty", ""));
    ck_assert(has("twice", "new"));
    ck_assert(!has("gone", "x"));
    ck_assert_uint_eq(metric(METRIC_ID_STORE_ITEMS), 5);
    struct store_view view;
    ck_assert(get_at("flags", T0, &view));
    ck_assert_uint_eq(view.flags, 0xfedcba9876543210u);
    store_release(th, &view.item);
    ck_assert(get_at("expires", T0 + 4999, &view));
    ck_assert_uint_eq(view.expiry_ms, T0 + 5000);
    ck_assert_uint_eq(view.flags, 7);
    store_release(th, &view.item);
    ck_assert(!get_at("expires", T0 + 5000, &view));
    end();
}
END_TEST

START_TEST(many_come_back_again_and_again)
{
    begin();
    fill(0, 10000);
    char name[16];
    for (unsigned n = 0; n < 10000; n += 2) {
        numbered(n, name);
        delete (name);
    }
    for (unsigned round = 0; round < 3; round++) {
        uint64_t bytes = metric(METRIC_ID_STORE_ITEM_BYTES);
        come_back();
        ck_assert_uint_eq(metric(METRIC_ID_STORE_ITEMS), 5000);
        ck_assert_uint_eq(metric(METRIC_ID_STORE_ITEM_BYTES), bytes);
        ck_assert_uint_eq(count_right(0, 10000), 5000);
    }
    end();
}
END_TEST

/* In runs of segments, which stand elsewhere in the file. */
START_TEST(large_ones_come_back)
{
    options.memory_bytes = 64 * MB;
    begin();
    static char value[900000];
    size_t sizes[] = {2046, 2047, 40000, 65000, 65400, 65536, 131072, 500000, 899999};
    char name[16];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 9; i++) {
            memset(value, 'a' + (int)i, sizes[i]);
            value[sizes[i]] = '\0';
            snprintf(name, sizeof(name), "large%u", i);
            if (round == 0 || i % 2 == 0) {
                set(name, value, i, 0);
            }
        }
        delete ("large3");
        fill(0, 1000);
        come_back();
        ck_assert_uint_eq(metric(METRIC_ID_STORE_ITEMS), 1008);
        for (unsigned i = 0; i < 9; i++) {
            memset(value, 'a' + (int)i, sizes[i]);
            value[sizes[i]] = '\0';
            snprintf(name, sizeof(name), "large%u", i);
            ck_assert_int_eq(has(name, value), i != 3);
        }
        set("large3", "x", 0, 0);
    }
    end();
}
END_TEST

START_TEST(threads_may_change)
{
    begin();
    fill(0, 5000);
    unsigned counts[] = {8, 1, 3};
    for (unsigned i = 0; i < 3; i++) {
        save();
        options.concurrency = counts[i];
        ck_assert_ptr_null(load());
        ck_assert_uint_eq(count_right(0, 5000), 5000);
    }
    end();
}
END_TEST

START_TEST(goes_on_at_its_limit)
{
    options.memory_bytes = 2 * MB;
    begin();
    for (unsigned round = 0; round < 4; round++) {
        fill(round * 10000, (round + 1) * 10000);
        ck_assert_uint_ge(metric(METRIC_ID_STORE_EVICTIONS), 2000);
        ck_assert_uint_le(store_info(st).memory_bytes, 2 * MB + MB / 2);
        unsigned right = count_right(0, (round + 1) * 10000);
        ck_assert_uint_ge(right, 3000);
        ck_assert_uint_eq(right, metric(METRIC_ID_STORE_ITEMS));
        come_back();
        ck_assert_uint_eq(count_right(0, (round + 1) * 10000), right);
    }
    end();
}
END_TEST

START_TEST(a_lower_limit_evicts)
{
    options.memory_bytes = 3 * MB;
    begin();
    fill(0, 8000);
    uint64_t before = metric(METRIC_ID_STORE_ITEMS);
    save();
    options.memory_bytes = 2 * MB;
    ck_assert_ptr_null(load());
    ck_assert_uint_eq(metric(METRIC_ID_STORE_ITEMS), before);
    for (int i = 0; i < 1000; i++) {
        store_sweep(th, 0, 1, 100, T0);
    }
    ck_assert_uint_le(store_info(st).memory_bytes, 2 * MB);
    ck_assert_uint_ge(metric(METRIC_ID_STORE_ITEMS), before / 2);
    end();
}
END_TEST

START_TEST(cas_values_never_go_back)
{
    begin();
    clock_test_begin(1, WALL);
    fill(0, 200);
    uint64_t last = cas_of("key199");
    for (unsigned n = 0; n < 200; n++) {
        char name[16];
        numbered(n, name);
        last = cas_of(name) > last ? cas_of(name) : last;
    }
    save();
    clock_test_end();
    clock_test_begin(1, WALL - 3600000);
    options.concurrency = 16;
    ck_assert_ptr_null(load());
    for (unsigned n = 0; n < 200; n++) {
        char name[16];
        const char *value = numbered(n, name);
        set(name, value, 0, 0);
        ck_assert_uint_gt(cas_of(name), last);
    }
    clock_test_end();
    end();
}
END_TEST

START_TEST(flushes_stay_flushes)
{
    begin();
    set("before", "1", 0, 0);
    store_flush(th, 0, T0);
    set("after", "2", 0, 0);
    store_flush(th, T0 + 500, T0);
    come_back();
    ck_assert(!has("before", "1"));
    ck_assert(has("after", "2"));
    struct store_view view;
    ck_assert(!get_at("after", T0 + 500, &view));
    end();
}
END_TEST

START_TEST(other_settings_are_refused)
{
    begin();
    fill(0, 100);
    save();
    options.memory_bytes = 64 * MB;
    ck_assert_str_eq(load(), "the memory limit was another (-m)");
    drop_store();
    options.memory_bytes = 8 * MB;
    options.cas = false;
    ck_assert_str_eq(load(), "CAS values were kept and are not now, or the reverse (-C)");
    drop_store();
    options.cas = true;
    *(char *)buf_span(&image).ptr ^= 1;
    ck_assert_str_eq(load(), "another version of the program wrote it");
    drop_store();
    *(char *)buf_span(&image).ptr ^= 1;
    ck_assert_ptr_null(load());
    ck_assert_uint_eq(count_right(0, 100), 100);
    end();
}
END_TEST

START_TEST(a_short_image_is_refused)
{
    begin();
    fill(0, 1000);
    save();
    struct span whole = buf_span(&image);
    open_store(); /* one for all: what is refused at once leaves it empty */
    for (size_t length = 0; length < whole.len; length++) {
        ck_assert_ptr_nonnull(store_image_load(st, span_make(whole.ptr, length)));
    }
    drop_store();
    ck_assert_ptr_null(load());
    end();
}
END_TEST

/* A bit anywhere in the memory that items stand in. */
START_TEST(damaged_memory_is_refused)
{
    begin();
    fill(0, 3000);
    save();
    FILE *f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    unsigned refused = 0; /* or the byte is behind a segment's end, where nothing is */
    for (long at = 16384; at < 16384 + 200000; at += 9973) {
        fseek(f, at, SEEK_SET);
        int byte = fgetc(f);
        fseek(f, at, SEEK_SET);
        fputc(byte ^ 0x10, f);
        fflush(f);
        const char *why = load();
        refused += why != NULL && strcmp(why, "it is damaged") == 0;
        drop_store();
        fseek(f, at, SEEK_SET);
        fputc(byte, f);
        fflush(f);
    }
    ck_assert_uint_ge(refused, 15);
    fclose(f);
    ck_assert_ptr_null(load());
    ck_assert_uint_eq(count_right(0, 3000), 3000);
    end();
}
END_TEST

/* Right checksums make no items. */
START_TEST(what_is_no_item_is_refused)
{
    begin();
    fill(0, 1000);
    save();
    open_store();
    struct image_segment is;
    char *at = (char *)buf_span(&image).ptr + IMAGE_HEAD_BYTES;
    memcpy(&is, at, sizeof(is));
    struct image_segment right = is;
    const char *memory = segment_memory(&st->segments, &st->segments.all[is.number]);
    is.end -= 4; /* the last item is cut */
    is.checksum = image_segment_checksum(&is, memory);
    memcpy(at, &is, sizeof(is));
    ck_assert_str_eq(store_image_load(st, buf_span(&image)), "it is damaged");
    drop_store();
    open_store();
    memory = segment_memory(&st->segments, &st->segments.all[is.number]);
    is.end += 8; /* an item of zeros */
    is.checksum = image_segment_checksum(&is, memory);
    memcpy(at, &is, sizeof(is));
    ck_assert_str_eq(store_image_load(st, buf_span(&image)), "it is damaged");
    drop_store();
    memcpy(at, &right, sizeof(right));
    ck_assert_ptr_null(load());
    end();
}
END_TEST

/* The second segment becomes a copy of the first, with checksums that are right. */
START_TEST(a_key_in_two_places_is_refused)
{
    begin();
    fill(0, 1000);
    save();
    open_store();
    struct image_segment is[2];
    char *at = (char *)buf_span(&image).ptr + IMAGE_HEAD_BYTES;
    memcpy(is, at, sizeof(is));
    const struct segments *s = &st->segments;
    char *copy = segment_memory(s, &s->all[is[1].number]);
    memcpy(copy, segment_memory(s, &s->all[is[0].number]), is[0].end);
    is[1].base = is[0].base;
    is[1].end = is[0].end;
    is[1].checksum = image_segment_checksum(&is[1], copy);
    memcpy(at, is, sizeof(is));
    ck_assert_str_eq(store_image_load(st, buf_span(&image)), "it is damaged");
    drop_store();
    buf_deinit(&image);
    unlink(path);
}
END_TEST

START_TEST(a_short_file_is_refused)
{
    begin();
    fill(0, 3000);
    save();
    ck_assert_int_eq(truncate(path, 500000), 0);
    ck_assert_str_eq(load(), "it is damaged");
    drop_store();
    ck_assert_int_eq(truncate(path, 64 * MB), 0); /* a hole where it was */
    ck_assert_str_eq(load(), "it is damaged");
    drop_store();
    open_store();
    set("a", "1", 0, 0);
    end();
}
END_TEST

UNIT_MAIN("store_image", an_empty_one_comes_back, items_come_back, many_come_back_again_and_again,
          large_ones_come_back, threads_may_change, a_key_in_two_places_is_refused,
          goes_on_at_its_limit, a_lower_limit_evicts, cas_values_never_go_back,
          flushes_stay_flushes, other_settings_are_refused, a_short_image_is_refused,
          damaged_memory_is_refused, what_is_no_item_is_refused, a_short_file_is_refused)
