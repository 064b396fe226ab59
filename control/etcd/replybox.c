#include "control/etcd/replybox.h"
#include "common/core/mem.h"
#include "control/etcd/etcd_client.h"

#include <stdlib.h>

struct reply_box *
reply_box_create(void)
{
    struct reply_box *box = mem_zalloc(sizeof(*box));
    box->reply.error = "";
    box->reply.endpoint = "";
    return box;
}

void
reply_box_clear(struct reply_box *box)
{
    for (size_t i = 0; i < box->answer_count; i++) {
        answer_deinit(&box->answers[i]);
    }
    free(box->answers);
    box->answers = NULL;
    box->answer_count = 0;
}

void
reply_box_destroy(struct reply_box **box)
{
    reply_box_clear(*box);
    free((*box)->joined);
    free((*box)->error);
    free(*box);
    *box = NULL;
}

void
reply_box_add(struct reply_box *box, struct answer *answer)
{
    box->answers = mem_realloc(box->answers, (box->answer_count + 1) * sizeof(box->answers[0]));
    box->answers[box->answer_count++] = *answer;
}

static void
join_pages(struct reply_box *box)
{
    size_t count = 0;
    for (size_t i = 0; i < box->answer_count; i++) {
        count += box->answers[i].kv_count;
    }
    box->joined = mem_alloc(count * sizeof(box->joined[0]));
    struct etcd_kv *to = box->joined;
    for (size_t i = 0; i < box->answer_count; i++) {
        memcpy(to, box->answers[i].kvs, box->answers[i].kv_count * sizeof(*to));
        to += box->answers[i].kv_count;
    }
    box->reply.kvs = box->joined;
    box->reply.kv_count = count;
}

static void
fill(struct etcd_reply *r, const struct answer *a)
{
    r->revision = a->header.revision;
    r->kvs = a->kvs;
    r->kv_count = a->kv_count;
    r->succeeded = a->succeeded;
    r->results = a->results;
    r->result_count = a->result_count;
    r->deleted = a->deleted;
    r->lease = a->lease;
    r->ttl_s = a->ttl_s;
    r->status = &a->status;
    r->members = a->members;
    r->member_count = a->member_count;
}

void
reply_box_close(struct reply_box *box, enum etcd_outcome outcome, const char *endpoint,
                const char *path, const char *reason)
{
    box->reply.outcome = outcome;
    box->reply.endpoint = endpoint;
    if (outcome != ETCD_OK) {
        box->error = mem_printf("%s%s: %s", endpoint, path, reason);
        box->reply.error = box->error;
        return;
    }
    fill(&box->reply, &box->answers[0]);
    if (box->answer_count > 1) {
        join_pages(box);
    }
}

static struct reply_box *
box_of(const struct etcd_reply *reply)
{
    return (struct reply_box *)(uintptr_t)((const char *)reply - offsetof(struct reply_box, reply));
}

const struct etcd_header *
reply_header(const struct etcd_reply *reply)
{
    static const struct etcd_header none = {0};
    const struct reply_box *box = box_of(reply);
    return box->answer_count > 0 ? &box->answers[0].header : &none;
}

void
reply_keep(const struct etcd_reply *reply)
{
    box_of(reply)->kept = true;
}

void
reply_free(const struct etcd_reply **reply)
{
    if (*reply != NULL) {
        struct reply_box *box = box_of(*reply);
        reply_box_destroy(&box);
        *reply = NULL;
    }
}
