/* One unary call, from body to callback:
 *
 *     start -> (token?) -> ask -> answered -> finish
 *                ^          ^        |
 *                |          +--------+ next endpoint (harmless only), next page
 *                +-------------------+ token refused, once
 */
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "control/etcd/etcd_client.h"
#include "control/etcd/encode.h"
#include "control/etcd/replybox.h"
#include "control/etcd/txn.h"
#include "control/etcd/verdict.h"

#include <stdlib.h>

#define PAGE_KEYS          1000
#define LISTING_BEGINNINGS 3 /* a listing that compaction overtakes begins anew */
#define FOREIGN_TEXT_SHOWN 120

/* A write that was perhaps done is ambiguous; asking twice for the same effect
 * is harmless only where the row says so. A needs_leader call is turned away at
 * once where there is no quorum, instead of hanging until its deadline. */
/* clang-format off */
#define CALL_KINDS(X)                                               \
    /* id        path                       write  needs_leader */  \
    X(RANGE,     "/v3/kv/range",            false, true)            \
    X(PUT,       "/v3/kv/put",              true,  true)            \
    X(DELETE,    "/v3/kv/deleterange",      true,  true)            \
    X(TXN,       "/v3/kv/txn",              true,  true)            \
    X(GRANT,     "/v3/lease/grant",         true,  true)            \
    X(KEEPALIVE, "/v3/lease/keepalive",     false, true)            \
    X(REVOKE,    "/v3/lease/revoke",        true,  true)            \
    X(STATUS,    "/v3/maintenance/status",  false, false)           \
    X(MEMBERS,   "/v3/cluster/member/list", false, false)
/* clang-format on */

enum call_kind_id {
#define KIND_ID(id, path, write, leader) CALL_##id,
    CALL_KINDS(KIND_ID)
#undef KIND_ID
};

static const struct call_kind {
    const char *path;
    bool is_write;
    bool needs_leader;
} KINDS[] = {
#define KIND_ROW(id, path, write, leader) [CALL_##id] = {path, write, leader},
    CALL_KINDS(KIND_ROW)
#undef KIND_ROW
};

struct etcd_call {
    struct list link;
    struct etcd *client;
    enum call_kind_id kind;
    struct buf body;
    size_t endpoint;
    size_t asks_left;  /* endpoints to try, the current one included */
    bool one_endpoint; /* and its answer is not for our guard to judge nor log */
    uint64_t asked_us;
    uint64_t token_number;
    bool token_renewed;
    struct auth_waiter waiter;
    struct transfer *transfer;
    struct reply_box *box;
    struct buf listed; /* the relative prefix, while this is a listing */
    bool is_listing;
    unsigned beginnings_left;
    etcd_fn *fn;
    void *arg;
};

static struct etcd_call *
call_of(struct list *link)
{
    return LIST_ENTRY(link, struct etcd_call, link);
}

static void
free_call(struct etcd_call *c)
{
    list_remove(&c->link);
    auth_forget(&c->waiter);
    transfer_cancel(&c->transfer);
    buf_deinit(&c->body);
    buf_deinit(&c->listed);
    if (c->box != NULL) {
        reply_box_destroy(&c->box);
    }
    free(c);
}

void
etcd_cancel(struct etcd_call **call)
{
    if (*call != NULL) {
        free_call(*call);
        *call = NULL;
    }
}

void
calls_drop(struct etcd *client)
{
    LIST_EACH_SAFE (it, &client->calls) {
        free_call(call_of(it));
    }
}

/* --- the end -------------------------------------------------------------------- */
static void
count_outcome(struct etcd_call *c, enum etcd_outcome outcome)
{
    struct metric_block *counts = c->client->counts;
    switch (outcome) {
    case ETCD_OK: return;
    case ETCD_REFUSED:
    case ETCD_NOT_FOUND:
    case ETCD_COMPACTED:
    case ETCD_AUTH:
    case ETCD_NO_SPACE: metric_add(counts, METRIC_ID_ETCD_REFUSALS, 1); return;
    case ETCD_AMBIGUOUS:
        metric_add(counts, METRIC_ID_ETCD_AMBIGUOUS_WRITES, 1);
        metric_add(counts, METRIC_ID_ETCD_FAILURES, 1);
        return;
    case ETCD_UNAVAILABLE: metric_add(counts, METRIC_ID_ETCD_FAILURES, 1); return;
    }
}

