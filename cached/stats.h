/* stats.h - the `stats` command: memcached's names, so that what reads
 * memcached's statistics reads ours.
 *
 * General statistics are rows of one table (stats.c), each naming where its
 * number comes from; the counters themselves are in node_metrics.h and
 * store/store.h. */
#pragma once
#include "cached/conn.h"

/* Answers "stats", "stats settings" and the others; `words` stand behind the
 * verb. Worker's thread. */
void stats_reply(struct conn *c, const struct span *words, unsigned count);

/* "stats settings" (stats_settings.c). Any thread. */
void stats_put_settings(struct node *node, struct buf *out);

/* "stats conns" (stats_conns.c). Any thread. */
void stats_put_conns(struct node *node, struct buf *out);

/* Answers "stats cachedump <class> <limit>"; `words` begin with "cachedump"
 * (stats_cachedump.c). Worker's thread. */
void stats_cachedump(struct conn *c, const struct span *words, unsigned count);

/* "stats hotkeys" (exec_hotkeys.c). Any thread. */
void stats_put_hotkeys(struct node *node, struct buf *out);

/* "stats items" (stats_classes.c). The worker's thread. */
void stats_put_items(struct worker *w, struct buf *out);
/* "stats slabs". Any thread. */
void stats_put_slabs(struct node *node, struct buf *out);
/* The same for Prometheus, since the start. Any thread. */
void stats_put_class_metrics(struct node *node, struct buf *out);
/* `stats reset` for both. Any thread. */
void stats_reset_classes(struct node *node);

/* "stats latency", its reset, and the same as a histogram for Prometheus, since the
 * start (stats_latency.c). Any thread. */
void stats_put_latency(struct node *node, struct buf *out);
void stats_reset_latency(struct node *node);
void stats_put_service_seconds(struct node *node, struct buf *out);

/* Sum of a counter since the last `stats reset`. Any thread. */
uint64_t stats_node_sum(struct node *node, enum node_metric id);
uint64_t stats_store_sum(struct node *node, enum store_metric id);
