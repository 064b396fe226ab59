/* exec_hotkeys.c - the hotkeys command and `stats hotkeys`. */
#include "cached/exec.h"
#include "cached/stats.h"
#include "cached/words.h"
#include "common/core/mem.h"

#include <stdlib.h>

struct hotkeys **
node_sketches(const struct node *node)
{
    struct hotkeys **sketches = mem_alloc(node->worker_count * sizeof(sketches[0]));
    for (unsigned i = 0; i < node->worker_count; i++) {
        sketches[i] = node->workers[i]->hotkeys;
    }
    return sketches;
}

void
stats_put_hotkeys(struct node *node, struct buf *out)
{
    struct hotkeys **sketches = node_sketches(node);
    for (unsigned i = 0; i < HOTKEYS_ORDERS; i++) {
        hotkeys_put_stats(sketches, node->worker_count, (enum hotkeys_order)i, node_now_ms(node),
                          out);
    }
    free(sketches);
}

void
exec_hotkeys(struct conn *c, const struct request *r)
{
    struct node *node = c->worker->node;
    struct words w = words_of(r);
    enum hotkeys_order order;
    uint64_t top;
    if (w.count > WORDS_MAX || !hotkeys_parse(w.at, w.count, &order, &top)) {
        conn_put_error(c, PROTO_ERR_BAD_FORMAT);
        return;
    }
    struct buf out = BUF_EMPTY;
    struct hotkeys **sketches = node_sketches(node);
    hotkeys_put_lines(sketches, node->worker_count, order, (unsigned)top, node_now_ms(node), &out);
    free(sketches);
    buf_append_span(&out, SPAN_LIT("END\r\n"));
    outbox_put_span(&c->out, buf_span(&out));
    buf_deinit(&out);
}
