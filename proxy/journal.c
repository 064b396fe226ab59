#include "proxy/journal.h"
#include "common/core/assert.h"
#include "common/core/mem.h"
#include "proxy/journal_file.h"
#include "proxy/journal_heir.h"
#include "proxy/journal_keys.h"

#include <pthread.h>
#include <stdlib.h>

#define BUCKETS_A_STEP 1024 /* that are told again under one lock */

enum flush_state { FLUSH_NONE, FLUSH_WANTED, FLUSH_TAKEN };

/* What one worker has to deliver. */
struct duty {
    struct list waiting;
    uint64_t taken;
    enum flush_state flush;
    bool flush_again; /* wanted while it was taken */
    uint64_t flush_us;
};

struct journal {
    struct journal_front front;
    struct journal_budget *budget;
    _Atomic unsigned refs;
    pthread_mutex_t lock; /* covers all that follows */
    struct journal_keys keys;
    unsigned flushes; /* workers that owe one */
    unsigned workers;
    struct journal_file *file;             /* or NULL; set before others know of the journal */
    struct journal_stream *_Atomic stream; /* to the heir, or NULL */
    _Atomic uint64_t left_us;              /* journal_left_us() */
    struct duty duties[];
};

struct journal *
journal_create(struct journal_budget *budget, unsigned workers)
{
    struct journal *j = mem_zalloc(sizeof(*j) + workers * sizeof(j->duties[0]));
    j->budget = budget;
    j->workers = workers;
    journal_keys_init(&j->keys);
    for (unsigned i = 0; i < workers; i++) {
        list_init(&j->duties[i].waiting);
    }
    pthread_mutex_init(&j->lock, NULL);
    atomic_init(&j->refs, 1);
    return j;
}

struct journal *
journal_ref(struct journal *j)
{
    atomic_fetch_add_explicit(&j->refs, 1, memory_order_relaxed);
    return j;
}

bool
journal_try_ref(struct journal *j)
{
    unsigned refs = atomic_load(&j->refs);
    while (refs > 0) {
        if (atomic_compare_exchange_weak(&j->refs, &refs, refs + 1)) {
            return true;
        }
    }
    return false;
}

static void
tell(struct journal *j, enum journal_record_type type, struct span key)
{
    if (j->file != NULL) {
        journal_file_note(j->file, type, key);
    }
}

/* The heir may have delivered what it was told before, so it is told again and again. */
static void
tell_heir(struct journal *j, enum journal_record_type type, struct span key)
{
    if (j->stream != NULL) {
        journal_stream_note(j->stream, type, key);
    }
}

static void
tell_flush(struct journal *j, enum journal_record_type type)
{
    tell(j, type, (struct span){0});
}

/* --- keys ------------------------------------------------------------------------ */

static void
recount(struct journal *j)
{
    atomic_store(&j->front.count, j->keys.count + j->flushes);
}

/* False if it would be too much. */
static bool
charge(struct journal_budget *b, size_t key_bytes)
{
    uint64_t entries = atomic_fetch_add(&b->entries, 1) + 1;
    uint64_t bytes = atomic_fetch_add(&b->bytes, journal_entry_bytes(key_bytes)) +
                     journal_entry_bytes(key_bytes);
    if (entries <= b->max_entries && bytes <= b->max_bytes) {
        return true;
    }
    atomic_fetch_sub(&b->entries, 1);
    atomic_fetch_sub(&b->bytes, journal_entry_bytes(key_bytes));
    return false;
}

static void
destroy_entry(struct journal *j, struct journal_entry *e)
{
    atomic_fetch_sub(&j->budget->entries, 1);
    atomic_fetch_sub(&j->budget->bytes, journal_entry_bytes(e->key_bytes));
    free(e);
}

