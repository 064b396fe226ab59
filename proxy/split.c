#include "proxy/split.h"
#include "common/core/assert.h"
#include "common/core/copy.h"
#include "common/core/hash.h"
#include "common/core/mem.h"
#include "common/proto/request_plain.h"
#include "proxy/answer.h"
#include "proxy/backend.h"
#include "proxy/client.h"
#include "proxy/fanout.h"
#include "proxy/multiget.h"
#include "proxy/near.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/way.h"

/* Old memcacheds cut a gat line longer than 2048 bytes as abuse; get lines they
 * take at any length. */
#define GAT_LINE_MAX 1900

#define NODE_UNKNOWN UINT_MAX

/* A line that is being written to a backend. Several are open at a time, so the
 * backend carries the mark of the one that is open there (split_round). */
struct split {
    struct pending *pending;
    const struct request *request;
    struct worker *worker;
    uint8_t form;             /* of each key; FORM_NONE: a gat */
    struct roster_pool *pool; /* the last key's */
    bool usual;               /* that has nothing about it that a usual key must heed */
    bool room;                /* all keys may be listed as flights */
};

static void
refuse_part(const struct split *s, enum failure failure)
{
    answer_part_failure(s->pending, failure);
}

static bool
is_open(const struct split *s, const struct backend *b)
{
    return b->split_round == s->worker->split_round;
}

static bool
open_line(const struct split *s, const struct way *way)
{
    struct backend *b = way->backend;
    struct worker *w = s->worker;
    size_t mark = backend_mark(b);
    if (!request_put_get_begin(&b->out, s->request)) {
        backend_undo(b, mark);
        return false;
    }
    b->split_round = w->split_round;
    b->split_shard = multiget_add_shard(s->pending->many);
    b->split_mark = mark;
    b->split_pool = journal_is_empty(b->journal) ? way->pool : NULL;
    if (w->split_count == w->split_room) {
        w->split_room = w->split_room != 0 ? w->split_room * 2 : 16;
        w->split_ways = mem_realloc(w->split_ways, w->split_room * sizeof(w->split_ways[0]));
    }
    w->split_ways[w->split_count++] = *way;
    return true;
}

static void
close_line(const struct split *s, const struct way *way)
{
    struct backend *b = way->backend;
    b->split_round = 0;
    if (!request_put_get_end(&b->out)) {
        backend_undo(b, b->split_mark);
        way_count_failure(s->worker, FAILURE_OVERLOADED);
        answer_shard_failure(s->pending, b->split_shard, FAILURE_OVERLOADED, true);
        return;
    }
    struct leg *leg = way_queue(way, s->pending, LEG_SHARD, b->split_mark);
    leg->shard = b->split_shard;
    leg->repeatable = s->request->cmd == CMD_GET || s->request->cmd == CMD_GETS;
}

static bool
is_full(const struct split *s, const struct backend *b)
{
    bool is_gat = s->request->cmd == CMD_GAT || s->request->cmd == CMD_GATS;
    return is_gat && buf_len(&b->out) - b->split_mark > GAT_LINE_MAX - KEY_MAX_BYTES;
}

/* Keys of one request may lead to several pools. If one of them does not take
 * an error for a miss, the whole does not. */
static void
take_policy(struct pending *p, const struct failure_policy *policy)
{
    bool strict = p->policy.on_read_error == READ_ERROR_ERROR;
    p->policy = *policy;
    if (strict) {
        p->policy.on_read_error = READ_ERROR_ERROR;
    }
}

/* Puts the key on the open line of this node. Returns its number in the multiget,
 * or false if there is no memory. */
static bool
put_key(const struct split *s, struct backend *b, struct span key, uint32_t *part)
{
    if (!request_put_get_key(&b->out, key)) {
        way_count_failure(s->worker, FAILURE_OVERLOADED);
        refuse_part(s, FAILURE_OVERLOADED);
        return false;
    }
    uint32_t at = (uint32_t)(key.ptr - s->request->keys.ptr);
    *part = multiget_add_key(s->pending->many, at, (uint32_t)key.len, b->split_shard);
    return true;
}

/* Puts the key on its owner's line. Returns the key's number in the multiget and
 * the node, or false if it cannot be asked for. */
static bool
ask_owner(const struct split *s, const struct lookup_key *key, unsigned node, uint32_t *part,
          const struct backend **target)
{
    enum gutter_use use = gutter_serves(s->form) ? GUTTER_READ : GUTTER_NEVER;
    struct way way = way_to_owned(s->worker, key, node, use);
    struct backend *b = way.backend;
    if (!way.open) {
        refuse_part(s, way.failure);
        return false;
    }
    if (is_open(s, b) && is_full(s, b)) {
        close_line(s, &way);
    }
    if (!is_open(s, b) && !open_line(s, &way)) {
        way_count_failure(s->worker, FAILURE_OVERLOADED);
        refuse_part(s, FAILURE_OVERLOADED);
        return false;
    }
    *target = b;
    return put_key(s, b, key->bytes, part);
}

