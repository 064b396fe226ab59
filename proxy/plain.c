#include "proxy/plain.h"
#include "common/proto/request_plain.h"
#include "proxy/backend.h"
#include "proxy/client.h"
#include "proxy/leg_queue.h"
#include "proxy/pending.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"
#include "proxy/split.h"
#include "proxy/way.h"

/* A key, and who has it. */
struct place {
    struct lookup_key key;
    const struct roster_pool *pool;
    struct backend *owner;
};

/* False if something about it is out of the ordinary. */
static inline bool
find_place(const struct client *c, struct span key, struct place *place)
{
    struct worker *w = c->worker;
    place->key = lookup_key_of(c, key);
    place->pool = &w->roster->pools[place->key.pool];
    if (!place->pool->plain) {
        return false;
    }
    place->owner = place->pool->backends[way_owner(w->roster, &place->key)];
    return backend_is_well(place->owner);
}

/* The request goes to the owner as it stands; without memory for it NULL. */
static inline struct leg *
send_as_is(struct client *c, const struct place *place, enum proto_command cmd, struct span bytes)
{
    struct worker *w = c->worker;
    size_t mark = backend_mark(place->owner);
    if (!buf_append_span(&place->owner->out, bytes)) {
        return NULL;
    }
    struct pending *p = pending_create(c, NULL);
    p->request.cmd = cmd;
    p->policy = place->pool->policy;
    struct leg *leg = leg_create(w, p, LEG_ONE, cmd, w->roster);
    leg_queue_append(place->owner, leg, mark, place->pool->request_timeout_us);
    return leg;
}

static bool
take_get(struct client *c, struct span key, struct span line)
{
    struct worker *w = c->worker;
    struct coalesce *co = &w->coalesce;
    struct place place;
    if (!find_place(c, key, &place) ||
        (place.pool->coalesce && (!coalesce_is_quiet(co, place.key.hash) || c->writing > 0))) {
        return false;
    }
    uint32_t mark = write_marks_read(w->host->writes, place.key.hash);
    struct leg *leg = send_as_is(c, &place, CMD_GET, line);
    if (leg == NULL) {
        return false;
    }
    worker_count(w, METRIC_ID_CMD_GET, 1);
    worker_note_read(w, &place.key);
    leg->repeatable = true;
    if (place.pool->coalesce) {
        struct coalesce_read read = {.form = FORM_TEXT, .mark = mark, .key = place.key};
        leg_lead(leg, &read, place.owner, true);
    }
    return true;
}

static bool
take_set(struct client *c, const struct plain_set *set, struct span bytes)
{
    struct worker *w = c->worker;
    struct place place;
    if (set->value.len > w->limits->max_value_bytes || !find_place(c, set->key, &place)) {
        return false;
    }
    struct leg *leg = send_as_is(c, &place, CMD_SET, bytes);
    if (leg == NULL) {
        return false;
    }
    worker_count(w, METRIC_ID_CMD_SET, 1);
    leg_queue_set_duty(place.owner, leg, DUTY_IF_LOST, set->key);
    client_begins_write(leg->pending, place.key.hash);
    leg_is_write(w, leg, LEG_WRITES_KEY, place.key.hash);
    return true;
}

static void
list_key(void *arg, unsigned i, struct span key)
{
    struct span *keys = arg;
    keys[i] = key;
}

static size_t
take_multiget(struct client *c, struct span input)
{
    struct span keys[PLAIN_KEYS_MAX];
    unsigned count = request_plain_multiget(input, list_key, keys);
    if (count == 0) {
        return 0;
    }
    split_plain_get(c, keys, count);
    return (size_t)(keys[count - 1].ptr + keys[count - 1].len + 2 - input.ptr);
}

static size_t
take_gets(struct client *c, struct span input)
{
    struct span key;
    const char *end = request_plain_get(input.ptr, input.ptr + input.len, &key);
    if (end == NULL) {
        return take_multiget(c, input);
    }
    struct span line = {input.ptr, (size_t)(end - input.ptr)};
    return take_get(c, key, line) ? line.len : 0;
}

size_t
plain_take(struct client *c, struct span input)
{
    struct plain_set set;
    if (input.len < 4 || !lookup_has_route(c) || c->worker->roster->placement->table->strips) {
        return 0;
    }
    if (input.ptr[0] == 'g') {
        return take_gets(c, input);
    }
    if (input.ptr[0] == 's' && request_plain_sets(input, &set, 1) == 1) {
        struct span bytes = {input.ptr, set.bytes};
        return take_set(c, &set, bytes) ? set.bytes : 0;
    }
    return 0;
}
