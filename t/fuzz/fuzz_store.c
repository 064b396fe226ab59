/* The store against a model of it: the input is a program of steps on a few
 * keys, and after each step both must say the same. The model is a handful of
 * records; what it leaves out (access times, "fetched", eviction) is in
 * t/unit/check_store.c. */
#include "cached/store/store.h"
#include "common/core/assert.h"
#include "common/core/num.h"
#include "common/proto/exptime.h"
#include "t/fuzz/fuzz.h"

#include <string.h>

#define KEYS      6
#define VALUE_MAX 4096
#define HELD      3
#define STEPS_MAX 2000

struct record {
    bool present;
    char value[VALUE_MAX];
    size_t len;
    uint64_t flags;
    uint64_t expiry_ms;
    uint64_t cas;
    bool cas_unknown; /* changed, but by a step that does not tell to what */
    bool stale;
    bool taken;
};

struct held {
    struct store_view view;
    char value[VALUE_MAX];
    size_t len;
};

struct world {
    const uint8_t *at, *end;
    struct store *st;
    struct store_thread *th;
    uint64_t now_ms;
    uint64_t flush_at_ms;
    struct record records[KEYS];
    struct held held[HELD];
};

/* --- the program --------------------------------------------------------------- */

static uint8_t
take(struct world *w)
{
    return w->at < w->end ? *w->at++ : 0;
}

static unsigned
take_key(struct world *w, struct store_key *key)
{
    static const char *const names[KEYS] = {"a", "b", "cc", "ddd", "\xff\x00", "key"};
    unsigned i = take(w) % KEYS;
    *key = store_key(span_make(names[i], i == 4 ? 2 : strlen(names[i])));
    return i;
}

static uint64_t
take_expiry(struct world *w)
{
    uint8_t b = take(w);
    if (b % 4 == 0) {
        return EXPIRES_NEVER;
    }
    return b % 16 == 1 ? EXPIRES_AT_ONCE : w->now_ms + b % 64;
}

/* Half of the time the record's own CAS value, so that comparisons match. */
static uint64_t
take_cas(struct world *w, const struct record *r)
{
    uint8_t b = take(w);
    return b % 2 == 0 && r->present && !r->cas_unknown ? r->cas : r->cas + b - 128;
}

static size_t
take_value(struct world *w, char *value)
{
    uint8_t b = take(w);
    if (b % 2 == 0) {
        return num_format_u64(b < 200 ? b / 2u : UINT64_MAX - b, value);
    }
    memset(value, (char)b, b / 2u);
    return b / 2u;
}

/* --- the model ------------------------------------------------------------------ */

static struct record *
living(struct world *w, unsigned i)
{
    struct record *r = &w->records[i];
    if (r->present && r->expiry_ms != EXPIRES_NEVER && r->expiry_ms <= w->now_ms) {
        r->present = false;
    }
    return r;
}

static void
forget_all(struct world *w)
{
    for (unsigned i = 0; i < KEYS; i++) {
        w->records[i].present = false;
    }
}

static void
pass_time(struct world *w, uint64_t ms)
{
    w->now_ms += ms;
    if (w->flush_at_ms != 0 && w->flush_at_ms <= w->now_ms) {
        w->flush_at_ms = 0;
        forget_all(w);
    }
}

static void
learn_cas(struct record *r, uint64_t cas)
{
    if (r->cas_unknown) {
        ASSERT(cas != r->cas);
        r->cas = cas;
        r->cas_unknown = false;
    }
    ASSERT(cas == r->cas);
}

static void
check_view(struct record *r, const struct store_view *view)
{
    ASSERT(span_eq(view->value, span_make(r->value, r->len)));
    if (r->len >= STORE_TRAILED_FROM) {
        ASSERT(memcmp(view->value.ptr + r->len, "\r\n", STORE_TRAILER_BYTES) == 0);
    }
    ASSERT(view->flags == r->flags);
    ASSERT(view->stale == r->stale);
    learn_cas(r, view->cas);
}

