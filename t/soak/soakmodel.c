#include "t/soak/soakmodel.h"
#include "common/core/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a command makes of one thing that may be there. */
enum sequel { SEQUEL_IMPOSSIBLE, SEQUEL_NOTHING, SEQUEL_ITEM };

/* --- expiry ------------------------------------------------------------------ */

/* A server that was stopped in the middle may have taken the time before. */
static void
set_expiry(struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
           const struct soak_weather *w)
{
    bool timely = w->slack_us != SOAK_NEVER;
    if (d->ttl_s == 0) {
        it->expiry_lo_us = it->expiry_hi_us = SOAK_NEVER;
    } else if (d->ttl_s < 0) {
        it->expiry_lo_us = it->expiry_hi_us = 0;
    } else {
        uint64_t ttl_us = (uint64_t)d->ttl_s * 1000000;
        it->expiry_lo_us = timely ? d->sent_us + ttl_us : 0;
        it->expiry_hi_us = a->at_us + ttl_us;
    }
}

static bool
surely_gone(const struct soak_item *it, const struct soak_deed *d, const struct soak_weather *w)
{
    if (w->slack_us == SOAK_NEVER) {
        return false;
    }
    return it->stored_hi_us < w->flushed_lo_us ||
           (it->expiry_hi_us != SOAK_NEVER && it->expiry_hi_us + w->slack_us < d->sent_us);
}

/* Something else than an eviction may have taken it. */
static bool
maybe_gone(const struct soak_item *it, const struct soak_answer *a, const struct soak_weather *w)
{
    return w->slack_us == SOAK_NEVER || it->stored_lo_us <= w->flushed_hi_us ||
           (it->expiry_lo_us != SOAK_NEVER && it->expiry_lo_us <= a->at_us + w->slack_us);
}

/* A TTL is rounded up to seconds. */
static bool
ttl_possible(const struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
             const struct soak_weather *w)
{
    if (a->ttl_s < 0) {
        return it->expiry_hi_us == SOAK_NEVER;
    }
    if (w->slack_us == SOAK_NEVER || it->expiry_lo_us == 0) {
        return it->expiry_lo_us != SOAK_NEVER;
    }
    uint64_t expires_us = d->sent_us + (uint64_t)a->ttl_s * 1000000;
    uint64_t latest_us = expires_us + w->slack_us + (a->at_us - d->sent_us);
    return latest_us >= it->expiry_lo_us &&
           (it->expiry_hi_us == SOAK_NEVER ||
            expires_us <= it->expiry_hi_us + w->slack_us + 1000000);
}

/* --- one command on one item ---------------------------------------------------- */

static bool
shows(const struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
      const struct soak_weather *w)
{
    if (a->has_value && !soak_content_equals(d->id, &it->content, a->value)) {
        return false;
    }
    bool number = soak_class(d->id) == SOAK_NUMBER;
    if (a->has_size && !number && a->size != soak_content_bytes(&it->content)) {
        return false;
    }
    if (a->meta && it->stale != MARK_UNKNOWN && a->stale != (it->stale == MARK_STALE)) {
        return false;
    }
    return (!a->has_flags || a->flags == it->content.flags) &&
           (!a->has_cas || it->cas == 0 || a->cas == it->cas) &&
           (!a->has_ttl || ttl_possible(it, d, a, w));
}

static void
make_new(struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
         const struct soak_weather *w)
{
    *it = (struct soak_item){.stored_lo_us = d->sent_us, .stored_hi_us = a->at_us};
    it->content.flags = soak_flags(d->id, d->piece.seq);
    if (soak_class(d->id) == SOAK_NUMBER) {
        it->content.number = soak_number(d->id, d->piece.seq);
    } else if (d->piece.bytes > 0) {
        it->content.pieces[it->content.count++] = d->piece;
    }
    it->cas = a->has_cas ? a->cas : 0;
    set_expiry(it, d, a, w);
}

/* What vivify makes: no value or the number, and no flags. */
static void
make_vivified(struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
              const struct soak_weather *w)
{
    make_new(it, d, a, w);
    it->content.flags = 0;
    it->content.count = 0;
}

static void
changed(struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
        const struct soak_weather *w)
{
    it->cas = a->has_cas ? a->cas : 0;
    it->stored_hi_us = a->at_us;
    if (it->stale == MARK_STALE) {
        it->stale = MARK_UNKNOWN;
    }
    if (d->touch) {
        set_expiry(it, d, a, w);
    }
}

