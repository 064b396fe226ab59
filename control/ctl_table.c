/* mfctl table ... - routing tables, published or in a file. */
#include "common/core/mem.h"
#include "control/ctl.h"
#include "control/ctl_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void
print_node(const struct table_node *node)
{
    printf("    %-24s %-28s %s, %s, weight %" PRIu32 ", in the ring as %s%s%s\n", node->id,
           node->addr, node_state_name(node->state),
           node->kind == NODE_KIND_MEMCACHED ? "memcached" : "mfcached", node->weight,
           node->ring_name != NULL ? node->ring_name : "its address",
           node->zone[0] != '\0' ? ", zone " : "", node->zone);
}

void
ctl_table_print(const struct table *table)
{
    printf("epoch        %" PRIu64 "%s\n", table->epoch, table->force ? " (by force)" : "");
    if (table->min_epoch > 0) {
        printf("min_epoch    %" PRIu64 "\n", table->min_epoch);
    }
    printf("cluster      %s, incarnation %s\n", table->cluster, table->incarnation);
    printf("sha256       %s\n", table->sha);
    printf("by           %s\n", table->by != NULL ? table->by : "");
    printf("reason       %s\n", table->reason != NULL ? table->reason : "");
    for (unsigned i = 0; i < table->pool_count; i++) {
        const struct table_pool *pool = &table->pools[i];
        printf("pool %s%s: %u node%s, ring %s, key hash %s, %u points, ring sha %.12s\n",
               pool->name, i == table->default_pool ? " (default)" : "", pool->node_count,
               pool->node_count == 1 ? "" : "s", ring_kind_name(pool->ring_config.kind),
               key_hash_name(pool->ring_config.hash), ring_points(pool->ring), pool->ring_sha);
        if (pool->move != MOVE_NONE) {
            printf("  keys move, step %s\n", move_step_name(pool->move));
        }
        for (unsigned n = 0; n < pool->node_count; n++) {
            print_node(&pool->nodes[n]);
        }
    }
    for (unsigned i = 0; i < table->routes.count; i++) {
        const struct prefixmap_entry *e = &table->routes.entries[i];
        printf("keys with    %s -> pool %s%s\n", e->prefix,
               table->pools[table_route_pool(e->value)].name,
               (e->value & TABLE_ROUTE_STRIPS) != 0 ? ", without the prefix" : "");
    }
}

struct table *
ctl_table_from_etcd(struct ctl *ctl)
{
    struct inventory inv;
    struct table *table = NULL;
    if (ctl_load(ctl, &inv) == CTL_OK) {
        ctl_load_table(ctl, &inv, &table);
        inventory_deinit(&inv);
    }
    return table;
}

static void
print_in_form(const struct ctl *ctl, const struct table *table)
{
    if (ctl->options.json) {
        struct span text = buf_span(&table->document);
        ctl_print_json(json_loadb(text.ptr, text.len, 0, NULL));
    } else {
        ctl_table_print(table);
    }
}

enum ctl_exit
ctl_table_show(struct ctl *ctl, int argc, char **argv)
{
    struct inventory inv;
    struct table *table = NULL;
    enum ctl_exit status = ctl_look(ctl, argc, argv, &inv);
    if (status != CTL_OK) {
        return status;
    }
    status = ctl_load_table(ctl, &inv, &table);
    inventory_deinit(&inv);
    if (status != CTL_OK) {
        return status;
    }
    print_in_form(ctl, table);
    table_unref(&table);
    return CTL_OK;
}

/* --- files ---------------------------------------------------------------------- */

static bool
read_all(FILE *in, struct buf *out)
{
    size_t n;
    do {
        char *to = buf_room(out, 65536);
        if (to == NULL) {
            errno = ENOMEM;
            return false;
        }
        n = fread(to, 1, 65536, in);
        buf_grew(out, n);
    } while (n > 0 && buf_len(out) <= TABLE_BYTES_MAX);
    return !ferror(in);
}

/* A last-known-good has one line before the document (statefile.h). Whether it
 * is whole shows as in any other file: it parses, and its rings are its rings. */
static void
skip_state_header(struct buf *text)
{
    struct span s = buf_span(text);
    const char *newline = s.len > 0 ? memchr(s.ptr, '\n', s.len) : NULL;
    if (newline != NULL && span_starts_with(s, SPAN_LIT("memfleet-state "))) {
        buf_consume(text, (size_t)(newline - s.ptr) + 1);
    }
}

struct table *
ctl_table_from_file(const struct ctl *ctl, const char *path)
{
    struct buf text = BUF_EMPTY;
    char error[TABLE_ERROR_MAX];
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (in == NULL || !read_all(in, &text)) {
        ctl_complain(ctl, "%s: %s", path, strerror(errno));
        if (in != NULL && in != stdin) {
            fclose(in);
        }
        buf_deinit(&text);
        return NULL;
    }
    skip_state_header(&text);
    struct table *table = table_parse(buf_span(&text), error);
    if (table == NULL) {
        ctl_complain(ctl, "%s: %s", path, error);
    }
    if (in != stdin) {
        fclose(in);
    }
    buf_deinit(&text);
    return table;
}

enum ctl_exit
ctl_table_verify(struct ctl *ctl, int argc, char **argv)
{
    struct ctl_arguments file;
    enum ctl_exit status = ctl_parse(ctl, NULL, argc, argv, NULL, 1, &file);
    if (status != CTL_OK) {
        return status;
    }
    struct table *table = ctl_table_from_file(ctl, file.items[0]);
    ctl_arguments_deinit(&file);
    if (table == NULL) {
        return CTL_NO;
    }
    print_in_form(ctl, table);
    table_unref(&table);
    return CTL_OK;
}