static void
finish(struct etcd_call *c, enum etcd_outcome outcome, const char *reason)
{
    const char *url = c->client->endpoints.urls[c->endpoint];
    const char *path = KINDS[c->kind].path;
    count_outcome(c, outcome);
    if (outcome != ETCD_OK && !c->one_endpoint) {
        LOG_LIMITED(2, LOG_WARN, "etcd_call_failed", "endpoint=%s path=%s outcome=%s reason=%s",
                    LOG_STR(url), path, etcd_outcome_name(outcome), LOG_STR(reason));
    }
    struct reply_box *box = c->box;
    c->box = NULL;
    etcd_fn *fn = c->fn;
    void *arg = c->arg;
    reply_box_close(box, outcome, url, path, reason);
    free_call(c);
    if (fn != NULL) {
        fn(arg, &box->reply);
    }
    if (!box->kept) {
        reply_box_destroy(&box);
    }
}

/* --- asking --------------------------------------------------------------------- */
static void on_done(void *arg, enum transfer_end end, int status, struct buf *input,
                    const char *error);

static void
ask(struct etcd_call *c)
{
    static const struct transfer_events events = {NULL, on_done};
    struct etcd *client = c->client;
    const struct call_kind *kind = &KINDS[c->kind];
    char *url = mem_printf("%s%s", client->endpoints.urls[c->endpoint], kind->path);
    struct transfer_request request = {
        .url = url,
        .body = buf_span(&c->body),
        .token = auth_token(client->auth),
        .deadline_ms = kind->is_write ? client->write_deadline_ms : client->read_deadline_ms,
        .response_max = MESSAGE_BYTES_MAX,
        .needs_leader = kind->needs_leader,
        .may_send_twice = !kind->is_write,
    };
    metric_add(client->counts, METRIC_ID_ETCD_REQUESTS, 1);
    c->token_number = auth_number(client->auth);
    c->asked_us = clock_mono_us();
    c->transfer = transport_begin(client->transport, &request, &events, c);
    free(url);
}

static void
on_token(void *arg, enum etcd_outcome outcome, const char *error)
{
    struct etcd_call *c = arg;
    if (outcome == ETCD_OK) {
        ask(c);
    } else {
        finish(c, outcome, error);
    }
}

static void
ask_elsewhere(struct etcd_call *c)
{
    endpoints_failed(&c->client->endpoints, c->endpoint);
    c->endpoint = (c->endpoint + 1) % c->client->endpoints.count;
    c->asks_left--;
    ask(c);
}

/* --- listings, page by page -------------------------------------------------------- */
static void
begin_page(struct etcd_call *c)
{
    struct encode_page page = {.limit = PAGE_KEYS};
    if (c->box->answer_count > 0) {
        const struct answer *last = &c->box->answers[c->box->answer_count - 1];
        page.after = last->kvs[last->kv_count - 1].key;
        page.revision = c->box->answers[0].header.revision;
    }
    buf_clear(&c->body);
    encode_range(&c->body, span_cstr(c->client->prefix), buf_span(&c->listed), KEY_PREFIX, &page);
}

static size_t
endpoints_to_ask(const struct etcd_call *c)
{
    return c->one_endpoint ? 1 : c->client->endpoints.count;
}

/* --- answers ------------------------------------------------------------------------ */
static void
take_answer(struct etcd_call *c, struct answer *answer)
{
    bool more = c->is_listing && answer->more;
    if (more && answer->kv_count == 0) {
        answer_deinit(answer);
        finish(c, ETCD_UNAVAILABLE, "a page says that more follows but is empty");
        return;
    }
    bool lease_gone = c->kind == CALL_KEEPALIVE && answer->ttl_s <= 0;
    reply_box_add(c->box, answer);
    if (lease_gone) {
        finish(c, ETCD_NOT_FOUND, "the lease is gone");
    } else if (more) {
        begin_page(c);
        c->asks_left = endpoints_to_ask(c);
        ask(c);
    } else {
        finish(c, ETCD_OK, "");
    }
}