/* Off the table. Whoever has taken it keeps it until it says how it ended. */
static void
give_up(struct journal *j, struct journal_entry *e)
{
    journal_keys_remove(&j->keys, e);
    if (e->state == ENTRY_TAKEN) {
        e->state = ENTRY_GIVEN_UP;
        return;
    }
    list_remove(&e->link);
    destroy_entry(j, e);
}

static void
forget(struct journal *j, struct journal_entry *e)
{
    if (journal_keys_is_alone(&j->keys, e)) { /* the file knows no workers */
        tell(j, RECORD_FORGOTTEN, journal_entry_key(e));
    }
    give_up(j, e);
}

static void
give_up_all(struct journal *j)
{
    for (uint64_t i = 0; i <= j->keys.mask; i++) {
        while (j->keys.buckets[i] != NULL) {
            give_up(j, j->keys.buckets[i]);
        }
    }
}

static uint64_t
forget_before(struct journal *j, uint64_t before_us)
{
    uint64_t forgotten = 0;
    for (uint64_t i = 0; i <= j->keys.mask; i++) {
        for (struct journal_entry *e = j->keys.buckets[i], *next; e != NULL; e = next) {
            next = e->next;
            if (e->put_us < before_us) {
                forget(j, e);
                forgotten++;
            }
        }
    }
    return forgotten;
}

/* --- flushes ------------------------------------------------------------------------- */

static void
want_flush(struct journal *j, unsigned worker, uint64_t now_us)
{
    struct duty *d = &j->duties[worker];
    d->flush_us = now_us;
    tell_heir(j, RECORD_FLUSH_SOME, (struct span){0});
    switch (d->flush) {
    case FLUSH_NONE:
        d->flush = FLUSH_WANTED;
        if (j->flushes++ == 0) {
            tell_flush(j, RECORD_FLUSH_SOME);
        }
        break;
    case FLUSH_WANTED: break;
    case FLUSH_TAKEN: d->flush_again = true; break;
    }
}

static void
no_flush(struct journal *j, struct duty *d)
{
    d->flush = FLUSH_NONE;
    if (--j->flushes == 0) {
        tell_flush(j, RECORD_FLUSHED);
    }
}

static void
want_flush_by_all(struct journal *j, uint64_t now_us)
{
    for (unsigned i = 0; i < j->workers; i++) {
        want_flush(j, i, now_us);
    }
    if (j->keys.count > 0) {
        tell_flush(j, RECORD_FLUSH_ALL);
        give_up_all(j);
    }
}

void
journal_want_flush(struct journal *j, uint64_t now_us)
{
    pthread_mutex_lock(&j->lock);
    want_flush_by_all(j, now_us);
    recount(j);
    pthread_mutex_unlock(&j->lock);
}

void
journal_want_flush_by(struct journal *j, unsigned worker, uint64_t now_us)
{
    pthread_mutex_lock(&j->lock);
    want_flush(j, worker, now_us);
    recount(j);
    pthread_mutex_unlock(&j->lock);
}

/* Will every worker still send a flush, which then includes whatever is put now? */
static bool
flush_includes(struct journal *j, uint64_t now_us)
{
    for (unsigned i = 0; i < j->workers; i++) {
        if (j->duties[i].flush != FLUSH_WANTED && !j->duties[i].flush_again) {
            return false;
        }
    }
    for (unsigned i = 0; i < j->workers; i++) {
        j->duties[i].flush_us = now_us; /* for journal_forget_before() */
    }
    return true;
}

static void
flush_ended(struct journal *j, unsigned worker, bool worked)
{
    struct duty *d = &j->duties[worker];
    pthread_mutex_lock(&j->lock);
    ASSERT(d->flush == FLUSH_TAKEN);
    if (!worked || d->flush_again) {
        d->flush = FLUSH_WANTED;
        d->flush_again = false;
    } else {
        no_flush(j, d);
    }
    recount(j);
    pthread_mutex_unlock(&j->lock);
}

void
journal_flushed(struct journal *j, unsigned worker)
{
    flush_ended(j, worker, true);
}

