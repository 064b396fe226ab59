#include "control/etcd/watch_state.h"
#include "common/core/assert.h"
#include "control/etcd/verdict.h"

static const struct {
    const char *text;
    bool rotate;
    bool rest;
    bool stale;
} CAUSES[] = {
#define CAUSE_ROW(id, name, rotate, rest, stale) [WATCH_CAUSE_##id] = {name, rotate, rest, stale},
    WATCH_CAUSES(CAUSE_ROW)
#undef CAUSE_ROW
};

const char *
watch_cause_text(enum watch_cause cause)
{
    return CAUSES[cause].text;
}

void
watch_state_init(struct watch_state *s, size_t endpoint_count, uint64_t idle_ms, uint64_t resync_ms,
                 uint64_t seed)
{
    ASSERT(endpoint_count > 0 && endpoint_count <= ETCD_ENDPOINTS_MAX);
    *s = (struct watch_state){
        .endpoint = seed % endpoint_count,
        .endpoint_count = endpoint_count,
        .idle_ms = idle_ms,
        .resync_ms = resync_ms,
    };
    backoff_init(&s->backoff, WATCH_BACKOFF_MIN_MS, WATCH_BACKOFF_MS, WATCH_BACKOFF_MAX_MS, seed);
}

static enum watch_do
list_now(struct watch_state *s)
{
    s->phase = WATCH_LISTING;
    s->timer_at_ms = 0; /* the list has a deadline of its own */
    return WATCH_DO_LIST;
}

enum watch_do
watch_state_start(struct watch_state *s, uint64_t now_ms)
{
    s->heard_ms = now_ms;
    return list_now(s);
}

/* While the stream runs: the earlier of silence and the next check. */
static void
arm_stream(struct watch_state *s)
{
    uint64_t silent_at = s->heard_ms + s->idle_ms;
    s->timer_at_ms = silent_at < s->resync_at_ms ? silent_at : s->resync_at_ms;
}

enum watch_do
watch_state_timer(struct watch_state *s, uint64_t now_ms, enum watch_cause *cause)
{
    if (s->timer_at_ms == 0 || now_ms < s->timer_at_ms) {
        return WATCH_DO_NOTHING;
    }
    switch (s->phase) {
    case WATCH_RESTING: return list_now(s);
    case WATCH_LISTING: return WATCH_DO_NOTHING;
    case WATCH_OPENING: *cause = WATCH_CAUSE_NOT_CREATED; break;
    case WATCH_STREAMING:
        *cause = now_ms >= s->resync_at_ms ? WATCH_CAUSE_RESYNC : WATCH_CAUSE_SILENT;
        break;
    }
    return watch_state_break(s, now_ms, *cause);
}

/* All endpoints have been asked since the last good list, those that answered
 * are in our past, and a list needs a majority: it is the store that is. */
static void
note_tried(struct watch_state *s)
{
    s->tried |= 1u << s->endpoint;
    uint32_t all = (1u << s->endpoint_count) - 1;
    if (s->tried == all && s->behind != 0) {
        s->regressed = true;
    }
}

enum watch_do
watch_state_break(struct watch_state *s, uint64_t now_ms, enum watch_cause cause)
{
    if (s->created_ms != 0 && now_ms - s->created_ms >= WATCH_PROVEN_MS) {
        backoff_reset(&s->backoff, WATCH_BACKOFF_MS);
    }
    s->created_ms = 0;
    if (s->phase == WATCH_LISTING) {
        note_tried(s);
    }
    if (CAUSES[cause].stale) {
        s->live = false;
    }
    if (CAUSES[cause].rotate) {
        s->endpoint = (s->endpoint + 1) % s->endpoint_count;
    }
    if (!CAUSES[cause].rest) {
        return list_now(s);
    }
    s->phase = WATCH_RESTING;
    s->timer_at_ms = now_ms + backoff_next_ms(&s->backoff);
    return WATCH_DO_REST;
}

