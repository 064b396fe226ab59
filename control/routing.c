#include "control/routing.h"

#include <stdio.h>

static bool
add(struct table *draft, const char *prefix, const char *pool_name, bool strips)
{
    const struct table_pool *pool = table_pool_find(draft, span_cstr(pool_name));
    if (pool != NULL) {
        unsigned index = (unsigned)(pool - draft->pools);
        prefixmap_add(&draft->routes, span_cstr(prefix), table_route_value(index, strips));
    }
    return pool != NULL;
}

/* A route is its pool's name, or {"pool": ..., "strip_prefix": ...}. */
static const char *
pool_of(const json_t *route)
{
    return json_string_value(json_is_object(route) ? json_object_get(route, "pool") : route);
}

static bool
follow(const json_t *routes, struct table *draft, char *why)
{
    if (json_object_size(routes) > TABLE_ROUTES_MAX) {
        snprintf(why, ROUTING_ERROR_MAX, "routes: more than %d", TABLE_ROUTES_MAX);
        return false;
    }
    const char *prefix;
    json_t *value;
    json_object_foreach ((json_t *)routes, prefix, value) {
        const char *pool = pool_of(value);
        bool strips = json_is_true(json_object_get(value, "strip_prefix"));
        if (!table_is_key_prefix(span_cstr(prefix))) {
            snprintf(why, ROUTING_ERROR_MAX, "routes: \"%.250s\" is no prefix of a key", prefix);
            return false;
        }
        if (pool == NULL || !add(draft, prefix, pool, strips)) {
            snprintf(why, ROUTING_ERROR_MAX, "the route of %s waits for its pool %.128s", prefix,
                     pool != NULL ? pool : "?");
            return false;
        }
    }
    return true;
}

/* Pools stay once they are served, so each is found. */
static void
keep(const struct table *current, struct table *draft)
{
    for (unsigned i = 0; current != NULL && i < current->routes.count; i++) {
        const struct prefixmap_entry *e = &current->routes.entries[i];
        add(draft, e->prefix, current->pools[table_route_pool(e->value)].name,
            (e->value & TABLE_ROUTE_STRIPS) != 0);
    }
}

static bool
is_as_before(const struct table *current, const struct table *draft)
{
    unsigned before = current != NULL ? current->routes.count : 0;
    if (before != draft->routes.count) {
        return false;
    }
    for (unsigned i = 0; i < before; i++) {
        const struct prefixmap_entry *a = &current->routes.entries[i],
                                     *b = &draft->routes.entries[i];
        const struct table_pool *x = &current->pools[table_route_pool(a->value)],
                                *y = &draft->pools[table_route_pool(b->value)];
        if (strcmp(a->prefix, b->prefix) != 0 || strcmp(x->name, y->name) != 0 ||
            ((a->value ^ b->value) & TABLE_ROUTE_STRIPS) != 0) {
            return false;
        }
    }
    return true;
}

bool
routing_plan(const json_t *ordered, const struct table *current, struct table *draft, char *why)
{
    why[0] = '\0';
    const json_t *routes = json_object_get(ordered, "routes");
    if (!json_is_object(routes) || !follow(routes, draft, why)) {
        prefixmap_deinit(&draft->routes);
        keep(current, draft);
    }
    prefixmap_seal(&draft->routes);
    return !is_as_before(current, draft);
}
