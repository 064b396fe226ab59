#include "common/fleet/table_build.h"
#include "control/planner.h"
#include "t/unit/inventory_fixture.h"
#include "t/unit/unit.h"

#define LATE 100000 /* long after every join */

static struct inventory inv;
static struct table *current;
static struct plan plan;

static void
begin(void)
{
    inventory_init(&inv);
    current = NULL;
    plan = (struct plan){0};
    fixture_put(&inv, "meta", "{\"incarnation\":\"i\"}");
    fixture_put(&inv, "config/pools/main", "{\"min_nodes\":2}");
}

static void
end(void)
{
    plan_deinit(&plan);
    table_unref(&current);
    inventory_deinit(&inv);
}

static enum plan_outcome
plan_at(uint64_t now_ms)
{
    plan_deinit(&plan);
    return plan_make(&inv, current, "c", "tester", now_ms, &plan);
}

/* The plan becomes the table in use, as if it had been published. */
static void
publish(void)
{
    struct buf text = BUF_EMPTY;
    char error[TABLE_ERROR_MAX];
    ck_assert_int_eq(plan_at(LATE), PLAN_PUBLISH);
    ck_assert_msg(table_build(&plan.draft, &text, error), "%s", error);
    struct table *next = table_parse(buf_span(&text), error);
    ck_assert_ptr_nonnull(next);
    ck_assert_int_eq(table_judge(current, next), TABLE_ADOPT);
    plan_deinit(&plan);
    table_unref(&current);
    current = next;
    buf_deinit(&text);
}

static const struct table_node *
node(const char *id)
{
    const struct table_pool *pool = table_pool_find(current, SPAN_LIT("main"));
    for (unsigned i = 0; i < pool->node_count; i++) {
        if (strcmp(pool->nodes[i].id, id) == 0) {
            return &pool->nodes[i];
        }
    }
    return NULL;
}

static void
three_nodes(void)
{
    begin();
    fixture_node(&inv, "a", "10.0.0.1:11211", 0);
    fixture_node(&inv, "b", "10.0.0.2:11211", 0);
    fixture_node(&inv, "c", "10.0.0.3:7000", 0);
    publish();
}

START_TEST(nothing_without_a_cluster)
{
    inventory_init(&inv);
    fixture_put(&inv, "config/pools/main", "{}");
    fixture_node(&inv, "a", "h:1", 0);
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_ptr_nonnull(strstr(plan.refusals, "mfctl init"));
    end();
}
END_TEST

START_TEST(a_pool_waits_for_its_nodes)
{
    begin();
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    fixture_node(&inv, "a", "h:1", 0);
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    fixture_node(&inv, "b", "h:2", 0);
    ck_assert_int_eq(plan_at(LATE), PLAN_PUBLISH);
    ck_assert_uint_eq(plan.draft.epoch, 1);
    ck_assert_uint_eq(plan.draft.pools[0].node_count, 2);
    ck_assert_str_eq(plan.draft.incarnation, "i");
    ck_assert_str_eq(plan.reason, "new pool main: 2 joined: a b");
    end();
}
END_TEST

START_TEST(joins_are_gathered)
{
    begin();
    fixture_node(&inv, "a", "h:1", 1000);
    fixture_node(&inv, "b", "h:2", 1200);
    ck_assert_int_eq(plan_at(1200), PLAN_WAIT);
    ck_assert_uint_eq(plan.wait_ms, PLAN_SETTLE_MS);
    ck_assert_int_eq(plan_at(1200 + PLAN_SETTLE_MS - 1), PLAN_WAIT);
    ck_assert_uint_eq(plan.wait_ms, 1);
    ck_assert_int_eq(plan_at(1200 + PLAN_SETTLE_MS), PLAN_PUBLISH);
    /* A stream of them does not wait for ever. */
    fixture_node(&inv, "c", "h:3", 1000 + PLAN_SETTLE_MAX_MS - 1);
    ck_assert_int_eq(plan_at(1000 + PLAN_SETTLE_MAX_MS), PLAN_PUBLISH);
    end();
}
END_TEST

START_TEST(labels_are_those_of_legacy_clients)
{
    three_nodes();
    ck_assert_str_eq(node("a")->ring_name, "10.0.0.1");
    ck_assert_str_eq(node("c")->ring_name, "10.0.0.3:7000");
    fixture_put(&inv, "nodes/d",
                "{\"id\":\"d\",\"pool\":\"main\",\"addr\":\"h:1\",\"ring_name\":\"old-name\"}");
    publish();
    ck_assert_str_eq(node("d")->ring_name, "old-name");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    end();
}
END_TEST

