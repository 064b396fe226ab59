/* predecessor.h - what a proxy that starts with --takeover gets from the one that
 * runs: its listening sockets, its routing table, what its journals hold, and in the
 * end its clients.
 *
 *     meet -> take what the options name -> ... get ready ... -> relieve -> watch
 *
 * Until predecessor_relieve() the old process goes on as if nothing had happened,
 * and so it does if we end before that. Main thread only. What they say to each
 * other: common/net/handover.h; the other side: successor.h. */
#pragma once
#include "common/core/buf.h"
#include "common/net/addr.h"
#include "common/net/handover.h"
#include "common/net/loop.h"

struct predecessor;

enum predecessor_found {
    PREDECESSOR_NONE, /* nobody listens there; *out is NULL */
    PREDECESSOR_MET,
    PREDECESSOR_UNUSABLE, /* somebody does, but it does not give us anything: *error says why */
};

/* Asks who listens at the unix socket. Waits for some seconds at most. *error is the
 * caller's to free. */
enum predecessor_found predecessor_meet(const struct addr *at, struct predecessor **out,
                                        char **error);

/* The socket that it was told to bind to this address, or has bound to it: the
 * caller's from now on. -1 if it has none. */
int predecessor_take(struct predecessor *p, enum handover_kind kind, const struct addr *addr);

/* The document of its routing table; false if it had none. */
bool predecessor_table(struct predecessor *p, struct buf *document);

/* What it gives when it has been relieved. */
struct predecessor_heir {
    void *arg;
    /* A client's connection, and what it says of it (frontend.h). */
    void (*client)(void *arg, int fd, struct span message);
    /* What it knows of a node (health_heir.h). */
    void (*health)(void *arg, struct span message);
    /* What one of its journals held, or was put into one since (journal_heir.h). */
    void (*journal)(void *arg, struct span message);
};

/* Tells it that we serve, and waits until it accepts no more; until then only
 * what it knows of nodes comes. Closes what nobody took. Afterwards the files of unix sockets are
 * ours to remove. */
void predecessor_relieve(struct predecessor *p, const struct predecessor_heir *heir);

/* From now on the heir gets the rest as it comes. */
void predecessor_watch(struct predecessor *p, struct loop *loop);

/* It has ended, or there was none (NULL). No more clients will come. */
bool predecessor_is_gone(const struct predecessor *p);

void predecessor_destroy(struct predecessor **p);
