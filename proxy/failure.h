/* failure.h - what a client is told when a request cannot be served. Pure.
 *
 * Reads fail as misses, writes as errors, noreply never with a byte. A meta
 * command in quiet mode that failed is told as NS with its opaque and key
 * echoed: its client reads many answers behind one mn, and could not tell whom
 * a bare error line belongs to. docs/failure-modes.md has the table. */
#pragma once
#include "common/core/span.h"
#include "common/fleet/table.h"
#include "common/proto/request.h"

/* clang-format off */
/*    id           the line of a failed write */
#define FAILURES(X)                                                                                \
    X(DOWN,        BACKEND_DOWN)    /* nothing was sent */                                         \
    X(TIMEOUT,     BACKEND_TIMEOUT) /* sent, or partly; nobody knows whether it was done */        \
    X(OVERLOADED,  OVERLOADED)                                                                     \
    X(NO_ROUTE,    NO_ROUTE)                                                                       \
    X(STALE,       STALE_EPOCH)     /* the node refused it: our table is too old */
/* clang-format on */
enum failure {
#define X(id, error) FAILURE_##id,
    FAILURES(X)
#undef X
};

/* The pool's options that change the answer. */
struct failure_policy {
    enum read_error_policy on_read_error;
    enum write_error_policy on_write_error;
    enum meta_error_policy meta_errors;
};

/* What the answer depends on of the request. */
struct failure_request {
    enum proto_command cmd;
    bool noreply;
    bool quiet;
    bool journaled; /* what failed is a delete that the node will still have */
};

struct failure_reply {
    struct span line; /* without CRLF; empty: the client is sent nothing */
    bool echo;        /* the request's opaque and key follow the first word */
};

struct failure_reply failure_answer(const struct failure_request *request,
                                    const struct failure_policy *policy, enum failure failure);

/* After which failures the key must be deleted at its node as soon as that can be
 * reached, because its value there is old, or nobody knows what it is. Not where a node
 * has refused us: others go on using it, and a journal that grows until we have a newer
 * table could end in a flush of all that they have there. */
enum failure_duty {
    DUTY_NONE,    /* reads, and writes that leave a value as good as it was */
    DUTY_IF_SENT, /* what builds on the value: it was done, or not */
    DUTY_IF_LOST, /* set: also when nothing was sent, or the old value would be read on */
    DUTY_ALWAYS,  /* delete */
};
enum failure_duty failure_duty(const struct request *r);
bool failure_duty_applies(enum failure_duty duty, enum failure failure);

/* How a command fails, apart from the pool's options. */
enum failure_manner {
    FAILS_AS_END,       /* a read: END */
    FAILS_AS_EN,        /* a meta read: EN */
    FAILS_AS_NOT_FOUND, /* touch: as if the item had gone */
    FAILS_AS_DELETE,    /* an error, or NOT_FOUND if the node will still have it */
    FAILS_AS_MD,        /* the same in meta */
    FAILS_AS_STORE,     /* an error, or NOT_STORED where the pool says so */
    FAILS_AS_ERROR,     /* an error */
    FAILS_AS_META,      /* an error, or NS in quiet mode */
};
enum failure_manner failure_manner(enum proto_command cmd);
