#include "control/publisher.h"
#include "common/core/assert.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/num.h"
#include "control/etcd/txn.h"
#include "control/table_txn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_BACK_MS 200

struct publisher {
    struct etcd *client;
    struct election *election;
    struct metric_block *metrics;
    publisher_fn *done;
    void *arg;
    struct etcd_call *call; /* the txn or the reading back */
    struct loop_timer read_back;
    bool busy;
    int64_t head_revision; /* of the head that is to be replaced */
    char sha[TABLE_SHA_CHARS + 1];
};

const char *
publish_outcome_name(enum publish_outcome outcome)
{
    static const char *const names[] = {
#define X(id, name) name,
        PUBLISH_OUTCOMES(X)
#undef X
    };
    return names[outcome];
}

static void
finish(struct publisher *p, enum publish_outcome outcome, const char *detail)
{
    p->busy = false;
    if (outcome == PUBLISH_DONE) {
        metric_add(p->metrics, METRIC_ID_PUBLISHED, 1);
    } else if (outcome == PUBLISH_FENCED) {
        metric_add(p->metrics, METRIC_ID_FENCED, 1);
        election_doubt(p->election);
    }
    p->done(p->arg, outcome, detail);
}

/* --- the transaction -------------------------------------------------------- */

static struct etcd_txn *
compose(const struct publisher *p, const struct inventory *inv, const struct document *d,
        uint64_t epoch)
{
    struct etcd_txn *txn = etcd_txn_create();
    election_fence(p->election, txn);
    table_txn_put(txn, inv, d, epoch);
    return txn;
}

/* --- what became of it -------------------------------------------------------- */

static void
on_read_back(void *arg, const struct etcd_reply *reply)
{
    struct publisher *p = arg;
    p->call = NULL;
    if (reply->outcome != ETCD_OK) {
        loop_timer_start(&p->read_back, READ_BACK_MS);
        return;
    }
    const struct etcd_kv *head = reply->kv_count > 0 ? &reply->kvs[0] : NULL;
    if ((head != NULL ? head->mod_revision : 0) == p->head_revision) {
        finish(p, PUBLISH_FAILED, "the answer was lost, and so was the write");
        return;
    }
    json_t *json = head != NULL ? json_loadb(head->value.ptr, head->value.len, 0, NULL) : NULL;
    const char *sha = json_string_value(json_object_get(json, "sha256"));
    bool ours = sha != NULL && strcmp(sha, p->sha) == 0;
    json_decref(json);
    finish(p, ours ? PUBLISH_DONE : PUBLISH_FENCED,
           ours ? "the answer was lost, the write was not" : "another table was published");
}

static void
read_back(void *arg)
{
    struct publisher *p = arg;
    p->call = etcd_get(p->client, span_cstr(key_path(KEY_HEAD)), on_read_back, p);
}

static void
on_committed(void *arg, const struct etcd_reply *reply)
{
    struct publisher *p = arg;
    p->call = NULL;
    switch (reply->outcome) {
    case ETCD_OK:
        if (reply->succeeded) {
            finish(p, PUBLISH_DONE, "");
        } else {
            finish(p, PUBLISH_FENCED, "the leader key, the head or the incarnation is another's");
        }
        return;
    case ETCD_AMBIGUOUS:
        metric_add(p->metrics, METRIC_ID_PUBLISH_AMBIGUOUS, 1);
        read_back(p);
        return;
    case ETCD_REFUSED:
    case ETCD_NOT_FOUND:
    case ETCD_COMPACTED:
    case ETCD_AUTH:
    case ETCD_NO_SPACE:
    case ETCD_UNAVAILABLE: finish(p, PUBLISH_FAILED, reply->error); return;
    }
    UNREACHABLE();
}

bool
publisher_start(struct publisher *p, const struct inventory *inv, const struct document *document,
                uint64_t epoch, char *error)
{
    ASSERT(!p->busy);

    strcpy(p->sha, document->sha);
    const struct inventory_item *head = inventory_single(inv, KEY_HEAD);
    p->head_revision = head != NULL ? head->mod_revision : 0;
    struct etcd_txn *txn = compose(p, inv, document, epoch);
    bool fits = table_txn_fits(txn, error);
    if (fits) {
        p->busy = true;
        p->call = etcd_commit(p->client, txn, on_committed, p);
    }
    etcd_txn_destroy(&txn);
    return fits;
}

struct publisher *
publisher_create(struct etcd *client, struct election *election, struct metric_block *metrics,
                 publisher_fn *done, void *arg)
{
    struct publisher *p = mem_zalloc(sizeof(*p));
    p->client = client;
    p->election = election;
    p->metrics = metrics;
    p->done = done;
    p->arg = arg;
    loop_timer_init(&p->read_back, etcd_loop(client), read_back, p);
    return p;
}

void
publisher_destroy(struct publisher **p)
{
    struct publisher *it = *p;
    if (it == NULL) {
        return;
    }
    etcd_cancel(&it->call);
    loop_timer_deinit(&it->read_back);
    free(it);
    *p = NULL;
}

bool
publisher_is_busy(const struct publisher *p)
{
    return p->busy;
}