START_TEST(a_lost_lease_changes_nothing)
{
    three_nodes();
    fixture_gone(&inv, "nodes/a");
    fixture_gone(&inv, "nodes/b");
    fixture_gone(&inv, "nodes/c");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    fixture_put(&inv, "leaving/a", "{\"for_good\":true}");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_str_eq(plan.refusals, "");
    end();
}
END_TEST

START_TEST(an_address_changes_in_place)
{
    three_nodes();
    char sha[RING_SHA_CHARS + 1];
    strcpy(sha, current->pools[0].ring_sha);
    fixture_put(&inv, "nodes/b",
                "{\"id\":\"b\",\"pool\":\"main\",\"addr\":\"10.9.9.9:1\",\"generation\":8,"
                "\"weight\":5}");
    publish();
    ck_assert_str_eq(node("b")->addr, "10.9.9.9:1");
    ck_assert_str_eq(node("b")->ring_name, "10.0.0.2");
    ck_assert_uint_eq(node("b")->generation, 8);
    ck_assert_uint_eq(node("b")->weight, 1);
    ck_assert_str_eq(current->pools[0].ring_sha, sha);
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    end();
}
END_TEST

START_TEST(a_taken_address_is_refused_and_the_rest_goes_on)
{
    three_nodes();
    fixture_node(&inv, "thief", "10.0.0.1:11211", 0);
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_ptr_nonnull(strstr(plan.refusals, "which is that of a"));
    fixture_node(&inv, "b", "10.0.0.1:11211", 0);
    fixture_node(&inv, "d", "10.0.0.4:11211", 0);
    publish();
    ck_assert_ptr_nonnull(node("d"));
    ck_assert_ptr_null(node("thief"));
    ck_assert_str_eq(node("b")->addr, "10.0.0.2:11211");
    end();
}
END_TEST

START_TEST(an_old_label_is_not_given_twice)
{
    three_nodes();
    fixture_node(&inv, "a", "10.9.9.9:11211", 0);
    publish();
    fixture_node(&inv, "d", "10.0.0.1:11211", 0);
    publish();
    ck_assert_str_eq(node("a")->ring_name, "10.0.0.1");
    ck_assert_str_eq(node("d")->ring_name, "d");
    end();
}
END_TEST

START_TEST(two_that_swap_addresses_are_followed)
{
    three_nodes();
    fixture_node(&inv, "a", "10.0.0.2:11211", 0);
    fixture_node(&inv, "b", "10.0.0.1:11211", 0);
    publish();
    ck_assert_str_eq(node("a")->addr, "10.0.0.2:11211");
    ck_assert_str_eq(node("b")->addr, "10.0.0.1:11211");
    end();
}
END_TEST

START_TEST(nodes_leave_by_order_only)
{
    three_nodes();
    fixture_put(&inv, "intent/nodes/a", "{\"action\":\"remove\"}");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_ptr_nonnull(strstr(plan.refusals, "needs force"));
    fixture_put(&inv, "intent/nodes/a", "{\"action\":\"remove\",\"force\":true}");
    publish();
    ck_assert(current->force);
    ck_assert_ptr_null(node("a"));
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING); /* though it is still registered */
    fixture_put(&inv, "intent/nodes/b", "{\"action\":\"remove\",\"force\":true}");
    fixture_put(&inv, "intent/nodes/c", "{\"action\":\"remove\",\"force\":true}");
    publish();
    ck_assert_uint_eq(current->pools[0].node_count, 1); /* the last one stays */
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    fixture_gone(&inv, "intent/nodes/a");
    publish();
    ck_assert_ptr_nonnull(node("a"));
    ck_assert(!current->force);
    end();
}
END_TEST

START_TEST(a_tenth_may_leave_without_force)
{
    begin();
    char id[16], addr[32];
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "n%02d", i);
        snprintf(addr, sizeof(addr), "10.0.0.%d:11211", i);
        fixture_node(&inv, id, addr, 0);
    }
    publish();
    fixture_put(&inv, "intent/nodes/n00", "{\"action\":\"remove\"}");
    fixture_put(&inv, "intent/nodes/n01", "{\"action\":\"remove\"}");
    fixture_put(&inv, "intent/nodes/n02", "{\"action\":\"remove\"}");
    publish();
    ck_assert_uint_eq(current->pools[0].node_count, 18);
    ck_assert(!current->force);
    publish(); /* of eighteen one more may go */
    ck_assert_uint_eq(current->pools[0].node_count, 17);
    end();
}
END_TEST

