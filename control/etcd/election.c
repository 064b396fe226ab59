#include "control/etcd/election.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/num.h"
#include "control/etcd/etcd_client.h"
#include "control/etcd/lease.h"
#include "control/etcd/txn.h"
#include "control/etcd/etcd_watch.h"

#include <inttypes.h>
#include <stdlib.h>

/* Up to WAIT after the leader key disappeared, more when campaigns fail. */
#define CAMPAIGN_WAIT_MIN_MS 1
#define CAMPAIGN_WAIT_MS     500
#define CAMPAIGN_WAIT_MAX_MS 5000
#define NO_REVISION          (-1) /* a create_revision that no key has */

enum election_state { ELECTION_STANDBY, ELECTION_LEADING, ELECTION_RESIGNED };

struct election {
    struct etcd *client;
    const struct election_events *events;
    void *arg;
    struct buf identity;
    struct buf folder;
    struct buf leader_key;
    struct buf beat_key;
    uint64_t beat_ms;

    enum election_state state;
    int64_t token;        /* the leader key's create_revision, while leading */
    int64_t token_lease;  /* and its lease */
    bool vacant;          /* the leader key does not exist, as far as we know */
    int64_t holder_lease; /* the leader key's, unless vacant */

    struct lease *lease;
    struct watch *watch;
    int64_t campaign_lease; /* that the campaign under way is made with */
    struct etcd_call *campaign_call;
    struct etcd_call *doubt_call;
    struct etcd_call *beat_call;
    struct etcd_call *revoke_call;
    struct loop_timer campaign_timer;
    struct loop_timer limit_timer;
    struct loop_timer beat_timer;
    struct backoff backoff;
    uint64_t beats;
    void (*resigned)(void *arg);
    void *resigned_arg;
};

static void campaign(struct election *e);

/* When we must stop leading unless another renewal succeeds: two thirds of the
 * TTL after the last one that did was sent. The last third is for clocks that
 * run apart and for what we sent before. */
static uint64_t
limit_ms(const struct election *e)
{
    return lease_confirmed_ms(e->lease) + lease_ttl_ms(e->lease) / 3 * 2;
}

static bool
within_limit(const struct election *e)
{
    return e->lease != NULL && clock_mono_ms() < limit_ms(e);
}

/* --- office ------------------------------------------------------------------------ */
static void
depose(struct election *e, const char *reason)
{
    if (e->state != ELECTION_LEADING) {
        return;
    }
    e->state = ELECTION_STANDBY;
    loop_timer_stop(&e->limit_timer);
    loop_timer_stop(&e->beat_timer);
    etcd_cancel(&e->beat_call);
    etcd_cancel(&e->doubt_call);
    metric_set_value(e->client->counts, METRIC_ID_ETCD_LEADING, 0);
    log_warn("election_deposed", "token=%" PRId64 " reason=%s", e->token, LOG_STR(reason));
    e->token = 0;
    e->events->deposed(e->arg, reason);
}

static void
arm_limit(struct election *e)
{
    uint64_t now = clock_mono_ms();
    uint64_t limit = limit_ms(e);
    loop_timer_start(&e->limit_timer, limit > now ? limit - now : 0);
}

static void
on_limit(void *arg)
{
    struct election *e = arg;
    if (within_limit(e)) {
        arm_limit(e);
        return;
    }
    depose(e, "no renewal confirmed in time");
}

/* The leader key is ours: it hangs on the lease that we hold. */
static void
take_office(struct election *e, const struct etcd_kv *key)
{
    e->vacant = false;
    e->holder_lease = key->lease;
    if (e->state != ELECTION_STANDBY || !within_limit(e)) {
        return; /* the next renewal brings us back here */
    }
    e->state = ELECTION_LEADING;
    e->token = key->create_revision;
    e->token_lease = key->lease;
    loop_timer_stop(&e->campaign_timer);
    arm_limit(e);
    metric_set_value(e->client->counts, METRIC_ID_ETCD_LEADING, 1);
    log_info("election_won", "token=%" PRId64, e->token);
    e->events->elected(e->arg, e->token);
    if (e->state == ELECTION_LEADING) {
        loop_timer_start(&e->beat_timer, 0);
    }
}

