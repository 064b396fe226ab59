/* leader.h - one mfcontrol of a cluster leads: it plans tables and publishes
 * them. All of them campaign.
 *
 *     something changed -> plan_make() -> built and judged -> publisher
 *          ^                  | wait: again      | (helper)      | done, fenced,
 *          |                  v when settled     v unfit         v failed
 *          +------------------+------------------+---------------+
 *
 * Nothing is planned on a view that is old, nor while the table in etcd is not
 * the one that is served (mirror_base()). Being deposed stops it at once; a
 * write that is still on its way is refused by the fence.
 *
 * Loop's thread only. */
#pragma once
#include "control/etcd/etcd.h"
#include "control/metrics.h"
#include "control/mirror.h"
#include "control/offload.h"

struct leader;

struct leader_options {
    const char *cluster;
    const char *id;      /* of this mfcontrol; stands in tables as `by` */
    const char *address; /* where followers reach it */
    int64_t lease_ttl_s; /* 0: the election's default */
};

/* Campaigns at once. What it is given outlives the leader, but for `offload`,
 * which is destroyed before it. */
struct leader *leader_create(struct etcd *client, struct mirror *mirror, struct offload *offload,
                             const struct leader_options *options, struct metric_block *metrics);
void leader_destroy(struct leader **leader);

/* Gives the office up for good, so that a standby follows at once; `done` comes
 * when etcd knows, or does not answer. */
void leader_resign(struct leader *leader, void (*done)(void *arg), void *arg);

/* The mirror has changed. */
void leader_nudge(struct leader *leader);

bool leader_is_leading(const struct leader *leader);
/* Who leads as far as known: an id, or "" */
const char *leader_current(const struct leader *leader);
/* What the last plan could not follow, or why there is no plan; "" if all is
 * well. For people. */
const char *leader_trouble(const struct leader *leader);
