#include "t/chaos/chaosmodel.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NEVER      UINT64_MAX
#define COUNT_BITS 64
#define LOOK_BACK  1000 /* at writes, for one of another proxy that is over */

enum write_state { WRITE_SENT, WRITE_DONE, WRITE_UNKNOWN, WRITE_NOT_DONE, WRITE_NO_ANSWER };

struct written {
    uint64_t sent_us, ended_us;
    uint64_t floor_us; /* when it was sent, through its proxy; 0: nothing can be said */
    uint64_t counted;  /* answers of incr to this number, a bit each */
    uint32_t life, moves, floor_seq, base;
    uint32_t incrs; /* sent, perhaps to this number */
    uint8_t kind, state, proxy;
    bool settled;
    bool at_node; /* it said that it is done */
};

/* What was promised through one proxy. */
struct promise {
    uint64_t floor_us, kept_us; /* kept: also when the proxy has gone */
    uint32_t floor_seq, kept_seq;
    uint32_t count_of, count;
};

struct key {
    pthread_mutex_t lock;
    struct written *writes; /* number n at n - 1 */
    uint32_t count, room;
    uint32_t moves;
    uint32_t incrs;  /* sent */
    unsigned moving; /* a bit for each proxy that may still go by an older table */
    struct promise promises[CHAOS_PROXIES_MAX];
};

struct proxy {
    _Atomic uint32_t life;
};

struct chaos_model {
    unsigned key_count, proxy_count;
    uint64_t gutter_ttl_us;
    bool judges_others;
    uint64_t others_bound_us;
    struct proxy proxies[CHAOS_PROXIES_MAX];
    struct key keys[];
};

struct chaos_model *
chaos_model_create(unsigned keys, unsigned proxies, uint64_t gutter_ttl_us)
{
    ASSERT(proxies <= CHAOS_PROXIES_MAX);
    struct chaos_model *m = mem_zalloc(sizeof(*m) + keys * sizeof(m->keys[0]));
    m->key_count = keys;
    m->proxy_count = proxies;
    m->gutter_ttl_us = gutter_ttl_us;
    for (unsigned i = 0; i < keys; i++) {
        pthread_mutex_init(&m->keys[i].lock, NULL);
    }
    return m;
}

void
chaos_model_judge_others(struct chaos_model *m, uint64_t bound_us)
{
    m->judges_others = true;
    m->others_bound_us = bound_us;
}

void
chaos_model_destroy(struct chaos_model **model)
{
    struct chaos_model *m = *model;
    *model = NULL;
    for (unsigned i = 0; i < m->key_count; i++) {
        pthread_mutex_destroy(&m->keys[i].lock);
        free(m->keys[i].writes);
    }
    free(m);
}

const char *
chaos_verdict_name(enum chaos_verdict verdict)
{
    static const char *const names[] = {
        [CHAOS_RIGHT] = "right",
        [CHAOS_STALE] = "stale",
        [CHAOS_NEVER_WRITTEN] = "never written",
        [CHAOS_LOST_UPDATE] = "lost update",
        [CHAOS_TWICE] = "done twice",
        [CHAOS_COUNTED_WRONG] = "counted wrong",
    };
    return names[verdict];
}

static struct key *
lock_key(struct chaos_model *m, unsigned key)
{
    ASSERT(key < m->key_count);
    pthread_mutex_lock(&m->keys[key].lock);
    return &m->keys[key];
}

/* --- views ---------------------------------------------------------------------------- */

/* One of the last writes that whoever reads later than the bound has to see. */
static void
look_at_others(const struct chaos_model *m, const struct key *k, struct chaos_view *view)
{
    uint32_t least = k->count > LOOK_BACK ? k->count - LOOK_BACK : 0;
    for (uint32_t seq = k->count; seq > least && m->judges_others; seq--) {
        const struct written *w = &k->writes[seq - 1];
        if (w->state == WRITE_DONE && w->kind != CHAOS_INCR && w->at_node && w->settled &&
            w->moves == k->moves && w->ended_us + m->others_bound_us < view->sent_us) {
            view->others_us = w->sent_us;
            view->others_seq = seq;
            return;
        }
    }
}

struct chaos_view
chaos_view(struct chaos_model *m, unsigned key, unsigned proxy, uint64_t now_us)
{
    struct key *k = lock_key(m, key);
    const struct promise *p = &k->promises[proxy];
    struct chaos_view view = {.proxy = proxy,
                              .life = m->proxies[proxy].life,
                              .moves = k->moves,
                              .settled = (k->moving & 1u << proxy) == 0,
                              .sent_us = now_us,
                              .floor_us = p->floor_us,
                              .floor_seq = p->floor_seq,
                              .count_of = p->count_of,
                              .count = p->count};
    look_at_others(m, k, &view);
    pthread_mutex_unlock(&k->lock);
    return view;
}