static bool
believe(struct etcd_call *c, const struct etcd_header *header, const char **reason)
{
    if (c->one_endpoint) {
        return true;
    }
    enum guard_result g = guard_check(&c->client->guard, header, c->asked_us, clock_mono_us());
    if (g == GUARD_BELIEVED) {
        return true;
    }
    metric_add(c->client->counts, METRIC_ID_ETCD_DISBELIEVED, 1);
    *reason = guard_text(g);
    return false;
}

/* Neither yes nor a token: next endpoint, next beginning, or the end. */
static void
fall_back(struct etcd_call *c, const struct verdict *v, const char *reason)
{
    if (v->try_elsewhere && c->asks_left > 1) {
        ask_elsewhere(c);
        return;
    }
    if (v->outcome == ETCD_COMPACTED && c->is_listing && c->beginnings_left > 0) {
        c->beginnings_left--;
        reply_box_clear(c->box);
        begin_page(c);
        ask(c);
        return;
    }
    if (v->outcome == ETCD_AMBIGUOUS || v->outcome == ETCD_UNAVAILABLE) {
        endpoints_failed(&c->client->endpoints, c->endpoint);
    }
    finish(c, v->outcome, reason);
}

static bool
renew_token(struct etcd_call *c, const struct verdict *v)
{
    if (!v->wants_token || c->token_renewed || !auth_is_used(c->client->auth)) {
        return false;
    }
    c->token_renewed = true;
    auth_wait(c->client->auth, c->token_number, &c->waiter);
    return true;
}

static void
judge(struct etcd_call *c, const struct exchange *x, struct answer *answer, const char *reason)
{
    struct verdict v = verdict_reach(x);
    if (v.outcome == ETCD_OK && believe(c, &answer->header, &reason)) {
        take_answer(c, answer);
        return;
    }
    if (v.outcome == ETCD_OK) {
        v = verdict_unclear(x->is_write);
    }
    /* The text lives in the answer, which finish() must not need any more. */
    char *kept = mem_strdup(reason);
    if (x->answer != NULL) {
        answer_deinit(answer);
    }
    if (!renew_token(c, &v)) {
        fall_back(c, &v, kept);
    }
    free(kept);
}

static void
on_done(void *arg, enum transfer_end end, int status, struct buf *input, const char *error)
{
    struct etcd_call *c = arg;
    c->transfer = NULL;
    struct answer answer;
    const char *bad = "";
    struct span body = buf_span(input);
    bool decoded =
        end == TRANSFER_DONE && answer_decode(body, span_cstr(c->client->prefix), &answer, &bad);
    struct exchange x = {end, status, decoded ? &answer : NULL, KINDS[c->kind].is_write};
    char *foreign = NULL;
    const char *reason = error;
    if (decoded) {
        reason = answer.message;
    } else if (end == TRANSFER_DONE) {
        size_t shown = body.len < FOREIGN_TEXT_SHOWN ? body.len : FOREIGN_TEXT_SHOWN;
        foreign = mem_printf("HTTP %d, %s%s: %.*s", status, bad,
                             status == 404 ? " (no /v3/ gateway here: etcd older than 3.4, or "
                                             "enable-grpc-gateway is off)"
                                           : "",
                             (int)shown, body.ptr != NULL ? body.ptr : "");
        reason = foreign;
    }
    judge(c, &x, &answer, reason);
    free(foreign);
}

/* --- starting ------------------------------------------------------------------------ */
static struct etcd_call *
prepare(struct etcd *client, enum call_kind_id kind, etcd_fn *fn, void *arg)
{
    struct etcd_call *c = mem_zalloc(sizeof(*c));
    *c = (struct etcd_call){
        .client = client,
        .kind = kind,
        .endpoint = client->endpoints.current,
        .box = reply_box_create(),
        .beginnings_left = LISTING_BEGINNINGS,
        .fn = fn,
        .arg = arg,
    };
    auth_init_waiter(&c->waiter, on_token, c);
    list_push_back(&client->calls, &c->link);
    return c;
}

static struct etcd_call *
start(struct etcd_call *c)
{
    c->asks_left = endpoints_to_ask(c);
    struct auth *auth = c->client->auth;
    if (auth_is_used(auth) && auth_token(auth) == NULL) {
        auth_wait(auth, 0, &c->waiter);
    } else {
        ask(c);
    }
    return c;
}

