/* exec_hotkeys.c - the hotkeys command and `stats hotkeys`. */
#include "cached/exec.h"
#include "cached/stats.h"
#include "cached/words.h"
#include "common/core/mem.h"
#include "common/core/uri.h"

#include <inttypes.h>
#include <stdlib.h>

#define TOP_DEFAULT 10
#define TOP_MAX     1000

struct listing {
    struct buf *out;
    const char *order; /* NULL: lines of the command, else rows of stats */
    unsigned rank;
};

static void
put_key(void *arg, const struct hotkey *key)
{
    struct listing *listing = arg;
    char text[URI_ENCODED_BYTES(STORE_KEY_MAX)];
    struct span name = span_make(text, uri_encode(key->key, text));
    listing->rank++;
    if (listing->order == NULL) {
        buf_printf(listing->out, "HOTKEY %.*s %" PRIu64 " %" PRIu64 "\r\n", SPAN_FMT(name),
                   key->count, key->error);
    } else {
        buf_printf(listing->out, "STAT %s:%u:key %.*s\r\n", listing->order, listing->rank,
                   SPAN_FMT(name));
        buf_printf(listing->out, "STAT %s:%u:count %" PRIu64 "\r\nSTAT %s:%u:error %" PRIu64 "\r\n",
                   listing->order, listing->rank, key->count, listing->order, listing->rank,
                   key->error);
    }
}

void
hotkeys_of_node(struct node *node, enum hotkeys_span span, enum hotkeys_order order, unsigned top,
                void (*fn)(void *arg, const struct hotkey *key), void *arg)
{
    unsigned count = node->worker_count;
    struct hotkeys **sketches = mem_alloc(count * sizeof(sketches[0]));
    for (unsigned i = 0; i < count; i++) {
        sketches[i] = node->workers[i]->hotkeys;
    }
    hotkeys_report(sketches, count, span, order, top, node_now_ms(node), fn, arg);
    free(sketches);
}

static void
list(struct node *node, enum hotkeys_order order, unsigned top, struct listing *listing)
{
    hotkeys_of_node(node, HOTKEYS_RECENT, order, top, put_key, listing);
}

void
stats_put_hotkeys(struct node *node, struct buf *out)
{
    for (unsigned i = 0; i < HOTKEYS_ORDERS; i++) {
        struct listing listing = {out, hotkeys_order_name((enum hotkeys_order)i), 0};
        list(node, (enum hotkeys_order)i, TOP_DEFAULT, &listing);
    }
}

/* [requests|bytes] [<number>] */
static bool
parse(const struct words *w, enum hotkeys_order *order, uint64_t *top)
{
    unsigned at = 0;
    *order = HOTKEYS_REQUESTS;
    *top = TOP_DEFAULT;
    for (unsigned i = 0; i < HOTKEYS_ORDERS; i++) {
        if (word_is(w, 0, hotkeys_order_name((enum hotkeys_order)i))) {
            *order = (enum hotkeys_order)i;
            at = 1;
        }
    }
    if (at < w->count && (!word_number(w, at, top) || *top == 0 || *top > TOP_MAX)) {
        return false;
    }
    return w->count <= at + 1;
}

void
exec_hotkeys(struct conn *c, const struct request *r)
{
    struct words w = words_of(r);
    enum hotkeys_order order;
    uint64_t top;
    if (!parse(&w, &order, &top)) {
        conn_put_error(c, PROTO_ERR_BAD_FORMAT);
        return;
    }
    struct buf out = BUF_EMPTY;
    struct listing listing = {.out = &out};
    list(c->worker->node, order, (unsigned)top, &listing);
    buf_append_span(&out, SPAN_LIT("END\r\n"));
    outbox_put_span(&c->out, buf_span(&out));
    buf_deinit(&out);
}