/* Does what the view says still hold for an answer that comes now? */
static bool
still_holds(const struct chaos_model *m, const struct key *k, unsigned proxy, uint32_t life,
            uint32_t moves)
{
    return k->moves == moves && m->proxies[proxy].life == life;
}

/* --- writes ---------------------------------------------------------------------------- */

uint32_t
chaos_write_begin(struct chaos_model *m, unsigned key, enum chaos_write kind,
                  const struct chaos_view *view, uint32_t base)
{
    struct key *k = lock_key(m, key);
    if (k->count == k->room) {
        k->room = k->room == 0 ? 64 : k->room * 2;
        k->writes = mem_realloc(k->writes, k->room * sizeof(k->writes[0]));
    }
    if (kind == CHAOS_INCR) {
        k->incrs++;
    }
    k->writes[k->count] = (struct written){.sent_us = view->sent_us,
                                           .ended_us = NEVER,
                                           .floor_us = view->floor_us,
                                           .floor_seq = view->floor_seq,
                                           .incrs = k->incrs,
                                           .life = view->life,
                                           .moves = view->moves,
                                           .base = base,
                                           .settled = view->settled,
                                           .kind = (uint8_t)kind,
                                           .proxy = (uint8_t)view->proxy};
    uint32_t seq = ++k->count;
    pthread_mutex_unlock(&k->lock);
    return seq;
}

/* Is what was there before old from now on, through this proxy? */
static bool
replaces(enum chaos_write kind, enum chaos_outcome outcome)
{
    switch (outcome) {
    case CHAOS_DONE: return kind != CHAOS_INCR; /* that counts up what was set */
    case CHAOS_REMEMBERED: return true;
    case CHAOS_UNKNOWN: return true; /* it is in the journal */
    case CHAOS_NOT_SENT: return kind == CHAOS_SET;
    case CHAOS_NOT_DONE:
    case CHAOS_NO_ANSWER: return false;
    }
    return false;
}

static enum write_state
state_after(enum chaos_outcome outcome)
{
    switch (outcome) {
    case CHAOS_DONE:
    case CHAOS_REMEMBERED: return WRITE_DONE;
    case CHAOS_UNKNOWN: return WRITE_UNKNOWN;
    case CHAOS_NOT_SENT:
    case CHAOS_NOT_DONE: return WRITE_NOT_DONE;
    case CHAOS_NO_ANSWER: return WRITE_NO_ANSWER;
    }
    UNREACHABLE();
}

static void
promise(struct chaos_model *m, struct key *k, uint32_t seq, enum chaos_outcome outcome)
{
    const struct written *w = &k->writes[seq - 1];
    struct promise *p = &k->promises[w->proxy];
    if (w->sent_us > p->floor_us) {
        p->floor_us = w->sent_us;
        p->floor_seq = seq;
    }
    if (m->gutter_ttl_us == 0 && outcome == CHAOS_DONE && w->sent_us > p->kept_us) {
        p->kept_us = w->sent_us;
        p->kept_seq = seq;
    }
}

void
chaos_write_end(struct chaos_model *m, unsigned key, uint32_t seq, enum chaos_outcome outcome,
                uint64_t now_us)
{
    struct key *k = lock_key(m, key);
    struct written *w = &k->writes[seq - 1];
    ASSERT(w->state == WRITE_SENT);
    w->state = (uint8_t)state_after(outcome);
    w->ended_us = now_us;
    w->at_node = outcome == CHAOS_DONE;
    if (!still_holds(m, k, w->proxy, w->life, w->moves)) {
        w->floor_us = 0;
    } else if (w->settled && replaces((enum chaos_write)w->kind, outcome)) {
        promise(m, k, seq, outcome);
    }
    pthread_mutex_unlock(&k->lock);
}

/* --- judging ------------------------------------------------------------------------------ */

/* When the write was certainly over, for who reads through this proxy. */
static uint64_t
over_us(const struct written *w, const struct chaos_view *view)
{
    bool ours = w->proxy == view->proxy && w->life == view->life;
    switch ((enum write_state)w->state) {
    case WRITE_DONE: return w->ended_us;
    case WRITE_UNKNOWN: return ours ? w->ended_us : NEVER;
    case WRITE_SENT:
    case WRITE_NO_ANSWER: return NEVER;
    case WRITE_NOT_DONE: return w->ended_us;
    }
    return NEVER;
}

