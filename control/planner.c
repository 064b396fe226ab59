#include "control/planner.h"
#include "control/fence_order.h"
#include "common/core/assert.h"
#include "common/core/mem.h"
#include "common/fleet/table_build.h"
#include "common/net/addr.h"
#include "control/routing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMES_SHOWN 5 /* in a reason */

/* A node's place in the draft, known by its id or by its address. */
struct place {
    const char *name; /* first: see sorted.h */
    const char *node_id;
    const char *pool;
};

struct tally {
    unsigned joined, readdressed, regenerated, removed;
    bool configured, routed, fenced, force;
    uint64_t first_join_ms, last_join_ms;
};

struct planning {
    const struct inventory *inv;
    const struct table *current;
    struct sorted members;   /* struct place of each node of the current table, by id */
    struct sorted addresses; /* the same of each node of the draft, by address */
    struct sorted labels;    /* the same of the pool at hand, by ring name */
    struct tally total;
    unsigned changed_pools;
    struct plan *plan;
};

/* --- words ---------------------------------------------------------------- */

/* Appends a sentence; what does not fit is cut. */
static void __attribute__((format(printf, 2, 3))) add_words(char *text, const char *fmt, ...)
{
    size_t used = strlen(text);
    if (used > 0 && used + 3 < PLAN_TEXT_MAX) {
        strcpy(text + used, "; ");
        used += 2;
    }
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text + used, PLAN_TEXT_MAX - used, fmt, ap);
    va_end(ap);
}

/* Texts of the plan's own; all others are those of the current table. */
static char *
plan_own(struct plan *plan, char *text)
{
    if (plan->own_count == plan->own_room) {
        plan->own_room = plan->own_room > 0 ? plan->own_room * 2 : 64;
        plan->own = mem_realloc(plan->own, plan->own_room * sizeof(*plan->own));
    }
    plan->own[plan->own_count++] = text;
    return text;
}

static char *
plan_copy(struct plan *plan, const char *text)
{
    return text != NULL ? plan_own(plan, mem_strdup(text)) : NULL;
}

/* --- places --------------------------------------------------------------- */

static void
add_place(struct sorted *in, const char *name, const char *node_id, const char *pool)
{
    if (sorted_find(in, span_cstr(name)) != NULL) {
        return;
    }
    struct place *place = mem_alloc(sizeof(*place));
    *place = (struct place){name, node_id, pool};
    sorted_insert(in, place);
}

static void
free_places(struct sorted *places)
{
    for (unsigned i = 0; i < places->count; i++) {
        free(places->items[i]);
    }
    sorted_deinit(places);
}

/* What the node says of itself now; NULL if nothing. */
static const struct registration *
registration_of(const struct inventory *inv, const char *id)
{
    const struct inventory_item *item = inventory_find(inv, KEY_NODE, span_cstr(id));
    if (item == NULL) {
        item = inventory_find(inv, KEY_INTENT, span_cstr(id));
    }
    return item != NULL ? item->registration : NULL;
}

/* Does the node serve this pool under an address other than the table's? */
static const struct registration *
new_address(const struct planning *p, const struct table_pool *pool, const struct table_node *node)
{
    const struct registration *r = registration_of(p->inv, node->id);
    return r != NULL && strcmp(r->pool, pool->name) == 0 && strcmp(r->addr, node->addr) != 0 ? r
                                                                                             : NULL;
}

static void
note_current(struct planning *p)
{
    for (unsigned i = 0; p->current != NULL && i < p->current->pool_count; i++) {
        const struct table_pool *pool = &p->current->pools[i];
        for (unsigned n = 0; n < pool->node_count; n++) {
            const struct table_node *node = &pool->nodes[n];
            add_place(&p->members, node->id, node->id, pool->name);
            if (new_address(p, pool, node) == NULL) {
                add_place(&p->addresses, node->addr, node->id, pool->name);
            }
        }
    }
}

