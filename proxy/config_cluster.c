#include "proxy/config_cluster.h"
#include "proxy/client.h"
#include "proxy/proxy_worker.h"
#include "proxy/roster.h"

#include <inttypes.h>

#define WORDS_MAX 3

/* NULL if the client has no pool. */
static const struct table_pool *
pool_of(const struct client *c)
{
    const struct roster *r = c->worker->roster;
    if (r == NULL) {
        return NULL;
    }
    const struct table *table = r->placement->table;
    unsigned index = c->bound ? r->bound_pools[c->frontend] : table->default_pool;
    return index != TABLE_NO_POOL ? &table->pools[index] : NULL;
}

/* The list is a value whose version, on a line of its own, grows with it. */
static void
answer_list(struct client *c, const struct table_pool *pool)
{
    struct worker *w = c->worker;
    struct buf list = bufpool_borrow(&w->bufs), out = bufpool_borrow(&w->bufs);
    bool ok = buf_printf(&list, "%" PRIu64 "\n%s\n", w->roster->placement->table->epoch,
                         pool->config_nodes) &&
              buf_printf(&out, "CONFIG cluster 0 %zu\r\n", buf_len(&list)) &&
              buf_append_span(&out, buf_span(&list)) &&
              buf_append_span(&out, SPAN_LIT("\r\nEND\r\n"));
    client_answer(c, ok ? buf_span(&out) : error_line(PROTO_ERR_OUT_OF_MEMORY));
    bufpool_give_back(&w->bufs, &list);
    bufpool_give_back(&w->bufs, &out);
}

void
config_cluster(struct client *c, const struct request *r)
{
    struct span words[WORDS_MAX];
    unsigned count = request_admin_words(r, words, WORDS_MAX);
    const struct table_pool *pool = pool_of(c);
    bool lists = pool != NULL && pool->config_nodes[0] != '\0';
    if (!lists || count != 2 || !span_eq(words[0], SPAN_LIT("get"))) {
        client_answer_error(c, PROTO_ERR_UNKNOWN_COMMAND);
    } else if (span_eq(words[1], SPAN_LIT("cluster"))) {
        answer_list(c, pool);
    } else {
        client_answer(c, SPAN_LIT("END\r\n"));
    }
}