static void
join_piece(struct soak_item *it, const struct soak_deed *d)
{
    struct soak_content *c = &it->content;
    ASSERT(c->count < SOAK_PIECES_MAX);
    unsigned at = d->effect == EFFECT_PREPEND ? 0 : c->count;
    memmove(&c->pieces[at + 1], &c->pieces[at], (c->count - at) * sizeof(c->pieces[0]));
    c->pieces[at] = d->piece;
    c->count++;
}

static enum sequel
read_item(struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
          const struct soak_weather *w)
{
    if (a->kind != ANSWER_HIT) {
        return SEQUEL_IMPOSSIBLE;
    }
    struct soak_item before = *it;
    if (d->touch) {
        set_expiry(it, d, a, w);
    }
    if (!shows(d->touch_last ? &before : it, d, a, w)) {
        return SEQUEL_IMPOSSIBLE;
    }
    it->cas = a->has_cas ? a->cas : it->cas;
    return SEQUEL_ITEM;
}

/* Where a comparison or a refusal leaves the item alone. */
static bool
left_alone(const struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a)
{
    bool joins = d->effect == EFFECT_APPEND || d->effect == EFFECT_PREPEND;
    if (a->kind == ANSWER_EXISTS) {
        return d->compare && (it->cas == 0 || it->cas != d->compare_cas);
    }
    /* Who joins and finds no memory hears that nothing was stored. */
    return a->kind == ANSWER_REFUSED || (joins && a->kind == ANSWER_NOT_STORED);
}

static bool
compare_passes(const struct soak_item *it, const struct soak_deed *d)
{
    return !d->compare || it->cas == 0 || it->cas == d->compare_cas;
}

static enum sequel
count_item(struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
           const struct soak_weather *w)
{
    uint64_t n = it->content.number;
    bool incr = d->effect == EFFECT_INCR;
    n = incr ? n + d->delta : n > d->delta ? n - d->delta : 0;
    if (a->kind != ANSWER_DONE && (a->kind != ANSWER_NUMBER || a->number != n)) {
        return SEQUEL_IMPOSSIBLE;
    }
    it->content.number = n;
    changed(it, d, a, w);
    return SEQUEL_ITEM;
}

static enum sequel
remove_item(struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
            const struct soak_weather *w)
{
    if (d->effect == EFFECT_DELETE) {
        return SEQUEL_NOTHING;
    }
    changed(it, d, a, w);
    if (d->effect == EFFECT_MARK_STALE) {
        it->stale = MARK_STALE;
    } else {
        it->content.count = 0;
        it->content.flags = 0;
    }
    return SEQUEL_ITEM;
}

/* The key holds *it; what then, if the answer is true? */
static enum sequel
follow_item(struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
            const struct soak_weather *w)
{
    bool done = a->kind == ANSWER_DONE || a->kind == ANSWER_NUMBER;
    if (d->effect == EFFECT_READ) {
        return read_item(it, d, a, w);
    }
    if (left_alone(it, d, a)) {
        /* A set that finds no memory removes what it was to replace. */
        return d->effect == EFFECT_SET && !d->compare ? SEQUEL_NOTHING : SEQUEL_ITEM;
    }
    if (d->effect == EFFECT_ADD) {
        return a->kind == ANSWER_NOT_STORED ? SEQUEL_ITEM : SEQUEL_IMPOSSIBLE;
    }
    if (!done || !compare_passes(it, d)) {
        return SEQUEL_IMPOSSIBLE;
    }
    switch (d->effect) {
    case EFFECT_SET:
    case EFFECT_REPLACE: make_new(it, d, a, w); return SEQUEL_ITEM;
    case EFFECT_APPEND:
    case EFFECT_PREPEND:
        join_piece(it, d);
        changed(it, d, a, w);
        return SEQUEL_ITEM;
    case EFFECT_INCR:
    case EFFECT_DECR: return count_item(it, d, a, w);
    case EFFECT_DELETE:
    case EFFECT_MARK_STALE:
    case EFFECT_DROP_VALUE: return remove_item(it, d, a, w);
    case EFFECT_TOUCH: set_expiry(it, d, a, w); return SEQUEL_ITEM;
    case EFFECT_READ:
    case EFFECT_ADD: break;
    }
    UNREACHABLE();
}

/* --- one command on nothing ------------------------------------------------------ */

