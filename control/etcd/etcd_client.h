/* etcd_client.h - the inside of struct etcd, for the files of this folder. */
#pragma once
#include "control/etcd/auth.h"
#include "control/etcd/decode.h"
#include "control/etcd/endpoint.h"
#include "control/etcd/etcd.h"
#include "control/etcd/transport.h"

struct etcd {
    struct loop *loop;
    char *prefix;
    struct endpoints endpoints;
    struct guard guard; /* of the calls; each watch has one of its own */
    struct transport *transport;
    struct auth *auth;
    struct metric_set *metrics;
    struct metric_block *counts;
    uint64_t read_deadline_ms;
    uint64_t write_deadline_ms;
    struct list calls;
};

/* As etcd_list(), but of one endpoint only, and without the guard: the caller
 * judges reply_header() itself. */
struct etcd_call *call_list_at(struct etcd *client, size_t endpoint, struct span prefix,
                               etcd_fn *fn, void *arg);

/* Ends all calls without their callbacks. */
void calls_drop(struct etcd *client);

/* Of the first answer in a reply; zero if there was none. */
const struct etcd_header *reply_header(const struct etcd_reply *reply);

/* Inside a callback: the reply survives it, until reply_free(). */
void reply_keep(const struct etcd_reply *reply);
void reply_free(const struct etcd_reply **reply);
