#include "proxy/near.h"
#include "common/core/clock.h"
#include "common/fleet/table.h"
#include "proxy/client.h"
#include "proxy/multiget.h"
#include "proxy/near_cache.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/tell.h"

/* Each worker has its share of what a proxy may keep. */
struct near_cache *
near_create(struct worker *w, const struct table_pool *pool)
{
    if (pool->near_cache_bytes == 0) {
        return NULL;
    }
    return near_cache_create(pool->near_cache_bytes / w->limits->threads,
                             pool->near_cache_ttl_ms * 1000);
}

static void
count_bytes(struct worker *w, uint64_t before, uint64_t after)
{
    worker_count(w, METRIC_ID_NEAR_BYTES, after - before);
}

void
near_destroy(struct worker *w, struct near_cache **near)
{
    if (*near != NULL) {
        count_bytes(w, near_cache_bytes(*near), 0);
        near_cache_destroy(near);
    }
}

void
near_look_at(struct worker *w, const struct lookup_key *key)
{
    struct near_cache *n = w->roster->pools[key->pool].near;
    struct hotkeys_weight weight = hotkeys_weigh(w->hotkeys, key->bytes, key->hash);
    if (near_is_hot(weight.requests, weight.total)) {
        uint64_t before = near_cache_bytes(n);
        near_cache_admit(n, key, worker_now_us(w));
        count_bytes(w, before, near_cache_bytes(n));
    }
}

/* The clock is read anew: a turn that takes long must not make a value older than
 * is promised. A client that waits for its own write asks the node. */
static const struct fetched *
look(const struct pending *p, struct coalesce_read *read)
{
    struct worker *w = p->worker;
    struct near_cache *n = w->roster->pools[read->key.pool].near;
    const struct fetched *found = NULL;
    if (client_is_writing(p->client, read->key.hash)) {
        return NULL;
    }
    uint64_t before = near_cache_bytes(n);
    switch (near_cache_find(n, &read->key, read->form, read->mark, clock_mono_us(), &found)) {
    case NEAR_COLD: return NULL;
    case NEAR_WRITTEN: worker_count(w, METRIC_ID_NEAR_INVALIDATED, 1); break;
    case NEAR_WANTED: break;
    case NEAR_HIT: worker_count(w, METRIC_ID_NEAR_HITS, 1); return found;
    }
    count_bytes(w, before, near_cache_bytes(n));
    read->near_of = w->roster->serial;
    return NULL;
}

bool
near_serve(struct pending *p, struct coalesce_read *read, struct span ask)
{
    const struct fetched *found = look(p, read);
    if (found == NULL) {
        return false;
    }
    if (read->form & FORM_META) {
        tell_meta(p, ask, found, false);
    } else {
        tell_text(p, read->key.bytes, found);
    }
    pending_done(p);
    return true;
}

bool
near_serve_part(struct pending *p, struct coalesce_read *read, uint32_t at)
{
    const struct fetched *found = look(p, read);
    if (found == NULL) {
        return false;
    }
    uint32_t part = multiget_add_guest(p->many, at, (uint32_t)read->key.bytes.len);
    tell_part(p, part, found);
    return true;
}

void
near_keep(struct worker *w, const struct flight *f, const struct reply_piece *piece)
{
    if (w->roster == NULL || w->roster->serial != f->near_of || w->ending ||
        write_marks_read(w->host->writes, f->at.hash) != f->at.mark) {
        return;
    }
    struct near_cache *n = w->roster->pools[f->at.pool].near;
    struct lookup_key key = {flight_key_of(f), f->at.hash, f->at.pool};
    struct fetched fetched;
    char word[FORM_KEY_WORD_MAX];
    coalesce_fetched(f, piece, &fetched, word);
    uint64_t before = near_cache_bytes(n);
    bool kept =
        near_cache_keep(n, &key, f->at.form, f->at.mark, f->asked_us, clock_mono_us(), &fetched);
    worker_count(w, METRIC_ID_NEAR_FILLS, kept);
    count_bytes(w, before, near_cache_bytes(n));
}
