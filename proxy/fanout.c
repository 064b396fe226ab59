#include "proxy/fanout.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"
#include "proxy/backend.h"
#include "proxy/client.h"
#include "proxy/copies.h"
#include "proxy/copy_name.h"
#include "proxy/fill.h"
#include "proxy/leg_queue.h"
#include "proxy/pending.h"
#include "proxy/promoter.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/way.h"
#include "proxy/write_marks.h"

/* A write of a hot key. */
struct fan_write {
    struct list due; /* fanout->due, while it waits for at most FANOUT_CONFIRM_MS */
    struct pending *pending;
    uint64_t deadline_us;
    uint64_t hash;
    uint64_t pool_id;
    unsigned waiting; /* legs */
    struct copy_delete {
        struct leg *leg;
        struct backend *backend;
        uint32_t tag; /* of the copy's name */
    } deletes[ROUTE_COPIES_MAX];
    bool whole;
    bool unconfirmed; /* by one at least, of which the next says: */
    bool kept;        /* all that was not confirmed is in journals */
    uint8_t key_bytes;
    char key[KEY_MAX_BYTES];
};

static void on_timer(void *arg);

void
fanout_init(struct fanout *f, struct worker *w)
{
    f->worker = w;
    objpool_init(&f->writes, sizeof(struct fan_write));
    objpool_init(&f->fills, sizeof(struct fill));
    list_init(&f->due);
    loop_timer_init(&f->timer, w->loop, on_timer, f);
}

void
fanout_deinit(struct fanout *f)
{
    ASSERT(list_empty(&f->due));
    loop_timer_deinit(&f->timer);
    objpool_deinit(&f->writes);
    objpool_deinit(&f->fills);
}

bool
fanout_is_hot(const struct roster_pool *pool, struct span key)
{
    return pool->replicas > 1 && copy_name_fits(key) && hotset_has(&pool->table->hot, key);
}

bool
fanout_is_open(const struct backend *b)
{
    return !b->masked && !backend_is_down(b) && buf_len(&b->out) <= BACKEND_OUT_MAX &&
           b->queued < b->worker->limits->max_inflight &&
           (b->state != BACKEND_CLOSED || worker_now_us(b->worker) >= b->connect_after_us);
}

/* --- reads --------------------------------------------------------------------------- */

static struct copied_key *
know(struct worker *w, const struct lookup_key *key, bool local)
{
    const struct roster *r = w->roster;
    struct copied_key *k = copies_find(r->copies, key);
    if (k != NULL) {
        k->asked_us = worker_now_us(w);
        return k;
    }
    const struct table_node *table_nodes = r->pools[key->pool].table->nodes;
    unsigned nodes[TABLE_REPLICAS_MAX];
    unsigned count = route_replicas(r->placement->table, key->pool, key->bytes, nodes);
    k = copies_add(r->copies, key, nodes, count, worker_now_us(w));
    k->local = local;
    k->name_bytes = (uint8_t)copy_name_put(key->bytes, local ? COPY_OF_HERE : COPY_OF_LISTED,
                                           copy_name_tag(table_nodes[nodes[0]].id), k->key)
                        .len;
    for (unsigned i = 0; i < count; i++) {
        const char *zone = table_nodes[nodes[i]].zone;
        k->at[i].near = zone[0] != '\0' && strcmp(zone, w->limits->zone) == 0;
        k->at[i].early_us = local ? r->pools[key->pool].local_ttl_us / 4 : 0;
    }
    return k;
}

static struct backend *
backend_of(const struct worker *w, const struct copied_key *k, unsigned i)
{
    return w->roster->pools[k->pool].backends[k->at[i].node];
}

/* What to ask for at that node. */
static struct span
name_at(const struct copied_key *k, unsigned i)
{
    return span_make(k->key, i == 0 ? k->key_bytes : k->name_bytes);
}

static void
look_at_all(const struct worker *w, const struct copied_key *k, struct copy_load *load)
{
    for (unsigned i = 0; i < k->count; i++) {
        struct backend *b = backend_of(w, k, i);
        bool blocked = journal_blocks(b->journal, name_at(k, i));
        load[i] = (struct copy_load){fanout_is_open(b) && !blocked, b->queued};
    }
}

static void
fill_what_is_missing(struct worker *w, struct copied_key *k, const struct copy_load *load)
{
    for (unsigned i = 1; i < k->count && load[0].open; i++) {
        if (load[i].open && copy_wants_filling(&k->at[i], worker_now_us(w))) {
            fill_begin(w, k, i);
        }
    }
}