void
journal_not_flushed(struct journal *j, unsigned worker)
{
    flush_ended(j, worker, false);
}

/* --- putting --------------------------------------------------------------------------- */

static enum journal_result
put_again(struct journal_entry *e, uint64_t now_us)
{
    e->put_us = now_us;
    e->again = e->state == ENTRY_TAKEN;
    return JOURNAL_KNOWN;
}

static enum journal_result
put_new(struct journal *j, struct span key, uint64_t hash, unsigned worker, uint64_t now_us)
{
    if (!charge(j->budget, key.len)) {
        want_flush_by_all(j, now_us);
        return JOURNAL_LOSSY;
    }
    struct journal_entry *e = journal_keys_add(&j->keys, key, hash, worker);
    e->put_us = now_us;
    list_push_back(&j->duties[worker].waiting, &e->link);
    tell(j, RECORD_PUT, key);
    return JOURNAL_KEPT;
}

static enum journal_result
put(struct journal *j, struct span key, unsigned worker, uint64_t now_us)
{
    uint64_t hash = journal_keys_hash(&j->keys, key);
    struct journal_entry *known = journal_keys_find(&j->keys, key, hash, worker);
    tell_heir(j, RECORD_PUT, key);
    if (known != NULL) {
        return put_again(known, now_us);
    }
    if (j->flushes > 0 && flush_includes(j, now_us)) {
        return JOURNAL_KNOWN;
    }
    return put_new(j, key, hash, worker, now_us);
}

enum journal_result
journal_put(struct journal *j, struct span key, unsigned worker, uint64_t now_us)
{
    ASSERT(worker < j->workers && key.len <= JOURNAL_KEY_MAX);
    pthread_mutex_lock(&j->lock);
    enum journal_result result = put(j, key, worker, now_us);
    recount(j);
    pthread_mutex_unlock(&j->lock);
    return result;
}

/* --- asking ------------------------------------------------------------------------------ */

bool
journal_blocks(struct journal *j, struct span key)
{
    if (journal_is_empty(j)) {
        return false;
    }
    pthread_mutex_lock(&j->lock);
    uint64_t hash = journal_keys_hash(&j->keys, key);
    bool blocks =
        j->flushes > 0 || journal_keys_find(&j->keys, key, hash, JOURNAL_ANY_WORKER) != NULL;
    pthread_mutex_unlock(&j->lock);
    return blocks;
}

uint64_t
journal_count(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    uint64_t count = j->keys.count + (j->flushes > 0);
    pthread_mutex_unlock(&j->lock);
    return count;
}

bool
journal_owes(struct journal *j, unsigned worker)
{
    struct duty *d = &j->duties[worker];
    if (journal_is_empty(j)) {
        return false;
    }
    pthread_mutex_lock(&j->lock);
    bool owes = d->flush != FLUSH_NONE || d->taken > 0 || !list_empty(&d->waiting);
    pthread_mutex_unlock(&j->lock);
    return owes;
}

/* --- delivering ---------------------------------------------------------------------------- */

static enum journal_task
take(struct duty *d, struct journal_entry **entry)
{
    if (d->flush == FLUSH_WANTED && d->taken == 0) {
        d->flush = FLUSH_TAKEN;
        return JOURNAL_FLUSH;
    }
    struct list *link = d->flush == FLUSH_NONE ? list_pop_front(&d->waiting) : NULL;
    if (link == NULL) {
        return JOURNAL_NOTHING;
    }
    *entry = LIST_ENTRY(link, struct journal_entry, link);
    (*entry)->state = ENTRY_TAKEN;
    d->taken++;
    return JOURNAL_DELETE;
}

enum journal_task
journal_take(struct journal *j, unsigned worker, struct journal_entry **entry)
{
    if (journal_is_empty(j)) {
        return JOURNAL_NOTHING;
    }
    pthread_mutex_lock(&j->lock);
    enum journal_task task = take(&j->duties[worker], entry);
    pthread_mutex_unlock(&j->lock);
    return task;
}

