#include "proxy/journal.h"
#include "proxy/placement.h"
#include "proxy/route/route.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <string.h>

static char error[TABLE_ERROR_MAX];
static struct resolver *resolver; /* each test is a process of its own */
static struct journal_budget budget;

static struct placement *
place(const char *json, const struct placement *previous)
{
    struct table *table = table_parse(span_cstr(json), error);
    ck_assert_msg(table != NULL, "%s", error);
    if (resolver == NULL) {
        resolver = resolver_create(NULL);
    }
    struct placement_host host = {2, resolver, &budget, NULL};
    struct placement *p = placement_create(table, previous, &host, error);
    table_unref(&table);
    return p;
}

#define TABLE(epoch, nodes)                                                                        \
    "{\"memfleet_table\":1,\"epoch\":" epoch ",\"pools\":{\"main\":{\"nodes\":[" nodes "]}}}"
#define NODE(id, addr) "{\"id\":\"" id "\",\"addr\":\"" addr "\"}"

START_TEST(nodes_are_known_again)
{
    struct placement *first =
        place(TABLE("1", NODE("a", "127.0.0.1:1") "," NODE("b", "127.0.0.1:2")), NULL);
    ck_assert_ptr_nonnull(first);
    ck_assert_uint_eq(first->node_count, 2);
    ck_assert_uint_eq(first->nodes[0].same_as, PLACE_NEW);
    atomic_store(&first->nodes[1].stats->requests, 7);

    /* b stays, a has another address, c is new */
    struct placement *second = place(
        TABLE("2",
              NODE("b", "127.0.0.1:2") "," NODE("a", "127.0.0.1:9") "," NODE("c", "127.0.0.1:1")),
        first);
    ck_assert_uint_eq(second->nodes[0].same_as, 1);
    ck_assert_uint_eq(second->nodes[1].same_as, PLACE_NEW);
    ck_assert_uint_eq(second->nodes[2].same_as, PLACE_NEW);
    placement_unref(&first);
    ck_assert_uint_eq(atomic_load(&second->nodes[0].stats->requests), 7);
    ck_assert_uint_eq(atomic_load(&second->nodes[1].stats->requests), 0);
    placement_unref(&second);
}
END_TEST

START_TEST(nodes_of_one_id_have_names_of_their_own)
{
    const char *json =
        "{\"memfleet_table\":1,\"epoch\":1,\"default_pool\":\"x\",\"pools\":{"
        "\"x\":{\"nodes\":[" NODE("a", "127.0.0.1:1") "," NODE(
            "b", "127.0.0.1:2") "]},"
                                "\"y\":{\"nodes\":[" NODE("a", "127.0.0.1:3") "," NODE(
                                    "b", "127.0.0.1:2") "]}}}";
    struct placement *p = place(json, NULL);
    ck_assert_uint_eq(p->node_count, 3);
    ck_assert_str_eq(p->nodes[0].name, "a@127.0.0.1:1");
    ck_assert_str_eq(p->nodes[1].name, "b");
    ck_assert_str_eq(p->nodes[2].name, "a@127.0.0.1:3");
    placement_unref(&p);
}
END_TEST

START_TEST(pools_share_a_node)
{
    const char *json =
        "{\"memfleet_table\":1,\"epoch\":1,\"default_pool\":\"x\",\"pools\":{"
        "\"x\":{\"nodes\":[" NODE(
            "a", "127.0.0.1:1") "]},"
                                "\"y\":{\"nodes\":[" NODE("b", "127.0.0.1:2") "," NODE(
                                    "a", "127.0.0.1:1") "]}}}";
    struct placement *p = place(json, NULL);
    ck_assert_uint_eq(p->node_count, 2);
    const struct table_pool *y = table_pool_find(p->table, SPAN_LIT("y"));
    unsigned index = (unsigned)(y - p->table->pools);
    const struct place_node *a = &p->nodes[p->pools[index].nodes[1]];
    const struct place_node *b = &p->nodes[p->pools[index].nodes[0]];
    ck_assert_str_eq(a->node->id, "a");
    ck_assert(a->shared && !b->shared);
    ck_assert_uint_eq(b->pool_index, index);
    placement_unref(&p);
}
END_TEST