START_TEST(a_node_that_is_admitted_need_not_register)
{
    three_nodes();
    fixture_put(&inv, "intent/nodes/m",
                "{\"action\":\"admit\",\"pool\":\"main\",\"addr\":\"h:1\",\"kind\":\"memcached\"}");
    publish();
    ck_assert_int_eq(node("m")->kind, NODE_KIND_MEMCACHED);
    /* When it speaks for itself, that counts. */
    fixture_node(&inv, "m", "h:2", 0);
    publish();
    ck_assert_str_eq(node("m")->addr, "h:2");
    /* Both at once: one node, and its own word. */
    fixture_put(&inv, "intent/nodes/k",
                "{\"action\":\"admit\",\"pool\":\"main\",\"addr\":\"h:3\"}");
    fixture_node(&inv, "k", "h:4", 0);
    publish();
    ck_assert_str_eq(node("k")->addr, "h:4");
    ck_assert_uint_eq(current->pools[0].node_count, 5);
    end();
}
END_TEST

START_TEST(settings_are_followed_a_new_ring_needs_force)
{
    three_nodes();
    fixture_put(&inv, "config/pools/main", "{\"request_timeout_ms\":300}");
    publish();
    ck_assert_uint_eq(current->pools[0].request_timeout_ms, 300);
    fixture_put(&inv, "config/pools/main", "{\"request_timeout_ms\":400,\"ring\":\"twemproxy\"}");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_ptr_nonnull(strstr(plan.refusals, "needs force"));
    fixture_put(&inv, "config/pools/main",
                "{\"request_timeout_ms\":400,\"ring\":\"twemproxy\",\"force\":true}");
    publish();
    ck_assert_int_eq(current->pools[0].ring_config.kind, RING_TWEMPROXY);
    fixture_gone(&inv, "config/pools/main");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING); /* no order takes a pool away */
    end();
}
END_TEST

START_TEST(frozen_means_nothing_changes)
{
    three_nodes();
    fixture_put(&inv, "config/cluster", "{\"frozen\":true,\"by\":\"me\",\"reason\":\"why\"}");
    fixture_node(&inv, "d", "10.0.0.4:11211", 0);
    fixture_node(&inv, "a", "10.0.9.1:11211", 0);
    fixture_put(&inv, "config/pools/main", "{\"request_timeout_ms\":300}");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_str_eq(plan.refusals, "frozen by me: why");
    fixture_put(&inv, "config/cluster", "{\"frozen\":false}");
    publish();
    ck_assert_ptr_nonnull(node("d"));
    end();
}
END_TEST

/* An order, of this incarnation. */
#define FENCE(min, incarnation)                                                                    \
    "{\"fence\":{\"min_epoch\":" #min ",\"incarnation\":\"" incarnation                            \
    "\",\"by\":\"me\",\"reason\":\"why\"}}"

START_TEST(min_epoch_rises_by_order)
{
    three_nodes();
    uint64_t epoch = current->epoch;
    ck_assert_uint_eq(epoch, 1);
    fixture_put(&inv, "config/cluster", FENCE(2, "i"));
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_str_eq(plan.refusals, "min_epoch 2 is above the table's epoch");
    fixture_put(&inv, "config/cluster", FENCE(1, "another"));
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_str_eq(plan.refusals, "");
    fixture_put(&inv, "config/cluster", FENCE(1, "i"));
    ck_assert_int_eq(plan_at(LATE), PLAN_PUBLISH);
    ck_assert_str_eq(plan.reason, "min_epoch 1 by me: why");
    publish();
    ck_assert_uint_eq(current->epoch, 2);
    ck_assert_uint_eq(current->min_epoch, 1);
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    fixture_put(&inv, "config/cluster", FENCE(2, "i"));
    publish();
    fixture_put(&inv, "config/cluster", FENCE(1, "i"));
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    fixture_put(&inv, "config/cluster", "{\"frozen\":false}");
    fixture_node(&inv, "d", "10.0.0.4:11211", 0);
    publish();
    ck_assert_uint_eq(current->epoch, 4);
    ck_assert_uint_eq(current->min_epoch, 2);
    end();
}
END_TEST

START_TEST(pools_do_not_mix)
{
    three_nodes();
    fixture_put(&inv, "config/pools/aaa", "{}");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    fixture_put(&inv, "nodes/a", "{\"id\":\"a\",\"pool\":\"aaa\",\"addr\":\"10.0.0.1:11211\"}");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_ptr_nonnull(strstr(plan.refusals, "is in pool main"));
    fixture_put(&inv, "nodes/z", "{\"id\":\"z\",\"pool\":\"aaa\",\"addr\":\"h:9\"}");
    publish();
    ck_assert_uint_eq(current->pool_count, 2);
    ck_assert_str_eq(current->pools[current->default_pool].name, "main");
    end();
}
END_TEST

