/* stream.h - a buffered connection for the control path: push streams and the
 * like. The data path (node connections, proxy clients and backends) has its
 * own machines and does not use this.
 *
 * Owner's thread only. Writes gather until the end of the turn. The callbacks
 * may call stream_destroy() on their own stream. */
#pragma once
#include "common/core/buf.h"
#include "common/net/addr.h"
#include "common/net/loop.h"

struct stream;

struct stream_events {
    /* The connect that stream_connect() began has succeeded. May be NULL. */
    void (*connected)(void *arg);
    /* More bytes are in stream_input(); consume what is whole. */
    void (*readable)(void *arg);
    /* The peer closed (reason "closed"), the connect or the transport failed,
     * or a limit was passed. Called once; the stream is dead and waits for
     * stream_destroy(). Never called from inside another stream_ call. */
    void (*closed)(void *arg, const char *reason);
    /* The kernel has taken everything that was written. May be NULL. Never
     * called from inside another stream_ call. */
    void (*drained)(void *arg);
};

/* Bytes that many streams send: counted, not copied, so that a table on its
 * way to nine thousand followers is in memory once. One thread. */
struct shared_bytes;

/* Takes over what `bytes` holds and leaves it empty. The caller has the first
 * reference. */
struct shared_bytes *shared_bytes_create(struct buf *bytes);
struct shared_bytes *shared_bytes_ref(struct shared_bytes *b);
void shared_bytes_unref(struct shared_bytes **b);
struct span shared_bytes_span(const struct shared_bytes *b);

struct stream_limits {
    size_t input_max;    /* bytes unread before it counts as a failure */
    size_t output_max;   /* bytes unsent before stream_write() refuses */
    uint64_t stall_ms;   /* output that makes no progress for so long is a failure; 0: never */
    uint64_t connect_ms; /* 0: the system's own */
};

/* Takes over a connected fd. */
struct stream *stream_adopt(struct loop *loop, int fd, const struct stream_limits *limits,
                            const struct stream_events *events, void *arg);
/* Begins to connect. A failure is reported through closed(), also at once. */
struct stream *stream_connect(struct loop *loop, const struct addr *addr,
                              const struct stream_limits *limits,
                              const struct stream_events *events, void *arg);
void stream_destroy(struct stream **s);

struct buf *stream_input(struct stream *s);

/* False if the output limit would be passed; nothing is queued then. */
bool stream_write(struct stream *s, struct span bytes);

/* Queues shared bytes behind what was written before and holds a reference until
 * they are sent. They do not count against output_max. False if others are still
 * on their way: ask again at drained(). */
bool stream_write_shared(struct stream *s, struct shared_bytes *bytes);

/* Bytes written but not yet taken by the kernel. */
size_t stream_unsent(const struct stream *s);

/* The peer as text, for logs. */
const char *stream_peer(const struct stream *s);
