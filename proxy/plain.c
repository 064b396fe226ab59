#include "proxy/plain.h"
#include "common/core/copy.h"
#include "common/core/hash.h"
#include "common/proto/request_plain.h"
#include "proxy/queues.h"
#include "proxy/split.h"
#include "proxy/way.h"

/* What is the same for all requests of one call. */
struct run {
    struct client *c;
    struct worker *w;
    struct roster *roster;
    const struct table *table;
    bool one_pool; /* it has all keys: */
    unsigned pool;
    unsigned gets, sets, metas; /* not yet counted */
};

/* A key, and who has it. */
struct place {
    struct lookup_key key;
    const struct roster_pool *pool;
    struct backend *owner;
};

/* False if something about it is out of the ordinary. */
static inline bool
find_place(const struct run *run, struct span key, struct place *place)
{
    place->key.bytes = key;
    place->key.hash = hash_span_seeded(key, run->w->limits->hash_seed);
    place->key.pool = run->one_pool ? run->pool : table_pool_of(run->table, key);
    place->pool = &run->roster->pools[place->key.pool];
    if (!place->pool->plain) {
        return false;
    }
    place->owner = place->pool->backends[way_owner(run->roster, &place->key)];
    return backend_is_well(place->owner);
}

/* Would a read have to wait for nobody, and nobody for it? */
static inline bool
is_read_alone(const struct run *run, const struct place *place)
{
    return !place->pool->coalesce ||
           (coalesce_is_quiet(&run->w->coalesce, place->key.hash) && run->c->writing == 0);
}

static inline bool
put(struct buf *out, struct span bytes)
{
    char *to = buf_room(out, bytes.len);
    if (to == NULL) {
        return false;
    }
    copy_key_or_call(to, bytes.ptr, bytes.len);
    buf_grew(out, bytes.len);
    return true;
}

/* What has been put since `mark` is a request. */
static inline struct leg *
queue_request(struct run *run, const struct place *place, enum proto_command cmd,
              enum reply_shape shape, size_t mark)
{
    struct pending *p = queue_pending(run->c);
    p->request.cmd = cmd;
    p->policy = place->pool->policy;
    struct leg *leg = queue_leg(run->w, p, LEG_ONE, shape, run->roster);
    queue_append(place->owner, leg, mark, place->pool->request_timeout_us);
    return leg;
}

/* The request goes to the owner as it stands; without memory for it NULL. */
static inline struct leg *
send_as_is(struct run *run, const struct place *place, enum proto_command cmd,
           enum reply_shape shape, struct span bytes)
{
    size_t mark = backend_mark(place->owner);
    return put(&place->owner->out, bytes) ? queue_request(run, place, cmd, shape, mark) : NULL;
}

/* Others may join it. */
static inline void
lead(struct run *run, struct leg *leg, const struct place *place, uint8_t form, uint32_t mark)
{
    struct lookup_key key = place->key;
    copy_key_or_call(leg->key, key.bytes.ptr, key.bytes.len);
    key.bytes.ptr = leg->key;
    if (!flight_begin(&run->w->coalesce.flights, &leg->lead, &key, form, mark, place->owner)) {
        coalesce_too_many(&run->w->coalesce);
    }
}

static inline bool
take_get(struct run *run, struct span key, struct span line)
{
    struct worker *w = run->w;
    struct place place;
    if (!find_place(run, key, &place) || !is_read_alone(run, &place)) {
        return false;
    }
    uint32_t mark = write_marks_read(w->host->writes, place.key.hash);
    struct leg *leg = send_as_is(run, &place, CMD_GET, REPLY_SHAPE_VALUES, line);
    if (leg == NULL) {
        return false;
    }
    run->gets++;
    worker_note_read(w, &place.key);
    leg->plain = PLAIN_VALUE;
    leg->repeatable = true;
    if (place.pool->coalesce) {
        lead(run, leg, &place, FORM_TEXT, mark);
    }
    return true;
}

/* A reply must come, also for the node's miss that the client is not to be told of: q and
 * the blank before it are left out. */
static bool
put_without_q(struct buf *out, struct span line, struct span flags)
{
    const char *p = flags.ptr, *end = flags.ptr + flags.len;
    while (p[1] != 'q') {
        p = scan_key_bytes(p + 1, end);
    }
    return put(out, span_make(line.ptr, (size_t)(p - line.ptr))) &&
           put(out, span_make(p + 2, (size_t)(line.ptr + line.len - (p + 2))));
}

static struct leg *
send_mg(struct run *run, const struct place *place, const struct plain_mg *mg, struct span line)
{
    if ((mg->present & meta_bit('q')) == 0) {
        return send_as_is(run, place, CMD_MG, REPLY_SHAPE_LINE, line);
    }
    size_t mark = backend_mark(place->owner);
    if (!put_without_q(&place->owner->out, line, mg->flags)) {
        backend_undo(place->owner, mark);
        return NULL;
    }
    struct leg *leg = queue_request(run, place, CMD_MG, REPLY_SHAPE_LINE, mark);
    leg->pending->request.quiet = true;
    return leg;
}

