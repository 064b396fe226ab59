#include "control/registrar.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/push/frame.h"
#include "control/etcd/lease.h"
#include "control/etcd/txn.h"
#include "control/keys.h"
#include "control/sorted.h"

#include <inttypes.h>
#include <stdlib.h>

#define RETRY_MS 1000

struct registrar {
    struct etcd *client;
    int64_t lease_ttl_s;
    struct metric_block *metrics;
    struct sorted registrants;
    struct list farewells;
};

struct registrant {
    char *id; /* first: see sorted.h */
    struct registrar *registrar;
    struct session *session;
    struct lease *lease;
    struct etcd_call *put;
    struct loop_timer retry;
};

/* A goodbye on its way: the lease of leaving/<id>, then the key. */
struct farewell {
    struct list link;
    struct registrar *registrar;
    struct etcd_call *call;
    int64_t lease; /* that of the registration */
    char *id, *value;
};

/* --- registration ------------------------------------------------------------ */

static void on_registered(void *arg, const struct etcd_reply *reply);

/* The value of nodes/<id>; the caller's to free. */
static char *
registration_text(const struct registration *r)
{
    json_t *json = registration_encode(r);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(json);
    return text;
}

static void
put_registration(void *arg)
{
    struct registrant *it = arg;
    int64_t lease = lease_id(it->lease);
    if (lease == 0 || it->put != NULL) {
        return; /* on_held() or on_registered() comes back to it */
    }
    char *value = registration_text(it->session->registration);
    struct span name = span_cstr(it->id);
    struct etcd_txn *txn = etcd_txn_create();
    etcd_txn_put(txn, ETCD_THEN, span_cstr(key_make(KEY_NODE, name).text), span_cstr(value), lease);
    etcd_txn_delete(txn, ETCD_THEN, span_cstr(key_make(KEY_LEAVING, name).text));
    it->put = etcd_commit(it->registrar->client, txn, on_registered, it);
    etcd_txn_destroy(&txn);
    free(value);
}

static void
on_registered(void *arg, const struct etcd_reply *reply)
{
    struct registrant *it = arg;
    it->put = NULL;
    if (reply->outcome == ETCD_OK) {
        log_info("node_registered", "id=%s lease=%" PRId64, LOG_STR(it->id), lease_id(it->lease));
        return;
    }
    /* Writing the same again is harmless, so an unknown outcome is no case of
     * its own. */
    LOG_LIMITED(1, LOG_WARN, "node_not_registered", "id=%s reason=%s", LOG_STR(it->id),
                LOG_STR(reply->error));
    loop_timer_start(&it->retry, RETRY_MS);
}

/* The node shows its lease wherever it connects next, so that it stays one
 * registration. */
static void
send_lease(struct registrant *it)
{
    char id[NAME_MAX_BYTES];
    snprintf(id, sizeof(id), "%" PRId64, lease_id(it->lease));
    json_t *json = json_pack("{s:s s:I}", "id", id, "ttl_ms", (json_int_t)lease_ttl_ms(it->lease));
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    struct buf frame = BUF_EMPTY;
    frame_put(&frame, FRAME_LEASE, span_cstr(text));
    session_send(it->session, buf_span(&frame));
    buf_deinit(&frame);
    free(text);
}

static void
on_held(void *arg, int64_t id)
{
    struct registrant *it = arg;
    send_lease(it);
    etcd_cancel(&it->put); /* under a lease that is gone */
    put_registration(it);
}

static void
on_lost(void *arg, int64_t id, const char *reason)
{
    struct registrant *it = arg;
    metric_add(it->registrar->metrics, METRIC_ID_LEASES_LOST, 1);
    log_warn("node_lease_lost", "id=%s lease=%" PRId64 " reason=%s", LOG_STR(it->id), id,
             LOG_STR(reason));
}

/* A hung worker must lose the lease. */
static bool
may_renew(void *arg)
{
    const struct registrant *it = arg;
    uint64_t patience_ms = (uint64_t)it->registrar->lease_ttl_s * 1000 * 2 / 3;
    bool heard = clock_mono_ms() - it->session->heard_ms < patience_ms;
    if (!heard || !it->session->healthy) {
        LOG_LIMITED(1, LOG_WARN, "node_not_renewed", "id=%s reason=%s", LOG_STR(it->id),
                    heard ? "unhealthy" : "silent");
        return false;
    }
    return true;
}

/* The lease is left to run out, or to be shown to another mfcontrol. */
static void
end_registrant(struct registrant *it)
{
    sorted_remove(&it->registrar->registrants, span_cstr(it->id));
    metric_sub(it->registrar->metrics, METRIC_ID_NODES_REGISTERED, 1);
    it->session->owner = NULL;
    etcd_cancel(&it->put);
    lease_destroy(&it->lease, false);
    loop_timer_deinit(&it->retry);
    free(it->id);
    free(it);
}

