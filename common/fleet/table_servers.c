/* The smallest start: a table made of `--servers HOST:PORT[:WEIGHT],...`. It is
 * written as a document and parsed like any other, so nothing downstream knows
 * a second kind of table. */
#include "common/core/addrname.h"
#include "common/core/mem.h"
#include "common/core/num.h"
#include "common/fleet/table_build.h"

#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_PORT 11211
#define POOL_NAME    "default"
#define GUTTER_NAME  "gutter"

/* Cuts ":WEIGHT" off a text that has it: digits behind the last colon, where
 * what is left still has a port, or is a socket's path. */
static struct span
cut_weight(struct span text, uint64_t *weight)
{
    const char *last = memrchr(text.ptr, ':', text.len);
    *weight = 1;
    if (last == NULL) {
        return text;
    }
    struct span head = span_make(text.ptr, (size_t)(last - text.ptr));
    struct span tail = span_skip(text, head.len + 1);
    const char *before = memrchr(head.ptr, ':', head.len);
    const char *bracket = memrchr(head.ptr, ']', head.len);
    bool path = memchr(head.ptr, '/', head.len) != NULL;
    bool has_port = before != NULL && (bracket == NULL || before > bracket);
    return (path || has_port) && num_parse_u64(tail, weight) ? head : text;
}

static bool
parse_server(const char *text, struct table_node *node, char *error)
{
    uint64_t weight;
    struct span address = cut_weight(span_cstr(text), &weight);
    struct addr_name name;
    if (!addr_parse(address, DEFAULT_PORT, &name) || name.host[0] == '\0') {
        snprintf(error, TABLE_ERROR_MAX, "server \"%s\": expected HOST:PORT[:WEIGHT]", text);
        return false;
    }
    if (weight < 1 || weight > RING_WEIGHT_MAX) {
        snprintf(error, TABLE_ERROR_MAX, "server \"%s\": expected a weight from 1 to %d", text,
                 RING_WEIGHT_MAX);
        return false;
    }
    if (name.is_unix) {
        node->addr = mem_printf("unix:%s", name.host);
    } else if (strchr(name.host, ':') != NULL) {
        node->addr = mem_printf("[%s]:%u", name.host, name.port);
    } else {
        node->addr = mem_printf("%s:%u", name.host, name.port);
    }
    node->id = mem_strdup(node->addr);
    node->weight = (uint32_t)weight;
    node->state = NODE_ACTIVE;
    node->kind = NODE_KIND_MEMCACHED;
    return true;
}

static bool
choose_ring(struct ring_config *config, const char *ring_name, const char *hash_name, char *error)
{
    if (ring_name != NULL) {
        config->kind = ring_kind_find(span_cstr(ring_name));
        if (config->kind == RING_KIND_COUNT) {
            snprintf(error, TABLE_ERROR_MAX, "there is no ring \"%s\"; known are" RING_KINDS_TEXT,
                     ring_name);
            return false;
        }
        config->hash = ring_kind_default_hash(config->kind);
    }
    if (hash_name != NULL) {
        config->hash = key_hash_find(span_cstr(hash_name));
        if (config->hash == KEY_HASH_COUNT) {
            snprintf(error, TABLE_ERROR_MAX,
                     "there is no key hash \"%s\"; known are" KEY_HASHES_TEXT, hash_name);
            return false;
        }
    }
    const char *fault = ring_config_fault(config);
    if (fault != NULL) {
        snprintf(error, TABLE_ERROR_MAX, "ring and key hash: %s", fault);
    }
    return fault == NULL;
}

/* Adds the servers as nodes of the pool, whose name is `name`. */
static bool
fill_pool(struct table_pool *pool, char *name, char *const *servers, unsigned count, char *error)
{
    pool->name = name;
    pool->flush_all = true;
    if (count == 0 || count > TABLE_NODES_MAX) {
        snprintf(error, TABLE_ERROR_MAX, "expected 1 to %d servers", TABLE_NODES_MAX);
        return false;
    }
    pool->nodes = mem_zalloc(count * sizeof(*pool->nodes));
    bool ok = true;
    while (ok && pool->node_count < count) {
        ok = parse_server(servers[pool->node_count], &pool->nodes[pool->node_count], error);
        pool->node_count++;
    }
    return ok;
}

static void
free_nodes(struct table_pool *pool)
{
    for (unsigned i = 0; i < pool->node_count; i++) {
        free(pool->nodes[i].id);
        free(pool->nodes[i].addr);
    }
    free(pool->nodes);
}

static struct table *
table_of(struct table_pool *pools, unsigned count, char *error)
{
    struct table draft = {.epoch = 1, .pools = pools, .pool_count = count};
    struct buf document = BUF_EMPTY;
    struct table *table = NULL;
    if (table_build(&draft, &document, error)) {
        table = table_parse(buf_span(&document), error);
    }
    buf_deinit(&document);
    return table;
}

struct table *
table_from_servers(const struct table_servers *from, char *error)
{
    char name[] = POOL_NAME, gutter[] = GUTTER_NAME;
    struct table_pool pools[2];
    table_pool_defaults(&pools[0]);
    if (!choose_ring(&pools[0].ring_config, from->ring_name, from->hash_name, error)) {
        return NULL;
    }
    pools[1] = pools[0];
    unsigned count = from->gutter_count > 0 ? 2 : 1;
    bool ok = fill_pool(&pools[0], name, from->servers, from->count, error);
    if (ok && count == 2) {
        pools[0].gutter = gutter;
        pools[0].gutter_ttl_s = from->gutter_ttl_s;
        ok = fill_pool(&pools[1], gutter, from->gutter, from->gutter_count, error);
    }
    struct table *table = ok ? table_of(pools, count, error) : NULL;
    free_nodes(&pools[0]);
    free_nodes(&pools[1]);
    return table;
}