START_TEST(a_name_that_does_not_resolve_costs_one_node)
{
    struct placement *p =
        place(TABLE("1", NODE("a", "nowhere.invalid:1") "," NODE("b", "127.0.0.1:2")), NULL);
    ck_assert_ptr_nonnull(p);
    char text[ADDR_TEXT_MAX];
    struct addr addr;
    ck_assert(!endpoint_addr(p->nodes[0].endpoint, 0, &addr));
    ck_assert_str_eq(place_node_addr(&p->nodes[0], text), "nowhere.invalid:1");
    ck_assert_str_eq(place_node_addr(&p->nodes[1], text), "127.0.0.1:2");

    /* The next table keeps the endpoint, with whatever it will learn. */
    struct placement *next = place(TABLE("2", NODE("a", "nowhere.invalid:1")), p);
    ck_assert_ptr_eq(next->nodes[0].endpoint, p->nodes[0].endpoint);
    placement_unref(&p);
    placement_unref(&next);
    resolver_destroy(&resolver);
}
END_TEST

START_TEST(keys_go_where_the_ring_says)
{
    struct placement *p =
        place(TABLE("1", NODE("a", "127.0.0.1:1") "," NODE("b", "127.0.0.1:2")), NULL);
    unsigned seen[2] = {0, 0};
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key%d", i);
        unsigned pool = route_pool(p->table, span_cstr(key));
        unsigned node = route_owner(p->table, pool, span_cstr(key));
        ck_assert_uint_eq(pool, p->table->default_pool);
        ck_assert_uint_eq(node, table_pool_owner(&p->table->pools[pool], span_cstr(key)));
        seen[node]++;
    }
    ck_assert_uint_gt(seen[0], 20);
    ck_assert_uint_gt(seen[1], 20);
    placement_unref(&p);
}
END_TEST

#define POOLS(main, other)                                                                         \
    "{\"memfleet_table\":1,\"epoch\":1,\"default_pool\":\"main\",\"pools\":{\"main\":{" main       \
    "\"nodes\":[" NODE("a", "127.0.0.1:1") "," NODE(                                               \
        "b", "127.0.0.1:2") "]},\"other\":{\"nodes\":[" other "]}}}"
#define SHADOW(percent) "\"shadow\":{\"pool\":\"other\",\"percent\":" percent "},"
#define OTHERS          NODE("c", "127.0.0.1:3") "," NODE("x", "127.0.0.1:2")

static bool
has_copy(const struct route_copy *copies, unsigned count, unsigned node, unsigned owner)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        found += copies[i].node == node && copies[i].owner == owner;
    }
    ck_assert_uint_le(found, 1);
    return found == 1;
}

/* Its owner by the ring that is read, and by the other. Each has copies of its own. */
START_TEST(while_keys_move_both_owners_have_copies)
{
    struct table *t = table_parse(
        SPAN_LIT(
            "{\"memfleet_table\":1,\"min_reader\":2,\"epoch\":1,\"pools\":{\"m\":{"
            "\"replicas\":3,\"move\":{\"step\":\"warm\"},\"nodes\":[" NODE("a", "h:1") "," NODE(
                "b", "h:2") "," NODE("c", "h:3") ",{\"id\":\"d\",\"addr\":\"h:4\","
                                                 "\"in_ring\":\"before\"}]}}}"),
        error);
    ck_assert_msg(t != NULL, "%s", error);
    unsigned moving = 0, also_owners = 0;
    for (unsigned n = 0; n < 300; n++) {
        char text[16];
        struct span key = span_make(text, (size_t)snprintf(text, sizeof(text), "k%u", n));
        struct route_copy copies[ROUTE_COPIES_MAX];
        unsigned nodes[2][TABLE_REPLICAS_MAX];
        unsigned count = route_copies(t, 0, key, copies);
        table_pool_replicas(&t->pools[0], key, nodes[0]);
        table_pool_other_replicas(&t->pools[0], key, nodes[1]);
        for (unsigned i = 0; i < 4; i++) {
            const unsigned *of = nodes[i / 2];
            ck_assert(has_copy(copies, count, of[1 + i % 2], of[0]));
            also_owners += of[1 + i % 2] == nodes[1 - i / 2][0];
        }
        bool moves = nodes[0][0] != nodes[1][0];
        ck_assert(moves ? count == 4 : count >= 2 && count <= 4);
        moving += moves;
    }
    ck_assert_uint_gt(moving, 20);
    ck_assert_uint_gt(also_owners, 0);
    table_unref(&t);
}
END_TEST