/* --- steps ---------------------------------------------------------------------- */

/* Looks, and sometimes keeps the reference to look at it again much later. */
static void
step_get(struct world *w)
{
    struct store_key key;
    struct record *r = living(w, take_key(w, &key));
    uint8_t how = take(w);
    struct store_lookup lookup = {.peek = how & 1,
                                  .touch = how & 2,
                                  .recache = how & 4,
                                  .vivify = how & 8,
                                  .recache_after_touch = how & 16};
    lookup.touch_expiry_ms = lookup.touch ? take_expiry(w) : 0;
    lookup.vivify_expiry_ms = lookup.vivify ? take_expiry(w) : 0;
    lookup.recache_before_ms = w->now_ms + 32;
    bool plain = how >= 192;
    struct store_view view;
    enum store_outcome outcome = store_get(w->th, &key, plain ? NULL : &lookup, w->now_ms, &view);
    bool made = !r->present && !plain && lookup.vivify;
    ASSERT((outcome == STORE_OK) == (r->present || made));
    if (outcome != STORE_OK) {
        ASSERT(outcome == STORE_NOT_FOUND && view.item == NULL);
        return;
    }
    ASSERT(view.made == made);
    if (made) {
        *r = (struct record){
            .present = true, .cas = view.cas, .taken = true, .expiry_ms = lookup.vivify_expiry_ms};
        ASSERT(view.won && !view.taken);
    } else {
        uint64_t before = r->expiry_ms;
        r->expiry_ms = lookup.touch && !plain ? lookup.touch_expiry_ms : r->expiry_ms;
        uint64_t judged = lookup.recache_after_touch ? r->expiry_ms : before;
        bool soon = lookup.recache && judged != 0 && judged < lookup.recache_before_ms;
        ASSERT(view.taken == r->taken);
        ASSERT(view.won == (!plain && !r->taken && (soon || r->stale)));
        r->taken = r->taken || view.won;
    }
    ASSERT(view.expiry_ms == r->expiry_ms);
    check_view(r, &view);
    struct held *h = &w->held[how % HELD];
    store_release(w->th, &h->view.item);
    h->view = view;
    h->len = r->len;
    memcpy(h->value, r->value, r->len);
}

static void
join(struct record *r, enum store_mode mode, const char *value, size_t len)
{
    char joined[VALUE_MAX];
    size_t first = mode == STORE_APPEND ? r->len : len;
    memcpy(joined, mode == STORE_APPEND ? r->value : value, first);
    memcpy(joined + first, mode == STORE_APPEND ? value : r->value, r->len + len - first);
    r->len += len;
    memcpy(r->value, joined, r->len);
    r->stale = r->taken = false;
}

static enum store_outcome
expect_write(const struct record *r, const struct store_write *write)
{
    bool joins = write->mode == STORE_APPEND || write->mode == STORE_PREPEND;
    bool matches = !write->compare || (r->present && write->compare_cas == r->cas);
    if (!r->present) {
        if (joins) {
            return write->vivify ? STORE_OK : STORE_NOT_STORED;
        }
        if (write->mode == STORE_ADD) {
            return STORE_OK;
        }
        return write->compare                 ? STORE_NOT_FOUND
               : write->mode == STORE_REPLACE ? STORE_NOT_STORED
                                              : STORE_OK;
    }
    if (write->mode == STORE_ADD) {
        return STORE_NOT_STORED;
    }
    bool outdated = !joins && write->stale_if_older && write->compare_cas < r->cas;
    return matches || outdated ? STORE_OK : STORE_EXISTS;
}

static void
apply_write(struct record *r, const struct store_write *write, const char *value, size_t len)
{
    bool joins = write->mode == STORE_APPEND || write->mode == STORE_PREPEND;
    if (joins && r->present) {
        join(r, write->mode, value, len);
        return;
    }
    bool outdated = r->present && write->compare && write->compare_cas != r->cas;
    r->expiry_ms = outdated ? r->expiry_ms : joins ? write->vivify_expiry_ms : write->expiry_ms;
    r->taken = outdated && r->taken;
    r->stale = outdated;
    r->present = true;
    r->flags = write->flags;
    r->len = len;
    memcpy(r->value, value, len);
}