/* --- the beat ------------------------------------------------------------------------ */
static void
on_beaten(void *arg, const struct etcd_reply *reply)
{
    struct election *e = arg;
    e->beat_call = NULL;
    if (reply->outcome == ETCD_OK && !reply->succeeded) {
        depose(e, "the leader key is not ours any more");
    }
}

static void
on_beat_timer(void *arg)
{
    struct election *e = arg;
    loop_timer_start(&e->beat_timer, e->beat_ms);
    if (e->beat_call != NULL) {
        return;
    }
    char value[NUM_MAX_DIGITS];
    size_t len = num_format_u64(++e->beats, value);
    struct etcd_txn *txn = etcd_txn_create();
    election_fence(e, txn);
    etcd_txn_put(txn, ETCD_THEN, buf_span(&e->beat_key), span_make(value, len), 0);
    e->beat_call = etcd_commit(e->client, txn, on_beaten, e);
    etcd_txn_destroy(&txn);
}

/* --- the campaign ------------------------------------------------------------------------ */
static void
campaign_later(struct election *e)
{
    if (e->state == ELECTION_STANDBY && !loop_timer_running(&e->campaign_timer)) {
        loop_timer_start(&e->campaign_timer, backoff_next_ms(&e->backoff));
    }
}

static void
on_campaign_timer(void *arg)
{
    struct election *e = arg;
    if (e->state == ELECTION_RESIGNED) {
        if (e->resigned != NULL) {
            e->resigned(e->resigned_arg);
        }
        return;
    }
    campaign(e);
}

/* The key as the transaction saw it: the last result in either branch. */
static const struct etcd_kv *
key_in(const struct etcd_reply *reply)
{
    if (reply->result_count == 0) {
        return NULL;
    }
    const struct etcd_result *last = &reply->results[reply->result_count - 1];
    return last->kv_count > 0 ? &last->kvs[0] : NULL;
}

static void
on_campaigned(void *arg, const struct etcd_reply *reply)
{
    struct election *e = arg;
    e->campaign_call = NULL;
    const struct etcd_kv *key = key_in(reply);
    if (reply->outcome != ETCD_OK || key == NULL) {
        /* Perhaps it was put all the same: the next campaign then finds it with
         * our lease. */
        campaign_later(e);
        return;
    }
    backoff_reset(&e->backoff, CAMPAIGN_WAIT_MS);
    if (key->lease == e->campaign_lease && key->lease == lease_id(e->lease)) {
        take_office(e, key);
        return;
    }
    e->vacant = false;
    e->holder_lease = key->lease;
}

static void
campaign(struct election *e)
{
    if (e->state != ELECTION_STANDBY || e->campaign_call != NULL || lease_id(e->lease) == 0 ||
        !within_limit(e)) {
        return;
    }
    struct span key = buf_span(&e->leader_key);
    e->campaign_lease = lease_id(e->lease);
    struct etcd_txn *txn = etcd_txn_create();
    etcd_txn_if(txn, key, ETCD_CREATE_REVISION, ETCD_EQUAL, 0);
    etcd_txn_put(txn, ETCD_THEN, key, buf_span(&e->identity), e->campaign_lease);
    etcd_txn_get(txn, ETCD_THEN, key);
    etcd_txn_get(txn, ETCD_ELSE, key);
    e->campaign_call = etcd_commit(e->client, txn, on_campaigned, e);
    etcd_txn_destroy(&txn);
}

/* --- what the lease says -------------------------------------------------------------------- */
static bool
worth_a_campaign(const struct election *e)
{
    return e->vacant || e->holder_lease == lease_id(e->lease);
}

static void
on_held(void *arg, int64_t id)
{
    struct election *e = arg;
    if (worth_a_campaign(e)) {
        campaign(e);
    }
}

