/* replybox.h - a reply and the answers that its pointers lead to, as one thing
 * that can be kept or thrown away. One owner. */
#pragma once
#include "control/etcd/decode.h"

struct reply_box {
    struct etcd_reply reply;
    struct answer *answers; /* pages of a listing; otherwise at most one */
    size_t answer_count;
    struct etcd_kv *joined; /* kvs of all pages, if there are several */
    char *error;
    bool kept; /* somebody else will destroy it */
};

struct reply_box *reply_box_create(void);
void reply_box_destroy(struct reply_box **box);

/* Moves the answer in. */
void reply_box_add(struct reply_box *box, struct answer *answer);
/* Forgets the answers. */
void reply_box_clear(struct reply_box *box);
/* Fills the reply from the answers. */
void reply_box_close(struct reply_box *box, enum etcd_outcome outcome, const char *endpoint,
                     const char *path, const char *reason);