enum fanout_heat
fanout_heat_of(const struct roster_pool *pool, const struct lookup_key *key)
{
    if (fanout_is_hot(pool, key->bytes)) {
        return FANOUT_LISTED;
    }
    if (pool->promoter == NULL || pool->moves || !copy_name_fits(key->bytes)) {
        return FANOUT_COLD; /* what moves is filled by others, at two nodes */
    }
    promoter_learn(pool->promoter, pool->promoted);
    return promoted_has(pool->promoted, key) ? FANOUT_PROMOTED : FANOUT_COLD;
}

static struct way_to_copy
way_to(const struct worker *w, const struct copied_key *k, unsigned i)
{
    struct backend *b = backend_of(w, k, i);
    struct roster_pool *pool = &w->roster->pools[k->pool];
    return (struct way_to_copy){.way = {.pool = pool, .backend = b, .owner = b, .open = true},
                                .cas = k->at[i].cas,
                                .owner = i == 0,
                                .name = name_at(k, i)};
}

/* Is there a copy to ask if the owner should be slow? Not instead of an answer that gives
 * who is told it something: the right to fill an item (W), or a lease of a miss. */
static bool
may_be_hedged(const struct roster_pool *pool, uint8_t form, const struct copied_key *k,
              const struct copy_load *load, uint64_t now)
{
    struct copy_load others[TABLE_REPLICAS_MAX];
    memcpy(others, load, k->count * sizeof(load[0]));
    others[0].open = false;
    return (form & FORM_META) == 0 && pool->miss_lease_us == 0 &&
           copies_choose(k, others, now, 0) != COPIES_NONE;
}

bool
fanout_find_copy(const struct client *c, const struct coalesce_read *read, struct way_to_copy *to)
{
    struct worker *w = c->worker;
    struct roster_pool *pool = &w->roster->pools[read->key.pool];
    bool copies_know = read->form != FORM_NONE && (read->form & FORM_TTL) == 0;
    enum fanout_heat heat = copies_know ? fanout_heat_of(pool, &read->key) : FANOUT_COLD;
    if (heat == FANOUT_COLD || client_is_writing(c, read->key.hash)) {
        return false;
    }
    struct copied_key *k = know(w, &read->key, heat == FANOUT_PROMOTED);
    if (journal_blocks(backend_of(w, k, 0)->journal, read->key.bytes)) {
        return false; /* somebody else may have copied what is old at the owner */
    }
    uint64_t now = worker_now_us(w);
    if (k->local) {
        copies_outdate(k, read->mark);
        now = clock_mono_us(); /* a turn that takes long makes nothing older */
    }
    struct copy_load load[TABLE_REPLICAS_MAX];
    look_at_all(w, k, load);
    fill_what_is_missing(w, k, load);
    unsigned i = copies_choose(k, load, now, random_next(&w->rng));
    if (i == COPIES_NONE || (i == 0 && !may_be_hedged(pool, read->form, k, load, now))) {
        return false;
    }
    *to = way_to(w, k, i);
    worker_count(w, METRIC_ID_REPLICA_READS, i > 0);
    return true;
}

bool
fanout_find_other(struct worker *w, const struct lookup_key *key, uint8_t form,
                  const struct backend *but, struct way_to_copy *to)
{
    struct copies *copies = w->roster->copies;
    struct copied_key *k = copies != NULL ? copies_find(copies, key) : NULL;
    if (k == NULL || journal_blocks(backend_of(w, k, 0)->journal, key->bytes)) {
        return false;
    }
    if (k->local) {
        copies_outdate(k, write_marks_read(w->host->writes, key->hash));
    }
    struct copy_load load[TABLE_REPLICAS_MAX];
    look_at_all(w, k, load);
    for (unsigned i = 0; i < k->count; i++) {
        bool owner_gives = i == 0 && (form & FORM_META) != 0; /* W, which must not get lost */
        load[i].open &= backend_of(w, k, i) != but && !owner_gives;
    }
    unsigned i = copies_choose(k, load, clock_mono_us(), random_next(&w->rng));
    if (i == COPIES_NONE) {
        return false;
    }
    *to = way_to(w, k, i);
    return true;
}

struct copy *
fanout_copy_of(struct worker *w, const struct lookup_key *key, const struct backend *b)
{
    if (w->roster->copies == NULL) {
        return NULL;
    }
    struct copied_key *k = copies_find(w->roster->copies, key);
    for (unsigned i = 1; k != NULL && i < k->count; i++) {
        if (backend_of(w, k, i) == b) {
            return &k->at[i];
        }
    }
    return NULL;
}

void
fanout_missed(struct worker *w, const struct lookup_key *key, const struct backend *b)
{
    struct copy *copy = fanout_copy_of(w, key, b);
    worker_count(w, METRIC_ID_REPLICA_MISSES, 1);
    if (copy != NULL) {
        copy->fresh_until_us = 0;
    }
}

