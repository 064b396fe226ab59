#include "cached/prefixes.h"
#include "cached/store/store.h"
#include "common/core/mem.h"
#include "common/core/uri.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

struct prefix {
    uint64_t counts[PREFIX_COUNTS];
    uint8_t bytes; /* 0: the slot is free, unless `used` */
    bool used;     /* a prefix may be empty */
    char text[STORE_KEY_MAX];
};

/* Open addressing, at most half full. */
struct prefix_table {
    pthread_mutex_t lock;
    unsigned most; /* prefixes besides the others */
    unsigned count;
    unsigned slots; /* a power of two */
    struct prefix others;
    struct prefix at[];
};

struct prefix_table *
prefix_table_create(unsigned prefixes)
{
    unsigned slots = 2;
    while (slots < 2 * prefixes) {
        slots *= 2;
    }
    struct prefix_table *t = mem_zalloc(sizeof(*t) + slots * sizeof(t->at[0]));
    t->most = prefixes;
    t->slots = slots;
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void
prefix_table_destroy(struct prefix_table **t)
{
    pthread_mutex_destroy(&(*t)->lock);
    free(*t);
    *t = NULL;
}

void
prefix_table_clear(struct prefix_table *t)
{
    pthread_mutex_lock(&t->lock);
    if (t->count > 0) {
        memset(t->at, 0, t->slots * sizeof(t->at[0]));
    }
    t->others = (struct prefix){0};
    t->count = 0;
    pthread_mutex_unlock(&t->lock);
}

/* Under the lock. The prefix's slot, new or not; the others if there is no room. */
static struct prefix *
find(struct prefix_table *t, struct span text)
{
    uint64_t hash = hash_span(text);
    struct prefix *p;
    for (unsigned i = 0;; i++) {
        p = &t->at[(hash + i) & (t->slots - 1)];
        if (!p->used) {
            break;
        }
        if (p->bytes == text.len && memcmp(p->text, text.ptr, text.len) == 0) {
            return p;
        }
    }
    if (t->count == t->most) {
        return &t->others;
    }
    t->count++;
    p->used = true;
    p->bytes = (uint8_t)text.len;
    memcpy(p->text, text.ptr, text.len);
    return p;
}

void
prefix_table_count(struct prefix_table *t, struct span key, char delimiter, enum prefix_count what)
{
    const char *end = memchr(key.ptr, delimiter, key.len);
    if (end == NULL) {
        return;
    }
    pthread_mutex_lock(&t->lock);
    find(t, span_make(key.ptr, (size_t)(end - key.ptr)))->counts[what]++;
    pthread_mutex_unlock(&t->lock);
}

static void
add_counts(struct prefix *to, const struct prefix *from)
{
    for (unsigned i = 0; i < PREFIX_COUNTS; i++) {
        to->counts[i] += from->counts[i];
    }
}

void
prefix_table_add(struct prefix_table *to, struct prefix_table *from)
{
    pthread_mutex_lock(&from->lock);
    for (unsigned i = 0; from->count > 0 && i < from->slots; i++) {
        const struct prefix *p = &from->at[i];
        if (p->used) {
            add_counts(find(to, span_make(p->text, p->bytes)), p);
        }
    }
    add_counts(&to->others, &from->others);
    pthread_mutex_unlock(&from->lock);
}

static void
put(const struct prefix *p, struct span text, struct buf *out)
{
    char encoded[URI_ENCODED_BYTES(STORE_KEY_MAX)];
    text = span_make(encoded, uri_encode_blanks(text, encoded));
    buf_printf(out,
               "PREFIX %.*s get %" PRIu64 " hit %" PRIu64 " set %" PRIu64 " del %" PRIu64 "\r\n",
               SPAN_FMT(text), p->counts[PREFIX_GETS], p->counts[PREFIX_HITS],
               p->counts[PREFIX_SETS], p->counts[PREFIX_DELETES]);
}

void
prefix_table_put(struct prefix_table *t, struct buf *out)
{
    uint64_t others = 0;
    pthread_mutex_lock(&t->lock);
    for (unsigned i = 0; i < t->slots; i++) {
        if (t->at[i].used) {
            put(&t->at[i], span_make(t->at[i].text, t->at[i].bytes), out);
        }
    }
    for (unsigned i = 0; i < PREFIX_COUNTS; i++) {
        others += t->others.counts[i];
    }
    if (others > 0) {
        put(&t->others, SPAN_LIT(PREFIXES_OTHERS), out);
    }
    pthread_mutex_unlock(&t->lock);
}