static void
on_lost(void *arg, int64_t id, const char *reason)
{
    depose(arg, reason);
}

static void
on_renewed(void *arg)
{
    struct election *e = arg;
    switch (e->state) {
    case ELECTION_LEADING: arm_limit(e); break;
    case ELECTION_STANDBY:
        if (worth_a_campaign(e)) {
            campaign(e);
        }
        break;
    case ELECTION_RESIGNED: break;
    }
}

/* --- what the watch says --------------------------------------------------------------------- */
/* `key` NULL: it does not exist at `revision`. */
static void
observe(struct election *e, const struct etcd_kv *key, int64_t revision)
{
    if (e->state == ELECTION_LEADING && revision < e->token) {
        return; /* from before our election */
    }
    e->vacant = key == NULL;
    e->holder_lease = key != NULL ? key->lease : 0;
    if (e->state == ELECTION_LEADING && (key == NULL || key->create_revision != e->token)) {
        depose(e, key == NULL ? "the leader key is gone" : "another leads");
    }
    if (e->state == ELECTION_STANDBY && e->vacant) {
        campaign_later(e);
    }
    if (e->events->leader != NULL && e->state != ELECTION_RESIGNED) {
        e->events->leader(e->arg, key);
    }
}

static const struct etcd_kv *
find_leader(const struct election *e, const struct etcd_kv *kvs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (span_eq(kvs[i].key, buf_span(&e->leader_key))) {
            return &kvs[i];
        }
    }
    return NULL;
}

static void
on_snapshot(void *arg, const struct etcd_kv *kvs, size_t count, int64_t revision)
{
    struct election *e = arg;
    observe(e, find_leader(e, kvs, count), revision);
}

static void
on_event(void *arg, const struct watch_event *event)
{
    struct election *e = arg;
    if (span_eq(event->kv.key, buf_span(&e->leader_key))) {
        observe(e, event->type == WATCH_PUT ? &event->kv : NULL, event->kv.mod_revision);
    }
}

static void
on_synced(void *arg, int64_t revision)
{
}

/* Who leads in a restored store is for that store to say, so we go along with
 * it; but an office from before the restore is over. */
static bool
on_regressed(void *arg, const struct etcd_kv *kvs, size_t count, int64_t revision)
{
    struct election *e = arg;
    const struct etcd_kv *key = find_leader(e, kvs, count);
    bool same = key != NULL && key->create_revision == e->token && key->lease == lease_id(e->lease);
    if (!same) {
        depose(e, "the store went back in time");
    }
    return true;
}

/* --- the outside ---------------------------------------------------------------------------- */
static struct buf
kept(struct span a, const char *b)
{
    struct buf out = BUF_EMPTY;
    ASSERT(buf_append_span(&out, a) && buf_append_span(&out, span_cstr(b)));
    return out;
}

static void
start(struct election *e, const struct election_options *options)
{
    static const struct lease_events lease_events = {
        .held = on_held,
        .lost = on_lost,
        .renewed = on_renewed,
    };
    static const struct watch_events watch_events = {
        .snapshot = on_snapshot,
        .event = on_event,
        .synced = on_synced,
        .regressed = on_regressed,
    };
    struct lease_options lease = {
        .ttl_s = options->ttl_s ? options->ttl_s : ELECTION_TTL_S,
    };
    struct watch_options watch = {
        .prefix = buf_span(&e->folder),
        .idle_ms = 3 * e->beat_ms,
    };
    e->lease = lease_create(e->client, &lease, &lease_events, e);
    e->watch = watch_create(e->client, &watch, &watch_events, e);
}