/* --- writes ---------------------------------------------------------------------------- */

void
fanout_begin_write(struct pending *p, const struct lookup_key *key, bool whole)
{
    struct fan_write *fw = objpool_borrow(&p->worker->fanout.writes);
    list_init(&fw->due);
    fw->pending = p;
    fw->hash = key->hash;
    fw->pool_id = p->worker->roster->pools[key->pool].id;
    fw->whole = whole;
    fw->kept = true;
    fw->key_bytes = (uint8_t)key->bytes.len;
    memcpy(fw->key, key->bytes.ptr, key->bytes.len);
    p->fan = fw;
}

/* The pending may be gone afterwards. */
static void
finish(struct fan_write *fw)
{
    struct pending *p = fw->pending;
    if (fw->whole && fw->unconfirmed && !p->failed) {
        p->failed = true;
        p->failure = FAILURE_TIMEOUT;
        p->request.journaled = fw->kept;
    }
    p->fan = NULL;
    list_remove(&fw->due);
    objpool_give_back(&p->worker->fanout.writes, fw);
    if (p->failed) {
        pending_fail(p, p->failure);
        return;
    }
    pending_emit(p, buf_span(&p->worst));
    pending_done(p);
}

static struct span
key_of(const struct fan_write *fw)
{
    return span_make(fw->key, fw->key_bytes);
}

/* The node will have the delete, if true. */
static bool
remember(struct backend *b, struct span key, uint32_t tag)
{
    char room[KEY_MAX_BYTES];
    return rejoin_remember(b, copy_name_put(key, COPY_OF_LISTED, tag, room));
}

/* The copy must not be read any more: not by us for as long as one may live, and,
 * if the delete is `kept` in the node's journal, by no worker before the node has had
 * it. Fetches that are on their way may bring the old value. */
static void
take_out(struct worker *w, struct fan_write *fw, struct backend *b, bool kept)
{
    struct lookup_key key;
    bool known = lookup_key_again(w, key_of(fw), fw->pool_id, &key);
    struct copy *copy = known ? fanout_copy_of(w, &key, b) : NULL;
    worker_count(w, METRIC_ID_REPLICA_UNCONFIRMED, 1);
    write_marks_move(w->host->writes, fw->hash);
    fw->unconfirmed = true;
    fw->kept &= kept;
    if (copy != NULL) {
        copy->out_until_us = worker_now_us(w) + w->roster->pools[key.pool].replica_ttl_us;
    }
}

static bool
queue_delete(struct worker *w, struct fan_write *fw, const struct roster_pool *pool,
             struct backend *b, uint32_t tag)
{
    enum proto_command cmd;
    char room[KEY_MAX_BYTES];
    struct span name = copy_name_put(key_of(fw), COPY_OF_LISTED, tag, room);
    size_t mark = backend_mark(b);
    if (!fanout_is_open(b) || !request_put_delete(&b->out, name, &cmd)) {
        backend_undo(b, mark);
        return false;
    }
    struct leg *leg = leg_create(w, fw->pending, LEG_COPY, cmd, w->roster);
    leg_queue_append(b, leg, mark, pool->request_timeout_us);
    leg_queue_set_duty(b, leg, DUTY_ALWAYS, name);
    leg_is_write(w, leg, LEG_WRITES_KEY, fw->hash);
    fw->deletes[fw->waiting++] = (struct copy_delete){leg, b, tag};
    worker_count(w, METRIC_ID_REPLICA_DELETES, 1);
    return true;
}

static void
delete_copies(struct worker *w, struct fan_write *fw)
{
    struct lookup_key key;
    if (!lookup_key_again(w, key_of(fw), fw->pool_id, &key)) {
        return; /* with the pool its copies have gone */
    }
    const struct roster_pool *pool = &w->roster->pools[key.pool];
    struct route_copy copies[ROUTE_COPIES_MAX];
    unsigned count = 0;
    if (fanout_is_hot(pool, key.bytes)) { /* by the table in use now */
        count = route_copies(w->roster->placement->table, key.pool, key.bytes, copies);
    }
    for (unsigned i = 0; i < count; i++) {
        struct backend *b = pool->backends[copies[i].node];
        uint32_t tag = copy_name_tag(pool->table->nodes[copies[i].owner].id);
        struct copy *copy = fanout_copy_of(w, &key, b);
        if (copy != NULL) {
            copy->fresh_until_us = copy->fill_after_us = 0;
        }
        if (!queue_delete(w, fw, pool, b, tag)) {
            take_out(w, fw, b, remember(b, key.bytes, tag));
        }
    }
}

