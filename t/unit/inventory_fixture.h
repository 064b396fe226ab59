/* inventory_fixture.h - made-up events of a watch, for unit tests. */
#pragma once
#include "common/core/mem.h"
#include "control/inventory.h"

#include <stdlib.h>

static int64_t fixture_revision = 1;

static inline bool
fixture_put_at(struct inventory *inv, const char *key, const char *value, uint64_t now_ms)
{
    int64_t revision = ++fixture_revision;
    struct inventory_kv kv = {span_cstr(key), span_cstr(value), revision, revision, 0};
    return inventory_put(inv, &kv, now_ms);
}

static inline bool
fixture_put(struct inventory *inv, const char *key, const char *value)
{
    return fixture_put_at(inv, key, value, 0);
}

/* nodes/<id> with a registration for the pool main. */
static inline bool
fixture_node(struct inventory *inv, const char *id, const char *addr, uint64_t now_ms)
{
    char *key = mem_printf("nodes/%s", id);
    char *value =
        mem_printf("{\"id\":\"%s\",\"pool\":\"main\",\"addr\":\"%s\",\"generation\":1}", id, addr);
    bool changed = fixture_put_at(inv, key, value, now_ms);
    free(key);
    free(value);
    return changed;
}

static inline bool
fixture_gone(struct inventory *inv, const char *key)
{
    return inventory_delete(inv, span_cstr(key));
}