/* --- nodes that are in ------------------------------------------------------ */

static bool
may_leave(struct planning *p, const struct table_pool *now, const struct table_node *node,
          struct tally *tally)
{
    const struct inventory_item *intent = inventory_find(p->inv, KEY_INTENT, span_cstr(node->id));
    const char *action =
        intent != NULL ? json_string_value(json_object_get(intent->json, "action")) : NULL;
    if (action == NULL || strcmp(action, "remove") != 0) {
        return false;
    }
    bool force = json_is_true(json_object_get(intent->json, "force"));
    if (tally->removed + 1 == now->node_count) {
        add_words(p->plan->refusals, "%s is the last node of pool %s", node->id, now->name);
        return false;
    }
    if (!force && (tally->removed + 1) * PLAN_SHRINK_SHARE > now->node_count) {
        add_words(p->plan->refusals, "removing %s takes more than a tenth of pool %s: needs force",
                  node->id, now->name);
        return false;
    }
    tally->force |= force && (tally->removed + 1) * PLAN_SHRINK_SHARE > now->node_count;
    return true;
}

/* A node keeps its ring name, weight and state whatever it says later: only
 * where it is and what it holds follows the registration. */
static struct table_node
refreshed(struct planning *p, const struct table_pool *now, const struct table_node *node,
          struct tally *tally)
{
    struct table_node next = *node;
    const struct registration *r = registration_of(p->inv, node->id);
    if (r == NULL || strcmp(r->pool, now->name) != 0) {
        return next;
    }
    if (r->generation > node->generation) {
        next.generation = r->generation;
        tally->regenerated++;
    }
    if (new_address(p, now, node) == NULL) {
        return next;
    }
    const struct place *taken = sorted_find(&p->addresses, span_cstr(r->addr));
    if (taken != NULL) {
        add_words(p->plan->refusals, "%s came back at %s, which is the address of %s", node->id,
                  r->addr, taken->node_id);
        add_place(&p->addresses, node->addr, node->id, now->name);
        return next;
    }
    add_place(&p->addresses, r->addr, node->id, now->name);
    next.addr = plan_copy(p->plan, r->addr);
    tally->readdressed++;
    return next;
}

static void
keep_nodes(struct planning *p, const struct table_pool *now, struct table_pool *next,
           struct tally *tally)
{
    for (unsigned i = 0; now != NULL && i < now->node_count; i++) {
        if (may_leave(p, now, &now->nodes[i], tally)) {
            tally->removed++;
        } else {
            next->nodes[next->node_count++] = refreshed(p, now, &now->nodes[i], tally);
        }
    }
}

/* --- nodes that join -------------------------------------------------------- */

static bool
may_join(struct planning *p, const struct registration *r)
{
    const struct place *home = sorted_find(&p->members, span_cstr(r->id));
    if (home != NULL) {
        add_words(p->plan->refusals, "%s offers itself to pool %s but is in pool %s", r->id,
                  r->pool, home->pool);
        return false;
    }
    const struct place *taken = sorted_find(&p->addresses, span_cstr(r->addr));
    if (taken != NULL) {
        add_words(p->plan->refusals, "%s offers address %s, which is that of %s", r->id, r->addr,
                  taken->node_id);
        return false;
    }
    return true;
}

static char *
label_of(enum ring_kind kind, const char *addr)
{
    struct addr_name name;
    ASSERT(addr_parse(span_cstr(addr), 0, &name)); /* whoever took it in has checked it */
    struct ring_server server = {.host = name.host, .port = name.port};
    return ring_server_label(kind, &server);
}

/* The label that legacy clients give the address, so that they and we agree
 * without configuration. It stays when the address changes; a newcomer at an
 * address whose label is still another's goes by its id. */
