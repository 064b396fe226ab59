#include "cached/dump.h"
#include "cached/sizes.h"
#include "common/core/base64.h"
#include "common/core/uri.h"
#include "common/proto/exptime.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SLICE_ITEMS 256 /* some tens of microseconds */

#define META_TAIL_MAX 200 /* all of a line but the key, with numbers of full length */

struct dump {
    enum dump_kind kind;
    uint64_t classes;
    uint64_t cursor;
    struct sizes *sizes; /* of DUMP_SIZES */
};

struct slice {
    struct conn *conn;
    uint64_t wall_ms;
    uint64_t items;
};

static uint64_t
wall_s(const struct slice *slice, uint64_t point_ms)
{
    return (slice->wall_ms + point_ms - slice->conn->worker->now_ms) / 1000;
}

static void
put_metadump(struct slice *slice, const struct store_view *view)
{
    char line[4 + URI_ENCODED_BYTES(STORE_KEY_MAX) + META_TAIL_MAX];
    memcpy(line, "key=", 4);
    size_t n = 4 + uri_encode(view->key, line + 4);
    long long expires_s = -1;
    if (view->expiry_ms != EXPIRES_NEVER) {
        expires_s = (long long)wall_s(slice, view->expiry_ms);
    }
    int tail = snprintf(
        line + n, sizeof(line) - n,
        " exp=%lld la=%" PRIu64 " cas=%" PRIu64 " fetch=%s cls=%u size=%" PRIu64 "\n", expires_s,
        wall_s(slice, view->accessed_ms), view->cas, view->fetched ? "yes" : "no",
        store_band_of(view->key.len, view->value.len), view->bytes);
    outbox_put(&slice->conn->out, line, n + (size_t)tail);
}

static void
put_mgdump(struct slice *slice, const struct store_view *view)
{
    char line[3 + BASE64_ENCODED_BYTES(STORE_KEY_MAX) + 4];
    char *p = line;
    memcpy(p, "mg ", 3);
    p += 3;
    if (view->binary_key) {
        p += base64_encode(view->key, p);
        memcpy(p, " b", 2);
        p += 2;
    } else {
        memcpy(p, view->key.ptr, view->key.len);
        p += view->key.len;
    }
    memcpy(p, "\r\n", 2);
    outbox_put(&slice->conn->out, line, (size_t)(p + 2 - line));
}

static void
visit(void *arg, const struct store_view *view)
{
    struct slice *slice = arg;
    uint64_t class = (uint64_t)1 << store_band_of(view->key.len, view->value.len);
    if (!(slice->conn->dump->classes & class)) {
        return;
    }
    slice->items++;
    switch (slice->conn->dump->kind) {
    case DUMP_METADUMP: put_metadump(slice, view); break;
    case DUMP_MGDUMP: put_mgdump(slice, view); break;
    case DUMP_SIZES: sizes_count(slice->conn->dump->sizes, view->bytes); break;
    }
}

void
dump_begin(struct conn *c, enum dump_kind kind, uint64_t classes)
{
    struct sizes *sizes = kind == DUMP_SIZES ? sizes_create() : NULL;
    c->dump = malloc(sizeof(*c->dump));
    if (c->dump == NULL || (kind == DUMP_SIZES && sizes == NULL)) {
        sizes_destroy(&sizes);
        free(c->dump);
        c->dump = NULL;
        c->out.out_of_memory = true;
        return;
    }
    *c->dump = (struct dump){.kind = kind, .classes = classes, .sizes = sizes};
    worker_count(c->worker, METRIC_ID_NODE_DUMPS);
    if (kind != DUMP_SIZES) {
        outbox_put_span(&c->out, SPAN_LIT("OK\r\n"));
    }
}

static void
put_sizes(struct conn *c)
{
    struct buf text = BUF_EMPTY;
    sizes_put(c->dump->sizes, &text);
    outbox_put_span(&c->out, buf_span(&text));
    buf_deinit(&text);
}

void
dump_step(struct conn *c)
{
    struct worker *w = c->worker;
    struct slice slice = {.conn = c, .wall_ms = node_wall_ms(w->node)};
    bool more = c->dump->classes != 0 &&
                store_walk(w->store, &c->dump->cursor, SLICE_ITEMS, w->now_ms, visit, &slice);
    metric_add(w->metrics, METRIC_ID_NODE_DUMPED_ITEMS, slice.items);
    if (more) {
        return;
    }
    if (c->dump->kind == DUMP_SIZES) {
        put_sizes(c);
    }
    outbox_put_span(&c->out,
                    c->dump->kind == DUMP_MGDUMP ? SPAN_LIT("EN\r\n") : SPAN_LIT("END\r\n"));
    dump_end(c);
}

void
dump_end(struct conn *c)
{
    if (c->dump != NULL) {
        sizes_destroy(&c->dump->sizes);
        free(c->dump);
        c->dump = NULL;
    }
}