/* The others find the key where it stays. */
static void
lead(const struct split *s, const struct coalesce_read *read, uint32_t part,
     const struct backend *target, bool shared)
{
    struct multiget *many = s->pending->many;
    struct coalesce_read own = *read;
    own.key.bytes = multiget_key_span(many, part);
    coalesce_lead(&s->worker->coalesce, &many->keys[part].lead, &own, target, shared);
}

static void
close_lines(const struct split *s)
{
    for (unsigned i = 0; i < s->worker->split_count; i++) {
        struct way *way = &s->worker->split_ways[i];
        if (is_open(s, way->backend)) {
            close_line(s, way);
        }
    }
}

/* A hot key goes to a copy by a request of its own, and so does what makes copies:
 * not into the middle of a line. */
static bool
read_copy(const struct split *s, const struct coalesce_read *read, uint32_t at, bool shared)
{
    struct pending *p = s->pending;
    struct way_to_copy copy;
    if (fanout_heat_of(&s->worker->roster->pools[read->key.pool], &read->key) == FANOUT_COLD) {
        return false;
    }
    close_lines(s);
    if (!fanout_find_copy(p->client, read, &copy)) {
        return false;
    }
    uint32_t part = multiget_add_guest(p->many, at, (uint32_t)read->key.bytes.len);
    if (!coalesce_read_copy_part(p, read, &copy, part, shared)) {
        multiget_drop_guest(p->many);
        return false;
    }
    return true;
}

/* `node` is the owner, or NODE_UNKNOWN. */
static void
read_key(const struct split *s, const struct coalesce_read *read, unsigned node)
{
    struct multiget *many = s->pending->many;
    struct flight *found;
    uint32_t part;
    const struct backend *target;
    const struct roster_pool *pool = &s->worker->roster->pools[read->key.pool];
    enum coalesce_verdict verdict =
        pool->coalesce ? coalesce_judge(s->pending->client, read, &found) : COALESCE_ALONE;
    uint32_t at = (uint32_t)(read->key.bytes.ptr - s->request->keys.ptr);
    if (verdict != COALESCE_JOIN && pool->shadow != NULL) {
        shadow_add_key(s->worker, pool, s->request, &read->key);
    }
    if (verdict != COALESCE_JOIN && pool->replicas > 1 &&
        read_copy(s, read, at, verdict == COALESCE_LEAD)) {
        return;
    }
    if (verdict == COALESCE_JOIN) {
        part = multiget_add_guest(many, at, (uint32_t)read->key.bytes.len);
        coalesce_wait_part(s->pending, found, part);
        return;
    }
    if (node == NODE_UNKNOWN) {
        node = way_owner(s->worker->roster, &read->key);
    }
    if (ask_owner(s, &read->key, node, &part, &target) &&
        (verdict == COALESCE_LEAD || read->near_of != 0)) {
        lead(s, read, part, target, verdict == COALESCE_LEAD);
    }
}

/* A key that moves goes by requests of its own, when all lines are closed: none may
 * come into the middle of one. */
static void
put_off(const struct split *s, const struct lookup_key *key)
{
    struct worker *w = s->worker;
    if (w->split_late == w->split_late_room) {
        w->split_late_room = w->split_late_room != 0 ? w->split_late_room * 2 : 16;
        w->split_parts =
            mem_realloc(w->split_parts, w->split_late_room * sizeof(w->split_parts[0]));
    }
    uint32_t at = (uint32_t)(key->bytes.ptr - s->request->keys.ptr);
    w->split_parts[w->split_late++] = (struct split_part){
        multiget_add_guest(s->pending->many, at, (uint32_t)key->bytes.len), key->pool};
}

static void
begin_put_off(const struct split *s)
{
    struct worker *w = s->worker;
    for (unsigned i = 0; i < w->split_late; i++) {
        const struct split_part *late = &w->split_parts[i];
        struct span key = multiget_key_span(s->pending->many, late->part);
        struct lookup_key found = {key, worker_key_hash(w, key), late->pool};
        moving_take_part(s->pending, s->request, &found, s->form, late->part);
    }
}

static void
touch_key(const struct split *s, const struct lookup_key *key)
{
    uint32_t part;
    const struct backend *target;
    if (ask_owner(s, key, way_owner(s->worker->roster, key), &part, &target)) {
        write_marks_move(s->worker->host->writes, key->hash);
    }
}

static void
enter_pool(struct split *s, struct roster_pool *pool)
{
    s->pool = pool;
    take_policy(s->pending, &pool->policy);
    s->usual = s->room && pool->coalesce && pool->replicas <= 1 && pool->near == NULL &&
               pool->admission == NULL && !pool->moves && pool->shadow == NULL &&
               s->pending->client->writing == 0 && s->worker->coalesce.leases.count == 0;
}