struct election *
election_create(struct etcd *client, const struct election_options *options,
                const struct election_events *events, void *arg)
{
    struct election *e = mem_zalloc(sizeof(*e));
    e->client = client;
    e->events = events;
    e->arg = arg;
    e->identity = kept(options->identity, "");
    e->folder = kept(options->folder.len > 0 ? options->folder : SPAN_LIT("ctl/"), "");
    e->leader_key = kept(buf_span(&e->folder), "leader");
    e->beat_key = kept(buf_span(&e->folder), "beat");
    e->beat_ms = options->beat_ms ? options->beat_ms : ELECTION_BEAT_MS;
    e->vacant = true;
    backoff_init(&e->backoff, CAMPAIGN_WAIT_MIN_MS, CAMPAIGN_WAIT_MS, CAMPAIGN_WAIT_MAX_MS,
                 random_seed());
    loop_timer_init(&e->campaign_timer, client->loop, on_campaign_timer, e);
    loop_timer_init(&e->limit_timer, client->loop, on_limit, e);
    loop_timer_init(&e->beat_timer, client->loop, on_beat_timer, e);
    start(e, options);
    return e;
}

static void
drop_io(struct election *e)
{
    etcd_cancel(&e->campaign_call);
    etcd_cancel(&e->doubt_call);
    etcd_cancel(&e->beat_call);
    loop_timer_stop(&e->campaign_timer);
    loop_timer_stop(&e->limit_timer);
    loop_timer_stop(&e->beat_timer);
    watch_destroy(&e->watch);
    lease_destroy(&e->lease, false);
}

void
election_destroy(struct election **election)
{
    struct election *e = *election;
    if (e == NULL) {
        return;
    }
    drop_io(e);
    etcd_cancel(&e->revoke_call);
    metric_set_value(e->client->counts, METRIC_ID_ETCD_LEADING, 0);
    loop_timer_deinit(&e->campaign_timer);
    loop_timer_deinit(&e->limit_timer);
    loop_timer_deinit(&e->beat_timer);
    buf_deinit(&e->identity);
    buf_deinit(&e->folder);
    buf_deinit(&e->leader_key);
    buf_deinit(&e->beat_key);
    free(e);
    *election = NULL;
}

static void
on_revoked(void *arg, const struct etcd_reply *reply)
{
    struct election *e = arg;
    e->revoke_call = NULL;
    if (e->resigned != NULL) {
        e->resigned(e->resigned_arg);
    }
}

void
election_resign(struct election *e, void (*done)(void *arg), void *arg)
{
    ASSERT(e->state != ELECTION_RESIGNED);
    depose(e, "resigned");
    int64_t lease = lease_id(e->lease);
    e->state = ELECTION_RESIGNED;
    e->resigned = done;
    e->resigned_arg = arg;
    drop_io(e);
    if (lease != 0) {
        e->revoke_call = etcd_lease_revoke(e->client, lease, on_revoked, e);
    } else {
        loop_timer_start(&e->campaign_timer, 0);
    }
}

bool
election_is_leader(const struct election *e)
{
    return e->state == ELECTION_LEADING && within_limit(e);
}

int64_t
election_token(const struct election *e)
{
    return election_is_leader(e) ? e->token : 0;
}

void
election_fence(const struct election *e, struct etcd_txn *txn)
{
    struct span key = buf_span(&e->leader_key);
    int64_t token = election_token(e);
    etcd_txn_if(txn, key, ETCD_CREATE_REVISION, ETCD_EQUAL, token != 0 ? token : NO_REVISION);
    /* Revisions come again when a backup is restored; lease ids do not. */
    etcd_txn_if(txn, key, ETCD_LEASE, ETCD_EQUAL, e->token_lease);
}

static void
on_doubted(void *arg, const struct etcd_reply *reply)
{
    struct election *e = arg;
    e->doubt_call = NULL;
    if (reply->outcome == ETCD_OK &&
        (reply->kv_count == 0 || reply->kvs[0].create_revision != e->token)) {
        depose(e, "the leader key is not ours any more");
    }
}

void
election_doubt(struct election *e)
{
    if (e->state == ELECTION_LEADING && e->doubt_call == NULL) {
        e->doubt_call = etcd_get(e->client, buf_span(&e->leader_key), on_doubted, e);
    }
}
