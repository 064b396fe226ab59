#include "control/presence.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/version.h"
#include "control/etcd/lease.h"

#include <stdlib.h>

#define RETRY_MS 1000

struct presence {
    struct etcd *client;
    struct lease *lease;
    struct etcd_call *put;
    struct loop_timer retry;
    struct key key;
    char *value;
};

static void on_put(void *arg, const struct etcd_reply *reply);

static void
put(void *arg)
{
    struct presence *p = arg;
    if (lease_id(p->lease) != 0 && p->put == NULL) {
        p->put = etcd_put(p->client, span_cstr(p->key.text), span_cstr(p->value),
                          lease_id(p->lease), on_put, p);
    }
}

static void
on_put(void *arg, const struct etcd_reply *reply)
{
    struct presence *p = arg;
    p->put = NULL;
    if (reply->outcome != ETCD_OK) {
        log_warn("presence_not_written", "reason=%s", LOG_STR(reply->error));
        loop_timer_start(&p->retry, RETRY_MS);
    }
}

static void
on_held(void *arg, int64_t id)
{
    struct presence *p = arg;
    etcd_cancel(&p->put);
    put(p);
}

static void
on_lost(void *arg, int64_t id, const char *reason)
{
    log_warn("presence_lost", "reason=%s", LOG_STR(reason));
}

struct presence *
presence_create(struct etcd *client, const char *id, const char *address)
{
    static const struct lease_events events = {.held = on_held, .lost = on_lost};
    struct presence *p = mem_zalloc(sizeof(*p));
    p->client = client;
    p->key = key_make(KEY_SERVER, span_cstr(id));
    json_t *json = json_pack("{s:s s:s}", "addr", address, "build", MEMFLEET_VERSION);
    p->value = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    loop_timer_init(&p->retry, etcd_loop(client), put, p);
    struct lease_options options = {.ttl_s = PRESENCE_LEASE_TTL_S,
                                    .own_key = span_cstr(p->key.text)};
    p->lease = lease_create(client, &options, &events, p);
    return p;
}

void
presence_destroy(struct presence **p, bool revoke)
{
    struct presence *it = *p;
    if (it == NULL) {
        return;
    }
    etcd_cancel(&it->put);
    lease_destroy(&it->lease, revoke);
    loop_timer_deinit(&it->retry);
    free(it->value);
    free(it);
    *p = NULL;
}

char *
presence_others(const struct inventory *inv, const char *id)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < inventory_count(inv, KEY_SERVER); i++) {
        const struct inventory_item *item = inventory_at(inv, KEY_SERVER, i);
        json_t *addr = json_object_get(item->json, "addr");
        if (strcmp(item->name, id) != 0 && json_is_string(addr)) {
            json_array_append(array, addr);
        }
    }
    char *text = json_dumps(array, JSON_COMPACT);
    json_decref(array);
    return text;
}