/* A line for usual keys. False if there is another, or there can be none. */
static bool
open_usual_line(const struct split *s, struct backend *b)
{
    struct way way = {.pool = s->pool, .backend = b, .owner = b};
    return !is_open(s, b) && backend_is_well(b) && open_line(s, &way);
}

/* What is looked up of keys before they are added. */
struct places {
    unsigned nodes[PLAIN_KEYS_MAX];
    uint64_t hashes[PLAIN_KEYS_MAX];
};

/* Adds nearly every key: nobody else asks for it, and its node is well. All that is left
 * to do is done here at once. Returns how many were added of those from `i` on, before one
 * that is another. */
static unsigned
add_usual_keys(const struct split *s, const struct span *keys, unsigned i, unsigned count,
               const struct places *places)
{
    struct multiget *many = s->pending->many;
    struct flight_table *flights = &s->worker->coalesce.flights;
    struct write_marks *marks = s->worker->host->writes;
    const struct roster_pool *pool = s->pool;
    struct backend **backends = pool->backends;
    ptrdiff_t to_line = buf_span(&many->line).ptr - s->request->keys.ptr;
    uint32_t round = s->worker->split_round, index = s->pool->index;
    uint8_t form = s->form;
    for (; i < count; i++) {
        struct backend *b = backends[places->nodes[i]];
        uint64_t hash = places->hashes[i];
        size_t len = keys[i].len;
        const char *key = keys[i].ptr;
        struct lead **bucket = flight_bucket(flights, hash);
        bool open = b->split_round == round && b->split_pool == pool;
        if (!flight_bucket_lacks(*bucket, hash) || (!open && !open_usual_line(s, b))) {
            break;
        }
        char *to = buf_room(&b->out, len + 1);
        if (to == NULL) {
            break;
        }
        buf_grew(&b->out, len + 1);
        struct lead *lead = multiget_add_led(many, b->split_shard);
        lead->hash = hash;
        lead->key = key + to_line;
        lead->target = b;
        lead->flight = NULL;
        lead->mark = write_marks_read(marks, hash);
        lead->pool = index;
        lead->form = form;
        lead->key_bytes = (uint8_t)len;
        flight_list(flights, bucket, lead);
        *to = ' ';
        copy_key(to + 1, key, len);
    }
    return i;
}

static inline bool
add_usual_key(const struct split *s, const struct lookup_key *key, unsigned node)
{
    struct places place;
    place.nodes[0] = node;
    place.hashes[0] = key->hash;
    return add_usual_keys(s, &key->bytes, 0, 1, &place) == 1;
}

static void
add_key(struct split *s, struct span key)
{
    struct worker *w = s->worker;
    struct coalesce_read read = {.key = lookup_key_of(s->pending->client, key), .form = s->form};
    struct roster_pool *pool = &w->roster->pools[read.key.pool];
    worker_note_read(w, &read.key);
    if (read.key.bytes.len != key.len) {
        s->pending->many->renames = true;
    }
    if (pool != s->pool) {
        enter_pool(s, pool);
    }
    if (pool->admission != NULL && !pending_admit(s->pending, pool->admission, key, 0)) {
        refuse_part(s, FAILURE_OVERLOADED);
        return;
    }
    unsigned node = s->usual ? way_owner(w->roster, &read.key) : NODE_UNKNOWN;
    if (s->usual && add_usual_key(s, &read.key, node)) {
        return;
    }
    bool moves = pool->moves && moving_takes_key(w, s->request, &read.key, s->form);
    if (pool->shadow != NULL && (moves || s->form == FORM_NONE)) {
        shadow_add_key(w, pool, s->request, &read.key);
    }
    if (moves) {
        put_off(s, &read.key);
        return;
    }
    if (s->form == FORM_NONE) {
        touch_key(s, &read.key);
        return;
    }
    read.mark = write_marks_read(w->host->writes, read.key.hash);
    uint32_t at = (uint32_t)(read.key.bytes.ptr - s->request->keys.ptr);
    if (pool->near != NULL && near_serve_part(s->pending, &read, at)) {
        return;
    }
    read_key(s, &read, node);
}

