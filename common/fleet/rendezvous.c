#include "common/fleet/rendezvous.h"
#include "common/core/mem.h"

#include <stdlib.h>

/* MurmurHash3_x86_32, fed byte by byte so that what is common to all keys of a
 * server, "label-", is hashed once. */
struct murmur3 {
    uint32_t hash;
    uint32_t block; /* bytes that do not fill a block yet */
    uint32_t len;
};

struct rendezvous_server {
    char *label;
    struct murmur3 begun; /* has eaten "label-" */
};

static inline uint32_t
rotate(uint32_t x, unsigned k)
{
    return x << k | x >> (32 - k);
}

static inline uint32_t
scramble(uint32_t block)
{
    return rotate(block * 0xcc9e2d51, 15) * 0x1b873593;
}

static inline void
feed(struct murmur3 *m, uint32_t byte)
{
    m->block |= byte << (8 * (m->len & 3));
    m->len++;
    if ((m->len & 3) == 0) {
        m->hash = rotate(m->hash ^ scramble(m->block), 13) * 5 + 0xe6546b64;
        m->block = 0;
    }
}

static inline uint32_t
finish(struct murmur3 m)
{
    uint32_t h = m.hash ^ scramble(m.block) ^ m.len;
    h = (h ^ h >> 16) * 0x85ebca6b;
    h = (h ^ h >> 13) * 0xc2b2ae35;
    return h ^ h >> 16;
}

/* Bytes that follow the first of a UTF-8 sequence, or 0 if it is none. */
static unsigned
tail_bytes(struct span s)
{
    unsigned char first = (unsigned char)s.ptr[0];
    unsigned n = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
    if (s.len <= n || first >= 0xf8) {
        return 0;
    }
    for (unsigned i = 1; i <= n; i++) {
        if (((unsigned char)s.ptr[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

/* The client hashes code points, of each the low 8 bits. Those are in the last
 * two bytes of a sequence. */
static void
feed_text(struct murmur3 *m, struct span s)
{
    while (s.len > 0) {
        unsigned n = tail_bytes(s);
        uint32_t byte = (unsigned char)s.ptr[n];
        if (n > 0) {
            byte = ((byte & 0x3f) | (uint32_t)(unsigned char)s.ptr[n - 1] << 6) & 0xff;
        }
        feed(m, byte);
        s = span_skip(s, n + 1);
    }
}

void
rendezvous_init(struct rendezvous *r, const struct ring_server *servers, unsigned count)
{
    r->count = count;
    r->servers = mem_zalloc(count * sizeof(*r->servers));
    for (unsigned i = 0; i < count; i++) {
        struct rendezvous_server *s = &r->servers[i];
        s->label = ring_server_label(RING_RENDEZVOUS, &servers[i]);
        feed_text(&s->begun, span_cstr(s->label));
        feed(&s->begun, '-');
    }
}

void
rendezvous_deinit(struct rendezvous *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        free(r->servers[i].label);
    }
    free(r->servers);
    *r = (struct rendezvous){0};
}

static uint32_t
score_of(const struct rendezvous *r, unsigned server, struct span key)
{
    struct murmur3 m = r->servers[server].begun;
    feed_text(&m, key);
    return finish(m);
}

/* Equal scores go to the greater label, as in the client. */
static bool
is_better(const struct rendezvous *r, unsigned a, uint32_t a_score, unsigned b, uint32_t b_score)
{
    return a_score > b_score ||
           (a_score == b_score && strcmp(r->servers[a].label, r->servers[b].label) > 0);
}

unsigned
rendezvous_owner(const struct rendezvous *r, struct span key, uint32_t *score)
{
    unsigned winner = 0;
    *score = score_of(r, 0, key);
    for (unsigned i = 1; i < r->count; i++) {
        uint32_t own = score_of(r, i, key);
        if (is_better(r, i, own, winner, *score)) {
            winner = i;
            *score = own;
        }
    }
    return winner;
}

unsigned
rendezvous_best(const struct rendezvous *r, struct span key, unsigned *out, unsigned max)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->count; i++) {
        uint32_t own = score_of(r, i, key);
        unsigned at = n;
        while (at > 0 && is_better(r, i, own, out[at - 1], score_of(r, out[at - 1], key))) {
            at--;
        }
        if (at == max) {
            continue;
        }
        n += n < max;
        for (unsigned j = n - 1; j > at; j--) {
            out[j] = out[j - 1];
        }
        out[at] = i;
    }
    return n;
}

const char *
rendezvous_label(const struct rendezvous *r, unsigned server)
{
    return r->servers[server].label;
}