enum watch_list_verdict
watch_state_judge_list(struct watch_state *s, int64_t revision, enum guard_result guard)
{
    ASSERT(s->phase == WATCH_LISTING);
    if (guard == GUARD_OTHER_CLUSTER) {
        return WATCH_LIST_FOREIGN;
    }
    if (revision < s->applied || guard == GUARD_OLDER_TERM) {
        s->behind |= 1u << s->endpoint;
        note_tried(s);
        return s->regressed ? WATCH_LIST_REGRESSED : WATCH_LIST_BEHIND;
    }
    /* Once regressed, a higher number proves nothing: the restored store counts
     * up through our past and beyond it. */
    return s->regressed ? WATCH_LIST_REGRESSED : WATCH_LIST_GOOD;
}

enum watch_do
watch_state_adopt(struct watch_state *s, uint64_t now_ms, int64_t revision)
{
    ASSERT(s->phase == WATCH_LISTING);
    s->applied = s->reached = revision;
    s->tried = s->behind = 0;
    s->regressed = false;
    s->live = true;
    s->heard_ms = now_ms;
    uint64_t jitter = s->resync_ms * 2 / 5;
    s->resync_at_ms = now_ms + s->resync_ms - jitter / 2 +
                      (jitter > 0 ? random_next(&s->backoff.rng) % (jitter + 1) : 0);
    s->phase = WATCH_OPENING;
    s->timer_at_ms = now_ms + WATCH_CREATED_MS;
    return WATCH_DO_OPEN;
}

/* Terminal messages leave the connection open; we close it. */
static bool
is_terminal(const struct answer *m, enum watch_cause *cause)
{
    if (m->is_error) {
        *cause =
            verdict_is_auth_text(m->message) ? WATCH_CAUSE_UNAUTHORIZED : WATCH_CAUSE_SERVER_ERROR;
        return true;
    }
    if (m->compact_revision != 0) {
        *cause = WATCH_CAUSE_COMPACTED;
        return true;
    }
    if (m->canceled) {
        *cause = verdict_is_auth_text(m->cancel_reason) ? WATCH_CAUSE_UNAUTHORIZED
                                                        : WATCH_CAUSE_CANCELED;
        return true;
    }
    return false;
}

static enum watch_message_verdict
broken(enum watch_cause cause, enum watch_cause *out)
{
    *out = cause;
    return WATCH_MESSAGE_BREAK;
}

enum watch_message_verdict
watch_state_judge_message(struct watch_state *s, uint64_t now_ms, const struct answer *m,
                          enum guard_result guard, enum watch_cause *cause)
{
    if (is_terminal(m, cause)) {
        return WATCH_MESSAGE_BREAK;
    }
    if (guard == GUARD_OTHER_CLUSTER) {
        return broken(WATCH_CAUSE_OTHER_CLUSTER, cause);
    }
    if (guard == GUARD_OLDER_TERM) {
        return broken(WATCH_CAUSE_BEHIND, cause);
    }
    if (s->phase == WATCH_OPENING) {
        if (!m->created) {
            return broken(WATCH_CAUSE_MALFORMED, cause);
        }
        if (m->header.revision < s->applied) {
            return broken(WATCH_CAUSE_BEHIND, cause);
        }
        s->phase = WATCH_STREAMING;
        s->created_ms = now_ms;
    }
    s->heard_ms = now_ms;
    arm_stream(s);
    if (m->fragment) {
        return WATCH_MESSAGE_HOLD;
    }
    return m->change_count > 0 ? WATCH_MESSAGE_APPLY : WATCH_MESSAGE_QUIET;
}

bool
watch_state_is_news(struct watch_state *s, int64_t mod_revision)
{
    if (mod_revision <= s->applied || mod_revision < s->reached) {
        return false;
    }
    s->reached = mod_revision;
    return true;
}

void
watch_state_commit(struct watch_state *s)
{
    s->applied = s->reached;
}

void
watch_state_ask_resync(struct watch_state *s, uint64_t now_ms)
{
    s->resync_at_ms = now_ms;
    if (s->phase == WATCH_STREAMING) {
        arm_stream(s);
    }
}
