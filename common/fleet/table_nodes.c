/* The nodes of a pool, what they must be together, and the rings that they make:
 *
 *     move -> each node -> somebody serves -> no duplicates -> ring built
 *          -> ring_sha compared -> the ring of before, if keys move
 */
#include "common/core/addrname.h"
#include "common/fleet/table_read.h"
#include "common/fleet/table_ring.h"
#include "common/fleet/table_words.h"

#include <stdio.h>
#include <stdlib.h>

#define NODE_PLACE_MAX (TABLE_READ_PLACE + 24)

static char *
copy_or_null(const char *s)
{
    return s != NULL ? mem_strdup(s) : NULL;
}

/* --- nodes ---------------------------------------------------------------- */

static enum node_state
read_state(struct jsonread *r, struct jsonread_at at)
{
    const char *words[NODE_STATE_COUNT];
    for (enum node_state s = 0; s < NODE_STATE_COUNT; s++) {
        words[s] = node_state_name(s);
    }
    return (enum node_state)jsonread_word(r, at, "state", words, NODE_STATE_COUNT, NODE_ACTIVE);
}

static bool
is_address(const char *text)
{
    struct addr_name name;
    if (!addr_parse(span_cstr(text), 0, &name)) {
        return false;
    }
    return name.is_unix || (name.port != 0 && name.host[0] != '\0' && strcmp(name.host, "*") != 0);
}

static void
read_node(struct jsonread *r, struct jsonread_at at, struct table_node *node)
{
    if (!json_is_object(at.object)) {
        jsonread_fail(r, at, NULL, "expected an object");
        return;
    }
    node->id = copy_or_null(jsonread_string(r, at, "id", JSONREAD_REQUIRED, TABLE_READ_NAME_BYTES));
    node->addr =
        copy_or_null(jsonread_string(r, at, "addr", JSONREAD_REQUIRED, TABLE_READ_TEXT_BYTES));
    if (node->addr != NULL && !is_address(node->addr)) {
        jsonread_fail(r, at, "addr", "expected HOST:PORT, [IPV6]:PORT or unix:/PATH");
    }
    node->ring_name =
        copy_or_null(jsonread_string(r, at, "ring_name", JSONREAD_OPTIONAL, TABLE_READ_TEXT_BYTES));
    if (node->ring_name != NULL && node->ring_name[0] == '\0') {
        jsonread_fail(r, at, "ring_name", "is empty");
    }
    node->zone =
        table_read_copy(jsonread_string(r, at, "zone", JSONREAD_OPTIONAL, TABLE_READ_NAME_BYTES));
    node->weight =
        (uint32_t)jsonread_u64(r, at, "weight", JSONREAD_OPTIONAL, 1, RING_WEIGHT_MAX, 1);
    node->state = read_state(r, at);
    node->kind = (enum node_kind)jsonread_word(r, at, "kind", node_kind_words,
                                               WORD_COUNT(node_kind_words), NODE_KIND_MFCACHED);
    node->generation =
        jsonread_u64(r, at, "generation", JSONREAD_OPTIONAL, 0, TABLE_READ_NUMBER, 0);
    node->rings = (enum node_rings)jsonread_word(r, at, "in_ring", node_rings_words,
                                                 WORD_COUNT(node_rings_words), NODE_IN_BOTH);
    node->weight_before =
        (uint32_t)jsonread_u64(r, at, "weight_before", JSONREAD_OPTIONAL, 0, RING_WEIGHT_MAX, 0);
}

/* A side that nothing moves from or to is a slip. */
static void
refuse_sides_without_move(struct jsonread *r, struct jsonread_at at, const struct table_pool *pool,
                          unsigned i)
{
    const struct table_node *node = &pool->nodes[i];
    const char *member = node->rings != NODE_IN_BOTH ? "in_ring"
                         : node->weight_before != 0  ? "weight_before"
                                                     : NULL;
    if (pool->move == MOVE_NONE && member != NULL) {
        jsonread_fail(r, at, member, "the pool has no move");
    }
}

