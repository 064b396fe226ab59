#include "control/etcd/lease.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "control/etcd/etcd_client.h"

#include <inttypes.h>
#include <stdlib.h>

#define TTL_MIN_S         3
#define RENEWALS_PER_TTL  3
#define RENEWALS_PER_READ 10 /* of the own key */
#define RETRY_MIN_MS      20
#define RETRY_MS          100

struct lease {
    struct etcd *client;
    int64_t ttl_asked_s;
    struct buf own_key;
    const struct lease_events *events;
    void *arg;

    int64_t id; /* 0: none; while adopting already the adopted one's */
    bool held;  /* held() has been told of id */
    uint64_t ttl_ms;
    uint64_t asked_ms;
    uint64_t confirmed_ms;
    unsigned renewals; /* since the own key was last read */

    struct etcd_call *call; /* grant, keepalive or the reading of the own key */
    struct loop_timer timer;
    struct backoff backoff;
    unsigned inside; /* our callbacks on the stack; freed when 0 */
    bool destroyed;
};

static void grant(struct lease *l);
static void renew(struct lease *l);

/* --- life ------------------------------------------------------------------------ */
static void
free_lease(struct lease *l)
{
    loop_timer_deinit(&l->timer);
    buf_deinit(&l->own_key);
    free(l);
}

static void
enter(struct lease *l)
{
    l->inside++;
}

static void
leave(struct lease *l)
{
    if (--l->inside == 0 && l->destroyed) {
        free_lease(l);
    }
}

void
lease_destroy(struct lease **lease, bool revoke)
{
    struct lease *l = *lease;
    if (l == NULL) {
        return;
    }
    etcd_cancel(&l->call);
    loop_timer_stop(&l->timer);
    if (revoke && l->id != 0) {
        etcd_lease_revoke(l->client, l->id, NULL, NULL);
    }
    l->destroyed = true;
    if (l->inside == 0) {
        free_lease(l);
    }
    *lease = NULL;
}

/* --- waiting ---------------------------------------------------------------------- */
/* Up to a tenth early, so that ten thousand leases do not renew in step. */
static void
wait_for_renewal(struct lease *l)
{
    uint64_t period = l->ttl_ms / RENEWALS_PER_TTL;
    backoff_reset(&l->backoff, RETRY_MS);
    loop_timer_start(&l->timer, period - random_next(&l->backoff.rng) % (period / 10 + 1));
}

static void
wait_for_retry(struct lease *l)
{
    loop_timer_start(&l->timer, backoff_next_ms(&l->backoff));
}

static void
on_timer(void *arg)
{
    struct lease *l = arg;
    if (l->id == 0) {
        grant(l);
    } else {
        renew(l);
    }
}

/* --- grant ------------------------------------------------------------------------ */
static void
hold(struct lease *l, int64_t ttl_s)
{
    l->ttl_ms = (uint64_t)ttl_s * 1000;
    l->confirmed_ms = l->asked_ms;
    if (!l->held) {
        l->held = true;
        l->renewals = 0;
        l->events->held(l->arg, l->id);
    }
}

static void
on_granted(void *arg, const struct etcd_reply *reply)
{
    struct lease *l = arg;
    l->call = NULL;
    if (reply->outcome != ETCD_OK || reply->lease == 0 || reply->ttl_s < 1) {
        wait_for_retry(l);
        return;
    }
    enter(l);
    l->id = reply->lease;
    hold(l, reply->ttl_s);
    if (!l->destroyed) {
        wait_for_renewal(l);
    }
    leave(l);
}

static void
grant(struct lease *l)
{
    l->asked_ms = clock_mono_ms();
    l->call = etcd_lease_grant(l->client, l->ttl_asked_s, on_granted, l);
}

/* --- the end of one, the beginning of another ----------------------------------------- */
static void
lose(struct lease *l, const char *reason)
{
    int64_t id = l->id;
    bool was_held = l->held;
    l->id = 0;
    l->held = false;
    l->confirmed_ms = l->ttl_ms = 0;
    wait_for_retry(l);
    if (!was_held) {
        return; /* one to adopt that was gone already */
    }
    metric_add(l->client->counts, METRIC_ID_ETCD_LEASES_LOST, 1);
    LOG_LIMITED(5, LOG_WARN, "etcd_lease_lost", "lease=%" PRId64 " reason=%s", id, LOG_STR(reason));
    l->events->lost(l->arg, id, reason);
}

/* --- renewal ---------------------------------------------------------------------------- */
static void
on_own_key(void *arg, const struct etcd_reply *reply)
{
    struct lease *l = arg;
    l->call = NULL;
    bool gone = reply->outcome == ETCD_OK && (reply->kv_count == 0 || reply->kvs[0].lease != l->id);
    if (!gone) {
        wait_for_renewal(l);
        return;
    }
    /* Should the lease live after all, nothing of ours may hang on it. */
    etcd_lease_revoke(l->client, l->id, NULL, NULL);
    enter(l);
    lose(l, "the own key is gone or another's");
    leave(l);
}

static void
after_renewal(struct lease *l)
{
    l->renewals++;
    if (buf_len(&l->own_key) > 0 && l->renewals >= RENEWALS_PER_READ) {
        l->renewals = 0;
        l->call = etcd_get(l->client, buf_span(&l->own_key), on_own_key, l);
        return;
    }
    wait_for_renewal(l);
}

static void
on_renewed(void *arg, const struct etcd_reply *reply)
{
    struct lease *l = arg;
    l->call = NULL;
    enter(l);
    if (reply->outcome == ETCD_NOT_FOUND) {
        lose(l, reply->error);
    } else if (reply->outcome != ETCD_OK) {
        wait_for_retry(l);
    } else {
        hold(l, reply->ttl_s);
        if (!l->destroyed && l->events->renewed != NULL) {
            l->events->renewed(l->arg);
        }
        if (!l->destroyed) {
            after_renewal(l);
        }
    }
    leave(l);
}

static void
renew(struct lease *l)
{
    if (l->held && l->events->may_renew != NULL && !l->events->may_renew(l->arg)) {
        wait_for_renewal(l);
        return;
    }
    l->asked_ms = clock_mono_ms();
    l->call = etcd_lease_keepalive(l->client, l->id, on_renewed, l);
}

/* --- the outside --------------------------------------------------------------------------- */
struct lease *
lease_create(struct etcd *client, const struct lease_options *options,
             const struct lease_events *events, void *arg)
{
    ASSERT(options->ttl_s >= TTL_MIN_S);
    struct lease *l = mem_zalloc(sizeof(*l));
    l->client = client;
    l->ttl_asked_s = options->ttl_s;
    l->events = events;
    l->arg = arg;
    l->id = options->adopt;
    ASSERT(buf_append_span(&l->own_key, options->own_key));
    loop_timer_init(&l->timer, client->loop, on_timer, l);
    uint64_t retry_cap_ms = (uint64_t)options->ttl_s * 1000 / (2 * RENEWALS_PER_TTL);
    backoff_init(&l->backoff, RETRY_MIN_MS, RETRY_MS, retry_cap_ms, random_seed());
    if (l->id == 0) {
        grant(l);
    } else {
        renew(l);
    }
    return l;
}

int64_t
lease_id(const struct lease *lease)
{
    return lease->held ? lease->id : 0;
}

uint64_t
lease_ttl_ms(const struct lease *lease)
{
    return lease->held ? lease->ttl_ms : 0;
}

uint64_t
lease_confirmed_ms(const struct lease *lease)
{
    return lease->held ? lease->confirmed_ms : 0;
}
