#include "common/fleet/modula.h"
#include "common/core/mem.h"

#include <stdlib.h>

struct named {
    char *label;
    size_t len;
    unsigned server;
};

/* twemproxy sorts its servers by this (string_compare()), shorter names first. */
static int
compare_labels(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    if (x->len != y->len) {
        return x->len < y->len ? -1 : 1;
    }
    int order = memcmp(x->label, y->label, x->len);
    return order != 0 ? order : (x->server > y->server) - (x->server < y->server);
}

static void
sort_servers(struct modula *m, enum ring_kind kind, const struct ring_server *servers)
{
    struct named *names = mem_alloc(m->count * sizeof(*names));
    for (unsigned i = 0; i < m->count; i++) {
        char *label = ring_server_label(kind, &servers[i]);
        names[i] = (struct named){label, strlen(label), i};
    }
    qsort(names, m->count, sizeof(*names), compare_labels);
    for (unsigned i = 0; i < m->count; i++) {
        m->servers[i] = names[i].server;
        free(names[i].label);
    }
    free(names);
}

void
modula_init(struct modula *m, enum ring_kind kind, const struct ring_server *servers,
            unsigned count)
{
    m->count = count;
    m->servers = mem_alloc(count * sizeof(*m->servers));
    m->ends = mem_alloc(count * sizeof(*m->ends));
    for (unsigned i = 0; i < count; i++) {
        m->servers[i] = i;
    }
    if (kind == RING_TWEMPROXY_MODULA) {
        sort_servers(m, kind, servers);
    }
    uint32_t end = 0;
    for (unsigned i = 0; i < count; i++) {
        end += kind == RING_MODULA ? 1 : servers[m->servers[i]].weight;
        m->ends[i] = end;
    }
}

void
modula_deinit(struct modula *m)
{
    free(m->servers);
    free(m->ends);
    *m = (struct modula){0};
}

unsigned
modula_owner(const struct modula *m, uint32_t hash, uint32_t *slot)
{
    *slot = hash % m->ends[m->count - 1];
    unsigned low = 0, high = m->count - 1;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (m->ends[middle] <= *slot) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return m->servers[low];
}

unsigned
modula_slots_of(const struct modula *m, unsigned server)
{
    for (unsigned i = 0; i < m->count; i++) {
        if (m->servers[i] == server) {
            return m->ends[i] - (i > 0 ? m->ends[i - 1] : 0);
        }
    }
    return 0;
}
