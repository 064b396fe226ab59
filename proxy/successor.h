/* successor.h - gives a running proxy's sockets, table, journals and clients to the
 * process that takes over (--takeover).
 *
 *     WAITING -> (connects) GREETING -> (HELLO) OFFERED -> (READY) TAKEN
 *        ^--------- ends, stalls or makes no sense ---+
 *
 * Up to READY nothing changes for anybody: a successor that fails is a line in
 * the log. From READY on there is no way back. One successor at a time; another
 * waits in the socket's queue, and is greeted by the first one, if that has come
 * so far. Only processes of our own user get anything.
 *
 * Main thread, but for successor_give_...(). */
#pragma once
#include "common/net/addr.h"
#include "common/net/handover_link.h"
#include "common/net/loop.h"

#define SUCCESSOR_PROGRAM "mfproxy" /* what a HELLO says */

struct frontend;
struct successor;

struct successor_host {
    void *arg;
    /* Adds all that there is to give. The descriptors stay the host's, but for that
     * of the table (or -1), which is closed when it has been sent. */
    void (*offer)(void *arg, struct handover_offer *offer);
    /* The successor is ready, and asks nobody before it has been told this. The health of
     * nodes only if it understands that. */
    void (*health)(void *arg);
    void (*journals)(void *arg);
    /* The successor serves. The host accepts no more when this has returned. */
    void (*taken)(void *arg);
};

/* Listens at the address, by `fd` if that is not -1 (it is taken over). NULL and
 * *error, the caller's to free, if it cannot. */
struct successor *successor_create(struct loop *loop, const struct addr *at, int fd,
                                   const struct successor_host *host, char **error);

/* We end: nobody is to come any more. Who was greeted may still say READY. */
void successor_stop_listening(struct successor *s);

/* A socket that was taken over is ours from now on, and its file is to be removed
 * in the end. */
void successor_own_socket(struct successor *s);

/* A successor has been made an offer and may serve by our sockets already. */
bool successor_has_offer(const struct successor *s);

enum successor_takes {
    SUCCESSOR_TOOK,
    SUCCESSOR_BUSY, /* again in a few milliseconds */
    SUCCESSOR_GONE, /* it will take none any more */
};

/* Gives it a client's connection, after READY; the caller closes its own descriptor
 * if it was taken. Any thread. */
enum successor_takes successor_give_client(struct successor *s, int fd,
                                           const struct frontend *frontend);

/* Sends what is in a journal (journal_heir_send_fn, of the successor), after READY. Any
 * thread. */
enum handover_send successor_give_journal(void *successor, struct span message);
/* The same, of what is known of a node (health_heir.h), within successor_host.health. */
enum handover_send successor_give_health(struct successor *s, struct span message);
/* Waits until the kernel has room for more, so long at most. */
void successor_await_room(const struct successor *s, unsigned timeout_ms);

/* It has ended, after READY: nobody serves in our place. */
bool successor_is_gone(const struct successor *s);

/* How many it has been given. */
unsigned successor_clients(const struct successor *s);

void successor_destroy(struct successor **s);