static void
step_write(struct world *w)
{
    struct store_key key;
    struct record *r = living(w, take_key(w, &key));
    uint8_t how = take(w);
    char value[VALUE_MAX];
    size_t len = take_value(w, value);
    struct store_write write = {.mode = (enum store_mode)(how % 5),
                                .flags = how,
                                .expiry_ms = take_expiry(w),
                                .compare = how & 32,
                                .stale_if_older = how & 64,
                                .vivify = how & 128,
                                .vivify_expiry_ms = w->now_ms + 20,
                                .has_new_cas = how % 7 == 0,
                                .new_cas = how + (1ull << 40)};
    write.compare_cas = write.compare ? take_cas(w, r) : 0;
    if (r->len + len > VALUE_MAX || (write.compare && r->cas_unknown)) {
        return;
    }
    struct store_reservation room;
    struct store_written written;
    ASSERT(store_reserve(w->th, &key, len, &write, w->now_ms, &room) == STORE_OK);
    memcpy(room.value, value, len);
    if (how % 31 == 30) {
        store_abandon(w->th, &room);
        return;
    }
    enum store_outcome expected = expect_write(r, &write);
    ASSERT(store_commit(w->th, &room, &write, w->now_ms, &written) == expected);
    ASSERT(room.item == NULL);
    if (expected == STORE_OK) {
        apply_write(r, &write, value, len);
        r->cas = written.cas;
        r->cas_unknown = false;
        ASSERT(written.value_bytes == r->len);
        ASSERT(!write.has_new_cas || written.cas == write.new_cas);
    }
}

static void
step_delete(struct world *w)
{
    struct store_key key;
    struct record *r = living(w, take_key(w, &key));
    uint8_t how = take(w);
    struct store_removal removal = {
        .compare = how & 1, .mark_stale = how & 2, .drop_value = how & 4, .touch = how & 8};
    removal.compare_cas = removal.compare ? take_cas(w, r) : 0;
    removal.touch_expiry_ms = removal.touch ? take_expiry(w) : 0;
    if (removal.compare && r->cas_unknown) {
        return;
    }
    enum store_outcome expected = !r->present ? STORE_NOT_FOUND
                                  : removal.compare && removal.compare_cas != r->cas ? STORE_EXISTS
                                                                                     : STORE_OK;
    ASSERT(store_delete(w->th, &key, &removal, w->now_ms) == expected);
    if (expected != STORE_OK) {
        return;
    }
    r->present = removal.mark_stale || removal.drop_value;
    r->cas_unknown = true;
    r->stale = removal.mark_stale || (r->stale && !removal.drop_value);
    r->taken = false;
    r->expiry_ms = removal.touch ? removal.touch_expiry_ms : r->expiry_ms;
    if (removal.drop_value) {
        r->len = 0;
        r->flags = 0;
    }
}

/* A number with blanks around it, and behind a blank anything. */
static bool
parse(const struct record *r, uint64_t *n)
{
    static const char blanks[] = " \t\n\v\f\r";
    size_t from = 0;
    while (from < r->len && r->value[from] != '\0' && strchr(blanks, r->value[from]) != NULL) {
        from++;
    }
    size_t to = from;
    while (to < r->len && (r->value[to] == '\0' || strchr(blanks, r->value[to]) == NULL)) {
        to++;
    }
    return num_parse_u64(span_make(r->value + from, to - from), n);
}

