#include "common/fleet/ketama.h"
#include "common/core/assert.h"
#include "common/core/mem.h"
#include "common/core/num.h"

#include <math.h>
#include <stdlib.h>

#define POINTS_PER_DIGEST 4
#define WEIGHTED_POINTS   160 /* a server, on the average */
#define UNWEIGHTED_POINTS 100
#define SUFFIX_MAX        (1 + NUM_MAX_DIGITS) /* "-" and the number */

/* Every intermediate result is a float, as in the originals; the tiny term is a
 * double there too. Named steps keep a compiler from fusing two roundings. */
unsigned
ketama_weighted_points(uint32_t weight, uint64_t total_weight, unsigned count)
{
    float share = (float)weight / (float)total_weight;
    float points = share * WEIGHTED_POINTS;
    float digests = points / POINTS_PER_DIGEST;
    float all = digests * (float)count;
    return (unsigned)floorf((float)((double)all + 0.0000000001)) * POINTS_PER_DIGEST;
}

/* "label-0", "label-1", ...: the label is copied once, the number changes. */
struct point_name {
    char *text;
    size_t label_len;
};

static struct span
numbered(const struct point_name *name, unsigned number)
{
    name->text[name->label_len] = '-';
    size_t digits = num_format_u64(number, name->text + name->label_len + 1);
    return span_make(name->text, name->label_len + 1 + digits);
}

static void
add_by_digests(struct continuum *c, const struct point_name *name, unsigned server, unsigned points)
{
    for (unsigned i = 0; i < points / POINTS_PER_DIGEST; i++) {
        uint32_t words[POINTS_PER_DIGEST];
        key_hash_md5(numbered(name, i), words);
        for (unsigned h = 0; h < POINTS_PER_DIGEST; h++) {
            continuum_add(c, words[h], server);
        }
    }
}

static void
add_by_hashes(struct continuum *c, const struct point_name *name, unsigned server,
              enum key_hash hash)
{
    for (unsigned i = 0; i < UNWEIGHTED_POINTS; i++) {
        continuum_add(c, key_hash(hash, numbered(name, i)), server);
    }
}

enum method {
    WEIGHTED_DIGESTS, /* four points of an MD5, as many as the weight earns */
    EQUAL_DIGESTS,    /* the same, WEIGHTED_POINTS for each server */
    EQUAL_HASHES,     /* one point of the key hash, UNWEIGHTED_POINTS for each server */
};

/* libmemcached's plain ketama turns into the weighted ring as soon as one server
 * has a weight (hosts.cc), though its keys keep their hash. */
static enum method
method_of(enum ring_kind kind, const struct ring_server *servers, unsigned count)
{
    if (kind == RING_SPYMEMCACHED || kind == RING_EVCACHE) {
        return EQUAL_DIGESTS;
    }
    if (kind != RING_LIBMEMCACHED_KETAMA) {
        return WEIGHTED_DIGESTS;
    }
    for (unsigned i = 0; i < count; i++) {
        if (servers[i].weight > 1) {
            return WEIGHTED_DIGESTS;
        }
    }
    return EQUAL_HASHES;
}

static unsigned
points_of(enum method method, uint32_t weight, uint64_t total_weight, unsigned count)
{
    switch (method) {
    case WEIGHTED_DIGESTS: return ketama_weighted_points(weight, total_weight, count);
    case EQUAL_DIGESTS: return WEIGHTED_POINTS;
    case EQUAL_HASHES: return UNWEIGHTED_POINTS;
    }
    UNREACHABLE();
}

void
ketama_build(struct continuum *c, const struct ring_config *config,
             const struct ring_server *servers, unsigned count)
{
    enum method method = method_of(config->kind, servers, count);
    uint64_t total_weight = 0;
    unsigned total_points = 0;
    for (unsigned i = 0; i < count; i++) {
        total_weight += servers[i].weight;
    }
    for (unsigned i = 0; i < count; i++) {
        total_points += points_of(method, servers[i].weight, total_weight, count);
    }
    continuum_init(c, total_points);
    for (unsigned i = 0; i < count; i++) {
        char *label = ring_server_label(config->kind, &servers[i]);
        struct point_name name = {.label_len = strlen(label)};
        name.text = mem_realloc(label, name.label_len + SUFFIX_MAX);
        if (method == EQUAL_HASHES) {
            add_by_hashes(c, &name, i, config->hash);
        } else {
            add_by_digests(c, &name, i, points_of(method, servers[i].weight, total_weight, count));
        }
        free(name.text);
    }
    continuum_seal(c, method == EQUAL_DIGESTS ? CONTINUUM_TIES_TO_LAST : CONTINUUM_TIES_TO_FIRST);
}