static bool
in_gutter(const struct chaos_model *m, uint64_t over, uint64_t sent_us)
{
    return m->gutter_ttl_us > 0 && over + m->gutter_ttl_us >= sent_us;
}

static void
describe(const struct written *w, uint32_t seq, char *out, size_t room)
{
    static const char *const kinds[] = {"set", "delete", "append", "cas", "incr"};
    static const char *const states[] = {"under way", "done", "unknown", "not done", "no answer"};
    if (w->ended_us == NEVER) {
        snprintf(out, room, "%s %u (proxy %u.%u, %" PRIu64 ".., %s)", kinds[w->kind], seq, w->proxy,
                 w->life, w->sent_us, states[w->state]);
    } else {
        snprintf(out, room, "%s %u (proxy %u.%u, %" PRIu64 "..%" PRIu64 ", %s)", kinds[w->kind],
                 seq, w->proxy, w->life, w->sent_us, w->ended_us, states[w->state]);
    }
}

static enum chaos_verdict
wrong(enum chaos_verdict verdict, const struct key *k, uint32_t seq, uint32_t against,
      const struct chaos_view *view, char *reason)
{
    char a[128] = "nothing", b[128] = "nothing";
    if (seq >= 1 && seq <= k->count) {
        describe(&k->writes[seq - 1], seq, a, sizeof(a));
    }
    if (against >= 1 && against <= k->count) {
        describe(&k->writes[against - 1], against, b, sizeof(b));
    }
    snprintf(reason, CHAOS_REASON_MAX, "%s: %s, against %s, through proxy %u.%u at %" PRIu64,
             chaos_verdict_name(verdict), a, b, view->proxy, view->life, view->sent_us);
    return verdict;
}

/* May this write be in a value? A delete brings none. */
static bool
may_be_in_value(const struct key *k, uint32_t seq, bool first)
{
    if (seq < 1 || seq > k->count || k->writes[seq - 1].state == WRITE_NOT_DONE) {
        return false;
    }
    enum chaos_write kind = (enum chaos_write)k->writes[seq - 1].kind;
    return first ? kind == CHAOS_SET || kind == CHAOS_CAS : kind == CHAOS_APPEND;
}

/* Was `under` already old, through the proxy of the change, when `change` was
 * sent? */
static bool
base_was_old(const struct chaos_model *m, const struct key *k, uint32_t under, uint32_t change)
{
    const struct written *c = &k->writes[change - 1], *w = &k->writes[under - 1];
    struct chaos_view view = {.proxy = c->proxy, .life = c->life};
    uint64_t over = over_us(w, &view);
    bool moved = c->state == WRITE_SENT && c->moves != k->moves;
    return !moved && over < c->floor_us && !in_gutter(m, over, c->sent_us);
}

static bool
has_twice(const struct chaos_seen *seen)
{
    for (unsigned i = 0; i < seen->pieces; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (seen->seqs[i] == seen->seqs[j]) {
                return true;
            }
        }
    }
    return false;
}

static enum chaos_verdict
judge_pieces(const struct chaos_model *m, const struct key *k, const struct chaos_view *view,
             const struct chaos_seen *seen, char *reason)
{
    for (unsigned i = 0; i < seen->pieces; i++) {
        uint32_t seq = seen->seqs[i], under = i > 0 ? seen->seqs[i - 1] : 0;
        if (!may_be_in_value(k, seq, i == 0)) {
            return wrong(CHAOS_NEVER_WRITTEN, k, seq, 0, view, reason);
        }
        if (i == 0 && k->writes[seq - 1].kind == CHAOS_CAS) {
            under = k->writes[seq - 1].base;
        }
        if (under != 0 && base_was_old(m, k, under, seq)) {
            return wrong(CHAOS_LOST_UPDATE, k, under, k->writes[seq - 1].floor_seq, view, reason);
        }
    }
    return has_twice(seen) ? wrong(CHAOS_TWICE, k, seen->seqs[0], 0, view, reason) : CHAOS_RIGHT;
}