static void
read_nodes(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    const json_t *nodes = jsonread_array(r, at, "nodes");
    size_t count = json_array_size(nodes);
    if (count > TABLE_NODES_MAX) {
        jsonread_fail(r, at, "nodes", "more than %d nodes", TABLE_NODES_MAX);
    }
    if (r->failed) {
        return;
    }
    pool->nodes = mem_zalloc((count + 1) * sizeof(*pool->nodes));
    pool->node_count = (unsigned)count;
    for (unsigned i = 0; i < pool->node_count && !r->failed; i++) {
        char place[NODE_PLACE_MAX];
        snprintf(place, sizeof(place), "%.*s.nodes[%u]", TABLE_READ_PLACE, at.place, i);
        struct jsonread_at node = {json_array_get(nodes, i), place};
        read_node(r, node, &pool->nodes[i]);
        refuse_sides_without_move(r, node, pool, i);
    }
}

/* --- what a pool's nodes must be together ---------------------------------- */

struct named_node {
    const char *name;
    unsigned index;
};

static int
compare_names(const void *a, const void *b)
{
    const struct named_node *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* Sorts `names`, one per node. */
static void
refuse_duplicates(struct jsonread *r, struct jsonread_at at, struct named_node *names,
                  unsigned count, const char *member)
{
    qsort(names, count, sizeof(*names), compare_names);
    for (unsigned i = 1; i < count && !r->failed; i++) {
        if (strcmp(names[i - 1].name, names[i].name) == 0) {
            char place[NODE_PLACE_MAX];
            snprintf(place, sizeof(place), "%.*s.nodes[%u]", TABLE_READ_PLACE, at.place,
                     names[i].index);
            jsonread_fail(r, (struct jsonread_at){NULL, place}, member,
                          "\"%s\" is that of nodes[%u] too", names[i].name, names[i - 1].index);
        }
    }
}

static void
refuse_pool_without_service(struct jsonread *r, struct jsonread_at at,
                            const struct table_pool *pool, enum table_side side)
{
    for (unsigned i = 0; i < pool->node_count; i++) {
        const struct table_node *node = &pool->nodes[i];
        bool serves = node->state == NODE_ACTIVE || node->state == NODE_DRAINING;
        if (serves && table_node_is_on(node, side)) {
            return;
        }
    }
    jsonread_fail(r, at, "nodes", "expected at least one that is active or draining%s",
                  pool->move == MOVE_NONE ? "" : ", on each ring");
}

static void
refuse_equal_nodes(struct jsonread *r, struct jsonread_at at, const struct table_pool *pool)
{
    struct named_node *names = mem_alloc((pool->node_count + 1) * sizeof(*names));
    for (unsigned i = 0; i < pool->node_count; i++) {
        names[i] = (struct named_node){pool->nodes[i].id, i};
    }
    refuse_duplicates(r, at, names, pool->node_count, "id");
    for (unsigned i = 0; i < pool->node_count; i++) {
        names[i] = (struct named_node){pool->nodes[i].addr, i};
    }
    refuse_duplicates(r, at, names, pool->node_count, "addr");
    free(names);
}

/* Two nodes with one label would share every point of the ring. Who replaces a node
 * has its label, on the other ring. */
static void
refuse_equal_labels(struct jsonread *r, struct jsonread_at at, const struct table_pool *pool,
                    enum table_side side)
{
    struct named_node *names = mem_alloc((pool->node_count + 1) * sizeof(*names));
    char **labels = mem_alloc((pool->node_count + 1) * sizeof(*labels));
    unsigned count = 0;
    for (unsigned i = 0; i < pool->node_count; i++) {
        if (table_node_is_on(&pool->nodes[i], side)) {
            labels[count] = table_ring_label(pool, &pool->nodes[i]);
            names[count] = (struct named_node){labels[count], i};
            count++;
        }
    }
    refuse_duplicates(r, at, names, count, "ring_name");
    for (unsigned i = 0; i < count; i++) {
        free(labels[i]);
    }
    free(labels);
    free(names);
}

/* --- the ring --------------------------------------------------------------- */

static void
compare_sha(struct jsonread *r, struct jsonread_at at, const char *member, const char *computed)
{
    const char *told = jsonread_string(r, at, member, JSONREAD_OPTIONAL, RING_SHA_CHARS);
    if (told != NULL && strcmp(told, computed) != 0) {
        jsonread_fail(r, at, member, "is not that of the ring computed here, %s", computed);
    }
}

/* `sha` is what it comes to. NULL, and `r` has failed, if there can be none. */
static struct ring *
build_side(struct jsonread *r, struct jsonread_at at, const struct table_pool *pool,
           enum table_side side, unsigned **members, char *sha)
{
    const char *why = NULL;
    struct ring *ring = table_ring_create(pool, side, members, &why);
    if (ring == NULL) {
        jsonread_fail(r, at, "nodes", "%s", why);
    } else {
        ring_sha(ring, sha);
    }
    return ring;
}

static void
build_ring(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    pool->ring = build_side(r, at, pool, TABLE_AFTER, &pool->members, pool->ring_sha);
    if (pool->ring != NULL) {
        compare_sha(r, at, "ring_sha", pool->ring_sha);
    }
}

#define MOVE_PLACE_MAX (TABLE_READ_PLACE + sizeof(".move"))

static struct jsonread_at
move_of(struct jsonread *r, struct jsonread_at at, char place[MOVE_PLACE_MAX])
{
    snprintf(place, MOVE_PLACE_MAX, "%.*s.move", TABLE_READ_PLACE, at.place);
    return (struct jsonread_at){jsonread_object(r, at, "move"), place};
}

/* Whether the ring of before is still read by, or is only another owner's, follows
 * from the step; when that is done it is of no use. */
static void
build_ring_of_before(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    unsigned *members;
    struct ring *before = build_side(r, at, pool, TABLE_BEFORE, &members, pool->ring_sha_before);
    if (before == NULL) {
        return;
    }
    char place[MOVE_PLACE_MAX];
    struct jsonread_at move = move_of(r, at, place);
    compare_sha(r, move, "ring_sha_before", pool->ring_sha_before);
    if (pool->move == MOVE_PREPARE) {
        pool->other = pool->ring;
        pool->other_members = pool->members;
        pool->ring = before;
        pool->members = members;
    } else if (pool->move == MOVE_DONE) {
        ring_destroy(&before);
        free(members);
    } else {
        pool->other = before;
        pool->other_members = members;
    }
}

static void
read_move(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    if (json_object_get(at.object, "move") == NULL) {
        return;
    }
    char place[MOVE_PLACE_MAX];
    struct jsonread_at move = move_of(r, at, place);
    if (r->failed) {
        return;
    }
    const char *words[MOVE_STEP_COUNT];
    for (enum move_step s = MOVE_NONE; s < MOVE_STEP_COUNT; s++) {
        words[s] = move_step_name(s);
    }
    unsigned none = 1; /* is not a step to be named */
    pool->move = (enum move_step)(
        none + jsonread_word(r, move, "step", words + none, MOVE_STEP_COUNT - none, 0));
    if (json_object_get(move.object, "step") == NULL) {
        jsonread_fail(r, move, "step", "missing");
    }
}

void
table_read_nodes(struct jsonread *r, struct jsonread_at at, struct table_pool *pool)
{
    read_move(r, at, pool);
    read_nodes(r, at, pool);
    if (!r->failed) {
        refuse_pool_without_service(r, at, pool, TABLE_BEFORE);
        refuse_pool_without_service(r, at, pool, TABLE_AFTER);
        refuse_equal_nodes(r, at, pool);
        refuse_equal_labels(r, at, pool, TABLE_AFTER);
    }
    if (!r->failed) {
        build_ring(r, at, pool);
    }
    if (!r->failed && pool->move != MOVE_NONE) {
        refuse_equal_labels(r, at, pool, TABLE_BEFORE);
        build_ring_of_before(r, at, pool);
    }
}