static char *
choose_label(const struct planning *p, const struct table_pool *pool, const struct registration *r)
{
    if (r->ring_name != NULL) {
        return mem_strdup(r->ring_name);
    }
    char *label = label_of(pool->ring_config.kind, r->addr);
    if (sorted_find(&p->labels, span_cstr(label)) != NULL) {
        free(label);
        label = mem_strdup(r->id);
    }
    return label;
}

static void
join(struct planning *p, struct table_pool *next, const struct registration *r, uint64_t since_ms,
     struct tally *tally)
{
    char *label = choose_label(p, next, r);
    if (sorted_find(&p->labels, span_cstr(label)) != NULL) {
        add_words(p->plan->refusals, "%s asks for ring name %s, which is taken", r->id, label);
        free(label);
        return;
    }
    add_place(&p->labels, label, r->id, next->name);
    add_place(&p->addresses, r->addr, r->id, next->name);
    plan_own(p->plan, label);
    next->nodes[next->node_count++] = (struct table_node){
        .id = plan_copy(p->plan, r->id),
        .addr = plan_copy(p->plan, r->addr),
        .ring_name = label,
        .zone = plan_copy(p->plan, r->zone),
        .weight = (uint32_t)r->weight,
        .state = NODE_ACTIVE,
        .kind = r->kind,
        .generation = r->generation,
    };
    if (tally->joined++ == 0 || since_ms < tally->first_join_ms) {
        tally->first_join_ms = since_ms;
    }
    if (since_ms > tally->last_join_ms) {
        tally->last_join_ms = since_ms;
    }
}

static bool
is_leaving_by_order(const struct inventory *inv, const char *id)
{
    const struct inventory_item *intent = inventory_find(inv, KEY_INTENT, span_cstr(id));
    return intent != NULL && intent->registration == NULL;
}

/* An admission is superseded by what the node says itself. */
static bool
speaks_for_itself(const struct inventory *inv, enum key_family family, const char *id)
{
    return family == KEY_INTENT && inventory_find(inv, KEY_NODE, span_cstr(id)) != NULL;
}

static void
add_nodes(struct planning *p, enum key_family family, const struct table_pool *now,
          struct table_pool *next, struct tally *tally)
{
    for (unsigned i = 0; i < inventory_count(p->inv, family); i++) {
        const struct inventory_item *item = inventory_at(p->inv, family, i);
        const struct registration *r = item->registration;
        if (r == NULL || strcmp(r->pool, next->name) != 0 || is_leaving_by_order(p->inv, r->id) ||
            speaks_for_itself(p->inv, family, r->id)) {
            continue;
        }
        const struct place *home = sorted_find(&p->members, span_cstr(r->id));
        bool is_in = now != NULL && home != NULL && strcmp(home->pool, now->name) == 0;
        if (!is_in && may_join(p, r)) {
            join(p, next, r, item->since_ms, tally);
        }
    }
}

/* --- pools ------------------------------------------------------------------ */

static void
add_reason(struct plan *plan, const struct table_pool *now, const struct table_pool *next,
           const struct tally *tally)
{
    char words[PLAN_TEXT_MAX] = "";
    if (tally->joined > 0) {
        add_words(words, "%u joined:", tally->joined);
        unsigned first = next->node_count - tally->joined;
        for (unsigned i = 0; i < tally->joined && i < NAMES_SHOWN; i++) {
            size_t used = strlen(words);
            snprintf(words + used, sizeof(words) - used, " %s", next->nodes[first + i].id);
        }
    }
    if (tally->removed > 0) {
        add_words(words, "%u removed", tally->removed);
    }
    if (tally->readdressed > 0) {
        add_words(words, "%u at another address", tally->readdressed);
    }
    if (tally->regenerated > 0) {
        add_words(words, "%u flushed", tally->regenerated);
    }
    if (tally->configured) {
        add_words(words, "settings changed");
    }
    if (words[0] != '\0') {
        add_words(plan->reason, "%s%s: %s", now == NULL ? "new pool " : "pool ", next->name, words);
    }
}