START_TEST(copies_have_places_of_their_own)
{
    struct placement *none = place(POOLS("", OTHERS), NULL);
    ck_assert_uint_eq(none->node_count, 4);
    ck_assert_uint_eq(none->shadow_count, 0);
    struct placement *p = place(POOLS(SHADOW("5"), OTHERS), none);
    unsigned main_pool = p->table->default_pool;
    ck_assert_uint_eq(p->node_count, 4);
    ck_assert_uint_eq(p->shadow_count, 1);
    const unsigned *nodes = p->pools[main_pool].shadow_nodes;
    ck_assert_ptr_null(p->pools[1 - main_pool].shadow_nodes);
    ck_assert_uint_eq(nodes[0], 4);
    ck_assert_uint_eq(nodes[1], PLACE_NONE); /* the pool has it itself */
    const struct place_node *copy = &p->nodes[4];
    ck_assert(copy->shadow && !copy->shared);
    ck_assert_uint_eq(copy->same_as, PLACE_NEW);
    ck_assert_str_eq(copy->pool->name, "other");
    const struct place_node *own = &p->nodes[p->pools[1 - main_pool].nodes[0]];
    ck_assert_str_eq(own->node->id, copy->node->id);
    ck_assert(!own->shadow && !own->shared && own->journal != copy->journal);
    ck_assert_uint_ne(own->same_as, PLACE_NEW);

    struct placement *next = place(POOLS(SHADOW("6"), OTHERS), p);
    ck_assert_uint_eq(next->nodes[4].same_as, 4);
    ck_assert_ptr_eq(next->nodes[4].stats, p->nodes[4].stats);
    struct placement *off = place(POOLS(SHADOW("0"), OTHERS), next);
    ck_assert_uint_eq(off->shadow_count, 0);
    placement_unref(&none);
    placement_unref(&p);
    placement_unref(&next);
    placement_unref(&off);
}
END_TEST

START_TEST(a_share_of_the_keys_is_shadowed)
{
    struct table_pool pool = {0};
    unsigned shadowed = 0;
    for (int i = 0; i < 10000; i++) {
        char text[16];
        snprintf(text, sizeof(text), "key%d", i);
        struct span key = span_cstr(text);
        bool before = false;
        for (unsigned percent = 0; percent <= 100; percent += 10) {
            pool.shadow.percent = percent;
            bool now = route_is_shadowed(&pool, key);
            ck_assert(now || !before); /* whoever is, stays so */
            shadowed += now && percent == 30;
            before = now;
        }
        ck_assert(before);
        pool.shadow.percent = 0;
        ck_assert(!route_is_shadowed(&pool, key));
    }
    ck_assert_uint_gt(shadowed, 2800);
    ck_assert_uint_lt(shadowed, 3200);
}
END_TEST

UNIT_MAIN("placement", nodes_are_known_again, nodes_of_one_id_have_names_of_their_own,
          pools_share_a_node, a_name_that_does_not_resolve_costs_one_node,
          keys_go_where_the_ring_says, while_keys_move_both_owners_have_copies,
          copies_have_places_of_their_own, a_share_of_the_keys_is_shadowed)