static enum sequel
vivify_nothing(struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
               const struct soak_weather *w)
{
    make_vivified(it, d, a, w);
    bool made = d->effect == EFFECT_READ
                    ? a->kind == ANSWER_HIT && shows(it, d, a, w)
                    : a->kind == ANSWER_DONE ||
                          (a->kind == ANSWER_NUMBER && a->number == it->content.number);
    /* Where there is no memory a read that should make something is a miss. */
    bool refused =
        a->kind == ANSWER_REFUSED || (d->effect == EFFECT_READ && a->kind == ANSWER_MISS);
    return made ? SEQUEL_ITEM : refused ? SEQUEL_NOTHING : SEQUEL_IMPOSSIBLE;
}

static enum sequel
follow_nothing(struct soak_item *it, const struct soak_deed *d, const struct soak_answer *a,
               const struct soak_weather *w)
{
    if (d->vivify) {
        return vivify_nothing(it, d, a, w);
    }
    switch (d->effect) {
    case EFFECT_SET:
        if (d->compare) {
            break;
        }
        /* fall through */
    case EFFECT_ADD:
        make_new(it, d, a, w);
        return a->kind == ANSWER_DONE      ? SEQUEL_ITEM
               : a->kind == ANSWER_REFUSED ? SEQUEL_NOTHING
                                           : SEQUEL_IMPOSSIBLE;
    case EFFECT_REPLACE:
    case EFFECT_APPEND:
    case EFFECT_PREPEND:
        return a->kind == ANSWER_NOT_STORED || a->kind == ANSWER_REFUSED ? SEQUEL_NOTHING
                                                                         : SEQUEL_IMPOSSIBLE;
    case EFFECT_READ:
    case EFFECT_INCR:
    case EFFECT_DECR:
    case EFFECT_DELETE:
    case EFFECT_MARK_STALE:
    case EFFECT_DROP_VALUE:
    case EFFECT_TOUCH: break;
    }
    return a->kind == ANSWER_MISS || a->kind == ANSWER_REFUSED ? SEQUEL_NOTHING : SEQUEL_IMPOSSIBLE;
}

/* --- all that may be ---------------------------------------------------------------- */

struct futures {
    struct soak_state state;
    bool nothing;        /* the key may hold nothing after what `before` held */
    bool nothing_before; /* only if it held nothing before */
};

static void
widen(struct soak_item *it, const struct soak_item *same)
{
    it->stored_lo_us =
        same->stored_lo_us < it->stored_lo_us ? same->stored_lo_us : it->stored_lo_us;
    it->stored_hi_us =
        same->stored_hi_us > it->stored_hi_us ? same->stored_hi_us : it->stored_hi_us;
    it->expiry_lo_us =
        same->expiry_lo_us < it->expiry_lo_us ? same->expiry_lo_us : it->expiry_lo_us;
    it->expiry_hi_us =
        same->expiry_hi_us > it->expiry_hi_us ? same->expiry_hi_us : it->expiry_hi_us;
}

static void
keep(struct futures *f, const struct soak_item *it)
{
    for (unsigned i = 0; i < f->state.count; i++) {
        struct soak_item *other = &f->state.may[i];
        if (other->cas == it->cas && other->stale == it->stale &&
            memcmp(&other->content, &it->content, sizeof(it->content)) == 0) {
            widen(other, it);
            return;
        }
    }
    if (f->state.count == SOAK_MAY_MAX) {
        f->state.lost = true;
        return;
    }
    f->state.may[f->state.count++] = *it;
}

static void
follow_one(struct futures *f, const struct soak_state *before, const struct soak_deed *d,
           const struct soak_answer *a, const struct soak_weather *w)
{
    for (unsigned i = 0; i < before->count; i++) {
        struct soak_item it = before->may[i];
        switch (follow_item(&it, d, a, w)) {
        case SEQUEL_ITEM: keep(f, &it); break;
        case SEQUEL_NOTHING: f->nothing = true; break;
        case SEQUEL_IMPOSSIBLE: break;
        }
    }
}

static void
follow_absence(struct futures *f, const struct soak_deed *d, const struct soak_answer *a,
               const struct soak_weather *w)
{
    struct soak_item it = {0};
    switch (follow_nothing(&it, d, a, w)) {
    case SEQUEL_ITEM:
        /* A plain set makes the same of everything: once is enough. */
        if (f->state.count == 0 || d->effect != EFFECT_SET) {
            keep(f, &it);
        }
        f->nothing_before = true;
        break;
    case SEQUEL_NOTHING: f->nothing_before = true; break;
    case SEQUEL_IMPOSSIBLE: break;
    }
}

/* A plain set that was done makes one thing of all that may be. */
static void
forget_what_set_replaces(struct soak_state *s, const struct soak_deed *d)
{
    if (d->effect == EFFECT_SET && !d->compare && s->count > 1) {
        s->count = 1;
    }
}