static struct span
prefix_of(const struct etcd *client)
{
    return span_cstr(client->prefix);
}

struct etcd_call *
etcd_get(struct etcd *client, struct span key, etcd_fn *fn, void *arg)
{
    static const struct encode_page whole = {0};
    struct etcd_call *c = prepare(client, CALL_RANGE, fn, arg);
    encode_range(&c->body, prefix_of(client), key, KEY_EXACT, &whole);
    return start(c);
}

static struct etcd_call *
prepare_listing(struct etcd *client, struct span prefix, etcd_fn *fn, void *arg)
{
    struct etcd_call *c = prepare(client, CALL_RANGE, fn, arg);
    c->is_listing = true;
    ASSERT(buf_append_span(&c->listed, prefix));
    begin_page(c);
    return c;
}

struct etcd_call *
etcd_list(struct etcd *client, struct span prefix, etcd_fn *fn, void *arg)
{
    return start(prepare_listing(client, prefix, fn, arg));
}

struct etcd_call *
call_list_at(struct etcd *client, size_t endpoint, struct span prefix, etcd_fn *fn, void *arg)
{
    struct etcd_call *c = prepare_listing(client, prefix, fn, arg);
    c->endpoint = endpoint;
    c->one_endpoint = true;
    return start(c);
}

struct etcd_call *
etcd_put(struct etcd *client, struct span key, struct span value, int64_t lease, etcd_fn *fn,
         void *arg)
{
    struct etcd_call *c = prepare(client, CALL_PUT, fn, arg);
    encode_put(&c->body, prefix_of(client), key, value, lease);
    return start(c);
}

struct etcd_call *
etcd_delete(struct etcd *client, struct span key, etcd_fn *fn, void *arg)
{
    struct etcd_call *c = prepare(client, CALL_DELETE, fn, arg);
    encode_delete(&c->body, prefix_of(client), key, KEY_EXACT);
    return start(c);
}

struct etcd_call *
etcd_delete_prefix(struct etcd *client, struct span prefix, etcd_fn *fn, void *arg)
{
    struct etcd_call *c = prepare(client, CALL_DELETE, fn, arg);
    encode_delete(&c->body, prefix_of(client), prefix, KEY_PREFIX);
    return start(c);
}

struct etcd_call *
etcd_commit(struct etcd *client, const struct etcd_txn *txn, etcd_fn *fn, void *arg)
{
    struct etcd_call *c = prepare(client, CALL_TXN, fn, arg);
    etcd_txn_encode(txn, prefix_of(client), &c->body);
    return start(c);
}

struct etcd_call *
etcd_lease_grant(struct etcd *client, int64_t ttl_s, etcd_fn *fn, void *arg)
{
    struct etcd_call *c = prepare(client, CALL_GRANT, fn, arg);
    encode_lease_grant(&c->body, ttl_s);
    return start(c);
}

struct etcd_call *
etcd_lease_keepalive(struct etcd *client, int64_t lease, etcd_fn *fn, void *arg)
{
    struct etcd_call *c = prepare(client, CALL_KEEPALIVE, fn, arg);
    encode_lease_id(&c->body, lease);
    return start(c);
}

struct etcd_call *
etcd_lease_revoke(struct etcd *client, int64_t lease, etcd_fn *fn, void *arg)
{
    struct etcd_call *c = prepare(client, CALL_REVOKE, fn, arg);
    encode_lease_id(&c->body, lease);
    return start(c);
}

struct etcd_call *
etcd_status_of(struct etcd *client, size_t endpoint, etcd_fn *fn, void *arg)
{
    ASSERT(endpoint < client->endpoints.count);
    struct etcd_call *c = prepare(client, CALL_STATUS, fn, arg);
    encode_text(&c->body, "{}");
    c->endpoint = endpoint;
    c->one_endpoint = true;
    return start(c);
}

struct etcd_call *
etcd_members(struct etcd *client, etcd_fn *fn, void *arg)
{
    struct etcd_call *c = prepare(client, CALL_MEMBERS, fn, arg);
    encode_text(&c->body, "{}");
    return start(c);
}