static void
step_arith(struct world *w)
{
    struct store_key key;
    struct record *r = living(w, take_key(w, &key));
    uint8_t how = take(w);
    struct store_arith arith = {.decrement = how & 1,
                                .delta = how & 2 ? UINT64_MAX : how,
                                .vivify = how & 4,
                                .initial = how,
                                .touch = how & 8,
                                .vivify_expiry_ms = w->now_ms + 10};
    arith.touch_expiry_ms = arith.touch ? take_expiry(w) : 0;
    struct store_number number;
    enum store_outcome outcome = store_arith(w->th, &key, &arith, w->now_ms, &number);
    uint64_t n = arith.initial;
    if (!r->present && !arith.vivify) {
        ASSERT(outcome == STORE_NOT_FOUND);
        return;
    }
    if (r->present) {
        if (!parse(r, &n)) {
            ASSERT(outcome == STORE_NON_NUMERIC);
            return;
        }
        n = !arith.decrement ? n + arith.delta : n > arith.delta ? n - arith.delta : 0;
    }
    ASSERT(outcome == STORE_OK && number.value == n && number.made == !r->present);
    char digits[NUM_MAX_DIGITS];
    size_t len = num_format_u64(n, digits);
    if (!r->present) {
        *r = (struct record){.present = true, .expiry_ms = arith.vivify_expiry_ms, .len = len};
    } else if (len > r->len) {
        r->stale = r->taken = false; /* a number that has grown is a new item */
        r->len = len;
    }
    r->expiry_ms = arith.touch && !number.made ? arith.touch_expiry_ms : r->expiry_ms;
    memset(r->value, ' ', r->len);
    memcpy(r->value, digits, len);
    r->cas = number.cas;
    r->cas_unknown = false;
    ASSERT(number.expiry_ms == r->expiry_ms);
}

static void
step_touch(struct world *w)
{
    struct store_key key;
    struct record *r = living(w, take_key(w, &key));
    uint64_t expiry_ms = take_expiry(w);
    enum store_outcome outcome = store_touch(w->th, &key, expiry_ms, w->now_ms);
    ASSERT(outcome == (r->present ? STORE_OK : STORE_NOT_FOUND));
    r->expiry_ms = expiry_ms;
}

static void
step_flush(struct world *w)
{
    uint8_t in_ms = take(w) % 64;
    store_flush(w->th, w->now_ms + in_ms, w->now_ms);
    w->flush_at_ms = in_ms > 0 ? w->now_ms + in_ms : 0;
    if (in_ms == 0) {
        forget_all(w);
    }
}

static void
step_held(struct world *w)
{
    struct held *h = &w->held[take(w) % HELD];
    if (h->view.item != NULL) {
        ASSERT(span_eq(h->view.value, span_make(h->value, h->len)));
        store_release(w->th, &h->view.item);
    }
}

static void
step(struct world *w)
{
    switch (take(w) % 12) {
    case 0:
    case 1:
    case 2: step_get(w); break;
    case 3:
    case 4:
    case 5: step_write(w); break;
    case 6: step_delete(w); break;
    case 7: step_arith(w); break;
    case 8: step_touch(w); break;
    case 9: take(w) % 8 == 0 ? step_flush(w) : step_held(w); break;
    case 10: pass_time(w, take(w)); break;
    case 11: store_sweep(w->th, 0, 1, take(w), w->now_ms); break;
    }
}

/* Everything given back and flushed, nothing but tables may be left. */
static void
finish(struct world *w)
{
    for (unsigned i = 0; i < HELD; i++) {
        store_release(w->th, &w->held[i].view.item);
    }
    store_flush(w->th, 0, w->now_ms);
    for (int i = 0; i < 100; i++) {
        store_sweep(w->th, 0, 1, 1000, w->now_ms);
    }
    struct store_info info = store_info(w->st);
    ASSERT(info.memory_bytes == info.table_bytes);
    store_destroy(&w->st);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct store_options options = {.memory_bytes = 64 << 20,
                                    .item_max_bytes = 1 << 20,
                                    .concurrency = 1,
                                    .evict = true,
                                    .cas = true};
    w = (struct world){.at = data, .end = data + size, .now_ms = 1000};
    w.st = store_create(&options);
    w.th = store_join(w.st);
    for (int i = 0; i < STEPS_MAX && w.at < w.end; i++) {
        step(&w);
    }
    finish(&w);
    return 0;
}
