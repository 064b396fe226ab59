/* transport.h - HTTP/1.1 exchanges with the gateway: libcurl's multi interface
 * driven by a loop.
 *
 * Only http and https, no proxy, no redirects, no signals, no "Expect:".
 * Ordinary exchanges share pooled connections; one that asks for its own (a
 * watch) gets a fresh connection that nobody uses after it.
 *
 * libcurl sends a request again by itself when a pooled connection turns out
 * to be dead. For a write that could mean twice, so a second sending is
 * forbidden unless the request says it is harmless.
 *
 * Loop's thread only. The events are called from the loop, never from inside
 * transport_begin(), and may begin and cancel any transfer. */
#pragma once
#include "common/core/buf.h"
#include "common/net/loop.h"

enum transfer_end {
    TRANSFER_DONE,      /* a whole HTTP response */
    TRANSFER_NOT_SENT,  /* no connection, or no time for one: no byte of the request left */
    TRANSFER_BROKEN,    /* the connection failed after that */
    TRANSFER_TIMED_OUT, /* the deadline passed after that */
    TRANSFER_TOO_LARGE, /* the response passes response_max */
};

struct transfer_request {
    const char *url;
    struct span body;     /* copied */
    const char *token;    /* for the Authorization header, or NULL */
    uint64_t deadline_ms; /* for all of it; 0: none */
    size_t response_max;  /* unread bytes of the response */
    bool own_connection;
    bool needs_leader; /* etcd answers at once instead of waiting for a quorum */
    bool may_send_twice;
};

struct transfer_events {
    /* More bytes in `input`: consume what is whole. NULL: all of them are kept
     * for done(). */
    void (*received)(void *arg, struct buf *input);
    /* Last call. `status` is 0 without a response; `error` is a line for people,
     * "" when done. */
    void (*done)(void *arg, enum transfer_end end, int status, struct buf *input,
                 const char *error);
};

struct transport;
struct transfer;

/* TLS files in PEM, each may be NULL; copied. */
struct transport *transport_create(struct loop *loop, const char *ca_file, const char *cert_file,
                                   const char *key_file);
/* Drops what is under way, without calling back. */
void transport_destroy(struct transport **t);

/* The handle is good until done() or transfer_cancel(). `events` must outlive it. */
struct transfer *transport_begin(struct transport *t, const struct transfer_request *request,
                                 const struct transfer_events *events, void *arg);
/* No callback comes any more; closes the connection unless the response was
 * whole. Sets *transfer to NULL; harmless if it is. */
void transfer_cancel(struct transfer **transfer);
