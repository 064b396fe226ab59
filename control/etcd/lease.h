/* lease.h - a lease that is kept alive.
 *
 *     grant (or adopt) -> held() -> keepalive every TTL/3 … -> lost() -> grant …
 *
 * A keepalive has its own deadline and is repeated with backoff while the
 * server does not answer; only the server's word that the lease does not exist
 * (or the re-read of the own key) makes it lost, because without a quorum
 * leases do not expire. After lost() a new lease is asked for and held() comes
 * again with another id: that is where the owner writes its keys.
 *
 * Some etcd releases confirm the renewal of a lease that they revoked, so if an
 * own key is named, every tenth renewal reads it, and a key that is gone or
 * hangs on another lease counts as lost.
 *
 * Loop's thread only; callbacks may destroy the lease they belong to. */
#pragma once
#include "control/etcd/etcd.h"

struct lease_events {
    /* A lease is there: granted, or the adopted one answered. */
    void (*held)(void *arg, int64_t id);
    /* The lease does not exist any more; its keys are gone. */
    void (*lost)(void *arg, int64_t id, const char *reason);
    /* A keepalive succeeded. May be NULL. */
    void (*renewed)(void *arg);
    /* Asked before each keepalive: false skips it, and the lease runs out if
     * that goes on. May be NULL: always. */
    bool (*may_renew)(void *arg);
};

struct lease_options {
    int64_t ttl_s;       /* at least 3 */
    int64_t adopt;       /* an existing lease to carry on with, or 0 */
    struct span own_key; /* a key that the owner puts under the lease, or empty; copied */
};

struct lease;

/* `events` must outlive the lease. */
struct lease *lease_create(struct etcd *client, const struct lease_options *options,
                           const struct lease_events *events, void *arg);
/* Stops renewing; with `revoke` also tells etcd, without waiting for the
 * answer: keep the client and the loop running for a moment. */
void lease_destroy(struct lease **lease, bool revoke);

/* 0 while none is held. */
int64_t lease_id(const struct lease *lease);
/* What etcd granted, in ms; 0 while none is held. */
uint64_t lease_ttl_ms(const struct lease *lease);
/* Monotonic ms at which the last renewal (or grant) that succeeded was *sent*:
 * the lease lives at least until then + TTL. 0 while none is held. */
uint64_t lease_confirmed_ms(const struct lease *lease);