/* At most as often as incr was sent since, at least as often as was answered. */
static enum chaos_verdict
judge_number(const struct key *k, const struct chaos_view *view, const struct chaos_seen *seen,
             char *reason)
{
    uint32_t set = seen->seqs[0];
    uint32_t most = k->incrs - k->writes[set - 1].incrs;
    /* Those before it that may have been done after it. */
    for (uint32_t seq = set - 1; seq >= 1 && set - seq < 4096; seq--) {
        const struct written *w = &k->writes[seq - 1];
        bool over = w->state == WRITE_NOT_DONE ||
                    (w->state == WRITE_DONE && w->ended_us < k->writes[set - 1].sent_us);
        most += w->kind == CHAOS_INCR && !over;
    }
    bool short_of = view->count_of == set && seen->count < view->count;
    if (seen->count > most || short_of) {
        enum chaos_verdict verdict = wrong(CHAOS_COUNTED_WRONG, k, set, 0, view, reason);
        size_t len = strlen(reason);
        snprintf(reason + len, CHAOS_REASON_MAX - len, ": %u, of at least %u and at most %u",
                 seen->count, view->count_of == set ? view->count : 0, most);
        return verdict;
    }
    return CHAOS_RIGHT;
}

static enum chaos_verdict
judge(const struct chaos_model *m, const struct key *k, const struct chaos_view *view,
      const struct chaos_seen *seen, char *reason)
{
    ASSERT(seen->pieces > 0);
    uint32_t last = seen->seqs[seen->pieces - 1];
    enum chaos_verdict verdict = judge_pieces(m, k, view, seen, reason);
    if (verdict != CHAOS_RIGHT || !still_holds(m, k, view->proxy, view->life, view->moves)) {
        return verdict;
    }
    uint64_t over = over_us(&k->writes[last - 1], view);
    if (over < view->floor_us && !in_gutter(m, over, view->sent_us)) {
        return wrong(CHAOS_STALE, k, last, view->floor_seq, view, reason);
    }
    if (over < view->others_us && view->settled && !in_gutter(m, over, view->sent_us)) {
        return wrong(CHAOS_STALE, k, last, view->others_seq, view, reason);
    }
    return seen->is_number ? judge_number(k, view, seen, reason) : CHAOS_RIGHT;
}

enum chaos_verdict
chaos_judge(struct chaos_model *m, unsigned key, const struct chaos_view *view,
            const struct chaos_seen *seen, uint64_t now_us, char *reason)
{
    (void)now_us; /* a write has its number before it is sent, so none is from later */
    struct key *k = lock_key(m, key);
    enum chaos_verdict verdict = judge(m, k, view, seen, reason);
    pthread_mutex_unlock(&k->lock);
    return verdict;
}

/* A number is set once, and then each answer is another. */
static bool
count_is_new(struct written *w, uint32_t count)
{
    uint64_t bit = count < COUNT_BITS ? 1ull << count : 0;
    bool is_new = (w->counted & bit) == 0;
    w->counted |= bit;
    return is_new;
}

enum chaos_verdict
chaos_judge_count(struct chaos_model *m, unsigned key, const struct chaos_view *view,
                  const struct chaos_seen *seen, uint64_t now_us, char *reason)
{
    (void)now_us;
    struct key *k = lock_key(m, key);
    enum chaos_verdict verdict = judge(m, k, view, seen, reason);
    uint32_t set = seen->seqs[0];
    if (verdict == CHAOS_RIGHT && !count_is_new(&k->writes[set - 1], seen->count)) {
        verdict = wrong(CHAOS_TWICE, k, set, 0, view, reason);
    }
    struct promise *p = &k->promises[view->proxy];
    bool holds = still_holds(m, k, view->proxy, view->life, view->moves) && view->settled;
    if (verdict == CHAOS_RIGHT && holds && (p->count_of != set || p->count < seen->count)) {
        p->count_of = set;
        p->count = seen->count;
    }
    pthread_mutex_unlock(&k->lock);
    return verdict;
}

/* --- what ends a promise -------------------------------------------------------------------- */

void
chaos_proxy_ended(struct chaos_model *m, unsigned proxy)
{
    m->proxies[proxy].life++;
    for (unsigned i = 0; i < m->key_count; i++) {
        struct key *k = lock_key(m, i);
        struct promise *p = &k->promises[proxy];
        p->floor_us = p->kept_us;
        p->floor_seq = p->kept_seq;
        p->count_of = p->count = 0;
        pthread_mutex_unlock(&k->lock);
    }
}

void
chaos_key_moves(struct chaos_model *m, unsigned key)
{
    struct key *k = lock_key(m, key);
    k->moves++;
    k->moving = (1u << m->proxy_count) - 1;
    memset(k->promises, 0, sizeof(k->promises));
    pthread_mutex_unlock(&k->lock);
}

void
chaos_proxy_settled(struct chaos_model *m, unsigned proxy)
{
    for (unsigned i = 0; i < m->key_count; i++) {
        struct key *k = lock_key(m, i);
        k->moving &= ~(1u << proxy);
        pthread_mutex_unlock(&k->lock);
    }
}
