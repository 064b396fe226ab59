#include "control/routing.h"

#include <stdio.h>

static bool
add(struct table *draft, const char *prefix, const char *pool_name)
{
    const struct table_pool *pool = table_pool_find(draft, span_cstr(pool_name));
    if (pool != NULL) {
        prefixmap_add(&draft->routes, span_cstr(prefix), (unsigned)(pool - draft->pools));
    }
    return pool != NULL;
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
        const char *pool = json_string_value(value);
        if (!table_is_key_prefix(span_cstr(prefix))) {
            snprintf(why, ROUTING_ERROR_MAX, "routes: \"%.250s\" is no prefix of a key", prefix);
            return false;
        }
        if (pool == NULL || !add(draft, prefix, pool)) {
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
        add(draft, e->prefix, current->pools[e->value].name);
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
        if (strcmp(a->prefix, b->prefix) != 0 ||
            strcmp(current->pools[a->value].name, draft->pools[b->value].name) != 0) {
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
