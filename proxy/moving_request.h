/* moving_request.h - one request for a key that is on its way (moving.h), and the
 * bytes that are made of it and for it. */
#pragma once
#include "common/core/buf.h"
#include "proxy/form.h"
#include "proxy/move.h"

#define MOVING_WHOLE    UINT32_MAX /* the request is the pending's, not a key of its multiget */
#define MOVING_REST_MAX 128
#define MOVING_LEAST_US 1000 /* of time that a leg has at least */

struct backend;
struct pending;
struct roster;
struct worker;

/* What the leg on its way asks. */
enum moving_asks {
    ASKS_LOOK,    /* what the new owner has */
    ASKS_FETCH,   /* what the old owner has */
    ASKS_STORE,   /* to keep that at the new owner */
    ASKS_DROP,    /* to take the empty item away */
    ASKS_DELETE,  /* to delete the key */
    ASKS_REQUEST, /* what the client asks */
};

/* How the answer to the request itself shows that it met an empty item of others, so
 * that all begins anew (moving_build.h). */
enum moving_guard {
    GUARD_NONE,
    GUARD_BASE,    /* it was told to compare with `base`, and that is not there */
    GUARD_REFUSED, /* it is refused for what is there, where nothing was */
    GUARD_TAKEN,   /* an mg is told that somebody is to fill what it has found */
};

struct moving {
    struct worker *worker;
    struct pending *pending; /* NULL once it is answered */
    struct roster *roster;   /* by which it began */
    uint64_t timeout_us, deadline_us;
    uint64_t hash;
    uint64_t pool_id;
    uint64_t claim;             /* the CAS value of an empty item at the new owner; 0: none */
    uint64_t base;              /* that of a value there; 0: none, or it is not known */
    struct buf line;            /* as the nodes are sent it, with its value */
    struct buf ask;             /* of an mg: "<key on the wire> <flags>" */
    struct buf reply;           /* to be told in the end */
    enum reply_kind reply_kind; /* of its first piece */
    enum failure failure;       /* the first, if it is `failing` */
    enum failure failure_now;   /* that of this act */
    uint64_t settled;           /* the `base` with which such an answer stands */
    uint32_t part;
    uint32_t compare_at;               /* in `line`, 0: nowhere; moving_build.h */
    bool text;                         /* it is a text command, sent as another */
    bool replaces;                     /* it is an ms that answers NS if there is nothing */
    uint8_t step, op, cmd, form, duty; /* enums; form.h */
    uint8_t asked;                     /* the client's command; `cmd` is the nodes' */
    uint8_t guard;
    uint8_t at; /* which act it is */
    uint8_t asks, then;
    uint8_t crossed; /* how often it has begun anew */
    enum move_act act;
    bool binary_key; /* of an mg: in base64 */
    bool failing;
    bool owes;    /* an owner will have its delete by its journal, and nothing is copied from it */
    bool guarded; /* the leg on its way is, by `guard` */
    bool stretched;   /* it may have given an empty item a longer life */
    bool sent;        /* the request itself, to a node that may have done it */
    bool answered;    /* a piece of the reply of this node has come */
    bool passes_over; /* and the other's counts more */
    bool starting;    /* the caller has not been told yet that it is taken care of */
    bool stalls;      /* its client is not read from meanwhile */
    uint8_t key_bytes;
    char key[KEY_MAX_BYTES];
};

static inline struct span
moving_key(const struct moving *m)
{
    return span_make(m->key, m->key_bytes);
}

/* A key's request as a node shall see it, without its value. */
bool moving_put_request(struct buf *out, const struct request *r, struct span key, bool whole);

/* What follows the key of an mg or md: returns `rest`. */
const char *moving_put_look(char rest[MOVING_REST_MAX], const char *words, bool with_claim);
const char *moving_put_cas(char rest[MOVING_REST_MAX], uint64_t cas);

/* An ms of what the old owner had, in place of the empty item. */
bool moving_put_store(struct buf *out, const struct moving *m, const struct fetched *f, int64_t ttl,
                      bool with_cas);

/* The CAS value if that is an empty item that somebody is to fill; else 0. */
uint64_t moving_claim_of(const struct fetched *f);

/* The right to refill a stale item, which reading it has taken. */
void moving_give_win_back(struct moving *m, struct backend *b, const struct fetched *f);
