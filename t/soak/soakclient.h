/* soakclient.h - calls on their way over one connection, and their answers in
 * order. One thread. */
#pragma once
#include "t/soak/soakreply.h"

/* An answer came, or none was asked for, or it was cut off. */
typedef void (*soak_answered)(void *arg, const struct soak_call *call,
                              const struct soak_answer *answer);

struct soak_client {
    struct soak_board *board;
    const struct addr *addr;
    soak_answered answered;
    void *arg;
    struct soak_conn conn;
    struct soak_call *calls; /* a ring */
    unsigned head, count, room;
};

void soak_client_init(struct soak_client *c, struct soak_board *board, const struct addr *addr,
                      soak_answered answered, void *arg);
void soak_client_deinit(struct soak_client *c);

/* Connects if there is no connection; false if the server does not accept. */
bool soak_client_connect(struct soak_client *c);

/* Queues the call and its bytes. */
void soak_client_call(struct soak_client *c, const struct soak_call *call);

/* Sends and takes answers until at most `left` calls are without one. A server
 * that breaks the stream or is silent for long is wrong. */
void soak_client_settle(struct soak_client *c, unsigned left);

/* Leaves in the middle: `tail`, half a command, and the end behind what was
 * sent. Takes what is still answered; the other calls are cut. */
void soak_client_leave(struct soak_client *c, struct span tail);
