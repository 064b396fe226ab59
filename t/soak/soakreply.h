/* soakreply.h - the answer to a call, taken from what has come. Pure. */
#pragma once
#include "t/soak/soakcall.h"
#include "t/soak/soakconn.h"

enum soak_reply {
    REPLY_NEED_MORE,
    REPLY_WHOLE,
    REPLY_BROKEN, /* not an answer to this call: the stream is of no use any more */
};

/* With REPLY_WHOLE the answer takes `*bytes` of the input, none if the server
 * was silent. The answer's value lies in the input. */
enum soak_reply soak_reply_take(const struct soak_conn *conn, const struct soak_call *call,
                                struct soak_answer *answer, size_t *bytes);
