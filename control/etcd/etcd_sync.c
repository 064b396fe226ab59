#include "control/etcd/etcd_sync.h"
#include "common/core/mem.h"
#include "control/etcd/etcd_client.h"

#include <stdlib.h>

struct etcd_sync {
    struct loop *loop;
    struct etcd *client;
    const struct etcd_reply *reply; /* of the last call */
};

struct etcd_sync *
etcd_sync_open(const struct etcd_options *options, char **error)
{
    struct etcd_sync *s = mem_zalloc(sizeof(*s));
    s->loop = loop_create();
    s->client = etcd_create(s->loop, options, error);
    if (s->client == NULL) {
        etcd_sync_close(&s);
    }
    return s;
}

void
etcd_sync_close(struct etcd_sync **sync)
{
    struct etcd_sync *s = *sync;
    if (s == NULL) {
        return;
    }
    reply_free(&s->reply);
    etcd_destroy(&s->client);
    loop_destroy(&s->loop);
    free(s);
    *sync = NULL;
}

struct etcd *
etcd_sync_client(struct etcd_sync *sync)
{
    return sync->client;
}

static void
on_reply(void *arg, const struct etcd_reply *reply)
{
    struct etcd_sync *s = arg;
    reply_keep(reply);
    s->reply = reply;
    loop_stop(s->loop);
}

/* The call has been started: its deadline ends this. */
static const struct etcd_reply *
wait_reply(struct etcd_sync *s)
{
    while (s->reply == NULL) {
        loop_run(s->loop);
    }
    return s->reply;
}

const struct etcd_reply *
etcd_sync_get(struct etcd_sync *sync, struct span key)
{
    reply_free(&sync->reply);
    etcd_get(sync->client, key, on_reply, sync);
    return wait_reply(sync);
}

const struct etcd_reply *
etcd_sync_list(struct etcd_sync *sync, struct span prefix)
{
    reply_free(&sync->reply);
    etcd_list(sync->client, prefix, on_reply, sync);
    return wait_reply(sync);
}

const struct etcd_reply *
etcd_sync_delete(struct etcd_sync *sync, struct span key)
{
    reply_free(&sync->reply);
    etcd_delete(sync->client, key, on_reply, sync);
    return wait_reply(sync);
}

const struct etcd_reply *
etcd_sync_commit(struct etcd_sync *sync, const struct etcd_txn *txn)
{
    reply_free(&sync->reply);
    etcd_commit(sync->client, txn, on_reply, sync);
    return wait_reply(sync);
}

const struct etcd_reply *
etcd_sync_status_of(struct etcd_sync *sync, size_t endpoint)
{
    reply_free(&sync->reply);
    etcd_status_of(sync->client, endpoint, on_reply, sync);
    return wait_reply(sync);
}
