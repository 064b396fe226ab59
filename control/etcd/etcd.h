/* etcd.h - a client of etcd's JSON gateway (3.4 to 3.7) on one event loop.
 *
 * The rooms of this folder, outside first:
 *
 *     election   who leads, and the fencing token        lease   a lease kept alive
 *     watch      a prefix as one list-then-watch object  etcd_sync   the same, blocking
 *        \          |            /                           (for mfctl)
 *         etcd.h: get, list, put, delete, txn, lease, status: one callback each
 *                   |
 *     encode, decode, json_split (pure) | auth, endpoint | transport (libcurl)
 *
 * docs/etcd.md says how the gateway behaves and lists the rules, R1 to R15,
 * that the client keeps.
 *
 * Keys: every key that goes in or comes out is relative to the client's
 * prefix, which no call can leave.
 *
 * Deadlines: 2 s for a read and 3 s for a write, ours and not etcd's 7 s. A
 * read that failed at one endpoint is tried at the others, once each; a write
 * only if it certainly did not happen (nothing was sent).
 *
 * Threads: everything on the loop's own thread. A callback is never called
 * from inside the call that asked for it, and exactly once unless cancelled;
 * it may start, cancel and destroy anything except the client itself. */
#pragma once
#include "common/core/metric.h"
#include "common/core/span.h"
#include "common/net/loop.h"

#include <stdint.h>

/* What a caller acts on. A txn whose compares did not hold is OK with
 * `succeeded` false. */
/* clang-format off */
#define ETCD_OUTCOMES(X)                                                                           \
    X(OK, "ok", "done, and the answer is in the reply")                                            \
    X(REFUSED, "refused", "etcd said a definite no; asking the same again will not help")          \
    X(NOT_FOUND, "not-found", "the lease does not exist; nothing was done")                        \
    X(COMPACTED, "compacted", "the revision is no longer (or not yet) in the store")               \
    X(AUTH, "auth", "credentials or permissions do not suffice; nothing was done")                 \
    X(NO_SPACE, "no-space", "the store is full and takes no writes; nothing was done")             \
    X(AMBIGUOUS, "ambiguous", "a write that may have happened: read the key again to know")        \
    X(UNAVAILABLE, "unavailable", "no believable answer to a read, or a write that was never sent")
/* clang-format on */

enum etcd_outcome {
#define ETCD_OUTCOME_ENUM(id, name, help) ETCD_##id,
    ETCD_OUTCOMES(ETCD_OUTCOME_ENUM)
#undef ETCD_OUTCOME_ENUM
};

/* The short name, for logs and messages. */
const char *etcd_outcome_name(enum etcd_outcome outcome);

/* clang-format off */
#define ETCD_METRICS(X)                                                                            \
    X(ETCD_REQUESTS, "requests_total", COUNTER,                                                    \
      "HTTP requests sent, retries and watches included.")                                         \
    X(ETCD_FAILURES, "failures_total", COUNTER,                                                    \
      "Calls that ended with neither ok nor a definite no.")                                       \
    X(ETCD_AMBIGUOUS_WRITES, "ambiguous_writes_total", COUNTER,                                    \
      "Writes that may or may not have happened.")                                                 \
    X(ETCD_REFUSALS, "refusals_total", COUNTER, "Calls that etcd answered with a definite no.")    \
    X(ETCD_DISBELIEVED, "disbelieved_total", COUNTER,                                              \
      "Answers dropped because they contradict earlier ones.")                                     \
    X(ETCD_AUTHENTICATIONS, "authentications_total", COUNTER, "Tokens asked for.")                 \
    X(ETCD_WATCH_EVENTS, "watch_events_total", COUNTER, "Changes delivered by watches.")           \
    X(ETCD_WATCH_DROPPED, "watch_dropped_total", COUNTER,                                          \
      "Watch events that had already been applied.")                                               \
    X(ETCD_RECONNECTS, "watch_reconnects_total", COUNTER, "Watches that broke and began anew.")    \
    X(ETCD_RESYNCS, "watch_resyncs_total", COUNTER, "Lists taken on schedule to check the view.")  \
    X(ETCD_COMPACTIONS, "watch_compactions_total", COUNTER,                                        \
      "Watches that compaction had overtaken.")                                                    \
    X(ETCD_REGRESSED, "watch_regressed", GAUGE,                                                    \
      "Watches that wait because the store went back in time.")                                    \
    X(ETCD_LIVE, "watch_live", GAUGE, "Watches whose view is current.")                            \
    X(ETCD_LEASES_LOST, "leases_lost_total", COUNTER,                                              \
      "Leases that were gone when we renewed them.")                                               \
    X(ETCD_LEADING, "leading", GAUGE, "1 while this process is the leader.")
/* clang-format on */

enum { ETCD_METRICS(METRIC_ENUM) ETCD_METRIC_COUNT };

/* --- the client ---------------------------------------------------------- */
#define ETCD_READ_DEADLINE_MS  2000
#define ETCD_WRITE_DEADLINE_MS 3000
#define ETCD_ENDPOINTS_MAX     16
/* etcd refuses larger requests (--max-request-bytes 1.5 MiB) and transactions
 * with more operations in a branch (--max-txn-ops). */
#define ETCD_REQUEST_BYTES_MAX (1536u * 1024)
#define ETCD_TXN_OPS_MAX       128

