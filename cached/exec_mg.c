/* mg in groups: those that most clients send, which change nothing (request_plain.h),
 * are looked up together and answered from what was seen, like plain gets. All
 * others, and those for which a look is not enough, are exec_meta.c's; the replies
 * are the same. */
#include "cached/exec.h"
#include "cached/group.h"
#include "cached/meta_put.h"
#include "cached/metaline.h"
#include "common/proto/request_plain.h"

/* "VA <bytes>", f s c t, O, k, " Z X" and CRLF */
#define MG_LINE_BYTES (3 + 5 * META_NUMBER_BYTES + META_OPAQUE_BYTES + META_KEY_BYTES + 4 + 2)

struct mg_group {
    struct plain_mg mgs[STORE_SIGHTS];
    struct store_key keys[STORE_SIGHTS];
    struct store_sight sights[STORE_SIGHTS];
    meta_key_room rooms[STORE_SIGHTS];
};

static bool
wants(const struct plain_mg *mg, char letter)
{
    return (mg->present & meta_bit(letter)) != 0;
}

/* --- the reply ------------------------------------------------------------------ */

static char *
put_flag_ttl(char *p, uint64_t expiry_ms, uint64_t now_ms)
{
    long long ttl = metaline_ttl_of(expiry_ms, now_ms);
    if (ttl < 0) {
        memcpy(p, " t-1", 4);
        return p + 4;
    }
    return put_flag_number(p, 't', (uint64_t)ttl);
}

/* The letter of the flag at *at, which is moved behind the flag. */
static inline char
next_flag(const char **at, const struct plain_mg *mg)
{
    char letter = (*at)[1];
    *at += 2 + (letter == 'O' ? mg->opaque.len : 0);
    return letter;
}

static inline char *
put_hit_flags(char *p, const struct plain_mg *mg, struct span key, const struct store_sight *sight,
              uint64_t now_ms)
{
    const char *at = mg->flags.ptr, *end = at + mg->flags.len;
    while (at < end) {
        switch (next_flag(&at, mg)) {
        case 'f': p = put_flag_number(p, 'f', sight->flags); break;
        case 's': p = put_flag_number(p, 's', sight->value.len); break;
        case 'c': p = put_flag_number(p, 'c', sight->cas); break;
        case 't': p = put_flag_ttl(p, sight->expiry_ms, now_ms); break;
        case 'O': p = put_flag_opaque(p, mg->opaque); break;
        case 'k': p = put_flag_key(p, key, sight->binary_key); break;
        }
    }
    if (sight->taken) {
        p = put_mark(p, 'Z');
    }
    return sight->stale ? put_mark(p, 'X') : p;
}

static inline void
put_hit(struct conn *c, struct pen *pen, const struct plain_mg *mg, struct span key,
        const struct store_sight *sight)
{
    if (!pen_room(c, pen, MG_LINE_BYTES + group_copied(sight->value.len))) {
        return;
    }
    char *p = pen->at;
    bool with_value = wants(mg, 'v');
    memcpy(p, with_value ? "VA" : "HD", 2);
    p += 2;
    if (with_value) {
        p = group_put_number(p, sight->value.len);
    }
    p = put_hit_flags(p, mg, key, sight, c->worker->now_ms);
    memcpy(p, "\r\n", 2);
    pen->at = p + 2;
    if (with_value) {
        group_put_value(c, pen, sight);
    }
}

static void
put_miss(struct conn *c, struct pen *pen, const struct plain_mg *mg, struct span key)
{
    if (wants(mg, 'q') || !pen_room(c, pen, MG_LINE_BYTES)) {
        return;
    }
    char *p = pen->at;
    memcpy(p, "EN", 2);
    p += 2;
    const char *at = mg->flags.ptr, *end = at + mg->flags.len;
    while (at < end) {
        switch (next_flag(&at, mg)) {
        case 'O': p = put_flag_opaque(p, mg->opaque); break;
        case 'k': p = put_flag_key(p, key, wants(mg, 'b')); break;
        }
    }
    memcpy(p, "\r\n", 2);
    pen->at = p + 2;
}

/* --- the group ------------------------------------------------------------------ */

/* False if a base64 key is none. */
static inline bool
make_key(struct mg_group *g, unsigned i)
{
    struct span key = g->mgs[i].wire_key;
    if (__builtin_expect(wants(&g->mgs[i], 'b'), 0) && !meta_decode_key(&key, g->rooms[i])) {
        return false;
    }
    g->keys[i] = store_key(key);
    return true;
}

/* Answers the first ones; returns how many. */
static inline unsigned
answer(struct conn *c, const struct mg_group *g, unsigned count, unsigned *hits)
{
    struct pen pen = pen_take(c);
    unsigned i = 0;
    while (i < count && !g->sights[i].unsure && !(i > 0 && pen_must_pause(&pen))) {
        if (g->sights[i].item != NULL) {
            put_hit(c, &pen, &g->mgs[i], g->keys[i].key, &g->sights[i]);
            (*hits)++;
        } else {
            put_miss(c, &pen, &g->mgs[i], g->keys[i].key);
        }
        i++;
    }
    pen_give_back(c, &pen);
    return i;
}

static unsigned
serve(struct conn *c, struct mg_group *g, unsigned count)
{
    struct worker *w = c->worker;
    unsigned hits = 0;
    store_enter(w->store);
    store_see_meta(w->store, g->keys, count, w->now_ms, g->sights);
    unsigned served = answer(c, g, count, &hits);
    store_leave(w->store);
    metric_add(w->metrics, METRIC_ID_NODE_META, served);
    group_note(w, g->keys, g->sights, served, hits);
    return served;
}

size_t
exec_plain_mgs(struct conn *c, struct span input, uint64_t *requests)
{
    struct mg_group g;
    unsigned max = *requests < STORE_SIGHTS ? (unsigned)*requests : STORE_SIGHTS;
    unsigned found = group_is_observed(c) ? 0 : request_plain_mgs(input, g.mgs, max), n = 0;
    while (n < found && make_key(&g, n)) {
        n++;
    }
    unsigned served = n > 0 ? serve(c, &g, n) : 0;
    size_t done = 0;
    for (unsigned i = 0; i < served; i++) {
        done += g.mgs[i].bytes;
    }
    *requests -= served;
    return done;
}