struct session *
registrar_add(struct registrar *r, struct session *s)
{
    static const struct lease_events events = {
        .held = on_held,
        .lost = on_lost,
        .may_renew = may_renew,
    };
    struct session *older = NULL;
    struct registrant *before = sorted_find(&r->registrants, span_cstr(s->id));
    int64_t adopt = s->shown_lease;
    if (before != NULL) {
        older = before->session;
        adopt = lease_id(before->lease) != 0 ? lease_id(before->lease) : adopt;
        end_registrant(before);
    }
    struct registrant *it = mem_zalloc(sizeof(*it));
    it->id = mem_strdup(s->id);
    it->registrar = r;
    it->session = s;
    s->owner = it;
    loop_timer_init(&it->retry, etcd_loop(r->client), put_registration, it);
    sorted_insert(&r->registrants, it);
    metric_add(r->metrics, METRIC_ID_NODES_REGISTERED, 1);
    struct key key = key_make(KEY_NODE, span_cstr(s->id));
    struct lease_options options = {
        .ttl_s = r->lease_ttl_s, .adopt = adopt, .own_key = span_cstr(key.text)};
    it->lease = lease_create(r->client, &options, &events, it);
    return older;
}

void
registrar_remove(struct registrar *r, struct session *s)
{
    if (s->owner != NULL) {
        end_registrant(s->owner);
    }
}

/* --- goodbye ------------------------------------------------------------------- */

static void
end_farewell(struct farewell *f)
{
    etcd_cancel(&f->call);
    list_remove(&f->link);
    free(f->id);
    free(f->value);
    free(f);
}

/* Whether or not it was written: an intent that is missing makes the node's
 * absence look like a crash, which is the careful reading. */
static void
on_farewell_put(void *arg, const struct etcd_reply *reply)
{
    struct farewell *f = arg;
    f->call = NULL;
    log_info("node_left", "id=%s noted=%d", LOG_STR(f->id),
             reply->outcome == ETCD_OK && reply->succeeded);
    end_farewell(f);
}

static void
on_farewell_lease(void *arg, const struct etcd_reply *reply)
{
    struct farewell *f = arg;
    f->call = NULL;
    if (reply->outcome != ETCD_OK) {
        log_warn("node_left", "id=%s noted=0 reason=%s", LOG_STR(f->id), LOG_STR(reply->error));
        end_farewell(f);
        return;
    }
    struct span name = span_cstr(f->id);
    struct key node = key_make(KEY_NODE, name);
    struct etcd_txn *txn = etcd_txn_create();
    /* A node that is back already, with another lease, is not leaving; its value
     * may be the same, since the boot id stays with the memory. */
    etcd_txn_if(txn, span_cstr(node.text), ETCD_LEASE, ETCD_EQUAL, f->lease);
    etcd_txn_put(txn, ETCD_THEN, span_cstr(key_make(KEY_LEAVING, name).text), span_cstr(f->value),
                 reply->lease);
    etcd_txn_delete(txn, ETCD_THEN, span_cstr(node.text));
    f->call = etcd_commit(f->registrar->client, txn, on_farewell_put, f);
    etcd_txn_destroy(&txn);
}

void
registrar_bye(struct registrar *r, struct session *s, bool for_good)
{
    if (s->owner == NULL) {
        return;
    }
    struct registrant *registrant = s->owner;
    int64_t lease = lease_id(registrant->lease);
    end_registrant(registrant);
    if (lease == 0) {
        return; /* nothing is registered */
    }
    struct farewell *f = mem_zalloc(sizeof(*f));
    list_push_back(&r->farewells, &f->link);
    f->registrar = r;
    f->id = mem_strdup(s->id);
    f->lease = lease;
    json_t *json =
        json_pack("{s:b s:s}", "for_good", for_good, "boot_id", s->registration->boot_id);
    f->value = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    f->call = etcd_lease_grant(r->client, LEAVING_LEASE_TTL_S, on_farewell_lease, f);
}

/* --- life ------------------------------------------------------------------------ */

struct registrar *
registrar_create(struct etcd *client, int64_t lease_ttl_s, struct metric_block *metrics)
{
    struct registrar *r = mem_zalloc(sizeof(*r));
    r->client = client;
    r->lease_ttl_s = lease_ttl_s;
    r->metrics = metrics;
    list_init(&r->farewells);
    return r;
}

void
registrar_destroy(struct registrar **r)
{
    struct registrar *it = *r;
    if (it == NULL) {
        return;
    }
    while (it->registrants.count > 0) {
        end_registrant(it->registrants.items[it->registrants.count - 1]);
    }
    LIST_EACH_SAFE (link, &it->farewells) {
        end_farewell(LIST_ENTRY(link, struct farewell, link));
    }
    sorted_deinit(&it->registrants);
    free(it);
    *r = NULL;
}