/* Strings are copied; zero and NULL mean the default. */
struct etcd_options {
    const char *const *endpoints; /* "http://host:2379", "https://…" or "host:2379" */
    size_t endpoint_count;
    const char *prefix;         /* in front of every key, e.g. "/memfleet/v1/prod/" */
    const char *user;           /* NULL: no authentication */
    const char *password_file;  /* the password is its first line; read at each use */
    const char *ca_file;        /* PEM; NULL: the system's */
    const char *cert_file;      /* PEM; empty CN if etcd has auth on */
    const char *key_file;       /* PEM */
    uint64_t read_deadline_ms;  /* of one attempt; ETCD_READ_DEADLINE_MS */
    uint64_t write_deadline_ms; /* ETCD_WRITE_DEADLINE_MS */
};

struct etcd;

/* Opens no connection yet. On failure (an endpoint that is no URL, too many of
 * them, a user without password file) NULL and *error, the caller's to free. */
struct etcd *etcd_create(struct loop *loop, const struct etcd_options *options, char **error);
/* Calls still under way are dropped without their callbacks. Watches, leases
 * and elections on this client must be destroyed before. */
void etcd_destroy(struct etcd **client);

struct loop *etcd_loop(const struct etcd *client);
size_t etcd_endpoint_count(const struct etcd *client);
const char *etcd_endpoint_url(const struct etcd *client, size_t index);

/* ETCD_METRICS, for metric_render_prometheus() (names begin "etcd_client_"). */
const struct metric_set *etcd_metrics(const struct etcd *client);

/* --- what comes back ------------------------------------------------------ */
struct etcd_kv {
    struct span key; /* relative to the prefix */
    struct span value;
    int64_t create_revision; /* of the first put since it last did not exist */
    int64_t mod_revision;    /* of the last change: what a CAS compares */
    int64_t version;         /* 1 for a fresh key */
    int64_t lease;           /* 0: none */
};

/* Of one operation in a transaction's branch, in the order they were added. */
struct etcd_result {
    const struct etcd_kv *kvs; /* of a get */
    size_t kv_count;
    int64_t deleted; /* keys removed by a delete */
};

struct etcd_status {
    const char *version; /* "3.4.23" */
    int64_t db_bytes;
    bool is_leader;
    bool has_leader;
};

struct etcd_member {
    uint64_t id;
    const char *name;       /* "" until it has started once */
    const char *client_url; /* the first, or "" */
};

/* Lives, with all it points to, until the callback returns. Fields that the
 * call does not name are zero. */
struct etcd_reply {
    enum etcd_outcome outcome;
    const char *error;         /* one line for people; "" with ETCD_OK */
    const char *endpoint;      /* who was asked last */
    int64_t revision;          /* of the store; of a list: that all of it was read at */
    const struct etcd_kv *kvs; /* get: 0 or 1; list: in key order */
    size_t kv_count;
    bool succeeded;                    /* txn: the compares held */
    const struct etcd_result *results; /* txn: of the branch that ran */
    size_t result_count;
    int64_t deleted; /* delete: how many keys */
    int64_t lease;   /* grant, keepalive */
    int64_t ttl_s;   /* grant: what etcd gave, may be more than asked; keepalive: what is left */
    const struct etcd_status *status;
    const struct etcd_member *members;
    size_t member_count;
};

typedef void etcd_fn(void *arg, const struct etcd_reply *reply);

/* --- calls ---------------------------------------------------------------- *
 * Each returns a handle that is good until the callback runs; keep it only to
 * cancel. Keys and values are copied. `fn` may be NULL. */
struct etcd_call;

/* The callback will not come. What was sent may still take effect. Sets *call
 * to NULL; harmless if it is. */
void etcd_cancel(struct etcd_call **call);

/* Linearizable reads. */
struct etcd_call *etcd_get(struct etcd *client, struct span key, etcd_fn *fn, void *arg);
/* Every key that begins with `prefix` (relative; empty: all), fetched in pages
 * that are pinned to the revision of the first. */
struct etcd_call *etcd_list(struct etcd *client, struct span prefix, etcd_fn *fn, void *arg);

/* Unconditional writes; for anything that others write too, use a txn. */
struct etcd_call *etcd_put(struct etcd *client, struct span key, struct span value, int64_t lease,
                           etcd_fn *fn, void *arg);
struct etcd_call *etcd_delete(struct etcd *client, struct span key, etcd_fn *fn, void *arg);
struct etcd_call *etcd_delete_prefix(struct etcd *client, struct span prefix, etcd_fn *fn,
                                     void *arg);

/* See txn.h. The txn is read before this returns and stays the caller's. */
struct etcd_txn;
struct etcd_call *etcd_commit(struct etcd *client, const struct etcd_txn *txn, etcd_fn *fn,
                              void *arg);

/* One-shot lease calls; lease.h keeps one alive. A keepalive of a lease that is
 * gone is ETCD_NOT_FOUND. */
struct etcd_call *etcd_lease_grant(struct etcd *client, int64_t ttl_s, etcd_fn *fn, void *arg);
struct etcd_call *etcd_lease_keepalive(struct etcd *client, int64_t lease, etcd_fn *fn, void *arg);
struct etcd_call *etcd_lease_revoke(struct etcd *client, int64_t lease, etcd_fn *fn, void *arg);

/* Diagnostics: what one endpoint says of itself, and whom the cluster consists
 * of. */
struct etcd_call *etcd_status_of(struct etcd *client, size_t endpoint, etcd_fn *fn, void *arg);
struct etcd_call *etcd_members(struct etcd *client, etcd_fn *fn, void *arg);
