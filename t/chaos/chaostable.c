#include "t/chaos/chaostable.h"
#include "common/fleet/table.h"
#include "t/chaos/chaosvalue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void
put_node(struct buf *out, const struct chaos_fleet *f, unsigned proxy, unsigned node, unsigned name,
         unsigned weight, const char *in_ring)
{
    buf_printf(out,
               "\n{\"id\": \"n%u\", \"addr\": \"%s\", \"ring_name\": \"n%u:1\", "
               "\"in_ring\": \"%s\", \"weight\": %u}",
               node, f->addrs[proxy][node], name, in_ring, weight);
}

static void
put_nodes(struct buf *out, const struct chaos_fleet *f, unsigned proxy,
          const struct chaos_ring *ring)
{
    bool moves = ring->step != MOVE_NONE;
    const char *between = "";
    for (unsigned i = 0; i < f->setup.nodes; i++) {
        unsigned weight = ring->weights[i], before = moves ? ring->before[i] : weight;
        if (weight == 0 && before == 0) {
            continue;
        }
        buf_printf(out, "%s", between);
        put_node(out, f, proxy, i, weight > 0 ? ring->names[i] : ring->names_before[i],
                 weight > 0 ? weight : before,
                 before == 0   ? "after"
                 : weight == 0 ? "before"
                               : "both");
        between = ",";
    }
}

static void
put_hot(struct buf *out, unsigned keys)
{
    char name[CHAOS_KEY_MAX];
    buf_printf(out, ", \"hot\": {\"keys\": [");
    for (unsigned i = 0; i < keys; i++) {
        struct span key = chaos_key_name(i, name);
        buf_printf(out, "%s\"%.*s\"", i > 0 ? ", " : "", SPAN_FMT(key));
    }
    buf_printf(out, "]}");
}

static void
put_pool(struct buf *out, const struct chaos_fleet *f, const char *name)
{
    uint64_t ms = f->setup.request_timeout_ms;
    buf_printf(out,
               "\"%s\": {\"connect_timeout_ms\": %" PRIu64 ", \"request_timeout_ms\": %" PRIu64,
               name, ms, ms);
    if (f->setup.miss_lease_ms > 0) {
        buf_printf(out, ", \"miss_lease_ms\": %" PRIu64, f->setup.miss_lease_ms);
    }
    if (f->setup.near_ms > 0) {
        buf_printf(out, ", \"near_cache_bytes\": 4000000, \"near_cache_ttl_ms\": %" PRIu64,
                   f->setup.near_ms);
    }
    if (f->setup.promote > 0 || f->setup.hot > 0) {
        buf_printf(out, ", \"replicas\": 3, \"replica_ttl_ms\": %d", CHAOS_COPY_TTL_MS);
    }
    if (f->setup.hot > 0) {
        put_hot(out, (unsigned)f->setup.hot);
    }
    if (f->setup.promote > 0) {
        buf_printf(out, ", \"promote_percent\": %" PRIu64, f->setup.promote);
        buf_printf(out, ", \"replica_ttl_local_ms\": %d", CHAOS_LOCAL_TTL_MS);
    }
    if (f->setup.alone) {
        buf_printf(out, ", \"coalesce\": false");
    }
}

void
chaos_table_put(struct buf *out, const struct chaos_fleet *f, unsigned proxy, uint64_t epoch,
                const struct chaos_ring *ring)
{
    buf_printf(out,
               "{\"memfleet_table\": 1, \"min_reader\": 2, \"epoch\": %" PRIu64
               ", \"force\": true, \"default_pool\": \"main\", \"pools\": {\n",
               epoch);
    put_pool(out, f, "main");
    if (f->setup.gutter_ttl_s > 0) {
        buf_printf(out, ", \"gutter\": \"aside\", \"gutter_ttl_s\": %" PRIu64,
                   f->setup.gutter_ttl_s);
    }
    buf_printf(out, ", \"nodes\": [");
    put_nodes(out, f, proxy, ring);
    buf_printf(out, "]");
    if (ring->step != MOVE_NONE) {
        buf_printf(out, ", \"move\": {\"step\": \"%s\"}", move_step_name(ring->step));
    }
    buf_printf(out, "}");
    if (f->setup.gutter_ttl_s > 0) {
        buf_printf(out, ",\n");
        put_pool(out, f, "aside");
        buf_printf(out, ", \"nodes\": [");
        put_node(out, f, proxy, f->setup.nodes, f->setup.nodes, 1, "both");
        buf_printf(out, "]}");
    }
    buf_printf(out, "}}\n");
}

void
chaos_table_write(const struct chaos_fleet *f, unsigned proxy)
{
    struct buf text = BUF_EMPTY;
    const char *path = f->proxies[proxy].extra;
    char tmp[160];
    snprintf(tmp, sizeof(tmp), "%s.tmp", path);
    chaos_table_put(&text, f, proxy, f->epoch, &f->ring);
    FILE *file = fopen(tmp, "w");
    if (file == NULL || fwrite(buf_span(&text).ptr, 1, buf_len(&text), file) != buf_len(&text) ||
        fclose(file) != 0 || rename(tmp, path) != 0) {
        perror("mfchaos: writing a table");
        exit(EXIT_FAILURE);
    }
    buf_deinit(&text);
}

/* The owner, and if the key is hot the nodes that may have copies, in their order. */
static unsigned
places(const struct table *t, struct span key, const char **out)
{
    const struct table_pool *pool = &t->pools[table_pool_of(t, key)];
    unsigned nodes[TABLE_REPLICAS_MAX] = {table_pool_owner(pool, key)}, count = 1;
    if (hotset_has(&pool->hot, key)) {
        count = table_pool_replicas(pool, key, nodes);
    }
    for (unsigned i = 0; i < count; i++) {
        out[i] = pool->nodes[nodes[i]].id;
    }
    return count;
}

static bool
stays(const struct table *a, const struct table *b, struct span key)
{
    const char *before[TABLE_REPLICAS_MAX], *after[TABLE_REPLICAS_MAX];
    unsigned count = places(a, key, before);
    bool same = places(b, key, after) == count;
    for (unsigned i = 0; i < count && same; i++) {
        same = strcmp(before[i], after[i]) == 0;
    }
    return same;
}

void
chaos_table_moves(struct chaos_run *run, struct span before, struct span after)
{
    char error[TABLE_ERROR_MAX], name[CHAOS_KEY_MAX];
    struct table *a = table_parse(before, error), *b = a != NULL ? table_parse(after, error) : NULL;
    if (b == NULL) {
        fprintf(stderr, "mfchaos: table: %s\n", error);
        exit(EXIT_FAILURE);
    }
    for (unsigned i = 0; i < run->keys; i++) {
        struct span key = chaos_key_name(i, name);
        if (!stays(a, b, key)) {
            chaos_key_moves(run->model, i);
        }
    }
    table_unref(&a);
    table_unref(&b);
}