/* What a miss that is made up here would echo: O and k. */
static void
keep_echo(struct pending *p, const struct plain_mg *mg)
{
    const char *at = mg->flags.ptr, *end = at + mg->flags.len;
    bool kept = true;
    p->echo = bufpool_borrow(&p->worker->bufs);
    while (kept && at < end) {
        const char *after = scan_key_bytes(at + 1, end);
        if (at[1] == 'O' || at[1] == 'k') {
            kept = buf_append(&p->echo, at, (size_t)(after - at)) &&
                   (at[1] == 'O' || buf_append_span(&p->echo, mg->wire_key));
        }
        at = after;
    }
    if (!kept) {
        p->client->doomed = true;
    }
}

static bool
take_mg(struct run *run, const struct plain_mg *mg, struct span line)
{
    struct worker *w = run->w;
    struct place place;
    if ((mg->present & meta_bit('b')) != 0 || !find_place(run, mg->wire_key, &place) ||
        !is_read_alone(run, &place)) {
        return false;
    }
    uint32_t mark = write_marks_read(w->host->writes, place.key.hash);
    struct leg *leg = send_mg(run, &place, mg, line);
    if (leg == NULL) {
        return false;
    }
    run->metas++;
    worker_note_read(w, &place.key);
    if ((mg->present & (meta_bit('O') | meta_bit('k'))) != 0 && !leg->pending->request.quiet) {
        keep_echo(leg->pending, mg);
    }
    leg->plain = PLAIN_MG;
    leg->repeatable = true;
    if (place.pool->coalesce) {
        lead(run, leg, &place, form_of_mg_flags(mg->present), mark);
    }
    return true;
}

static inline bool
take_set(struct run *run, const struct plain_set *set, struct span bytes)
{
    struct place place;
    if (set->value.len > run->w->limits->max_value_bytes || !find_place(run, set->key, &place)) {
        return false;
    }
    struct leg *leg = send_as_is(run, &place, CMD_SET, REPLY_SHAPE_LINE, bytes);
    if (leg == NULL) {
        return false;
    }
    run->sets++;
    leg->plain = PLAIN_STORED;
    leg_queue_set_duty(place.owner, leg, DUTY_IF_LOST, set->key);
    client_begins_write(leg->pending, place.key.hash);
    leg_is_write(run->w, leg, LEG_WRITES_KEY, place.key.hash);
    return true;
}

static void
list_key(void *arg, unsigned i, struct span key)
{
    struct span *keys = arg;
    keys[i] = key;
}

static const char *
take_multiget(struct run *run, const char *p, const char *end)
{
    struct span keys[PLAIN_KEYS_MAX];
    unsigned count = request_plain_multiget(span_make(p, (size_t)(end - p)), list_key, keys);
    if (count == 0) {
        return NULL;
    }
    split_plain_get(run->c, keys, count);
    return keys[count - 1].ptr + keys[count - 1].len + 2;
}

/* Where the request at `p` ends, if it was taken, else NULL. */
static inline const char *
take_one(struct run *run, const char *p, const char *end)
{
    struct span key;
    struct plain_set set;
    const char *after;
    if ((after = request_plain_get(p, end, &key)) != NULL) {
        return take_get(run, key, (struct span){p, (size_t)(after - p)}) ? after : NULL;
    }
    if (*p == 's' && (after = request_plain_set(p, end, &set)) != NULL) {
        return take_set(run, &set, (struct span){p, set.bytes}) ? after : NULL;
    }
    struct plain_mg mg;
    if (*p == 'm' && request_plain_mgs(span_make(p, (size_t)(end - p)), &mg, 1) == 1) {
        return take_mg(run, &mg, (struct span){p, mg.bytes}) ? p + mg.bytes : NULL;
    }
    return *p == 'g' ? take_multiget(run, p, end) : NULL;
}

static void
count(const struct run *run)
{
    if (run->gets > 0) {
        worker_count(run->w, METRIC_ID_CMD_GET, run->gets);
    }
    if (run->sets > 0) {
        worker_count(run->w, METRIC_ID_CMD_SET, run->sets);
    }
    if (run->metas > 0) {
        worker_count(run->w, METRIC_ID_CMD_META, run->metas);
    }
}

size_t
plain_take(struct client *c, struct span input)
{
    struct worker *w = c->worker;
    if (!lookup_has_route(c) || w->roster->placement->table->strips) {
        return 0;
    }
    const struct table *table = w->roster->placement->table;
    struct run run = {
        .c = c,
        .w = w,
        .roster = w->roster,
        .table = table,
        .one_pool = c->bound || table->routes.count == 0,
        .pool = c->bound ? w->roster->bound_pools[c->frontend] : table->default_pool,
    };
    const char *p = input.ptr, *end = p + input.len, *after;
    do {
        after = take_one(&run, p, end);
        p = after != NULL ? after : p;
    } while (after != NULL && p < end && queue_admits(c));
    count(&run);
    return (size_t)(p - input.ptr);
}