static bool
is_change(const struct tally *t)
{
    return t->joined > 0 || t->readdressed > 0 || t->regenerated > 0 || t->removed > 0 ||
           t->configured || t->routed || t->fenced;
}

static void
merge(struct tally *total, const struct tally *one)
{
    if (one->joined > 0) {
        if (total->joined == 0 || one->first_join_ms < total->first_join_ms) {
            total->first_join_ms = one->first_join_ms;
        }
        if (one->last_join_ms > total->last_join_ms) {
            total->last_join_ms = one->last_join_ms;
        }
    }
    total->joined += one->joined;
    total->removed += one->removed;
    total->readdressed += one->readdressed;
    total->regenerated += one->regenerated;
    total->configured |= one->configured;
    total->force |= one->force;
}

/* Settings as ordered, unless that would move keys without force. */
static struct table_pool
settled(struct planning *p, const struct pool_config *config, const struct table_pool *now,
        struct tally *tally)
{
    struct table_pool next = config->settings;
    next.name = plan_copy(p->plan, next.name);
    next.strip_prefix = plan_copy(p->plan, next.strip_prefix);
    next.hash_stop = plan_copy(p->plan, next.hash_stop);
    next.gutter = plan_copy(p->plan, next.gutter);
    next.shadow.name = plan_copy(p->plan, next.shadow.name);
    next.hot_text = plan_copy(p->plan, next.hot_text);
    next.limits_text = plan_copy(p->plan, next.limits_text);
    next.config_cluster = plan_copy(p->plan, next.config_cluster);
    if (now != NULL && pool_config_differs(config, now)) {
        bool moves = table_pool_places_otherwise(now, &config->settings);
        if (moves && !config->force) {
            add_words(p->plan->refusals, "pool %s: another ring or key hash needs force",
                      now->name);
            next = *now;
        } else {
            tally->configured = true;
            tally->force |= moves;
        }
    }
    next.nodes = NULL;
    next.node_count = 0;
    return next;
}

/* Nodes whose ring name is implied by their address have that label too. */
static void
note_labels(struct planning *p, const struct table_pool *now)
{
    free_places(&p->labels);
    for (unsigned i = 0; now != NULL && i < now->node_count; i++) {
        const struct table_node *node = &now->nodes[i];
        const char *label = node->ring_name;
        if (label == NULL) {
            label = plan_own(p->plan, label_of(now->ring_config.kind, node->addr));
        }
        add_place(&p->labels, label, node->id, now->name);
    }
}

/* `now` NULL: a pool of no nodes, which is left out. */
static void
keep_pool(const struct table_pool *now, struct table_pool *next)
{
    *next = (struct table_pool){0};
    if (now != NULL) {
        *next = *now;
        next->nodes = mem_dup(now->nodes, now->node_count * sizeof(*now->nodes));
    }
}

static void
plan_pool(struct planning *p, const struct inventory_item *item, struct table_pool *next)
{
    const struct table_pool *now =
        p->current != NULL ? table_pool_find(p->current, span_cstr(item->name)) : NULL;
    if (p->changed_pools == PLAN_POOLS_MAX) { /* the next table's turn */
        keep_pool(now, next);
        return;
    }
    struct tally tally = {0};
    *next = settled(p, item->pool, now, &tally);
    unsigned room = (now != NULL ? now->node_count : 0) + inventory_count(p->inv, KEY_NODE) +
                    inventory_count(p->inv, KEY_INTENT);
    next->nodes = mem_zalloc((room + 1) * sizeof(*next->nodes));
    note_labels(p, now);
    keep_nodes(p, now, next, &tally);
    add_nodes(p, KEY_NODE, now, next, &tally);
    add_nodes(p, KEY_INTENT, now, next, &tally);
    if (now == NULL && next->node_count < item->pool->min_nodes) {
        next->node_count = 0; /* not yet; plan_pools() leaves it out */
        return;
    }
    p->changed_pools += is_change(&tally);
    add_reason(p->plan, now, next, &tally);
    merge(&p->total, &tally);
}

