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

UNIT_MAIN("placement", nodes_are_known_again, pools_share_a_node,
          a_name_that_does_not_resolve_costs_one_node, keys_go_where_the_ring_says)