/* While that is looked up for other keys, the memory of these is on its way. */
static void
find_places(const struct split *s, const struct span *keys, unsigned count, struct places *places)
{
    ASSERT(count <= PLAIN_KEYS_MAX);

    struct worker *w = s->worker;
    uint64_t seed = w->limits->hash_seed;
    bool passed = worker_pass_reads(w, count);
    for (unsigned i = 0; i < count; i++) {
        places->hashes[i] = hash_span_seeded(keys[i], seed);
        __builtin_prefetch(flight_bucket(&w->coalesce.flights, places->hashes[i]));
    }
    if (!s->pool->slow_ring) {
        table_pool_owners(s->pool->table, keys, count, places->nodes);
    }
    for (unsigned i = 0; i < count && (s->pool->slow_ring || !passed); i++) {
        struct lookup_key key = {keys[i], places->hashes[i], s->pool->index};
        if (!passed) {
            worker_note_read(w, &key);
        }
        if (s->pool->slow_ring) {
            places->nodes[i] = way_owner(w->roster, &key);
        }
    }
}

/* Of a usual pool. */
static void
add_keys_of_pool(const struct split *s, const struct span *keys, unsigned count)
{
    struct places places;
    find_places(s, keys, count, &places);
    unsigned i = 0;
    while ((i = add_usual_keys(s, keys, i, count, &places)) < count) {
        struct coalesce_read read = {.key = {keys[i], places.hashes[i], s->pool->index},
                                     .form = s->form};
        read.mark = write_marks_read(s->worker->host->writes, read.key.hash);
        read_key(s, &read, places.nodes[i++]);
    }
}

/* Where all keys of this client lead to, as they are; or TABLE_NO_POOL if that
 * depends on the key. */
static unsigned
pool_of_all_keys(const struct client *c)
{
    const struct roster *r = c->worker->roster;
    const struct table *table = r->placement->table;
    if (c->bound) {
        return r->bound_pools[c->frontend];
    }
    return table->strips || table->routes.count > 0 ? TABLE_NO_POOL : table->default_pool;
}

static void
begin_round(struct worker *w)
{
    w->split_round += w->split_round == UINT32_MAX ? 2 : 1; /* 0 marks no backend */
    w->split_count = 0;
    w->split_late = 0;
}

static void
end_lines(const struct split *s)
{
    close_lines(s);
    if (s->worker->shadow.line_count > 0) {
        shadow_end_multiget(s->worker);
    }
    begin_put_off(s);
}

static bool
begin(struct split *s, unsigned count)
{
    struct multiget *many = multiget_pool_borrow(&s->worker->multigets);
    if (!multiget_begin(many, s->request->keys, count)) {
        multiget_pool_give_back(&s->worker->multigets, &many);
        way_count_failure(s->worker, FAILURE_OVERLOADED);
        pending_fail(s->pending, FAILURE_OVERLOADED);
        return false;
    }
    s->pending->many = many;
    if (s->form == FORM_NONE) {
        client_begins_write_of_all(s->pending); /* of all it names; a list of them costs more */
    } else {
        s->room = flight_make_room_for(&s->worker->coalesce.flights, count);
    }
    begin_round(s->worker);
    return true;
}

/* A route that takes its prefix off may leave nothing. */
static bool
has_empty_key(const struct client *c, struct span keys)
{
    struct span key;
    while (request_next_key(&keys, &key)) {
        if (lookup_key_of(c, key).bytes.len == 0) {
            return true;
        }
    }
    return false;
}

void
split_get(struct client *c, const struct request *r)
{
    if (c->worker->roster->placement->table->strips && has_empty_key(c, r->keys)) {
        client_answer_error(c, PROTO_ERR_BAD_FORMAT);
        return;
    }
    struct split s = {
        .pending = pending_create(c, r), .request = r, .worker = c->worker, .form = form_of(r)};
    if (!begin(&s, r->key_count)) {
        return;
    }
    struct span keys = r->keys, key;
    while (request_next_key(&keys, &key)) {
        add_key(&s, key);
    }
    worker_count(s.worker, METRIC_ID_CMD_GET, r->key_count - 1); /* it was counted as one */
    end_lines(&s);
    answer_complete(s.pending);
}

void
split_plain_get(struct client *c, const struct span *keys, unsigned count)
{
    struct worker *w = c->worker;
    const struct span *last = &keys[count - 1];
    struct request *r = &w->request;
    r->cmd = CMD_GET;
    r->keys = span_make(keys[0].ptr, (size_t)(last->ptr + last->len - keys[0].ptr));
    struct pending *p = pending_create(c, NULL);
    p->request = (struct failure_request){.cmd = CMD_GET};
    struct split s = {.pending = p, .request = r, .worker = w, .form = FORM_TEXT};
    worker_count(w, METRIC_ID_CMD_GET, count);
    if (!begin(&s, count)) {
        return;
    }
    unsigned pool = pool_of_all_keys(c);
    if (pool != TABLE_NO_POOL) {
        enter_pool(&s, &w->roster->pools[pool]);
    }
    if (s.usual) {
        add_keys_of_pool(&s, keys, count);
    } else {
        for (unsigned i = 0; i < count; i++) {
            add_key(&s, keys[i]);
        }
    }
    end_lines(&s);
    answer_complete(s.pending);
}
