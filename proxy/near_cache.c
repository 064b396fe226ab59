#include "proxy/near_cache.h"
#include "common/core/assert.h"
#include "common/core/list.h"
#include "common/core/mem.h"

#include <stdlib.h>

enum { AS_TEXT, AS_META, WAYS_TO_TELL };

struct near_value {
    struct list link; /* near_cache->kept */
    char *bytes;      /* the line, then the value with its CRLF; NULL: none */
    size_t size;
    uint64_t until_us;
    uint32_t mark;
    uint8_t form;
    struct fetched fetched; /* points into the bytes */
};

struct near_slot {
    uint64_t hot_until_us;
    uint8_t key_bytes; /* 0: free */
    char key[KEY_MAX_BYTES];
    struct near_value values[WAYS_TO_TELL];
};

/* The hashes stand alone, because each read looks at those of a set. */
struct near_cache {
    uint64_t hashes[NEAR_SETS][NEAR_WAYS];
    struct near_slot slots[NEAR_SETS][NEAR_WAYS];
    struct list kept; /* all values, who was asked for first first */
    uint64_t bytes, bytes_max;
    uint64_t ttl_us;
};

struct near_cache *
near_cache_create(uint64_t bytes, uint64_t ttl_us)
{
    struct near_cache *n = mem_zalloc(sizeof(*n));
    list_init(&n->kept);
    n->bytes_max = bytes;
    n->ttl_us = ttl_us;
    return n;
}

static void
drop(struct near_cache *n, struct near_value *v)
{
    if (v->bytes == NULL) {
        return;
    }
    n->bytes -= v->size;
    list_remove(&v->link);
    free(v->bytes);
    v->bytes = NULL;
}

static struct near_value *
first_kept(const struct near_cache *n)
{
    return LIST_ENTRY(list_first(&n->kept), struct near_value, link);
}

void
near_cache_destroy(struct near_cache **near)
{
    struct near_cache *n = *near;
    *near = NULL;
    if (n == NULL) {
        return;
    }
    while (!list_empty(&n->kept)) {
        drop(n, first_kept(n));
    }
    ASSERT(n->bytes == 0);
    free(n);
}

uint64_t
near_cache_bytes(const struct near_cache *n)
{
    return n->bytes;
}

static struct near_slot *
find_slot(struct near_cache *n, const struct lookup_key *key)
{
    unsigned set = (unsigned)(key->hash % NEAR_SETS);
    for (unsigned i = 0; i < NEAR_WAYS; i++) {
        struct near_slot *s = &n->slots[set][i];
        if (n->hashes[set][i] == key->hash && s->key_bytes > 0 &&
            span_eq(span_make(s->key, s->key_bytes), key->bytes)) {
            return s;
        }
    }
    return NULL;
}

/* One that is free, or was hot longest ago. */
static struct near_slot *
take_slot(struct near_cache *n, const struct lookup_key *key)
{
    unsigned set = (unsigned)(key->hash % NEAR_SETS), at = 0;
    for (unsigned i = 1; i < NEAR_WAYS; i++) {
        if (n->slots[set][i].hot_until_us < n->slots[set][at].hot_until_us) {
            at = i;
        }
    }
    struct near_slot *s = &n->slots[set][at];
    for (unsigned i = 0; i < WAYS_TO_TELL; i++) {
        drop(n, &s->values[i]);
    }
    n->hashes[set][at] = key->hash;
    s->key_bytes = (uint8_t)key->bytes.len;
    memcpy(s->key, key->bytes.ptr, key->bytes.len);
    return s;
}

void
near_cache_admit(struct near_cache *n, const struct lookup_key *key, uint64_t now_us)
{
    ASSERT(key->bytes.len > 0 && key->bytes.len <= KEY_MAX_BYTES);

    struct near_slot *s = find_slot(n, key);
    if (s == NULL) {
        s = take_slot(n, key);
    }
    s->hot_until_us = now_us + NEAR_HOT_US;
}

static struct near_value *
value_of(struct near_slot *s, uint8_t form)
{
    return &s->values[form & FORM_META ? AS_META : AS_TEXT];
}