/* May the command leave the item as it is, without our hearing of it? */
static bool
may_leave(const struct soak_deed *d, const struct soak_answer *a)
{
    bool plain = d->effect == EFFECT_SET || d->effect == EFFECT_DELETE;
    return a->cut || d->compare || !plain;
}

/* No answer: it was done, or nothing happened. */
static void
follow_unknown(struct soak_state *s, const struct soak_deed *d, const struct soak_answer *a,
               const struct soak_weather *w)
{
    struct futures f = {0};
    struct soak_answer done = *a;
    done.kind = d->effect == EFFECT_READ ? ANSWER_HIT : ANSWER_DONE;
    follow_one(&f, s, d, &done, w);
    follow_absence(&f, d, &done, w);
    for (unsigned i = 0; may_leave(d, a) && i < s->count; i++) {
        keep(&f, &s->may[i]);
    }
    *s = f.state;
}

static void
age(struct soak_state *s, const struct soak_deed *d, const struct soak_weather *w)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < s->count; i++) {
        if (!surely_gone(&s->may[i], d, w)) {
            s->may[kept++] = s->may[i];
        }
    }
    /* It may have been what is gone now. */
    s->sure = s->sure && kept == s->count;
    s->count = kept;
}

static bool
all_maybe_gone(const struct soak_state *s, const struct soak_answer *a,
               const struct soak_weather *w)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (maybe_gone(&s->may[i], a, w)) {
            return true;
        }
    }
    return false;
}

/* After a wrong answer anything is believed until it is plain again what the
 * key holds. */
static bool
found_again(const struct soak_deed *d, const struct soak_answer *a)
{
    switch (d->effect) {
    case EFFECT_SET: return !d->compare && a->kind == ANSWER_DONE;
    case EFFECT_READ:
    case EFFECT_DELETE: return !d->vivify && a->kind == ANSWER_MISS;
    case EFFECT_ADD:
    case EFFECT_REPLACE:
    case EFFECT_APPEND:
    case EFFECT_PREPEND:
    case EFFECT_INCR:
    case EFFECT_DECR:
    case EFFECT_MARK_STALE:
    case EFFECT_DROP_VALUE:
    case EFFECT_TOUCH: return false;
    }
    return false;
}

/* What is refused may have been removed for the room that was tried for. */
static bool
says_present(const struct soak_deed *d, const struct soak_answer *a)
{
    return a->kind != ANSWER_REFUSED && (a->kind != ANSWER_NOT_STORED || d->effect == EFFECT_ADD);
}

enum soak_verdict
soak_judge(struct soak_state *s, const struct soak_deed *d, const struct soak_answer *a,
           const struct soak_weather *w)
{
    if (s->lost && !found_again(d, a)) {
        return SOAK_RIGHT;
    }
    s->lost = false;
    age(s, d, w);
    if (a->kind == ANSWER_UNKNOWN) {
        follow_unknown(s, d, a, w);
        return SOAK_RIGHT;
    }
    struct futures f = {0};
    if (a->kind == ANSWER_DONE) {
        forget_what_set_replaces(s, d);
    }
    follow_one(&f, s, d, a, w);
    bool was_there = f.state.count > 0 || f.nothing;
    follow_absence(&f, d, a, w);
    if (!was_there && !f.nothing_before) {
        *s = (struct soak_state){.lost = true};
        return SOAK_WRONG;
    }
    bool vanished = s->sure && !was_there && !all_maybe_gone(s, a, w);
    f.state.sure = f.state.count > 0 && says_present(d, a);
    *s = f.state;
    return vanished ? SOAK_VANISHED : SOAK_RIGHT;
}

void
soak_state_print(const struct soak_state *s, char *out, size_t room)
{
    size_t n = (size_t)snprintf(out, room, "%s%u possible:", s->sure ? "sure, " : "", s->count);
    for (unsigned i = 0; i < s->count && n < room; i++) {
        const struct soak_item *it = &s->may[i];
        n += (size_t)snprintf(out + n, room - n,
                              " [seq %" PRIu32 " bytes %zu pieces %u number %" PRIu64
                              " flags %" PRIu64 " cas %" PRIu64 " stored %" PRIu64 "..%" PRIu64
                              " expiry %" PRId64 "..%" PRId64 " stale %d]",
                              soak_content_seq(&it->content), soak_content_bytes(&it->content),
                              it->content.count, it->content.number, it->content.flags, it->cas,
                              it->stored_lo_us, it->stored_hi_us, (int64_t)it->expiry_lo_us,
                              (int64_t)it->expiry_hi_us, it->stale);
    }
}