struct span
journal_key(const struct journal_entry *entry)
{
    return journal_entry_key(entry);
}

static void
end_entry(struct journal *j, struct journal_entry **entry, bool delivered)
{
    struct journal_entry *e = *entry;
    struct duty *d = &j->duties[e->worker];
    *entry = NULL;
    pthread_mutex_lock(&j->lock);
    d->taken--;
    if (e->state == ENTRY_GIVEN_UP) {
        destroy_entry(j, e);
    } else if (delivered && !e->again) {
        e->state = ENTRY_WAITING; /* nobody's any more */
        list_init(&e->link);
        forget(j, e);
    } else {
        e->state = ENTRY_WAITING;
        e->again = false;
        list_push_front(&d->waiting, &e->link);
    }
    recount(j);
    pthread_mutex_unlock(&j->lock);
}

void
journal_delivered(struct journal *j, struct journal_entry **entry)
{
    end_entry(j, entry, true);
}

void
journal_put_back(struct journal *j, struct journal_entry **entry)
{
    end_entry(j, entry, false);
}

uint64_t
journal_forget_before(struct journal *j, uint64_t began_us)
{
    pthread_mutex_lock(&j->lock);
    uint64_t forgotten = forget_before(j, began_us);
    for (unsigned i = 0; i < j->workers; i++) {
        struct duty *d = &j->duties[i];
        if (d->flush == FLUSH_WANTED && d->flush_us < began_us) {
            no_flush(j, d);
            forgotten++;
        }
    }
    recount(j);
    pthread_mutex_unlock(&j->lock);
    return forgotten;
}

void
journal_unref(struct journal **journal)
{
    struct journal *j = *journal;
    *journal = NULL;
    if (j == NULL || atomic_fetch_sub(&j->refs, 1) != 1) {
        return;
    }
    if (j->file != NULL) {
        journal_file_close(&j->file, j->keys.count + j->flushes > 0);
    }
    give_up_all(j);
    for (unsigned i = 0; i < j->workers; i++) {
        ASSERT(j->duties[i].taken == 0);
    }
    pthread_mutex_destroy(&j->lock);
    journal_keys_deinit(&j->keys);
    free(j);
}

/* --- its file ------------------------------------------------------------------------------ */

/* Who delivers what another process has left. */
static unsigned
worker_of(const struct journal *j, uint64_t hash)
{
    return (unsigned)(hash >> 32) % j->workers;
}

/* A key may stand beside a flush: when it was put, some had flushed already. So it
 * is not looked at here whether a flush includes it. */
static enum journal_result
restore(struct journal *j, const struct journal_record *record, uint64_t now_us)
{
    uint64_t hash = journal_keys_hash(&j->keys, record->key);
    struct journal_entry *known =
        journal_keys_find(&j->keys, record->key, hash, JOURNAL_ANY_WORKER);
    switch (record->type) {
    case RECORD_PUT:
        return known != NULL ? JOURNAL_KNOWN
                             : put_new(j, record->key, hash, worker_of(j, hash), now_us);
    case RECORD_FORGOTTEN:
        if (known != NULL) {
            give_up(j, known);
        }
        break;
    case RECORD_FLUSH_ALL: give_up_all(j); /* fall through */
    case RECORD_FLUSH_SOME:
        for (unsigned i = 0; i < j->workers; i++) {
            want_flush(j, i, now_us);
        }
        break;
    case RECORD_FLUSHED:
        for (unsigned i = 0; i < j->workers; i++) {
            j->duties[i].flush = FLUSH_NONE;
        }
        j->flushes = 0;
        break;
    }
    return JOURNAL_KNOWN;
}

enum journal_result
journal_restore(struct journal *j, const struct journal_record *record, uint64_t now_us)
{
    ASSERT(j->file == NULL);
    pthread_mutex_lock(&j->lock);
    enum journal_result result = restore(j, record, now_us);
    recount(j);
    atomic_store(&j->left_us, now_us);
    pthread_mutex_unlock(&j->lock);
    return result;
}