enum near_verdict
near_cache_find(struct near_cache *n, const struct lookup_key *key, uint8_t form, uint32_t mark,
                uint64_t now_us, const struct fetched **found)
{
    struct near_slot *s = find_slot(n, key);
    if (s == NULL || s->hot_until_us <= now_us || form == FORM_NONE || (form & FORM_TTL) != 0) {
        return NEAR_COLD;
    }
    struct near_value *v = value_of(s, form);
    if (v->bytes == NULL) {
        return NEAR_WANTED;
    }
    if (v->until_us <= now_us || v->mark != mark) {
        enum near_verdict verdict = v->until_us <= now_us ? NEAR_WANTED : NEAR_WRITTEN;
        drop(n, v);
        return verdict;
    }
    if (!form_covers(v->form, form)) {
        return NEAR_WANTED;
    }
    *found = &v->fetched;
    return NEAR_HIT;
}

/* Whoever asks for more is not driven out by who asks for less, or for something
 * else, before its time is over. */
static bool
may_replace(const struct near_value *v, uint8_t form, uint32_t mark, uint64_t now_us)
{
    return v->bytes == NULL || v->until_us <= now_us || v->mark != mark ||
           form_covers(form, v->form);
}

static struct span
moved(struct span part, struct span from, const char *to)
{
    return part.len == 0 ? part : span_make(to + (part.ptr - from.ptr), part.len);
}

static void
copy(struct near_value *v, const struct fetched *f)
{
    struct span tail = SPAN_LIT("\r\n"), key = f->words[FORM_WORD_KEY]; /* not of a copy's line */
    v->bytes = mem_alloc(v->size);
    memcpy(v->bytes, f->line.ptr, f->line.len);
    if (f->value.len > 0) { /* a reply without one has no pointer either */
        memcpy(v->bytes + f->line.len, f->value.ptr, f->value.len);
    }
    memcpy(v->bytes + f->line.len + f->value.len, tail.ptr, tail.len);
    char *key_at = v->bytes + v->size - key.len;
    if (key.len > 0) {
        memcpy(key_at, key.ptr, key.len);
    }
    v->fetched = *f;
    v->fetched.line = span_make(v->bytes, f->line.len);
    v->fetched.value = span_make(v->bytes + f->line.len, f->value.len);
    for (unsigned i = 0; i < FORM_WORD_COUNT; i++) {
        if (i != FORM_WORD_KEY) {
            v->fetched.words[i] = moved(f->words[i], f->line, v->bytes);
        }
    }
    v->fetched.words[FORM_WORD_KEY] = span_make(key_at, key.len);
}

/* Old ones first, and then those that have still been worth something. */
static void
make_room(struct near_cache *n, size_t size, uint64_t now_us)
{
    while (!list_empty(&n->kept) &&
           (first_kept(n)->until_us <= now_us || n->bytes + size > n->bytes_max)) {
        drop(n, first_kept(n));
    }
}

bool
near_cache_keep(struct near_cache *n, const struct lookup_key *key, uint8_t form, uint32_t mark,
                uint64_t asked_us, uint64_t now_us, const struct fetched *f)
{
    size_t size = f->line.len + f->value.len + 2 + f->words[FORM_WORD_KEY].len;
    struct near_slot *s = find_slot(n, key);
    if (s == NULL || s->hot_until_us <= now_us || !fetched_is_hit(f) || f->won || f->stale ||
        f->taken || size > n->bytes_max / 4 || asked_us + n->ttl_us <= now_us) {
        return false;
    }
    struct near_value *v = value_of(s, form);
    if (!may_replace(v, form, mark, now_us)) {
        return false;
    }
    drop(n, v);
    make_room(n, size, now_us);
    v->size = size;
    v->until_us = asked_us + n->ttl_us;
    v->mark = mark;
    v->form = form;
    copy(v, f);
    n->bytes += size;
    list_init(&v->link);
    list_push_back(&n->kept, &v->link);
    return true;
}
