/* auth.h - one token for all calls of a client, asked for once however many
 * calls find it missing or refused. Never logged.
 *
 * Each token has a number. A call that was refused says which number it used;
 * if another call has fetched a newer one meanwhile, that is handed out at
 * once. Loop's thread only. */
#pragma once
#include "common/core/list.h"
#include "control/etcd/endpoint.h"
#include "control/etcd/transport.h"

struct auth;

struct auth_waiter {
    struct list link; /* list_init()ed by auth_init_waiter() */
    /* ETCD_OK: there is a token; only then it may be called from inside
     * auth_wait(). ETCD_AUTH: user or password are not good. ETCD_UNAVAILABLE:
     * nobody answered. */
    void (*ready)(void *arg, enum etcd_outcome outcome, const char *error);
    void *arg;
};

/* NULL `user`: everything works without tokens. Strings are copied; the
 * pointers must outlive the auth. */
struct auth *auth_create(struct transport *transport, struct endpoints *endpoints,
                         struct metric_block *metrics, const char *user, const char *password_file,
                         uint64_t deadline_ms);
void auth_destroy(struct auth **a);

bool auth_is_used(const struct auth *a);
/* NULL if there is none (yet). */
const char *auth_token(const struct auth *a);
/* The number of the token above; 0 if there is none. */
uint64_t auth_number(const struct auth *a);

void auth_init_waiter(struct auth_waiter *w,
                      void (*ready)(void *arg, enum etcd_outcome outcome, const char *error),
                      void *arg);
/* Calls back once there is a token with a number above `stale`, or none could
 * be had. Only if auth_is_used(). */
void auth_wait(struct auth *a, uint64_t stale, struct auth_waiter *w);
/* Safe at any time after auth_init_waiter(). */
void auth_forget(struct auth_waiter *w);
