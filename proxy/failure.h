/* failure.h - what a client is told when a request cannot be served. Pure.
 *
 * Reads fail as misses, writes as errors, noreply never with a byte. A meta
 * command in quiet mode that failed is told as NS with its opaque and key
 * echoed: its client reads many answers behind one mn, and could not tell whom
 * a bare error line belongs to. docs/failure-modes.md has the table. */
#pragma once
#include "common/core/span.h"
#include "common/fleet/table.h"
#include "common/proto/command.h"

/* clang-format off */
/*    id           the line of a failed write */
#define FAILURES(X)                                                                                \
    X(DOWN,        BACKEND_DOWN)    /* nothing was sent */                                         \
    X(TIMEOUT,     BACKEND_TIMEOUT) /* sent, or partly; nobody knows whether it was done */        \
    X(OVERLOADED,  OVERLOADED)                                                                     \
    X(NO_ROUTE,    NO_ROUTE)
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
};

struct failure_reply {
    struct span line; /* without CRLF; empty: the client is sent nothing */
    bool echo;        /* the request's opaque and key follow the first word */
};

struct failure_reply failure_answer(const struct failure_request *request,
                                    const struct failure_policy *policy, enum failure failure);

/* How a command fails, apart from the pool's options. */
enum failure_manner {
    FAILS_AS_END,       /* a read: END */
    FAILS_AS_EN,        /* a meta read: EN */
    FAILS_AS_NOT_FOUND, /* touch: as if the item had gone */
    FAILS_AS_STORE,     /* an error, or NOT_STORED where the pool says so */
    FAILS_AS_ERROR,     /* an error */
    FAILS_AS_META,      /* an error, or NS in quiet mode */
};
enum failure_manner failure_manner(enum proto_command cmd);
