/* push_server.h - serves the push stream: takes followers in, hands each the
 * newest table, beats, and drops who does not follow.
 *
 *     listener -> session … -> HELLO -> node: on_node(), registrar keeps its lease
 *     publish(document) -> one frame, counted -> every session, newest replaces older
 *
 * Loop's thread only. */
#pragma once
#include "common/net/listener.h"
#include "control/metrics.h"
#include "control/session.h"

#define PUSH_BEAT_MS 5000

struct push_server;

/* What a beat says of us; asked for before each round. */
struct push_view {
    bool live;          /* we see etcd */
    uint64_t lag_ms;    /* since we last did */
    const char *relays; /* JSON array of other mfcontrols' addresses, or NULL */
};

struct push_server_events {
    void (*view)(void *arg, struct push_view *view);
    /* A follower told which table it has: it may be one that we do not know. */
    void (*greeted)(void *arg, struct session *s);
    /* Of nodes only: between node_greeted and node_gone the session lives. */
    void (*node_greeted)(void *arg, struct session *s);
    void (*node_bye)(void *arg, struct session *s, bool for_good);
    void (*node_gone)(void *arg, struct session *s);
};

/* NULL and *error (the caller's to free) if the address cannot be bound.
 * `patience_ms`: see struct session. */
struct push_server *push_server_create(struct loop *loop, const struct addr *addr,
                                       uint64_t patience_ms,
                                       const struct push_server_events *events, void *arg,
                                       struct metric_block *metrics, char **error);
void push_server_destroy(struct push_server **server);

const struct addr *push_server_addr(const struct push_server *server);

/* From here on this is the table: every follower that has another is sent it. */
void push_server_publish(struct push_server *server, const struct table *table);

/* Ends one session, e.g. because its node has come back on another. */
void push_server_drop(struct push_server *server, struct session *s, const char *reason);

/* Greeted followers, for the status page. */
void push_server_each(const struct push_server *server,
                      void (*fn)(void *arg, const struct session *s), void *arg);
unsigned push_server_behind(const struct push_server *server);