static void
plan_pools(struct planning *p)
{
    struct table *draft = &p->plan->draft;
    unsigned configured = inventory_count(p->inv, KEY_POOL);
    unsigned current = p->current != NULL ? p->current->pool_count : 0;
    draft->pools = mem_zalloc((configured + current + 1) * sizeof(*draft->pools));
    for (unsigned i = 0; i < configured; i++) {
        struct table_pool *next = &draft->pools[draft->pool_count];
        plan_pool(p, inventory_at(p->inv, KEY_POOL, i), next);
        if (next->node_count > 0) {
            draft->pool_count++;
        } else {
            free(next->nodes);
        }
    }
    for (unsigned i = 0; i < current; i++) {
        /* A pool whose order is gone stays: no command takes pools away. */
        const struct table_pool *now = &p->current->pools[i];
        if (inventory_find(p->inv, KEY_POOL, span_cstr(now->name)) == NULL) {
            keep_pool(now, &draft->pools[draft->pool_count++]);
        }
    }
}

/* Was the pool ordered, or is it in use although its order is gone? */
static bool
is_pool(const struct planning *p, const char *name)
{
    return inventory_find(p->inv, KEY_POOL, span_cstr(name)) != NULL ||
           (p->current != NULL && table_pool_find(p->current, span_cstr(name)) != NULL);
}

static void
note_lost_nodes(struct planning *p, enum key_family family)
{
    for (unsigned i = 0; i < inventory_count(p->inv, family); i++) {
        const struct registration *r = inventory_at(p->inv, family, i)->registration;
        if (r != NULL && !is_pool(p, r->pool) && !is_leaving_by_order(p->inv, r->id)) {
            add_words(p->plan->refusals, "%s offers itself to pool %s, which was never ordered",
                      r->id, r->pool);
        }
    }
}

static void
note_absent_pool(struct planning *p, const char *pool, const char *role, const char *other)
{
    if (other[0] != '\0' && !is_pool(p, other)) {
        add_words(p->plan->refusals, "pool %s: its %s %s was never ordered", pool, role, other);
    }
}

/* Names that lead nowhere are no fault of the table, but rather a slip of the pen: without a
 * word a fleet would have no gutter, and a node would wait for ever. */
static void
note_unknown_names(struct planning *p)
{
    for (unsigned i = 0; i < inventory_count(p->inv, KEY_POOL); i++) {
        const struct inventory_item *item = inventory_at(p->inv, KEY_POOL, i);
        note_absent_pool(p, item->name, "gutter", item->pool->settings.gutter);
        note_absent_pool(p, item->name, "shadow", item->pool->settings.shadow.name);
    }
    note_lost_nodes(p, KEY_NODE);
    note_lost_nodes(p, KEY_INTENT);
}

/* The default pool stays what it is; at first it is the oldest. */
static unsigned
choose_default(const struct planning *p)
{
    const struct table *draft = &p->plan->draft;
    const char *wanted =
        p->current != NULL ? p->current->pools[p->current->default_pool].name : NULL;
    unsigned oldest = 0;
    int64_t oldest_revision = INT64_MAX;
    for (unsigned i = 0; i < draft->pool_count; i++) {
        struct span name = span_cstr(draft->pools[i].name);
        if (wanted != NULL && span_eq_cstr(name, wanted)) {
            return i;
        }
        const struct inventory_item *item = inventory_find(p->inv, KEY_POOL, name);
        if (item != NULL && item->create_revision < oldest_revision) {
            oldest = i;
            oldest_revision = item->create_revision;
        }
    }
    return oldest;
}