static void
run_timer(struct fanout *f)
{
    if (f->timer_runs || list_empty(&f->due)) {
        return;
    }
    uint64_t due_us = LIST_ENTRY(list_first(&f->due), struct fan_write, due)->deadline_us;
    uint64_t now = worker_now_us(f->worker);
    f->timer_runs = true;
    loop_timer_start(&f->timer, due_us > now ? (due_us - now + 999) / 1000 : 0);
}

static void
invalidate(struct pending *p)
{
    struct worker *w = p->worker;
    struct fan_write *fw = p->fan;
    if (!w->ending) {
        delete_copies(w, fw);
    }
    if (fw->waiting == 0) {
        finish(fw);
    } else if (!fw->whole) {
        fw->deadline_us = worker_now_us(w) + FANOUT_CONFIRM_MS * 1000;
        list_push_back(&w->fanout.due, &fw->due);
        run_timer(&w->fanout);
    }
}

void
fanout_owner_answered(struct pending *p)
{
    invalidate(p);
}

void
fanout_owner_failed(struct pending *p, enum failure failure)
{
    p->failed = true;
    p->failure = failure;
    invalidate(p);
}

static struct copy_delete
forget_leg(struct fan_write *fw, const struct leg *leg)
{
    for (unsigned i = 0; i < fw->waiting; i++) {
        if (fw->deletes[i].leg == leg) {
            struct copy_delete found = fw->deletes[i];
            fw->deletes[i] = fw->deletes[--fw->waiting];
            return found;
        }
    }
    UNREACHABLE();
}

void
fanout_copy_answered(struct pending *p, const struct leg *leg, enum reply_kind kind)
{
    struct fan_write *fw = p->fan;
    struct copy_delete d = forget_leg(fw, leg);
    bool confirmed =
        kind == REPLY_DELETED || kind == REPLY_NOT_FOUND || kind == REPLY_HD || kind == REPLY_NF;
    if (!confirmed) {
        take_out(p->worker, fw, d.backend, remember(d.backend, key_of(fw), d.tag));
    }
    if (fw->waiting == 0) {
        finish(fw);
    }
}

/* The leg's duty (leg_queue.h) has put the key into the journal. */
void
fanout_copy_failed(struct pending *p, const struct leg *leg)
{
    struct fan_write *fw = p->fan;
    struct backend *b = forget_leg(fw, leg).backend;
    if (!p->worker->ending) {
        take_out(p->worker, fw, b, b->rejoin_policy != REJOIN_TRUST);
    }
    if (fw->waiting == 0) {
        finish(fw);
    }
}

/* The client has waited long enough. The deletes go on without it. */
static void
give_up(struct worker *w, struct fan_write *fw)
{
    while (fw->waiting > 0) {
        struct copy_delete d = fw->deletes[--fw->waiting];
        d.leg->pending = NULL;
        fw->pending->legs--;
        take_out(w, fw, d.backend, remember(d.backend, key_of(fw), d.tag));
    }
    finish(fw);
}

static void
on_timer(void *arg)
{
    struct fanout *f = arg;
    uint64_t now = worker_now_us(f->worker);
    f->timer_runs = false;
    while (!list_empty(&f->due)) {
        struct fan_write *fw = LIST_ENTRY(list_first(&f->due), struct fan_write, due);
        if (fw->deadline_us > now) {
            break;
        }
        give_up(f->worker, fw);
    }
    run_timer(f);
}

/* --- journals --------------------------------------------------------------------------- */

static void
delete_copies_of(const struct roster *r, unsigned index, const struct backend *owner,
                 struct span key)
{
    const struct roster_pool *pool = &r->pools[index];
    struct route_copy copies[ROUTE_COPIES_MAX];
    if (!fanout_is_hot(pool, key)) {
        return;
    }
    unsigned count = route_copies(r->placement->table, index, key, copies);
    for (unsigned i = 0; i < count; i++) {
        if (pool->backends[copies[i].owner] == owner) {
            (void)remember(pool->backends[copies[i].node], key,
                           copy_name_tag(pool->table->nodes[copies[i].owner].id));
        }
    }
}

/* A journal does not say by which pool its node was asked; several may have it. */
void
fanout_owner_caught_up(struct backend *b, struct span key)
{
    struct worker *w = b->worker;
    const struct roster *r = w->roster;
    if (r == NULL || r->copies == NULL) {
        return;
    }
    write_marks_move(w->host->writes, worker_key_hash(w, key));
    for (unsigned i = 0; i < r->placement->table->pool_count; i++) {
        delete_copies_of(r, i, b, key);
    }
}
