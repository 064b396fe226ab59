/* watch_state.h - the decisions of a watch, without its I/O.
 *
 *     RESTING -> LISTING -> OPENING -> STREAMING
 *        ^          |          |           |
 *        +----------+----------+-----------+   watch_state_break(cause)
 *
 * The caller (watch.c) reports what happened and carries out the enum watch_do
 * that comes back: drop whatever is under way, then do that. One timer serves
 * all phases: it fires at timer_at_ms (0: never) and calls watch_state_timer().
 *
 * Pure: `now` is monotonic ms from wherever the caller likes. */
#pragma once
#include "common/core/backoff.h"
#include "control/etcd/endpoint.h"

#define WATCH_CREATED_MS     3000  /* from the request to `created` */
#define WATCH_PROVEN_MS      10000 /* a stream that lived so long resets the backoff */
#define WATCH_BACKOFF_MIN_MS 5
#define WATCH_BACKOFF_MS     50
#define WATCH_BACKOFF_MAX_MS 5000

/* Why a list or a stream ended, and what follows: is the next endpoint asked;
 * do we wait first; may the view be old from here on. */
/* clang-format off */
#define WATCH_CAUSES(X)                                                          \
    /* id             name                                   rotate rest  stale */ \
    X(LIST_FAILED,    "the list failed",                     true,  true,  true)   \
    X(NOT_CREATED,    "no sign of life in time",             true,  true,  true)   \
    X(STREAM_ENDED,   "the stream ended",                    true,  true,  true)   \
    X(SERVER_ERROR,   "the server reported an error",        true,  true,  true)   \
    X(CANCELED,       "the server canceled the watch",       true,  true,  true)   \
    X(COMPACTED,      "compaction overtook the watch",       false, true,  true)   \
    X(UNAUTHORIZED,   "token or permission refused",         false, true,  true)   \
    X(MALFORMED,      "the stream makes no sense",           true,  true,  true)   \
    X(BEHIND,         "the member is in our past",           true,  true,  true)   \
    X(OTHER_CLUSTER,  "the member is of another cluster",    true,  true,  true)   \
    X(SILENT,         "silence",                             true,  false, false)  \
    X(RESYNC,         "scheduled check",                     false, false, false)
/* clang-format on */

enum watch_cause {
#define WATCH_CAUSE_ENUM(id, name, rotate, rest, stale) WATCH_CAUSE_##id,
    WATCH_CAUSES(WATCH_CAUSE_ENUM)
#undef WATCH_CAUSE_ENUM
};

enum watch_phase { WATCH_RESTING, WATCH_LISTING, WATCH_OPENING, WATCH_STREAMING };

enum watch_do {
    WATCH_DO_NOTHING, /* go on; the timer may have moved */
    WATCH_DO_REST,    /* until the timer fires */
    WATCH_DO_LIST,    /* from `endpoint` */
    WATCH_DO_OPEN,    /* a stream at `endpoint` from applied + 1 */
};

enum watch_list_verdict {
    WATCH_LIST_GOOD,
    WATCH_LIST_BEHIND,    /* of our past, but other members are still to be asked */
    WATCH_LIST_FOREIGN,   /* of another cluster */
    WATCH_LIST_REGRESSED, /* the store went back: only the owner can accept this */
};

enum watch_message_verdict {
    WATCH_MESSAGE_QUIET, /* nothing to deliver */
    WATCH_MESSAGE_HOLD,  /* a fragment: keep it until the answer is whole */
    WATCH_MESSAGE_APPLY, /* deliver what was held, then this; then watch_state_commit() */
    WATCH_MESSAGE_BREAK, /* *cause says why; watch_state_break() */
};

struct watch_state {
    enum watch_phase phase;
    size_t endpoint;
    size_t endpoint_count;
    uint64_t idle_ms;
    uint64_t resync_ms;
    uint64_t timer_at_ms;
    uint64_t heard_ms;   /* last message or list */
    uint64_t created_ms; /* of the current stream; 0 before `created` */
    uint64_t resync_at_ms;
    int64_t applied; /* last revision delivered whole */
    int64_t reached; /* highest in the answer being delivered */
    uint32_t tried;  /* endpoints asked since the last good list, one bit each */
    uint32_t behind; /* those of them that are in our past */
    bool regressed;  /* until a list is adopted */
    bool live;
    struct backoff backoff;
};

void watch_state_init(struct watch_state *s, size_t endpoint_count, uint64_t idle_ms,
                      uint64_t resync_ms, uint64_t seed);
enum watch_do watch_state_start(struct watch_state *s, uint64_t now_ms);
enum watch_do watch_state_timer(struct watch_state *s, uint64_t now_ms, enum watch_cause *cause);
enum watch_do watch_state_break(struct watch_state *s, uint64_t now_ms, enum watch_cause cause);

/* A list came. GOOD or an accepted REGRESSED one is then adopted; otherwise
 * break with BEHIND or OTHER_CLUSTER. */
enum watch_list_verdict watch_state_judge_list(struct watch_state *s, int64_t revision,
                                               enum guard_result guard);
enum watch_do watch_state_adopt(struct watch_state *s, uint64_t now_ms, int64_t revision);

/* A message came on the stream; `m` is decoded. */
enum watch_message_verdict watch_state_judge_message(struct watch_state *s, uint64_t now_ms,
                                                     const struct answer *m,
                                                     enum guard_result guard,
                                                     enum watch_cause *cause);
/* Is an event of this revision news? Those of one answer in their order, then
 * commit: only a whole answer moves `applied`. */
bool watch_state_is_news(struct watch_state *s, int64_t mod_revision);
void watch_state_commit(struct watch_state *s);

/* Check the view with a list as soon as the timer can fire. */
void watch_state_ask_resync(struct watch_state *s, uint64_t now_ms);

const char *watch_cause_text(enum watch_cause cause);