static void
plan_routes(struct planning *p)
{
    const struct inventory_item *order = inventory_single(p->inv, KEY_ROUTES);
    char why[ROUTING_ERROR_MAX];
    p->total.routed =
        routing_plan(order != NULL ? order->json : NULL, p->current, &p->plan->draft, why);
    if (why[0] != '\0') {
        add_words(p->plan->refusals, "%s", why);
    }
    if (p->total.routed) {
        add_words(p->plan->reason, "routes changed");
    }
}

static void
plan_fence(struct planning *p)
{
    char why[FENCE_ORDER_ERROR_MAX];
    p->total.fenced = fence_order_plan(p->inv, p->current, &p->plan->draft, why);
    if (why[0] != '\0') {
        add_words(p->total.fenced ? p->plan->reason : p->plan->refusals, "%s", why);
    }
}

/* 0: go; else how long to wait for further joins. */
static uint64_t
settle_ms(const struct tally *total, uint64_t now_ms)
{
    if (total->joined == 0) {
        return 0;
    }
    uint64_t after_last = total->last_join_ms + PLAN_SETTLE_MS;
    uint64_t after_first = total->first_join_ms + PLAN_SETTLE_MAX_MS;
    uint64_t due = after_last < after_first ? after_last : after_first;
    return due > now_ms ? due - now_ms : 0;
}

static enum plan_outcome
decide(struct planning *p, uint64_t now_ms)
{
    if (!is_change(&p->total)) {
        return PLAN_NOTHING;
    }
    p->plan->wait_ms = settle_ms(&p->total, now_ms);
    return p->plan->wait_ms > 0 ? PLAN_WAIT : PLAN_PUBLISH;
}

/* The stop button works before anything else is looked at. */
static bool
is_frozen(const struct inventory *inv, struct plan *plan)
{
    const struct inventory_item *item = inventory_single(inv, KEY_CLUSTER);
    if (item == NULL || !json_is_true(json_object_get(item->json, "frozen"))) {
        return false;
    }
    const char *by = json_string_value(json_object_get(item->json, "by"));
    const char *reason = json_string_value(json_object_get(item->json, "reason"));
    add_words(plan->refusals, "frozen by %s: %s", by != NULL ? by : "?",
              reason != NULL ? reason : "");
    return true;
}

enum plan_outcome
plan_make(const struct inventory *inv, const struct table *current, const char *cluster,
          const char *by, uint64_t now_ms, struct plan *plan)
{
    *plan = (struct plan){0};
    const char *incarnation = inventory_incarnation(inv);
    if (incarnation == NULL) {
        add_words(plan->refusals, "the cluster has no meta key: run mfctl init");
        return PLAN_NOTHING;
    }
    if (is_frozen(inv, plan)) {
        return PLAN_NOTHING;
    }
    struct planning p = {.inv = inv, .current = current, .plan = plan};
    note_current(&p);
    plan_pools(&p);
    plan_routes(&p);
    plan_fence(&p);
    note_unknown_names(&p);
    struct table *draft = &plan->draft;
    draft->cluster = plan_copy(plan, cluster);
    draft->incarnation = plan_copy(plan, incarnation);
    draft->epoch = current != NULL ? current->epoch + 1 : 1;
    draft->force = p.total.force;
    draft->by = plan_copy(plan, by);
    draft->reason = plan_copy(plan, plan->reason);
    draft->default_pool = choose_default(&p);
    free_places(&p.members);
    free_places(&p.addresses);
    free_places(&p.labels);
    return decide(&p, now_ms);
}

void
plan_deinit(struct plan *plan)
{
    for (unsigned i = 0; i < plan->draft.pool_count; i++) {
        free(plan->draft.pools[i].nodes);
    }
    free(plan->draft.pools);
    prefixmap_deinit(&plan->draft.routes);
    for (unsigned i = 0; i < plan->own_count; i++) {
        free(plan->own[i]);
    }
    free(plan->own);
    *plan = (struct plan){0};
}
