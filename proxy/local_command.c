#include "proxy/local_command.h"
#include "common/core/assert.h"
#include "common/core/version.h"
#include "proxy/client.h"
#include "proxy/config_cluster.h"
#include "proxy/proxy_worker.h"
#include "proxy/watcher.h"

#define WORDS_MAX 4

static void
answer_stats(struct client *c, const struct request *r)
{
    struct worker *w = c->worker;
    struct span words[WORDS_MAX];
    unsigned count = request_admin_words(r, words, WORDS_MAX);
    if (count > 0 && span_eq(words[0], SPAN_LIT("reset"))) {
        w->host->stats_reset(w->host->arg);
        client_answer(c, SPAN_LIT("RESET\r\n"));
        return;
    }
    if (count > 0 && span_eq(words[0], SPAN_LIT("cachedump"))) {
        /* There are no slab classes here, so every number of one is illegal. */
        bool numeric =
            count > 1 && words[1].len > 0 && words[1].ptr[0] >= '0' && words[1].ptr[0] <= '9';
        client_answer(c, numeric ? SPAN_LIT("CLIENT_ERROR Illegal slab id\r\n")
                                 : error_line(PROTO_ERR_BAD_FORMAT));
        return;
    }
    if (count > 0 && span_eq(words[0], SPAN_LIT("detail"))) {
        client_answer(c, SPAN_LIT("CLIENT_ERROR usage: stats detail on|off|dump\r\n"));
        return;
    }
    struct buf out = bufpool_borrow(&w->bufs);
    if (w->host->stats(w->host->arg, count > 0 ? words[0] : SPAN_LIT(""), &out)) {
        client_answer(c, buf_span(&out));
    } else {
        client_answer_error(c, PROTO_ERR_UNKNOWN_COMMAND);
    }
    bufpool_give_back(&w->bufs, &out);
}

/* A proxy does not know of every request how many bytes it moved, so it tells by
 * requests only. */
static void
answer_hotkeys(struct client *c, const struct request *r)
{
    struct worker *w = c->worker;
    struct span words[WORDS_MAX];
    unsigned count = request_admin_words(r, words, WORDS_MAX);
    enum hotkeys_order order;
    uint64_t top;
    if (count > WORDS_MAX || !hotkeys_parse(words, count, &order, &top) ||
        order != HOTKEYS_REQUESTS) {
        client_answer_error(c, PROTO_ERR_BAD_FORMAT);
        return;
    }
    struct buf out = bufpool_borrow(&w->bufs);
    w->host->hotkeys(w->host->arg, (unsigned)top, &out);
    buf_append_span(&out, SPAN_LIT("END\r\n"));
    client_answer(c, buf_span(&out));
    bufpool_give_back(&w->bufs, &out);
}

static void
answer_slabs(struct client *c, const struct request *r)
{
    struct span words[WORDS_MAX];
    unsigned count = request_admin_words(r, words, WORDS_MAX);
    bool reassign = count == 3 && span_eq(words[0], SPAN_LIT("reassign"));
    client_answer_error(c, reassign ? PROTO_ERR_BAD_FORMAT : PROTO_ERR_UNKNOWN_COMMAND);
}

void
local_command(struct client *c, const struct request *r)
{
    switch (r->cmd) {
    case CMD_MN: client_answer(c, SPAN_LIT("MN\r\n")); break;
    case CMD_VERSION: client_answer(c, SPAN_LIT("VERSION " WIRE_VERSION "\r\n")); break;
    case CMD_VERBOSITY:
        if (!r->noreply) {
            client_answer(c, SPAN_LIT("OK\r\n"));
        }
        break;
    case CMD_STATS: answer_stats(c, r); break;
    case CMD_QUIT: client_finish(c); break;
    case CMD_SHUTDOWN: client_answer_error(c, PROTO_ERR_SHUTDOWN_DISABLED); break;
    case CMD_SLABS: answer_slabs(c, r); break;
    case CMD_HOTKEYS: answer_hotkeys(c, r); break;
    case CMD_CONFIG: config_cluster(c, r); break;
    case CMD_WATCH: watcher_command(c, r); break;
    case CMD_REFRESH_CERTS: client_answer(c, SPAN_LIT("Error TLS not enabled\r\n")); break;
    /* A node's own affairs: memory, LRU, whom it refuses. As a memcached without them. */
    case CMD_CACHE_MEMLIMIT:
    case CMD_LRU:
    case CMD_LRU_CRAWLER:
    case CMD_EPOCH:
    case CMD_DEBUGTIME: client_answer_error(c, PROTO_ERR_UNKNOWN_COMMAND); break;
    /* Not local: dispatch.c has their way. */
    case CMD_GET:
    case CMD_GETS:
    case CMD_GAT:
    case CMD_GATS:
    case CMD_SET:
    case CMD_ADD:
    case CMD_REPLACE:
    case CMD_APPEND:
    case CMD_PREPEND:
    case CMD_CAS:
    case CMD_INCR:
    case CMD_DECR:
    case CMD_TOUCH:
    case CMD_DELETE:
    case CMD_MG:
    case CMD_MS:
    case CMD_MD:
    case CMD_MA:
    case CMD_ME:
    case CMD_FLUSH_ALL:
    case CMD_COUNT: UNREACHABLE();
    }
}