START_TEST(the_default_pool_is_the_oldest)
{
    begin();
    fixture_put(&inv, "config/pools/aaa", "{}");
    fixture_put(&inv, "nodes/z", "{\"id\":\"z\",\"pool\":\"aaa\",\"addr\":\"h:9\"}");
    fixture_node(&inv, "a", "h:1", 0);
    fixture_node(&inv, "b", "h:2", 0);
    publish();
    ck_assert_str_eq(current->pools[current->default_pool].name, "main");
    end();
}
END_TEST

START_TEST(one_table_changes_a_bounded_number_of_pools)
{
    begin();
    const unsigned pools = PLAN_POOLS_MAX + 10;
    for (unsigned i = 0; i < pools; i++) {
        char *key = mem_printf("config/pools/p%03u", i);
        char *node_key = mem_printf("nodes/n%03u", i);
        char *value =
            mem_printf("{\"id\":\"n%03u\",\"pool\":\"p%03u\",\"addr\":\"h:%u\"}", i, i, i + 1);
        fixture_put(&inv, key, "{}");
        fixture_put(&inv, node_key, value);
        free(key);
        free(node_key);
        free(value);
    }
    publish();
    ck_assert_uint_eq(current->pool_count, PLAN_POOLS_MAX);
    publish();
    ck_assert_uint_eq(current->pool_count, pools);
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    end();
}
END_TEST

START_TEST(routes_are_followed_once_their_pools_are_there)
{
    three_nodes();
    fixture_put(&inv, "config/pools/sess", "{}");
    fixture_put(&inv, "config/routes", "{\"routes\":{\"s:\":\"sess\"}}");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_ptr_nonnull(strstr(plan.refusals, "the route of s: waits for its pool sess"));
    fixture_put(&inv, "nodes/z", "{\"id\":\"z\",\"pool\":\"sess\",\"addr\":\"h:9\"}");
    publish();
    ck_assert_str_eq(current->pools[table_pool_of(current, SPAN_LIT("s:1"))].name, "sess");
    ck_assert_str_eq(current->pools[table_pool_of(current, SPAN_LIT("t:1"))].name, "main");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    /* An order that cannot be followed changes nothing, and neither does one that is lost. */
    fixture_put(&inv, "config/routes", "{\"routes\":{\"s:\":\"main\",\"a b\":\"main\"}}");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_ptr_nonnull(strstr(plan.refusals, "is no prefix of a key"));
    inventory_delete(&inv, SPAN_LIT("config/routes"));
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    fixture_put(&inv, "config/routes", "{\"routes\":{\"s:\":\"main\"}}");
    publish();
    ck_assert_str_eq(current->pools[table_pool_of(current, SPAN_LIT("s:1"))].name, "main");
    fixture_put(&inv, "config/routes", "{\"routes\":{}}");
    publish();
    ck_assert_uint_eq(current->routes.count, 0);
    end();
}
END_TEST

START_TEST(pools_that_nobody_ordered_are_named)
{
    three_nodes();
    fixture_put(&inv, "config/pools/main",
                "{\"gutter\":\"asied\",\"shadow\":{\"pool\":\"nwe\",\"percent\":1}}");
    publish();
    ck_assert_ptr_nonnull(table_pool_find(current, SPAN_LIT("main"))); /* all else is followed */
    fixture_put(&inv, "nodes/z", "{\"id\":\"z\",\"pool\":\"mian\",\"addr\":\"h:9\"}");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_str_eq(plan.refusals, "pool main: its gutter asied was never ordered; "
                                    "pool main: its shadow nwe was never ordered; "
                                    "z offers itself to pool mian, which was never ordered");
    fixture_put(&inv, "config/pools/asied", "{}");
    fixture_put(&inv, "config/pools/nwe", "{}");
    fixture_put(&inv, "intent/nodes/z", "{\"action\":\"remove\"}");
    ck_assert_int_eq(plan_at(LATE), PLAN_NOTHING);
    ck_assert_str_eq(plan.refusals, "");
    end();
}
END_TEST

UNIT_MAIN("planner", nothing_without_a_cluster, a_pool_waits_for_its_nodes, joins_are_gathered,
          labels_are_those_of_legacy_clients, a_lost_lease_changes_nothing,
          an_address_changes_in_place, a_taken_address_is_refused_and_the_rest_goes_on,
          an_old_label_is_not_given_twice, two_that_swap_addresses_are_followed,
          nodes_leave_by_order_only, a_tenth_may_leave_without_force,
          a_node_that_is_admitted_need_not_register, settings_are_followed_a_new_ring_needs_force,
          frozen_means_nothing_changes, min_epoch_rises_by_order, pools_do_not_mix,
          the_default_pool_is_the_oldest, one_table_changes_a_bounded_number_of_pools,
          routes_are_followed_once_their_pools_are_there, pools_that_nobody_ordered_are_named)
