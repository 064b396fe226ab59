/* handover_link.h - a connection over which messages of handover.h travel, with
 * descriptors beside them (SCM_RIGHTS).
 *
 * A descriptor that is sent is a copy: the sender closes its own. What arrives is
 * close-on-exec and the receiver's; what nobody takes is closed with the link.
 * One thread reads; handover_link_send() may be called from several if they
 * agree among themselves. */
#pragma once
#include "common/net/addr.h"
#include "common/net/handover.h"

#include <sys/types.h>

struct handover_link {
    int fd;
    struct buf in;
    size_t used; /* bytes of `in` that the last message took */
    int fds[HANDOVER_ITEMS_MAX];
    unsigned fd_count;
};

/* Takes over the connected fd. */
void handover_link_init(struct handover_link *l, int fd);
void handover_link_deinit(struct handover_link *l);

/* Connects, and waits `timeout_ms` at most for each message from then on. False
 * and errno on failure: ENOENT or ECONNREFUSED if nobody listens there. */
bool handover_link_connect(struct handover_link *l, const struct addr *addr, unsigned timeout_ms);

/* Who is at the other end, as the kernel knows. */
bool handover_link_peer(const struct handover_link *l, pid_t *pid, uid_t *uid);

/* From now on nothing waits. */
void handover_link_unblock(struct handover_link *l);

enum handover_send {
    HANDOVER_SENT,
    HANDOVER_LATER, /* the kernel has no room just now; nothing was sent */
    HANDOVER_LOST,  /* the other end is gone */
};

/* One message with its descriptors, whole or not at all. Never waits. */
enum handover_send handover_link_send(struct handover_link *l, enum handover_type type,
                                      struct span body, const int *fds, unsigned fd_count);

enum handover_next {
    HANDOVER_MESSAGE,
    HANDOVER_NOTHING, /* not yet, or not in time */
    HANDOVER_ENDED,
    HANDOVER_GARBAGE,
};

/* The next message; its body lasts until the next call. */
enum handover_next handover_link_next(struct handover_link *l, struct handover_message *out);

/* Has the next message come already, so that the socket may never say so? */
bool handover_link_has_next(const struct handover_link *l);

/* The oldest descriptor that has come and was not taken yet; -1 if there is none. */
int handover_link_take(struct handover_link *l);

/* Memory that holds these bytes for good, as a descriptor that can be sent; -1
 * and errno if the system has none. */
int handover_memory(struct span bytes);
/* What such memory holds; false if it is more than `max` or something else. */
bool handover_memory_read(int fd, size_t max, struct buf *out);
