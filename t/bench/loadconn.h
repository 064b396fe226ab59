/* loadconn.h - one closed-loop connection of a load: a batch of requests goes
 * out, and the next when all its replies have come. It knows that by counting
 * bytes, and looks at the first byte of each reply. One thread. */
#pragma once
#include "common/net/addr.h"
#include "t/bench/loadwork.h"

enum loadconn_turn {
    LOADCONN_WAITING,
    LOADCONN_ANSWERED, /* the whole batch: see `began_ns` */
    LOADCONN_WRONG,    /* a miss, an error or the end of the connection */
};

struct loadconn {
    int fd;
    const struct load_work *work;
    size_t reply_bytes;
    struct buf out;
    size_t to_come; /* bytes of replies */
    uint64_t began_ns;
    unsigned requests; /* of the batch */
};

/* False if the server does not accept. */
bool loadconn_open(struct loadconn *c, const struct addr *addr, const struct load_work *work);
void loadconn_close(struct loadconn *c);

/* Begins a batch of so many requests and sends what the socket takes. False if
 * the connection is gone. */
bool loadconn_begin(struct loadconn *c, unsigned requests, uint32_t (*next)(void *arg), void *arg);

/* Sends and receives what there is; waits for nothing. */
enum loadconn_turn loadconn_turn(struct loadconn *c);

/* There is something left to be sent. */
static inline bool
loadconn_wants_out(const struct loadconn *c)
{
    return buf_len(&c->out) > 0;
}
