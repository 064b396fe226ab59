/* verdict.h - what one HTTP exchange with the gateway amounts to.
 *
 * The line that matters is between "certainly not done" and "perhaps done":
 * etcd reports a put that it could not finish with 2/500 or 14/503, and one of
 * 573 such puts was found in the store afterwards. Pure. */
#pragma once
#include "control/etcd/decode.h"
#include "control/etcd/transport.h"

struct exchange {
    enum transfer_end end;
    int status;
    const struct answer *answer; /* NULL: the body is not one JSON object */
    bool is_write;
};

struct verdict {
    enum etcd_outcome outcome;
    bool try_elsewhere; /* harmless, and another endpoint may do better */
    bool wants_token;   /* the token is missing or no longer good; nothing was done */
};

struct verdict verdict_reach(const struct exchange *x);

/* Of an answer that we have reason not to believe. */
struct verdict verdict_unclear(bool is_write);

/* Does a canceled watch say that its token or its permissions were at fault? */
bool verdict_is_auth_text(const char *reason);
