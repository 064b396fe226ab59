/* session.h - one follower at the other end of a push stream.
 *
 *     accepted -> HELLO -> tables, beats, leases down; ACK, NACK, REPORT up -> gone
 *
 * A session holds at most two references to a table's frame: the one that is
 * being sent and the newest that waits behind it; one between them is
 * forgotten. Everything else that it may owe its follower fits into
 * SESSION_OUTPUT_MAX. So its memory does not depend on what the follower does.
 *
 * Loop's thread only. Nothing in struct session_events may destroy the session,
 * but for closed(), which says that it is over. */
#pragma once
#include "common/core/list.h"
#include "common/net/stream.h"
#include "control/registration.h"

#define SESSION_INPUT_MAX    (256u << 10) /* of one frame from a follower */
#define SESSION_OUTPUT_MAX   (32u << 10)  /* beside tables */
#define SESSION_KERNEL_BYTES (128 << 10)  /* of a table that the kernel holds for a slow one */
#define SESSION_HELLO_MS     10000        /* to say HELLO after connecting */

/* Which table: what HELLO says is held and what a beat announces. */
struct table_identity {
    char incarnation[64]; /* "" with epoch 0: none */
    uint64_t epoch;
    char sha[TABLE_SHA_CHARS + 1];
};

enum session_role { SESSION_PROXY, SESSION_NODE };

struct session {
    struct list link; /* the server's */
    struct stream *stream;
    const struct session_events *events;
    void *arg;
    struct shared_bytes *sending, *waiting; /* table frames */
    /* Without a byte taken off us, or a frame; twice that for a whole table. */
    uint64_t patience_ms;
    uint64_t accepted_ms, heard_ms, sending_since_ms;
    const char *doomed; /* why it is about to end; nothing is read or sent any more */

    bool greeted; /* HELLO was understood; what follows is set */
    enum session_role role;
    char *id, *zone, *build;
    struct registration *registration;     /* of a node */
    int64_t shown_lease;                   /* of a node: the one it had before, or 0 */
    char offered_sha[TABLE_SHA_CHARS + 1]; /* the table it has or is about to have */
    struct table_identity held; /* what it said last to be using; sha may be "" after an ACK */
    uint64_t nacked_epoch;
    char *nack_code, *nack_reason; /* of the last NACK; NULL */
    bool healthy;                  /* as a node's last REPORT says */
    void *owner;                   /* the registrar's record of a node */
};

struct session_events {
    void (*hello)(void *arg, struct session *s);
    void (*acked)(void *arg, struct session *s);
    void (*nacked)(void *arg, struct session *s);
    void (*bye)(void *arg, struct session *s, bool for_good);
    /* Transport, protocol or follower have ended it; `reason` is static. Nothing
     * else follows. */
    void (*closed)(void *arg, struct session *s, const char *reason);
};

/* Takes over the connected fd. */
struct session *session_create(struct loop *loop, int fd, uint64_t patience_ms,
                               const struct session_events *events, void *arg, uint64_t now_ms);
void session_destroy(struct session **s);

/* Sends the table behind `frame` unless the follower has it already. */
void session_offer(struct session *s, const struct table_identity *table,
                   struct shared_bytes *frame, uint64_t now_ms);

/* Sends a small frame. False if the follower reads too slowly for it: nothing
 * was queued. */
bool session_send(struct session *s, struct span frame);

/* Has a limit of time passed? Returns why it must end, or NULL. */
const char *session_overdue(const struct session *s, uint64_t now_ms);

const char *session_role_name(enum session_role role);
