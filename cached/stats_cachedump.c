/* stats_cachedump.c - "stats cachedump <class> <limit>", which old tools list keys
 * with: at most two megabytes, in one reply. */
#include "cached/stats.h"
#include "common/core/base64.h"
#include "common/core/num.h"
#include "common/proto/exptime.h"

#include <inttypes.h>

#define DUMP_CLASSES   64 /* memcached may have so many */
#define DUMP_BYTES_MAX (2 * 1024 * 1024)
#define DUMP_STEP      256 /* items looked at before the store's lock is let go */

struct dump {
    const struct node *node;
    uint64_t now_ms;
    uint64_t class;
    uint64_t left; /* items that may still be put */
    struct buf out;
};

/* A binary key may hold a newline, and with it a line that we did not write. It
 * is shown as mg shows it, in base64. */
static struct span
printable_key(const struct store_view *view, char *room)
{
    return view->binary_key ? span_make(room, base64_encode(view->key, room)) : view->key;
}

static void
dump_item(void *arg, const struct store_view *view)
{
    struct dump *dump = arg;
    if (dump->left == 0 || buf_len(&dump->out) > DUMP_BYTES_MAX ||
        store_band_of(view->key.len, view->value.len) != dump->class) {
        return;
    }
    dump->left--;
    char room[BASE64_ENCODED_BYTES(STORE_KEY_MAX)];
    struct span key = printable_key(view, room);
    uint64_t expires_s = 0;
    if (view->expiry_ms != EXPIRES_NEVER) {
        expires_s = (node_wall_ms(dump->node) + view->expiry_ms - dump->now_ms) / 1000;
    }
    buf_printf(&dump->out, "ITEM %.*s [%zu b; %" PRIu64 " s]\r\n", SPAN_FMT(key), view->value.len,
               expires_s);
}

void
stats_cachedump(struct conn *c, const struct span *words, unsigned count)
{
    struct worker *w = c->worker;
    uint64_t class, limit, cursor = 0;
    if (w->node->options.no_dumping) {
        conn_put_error(c, PROTO_ERR_DUMP_NOT_ALLOWED);
    } else if (count < 3) {
        conn_put_error(c, PROTO_ERR_BAD_DUMP);
    } else if (!num_parse_u64(words[1], &class) || !num_parse_u64(words[2], &limit)) {
        conn_put_error(c, PROTO_ERR_BAD_FORMAT);
    } else if (class >= DUMP_CLASSES) {
        conn_put_error(c, PROTO_ERR_BAD_DUMP_CLASS);
    } else {
        struct dump dump = {w->node, w->now_ms, class, limit > 0 ? limit : UINT64_MAX, BUF_EMPTY};
        while (dump.left > 0 && buf_len(&dump.out) <= DUMP_BYTES_MAX &&
               store_walk(w->store, &cursor, DUMP_STEP, w->now_ms, dump_item, &dump)) {
        }
        buf_append_span(&dump.out, SPAN_LIT("END\r\n"));
        outbox_put_span(&c->out, buf_span(&dump.out));
        buf_deinit(&dump.out);
    }
}