uint64_t
journal_left_us(const struct journal *j)
{
    return atomic_load_explicit(&j->left_us, memory_order_relaxed);
}

void
journal_keep_in(struct journal *j, struct journal_file *file)
{
    ASSERT(j->file == NULL);
    j->file = file;
}

void
journal_write(struct journal *j)
{
    if (j->file != NULL) {
        journal_file_write(j->file);
    }
    struct journal_stream *stream = j->stream;
    if (stream != NULL) {
        (void)journal_stream_send(stream); /* what is left goes before the next client */
    }
}

void
journal_drop_file(struct journal *j)
{
    if (j->file != NULL) {
        journal_file_drop(j->file);
    }
}

uint64_t
journal_record_total(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    uint64_t bytes = j->keys.count * journal_record_bytes(0) + j->keys.bytes;
    pthread_mutex_unlock(&j->lock);
    return bytes;
}

/* The table may grow between two steps. Then a bucket's keys are in the one of its
 * number and in one further on, so none is left out. */
bool
journal_tell_again(struct journal *j, uint64_t *cursor, journal_tell_fn *tell_fn, void *arg)
{
    pthread_mutex_lock(&j->lock);
    if (*cursor == 0 && j->flushes > 0) {
        tell_fn(arg, RECORD_FLUSH_SOME, (struct span){0});
    }
    uint64_t end = *cursor + BUCKETS_A_STEP;
    for (; *cursor <= j->keys.mask && *cursor < end; ++*cursor) {
        for (struct journal_entry *e = j->keys.buckets[*cursor]; e != NULL; e = e->next) {
            tell_fn(arg, RECORD_PUT, journal_entry_key(e));
        }
    }
    bool more = *cursor <= j->keys.mask;
    pthread_mutex_unlock(&j->lock);
    return more;
}

/* --- the process after this one ----------------------------------------------------------- */

char *
journal_owner(const char *id, const char *addr)
{
    char *owner = mem_printf("%s\n%s", id, addr);
    if (strlen(owner) > JOURNAL_OWNER_MAX) {
        owner[JOURNAL_OWNER_MAX] = '\0';
    }
    return owner;
}

void
journal_bequeath(struct journal *j, struct journal_heir *heir, struct span owner)
{
    ASSERT(j->stream == NULL);
    struct journal_stream *stream = journal_heir_open(heir, owner);
    pthread_mutex_lock(&j->lock);
    j->stream = stream;
    pthread_mutex_unlock(&j->lock);
}

bool
journal_is_bequeathed(const struct journal *j)
{
    return j->stream != NULL;
}

static void
tell_stream(void *arg, enum journal_record_type type, struct span key)
{
    journal_stream_note(arg, type, key);
}

bool
journal_tell_heir(struct journal *j, uint64_t *cursor)
{
    return journal_tell_again(j, cursor, tell_stream, j->stream);
}

static enum journal_result
inherit(struct journal *j, const struct journal_record *record, uint64_t now_us)
{
    switch (record->type) {
    case RECORD_PUT: {
        uint64_t hash = journal_keys_hash(&j->keys, record->key);
        return put(j, record->key, worker_of(j, hash), now_us);
    }
    case RECORD_FLUSH_ALL:
    case RECORD_FLUSH_SOME: want_flush_by_all(j, now_us); break;
    case RECORD_FORGOTTEN:
    case RECORD_FLUSHED: break; /* ours are delivered by us */
    }
    return JOURNAL_KNOWN;
}

enum journal_result
journal_inherit(struct journal *j, const struct journal_record *record, uint64_t now_us)
{
    pthread_mutex_lock(&j->lock);
    enum journal_result result = inherit(j, record, now_us);
    recount(j);
    atomic_store(&j->left_us, now_us);
    pthread_mutex_unlock(&j->lock);
    return result;
}
