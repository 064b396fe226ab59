/* mirror.h - this mfcontrol's view of the cluster, and the table it serves.
 *
 *     watch of etcd's prefix -> inventory -> changed()
 *                                  |
 *                            document_join -> table_parse -> table_judge -> served, adopted()
 *                                              (helper)                   -> last-known-good
 *                                                                            (helper)
 *
 * Every mfcontrol has one, leader or not, and serves what it last adopted for
 * as long as it lives, whatever happens to etcd. Never backwards: an etcd that
 * was restored from a backup is refused, with an alarm, until its table is ahead
 * again or has another incarnation.
 *
 * Loop's thread only. */
#pragma once
#include "control/etcd/etcd.h"
#include "control/inventory.h"
#include "control/metrics.h"
#include "control/offload.h"

struct mirror;

struct mirror_events {
    /* The inventory or the view's freshness is another: plan anew. */
    void (*changed)(void *arg);
    /* `table` is served from now on; the mirror keeps it. */
    void (*adopted)(void *arg, struct table *table);
};

struct mirror_options {
    const char *cluster;    /* tables of others are refused */
    const char *state_file; /* the last-known-good; NULL: keep none */
    struct offload *parser; /* two helpers, so that a slow disk holds up no table */
    struct offload *saver;
};

/* Loads the last-known-good, without calling adopted() for it. `events` and the
 * options' strings outlive the mirror, its helpers are destroyed before it. */
struct mirror *mirror_create(const struct mirror_options *options,
                             const struct mirror_events *events, void *arg,
                             struct metric_block *metrics);
/* Begins to watch. */
void mirror_follow(struct mirror *m, struct etcd *client);
void mirror_destroy(struct mirror **m);

const struct inventory *mirror_inventory(const struct mirror *m);

/* What is served; NULL if there never was one. */
struct table *mirror_table(const struct mirror *m);

bool mirror_is_live(const struct mirror *m);
/* Since etcd was last heard. */
uint64_t mirror_lag_ms(const struct mirror *m);

/* Some follower uses a table of this epoch. */
void mirror_heard_of(struct mirror *m, const char *incarnation, uint64_t epoch);

/* May a leader plan on this view, and from which table on (NULL: the first)?
 * Otherwise false and *why, a static text: the view is old, the head in etcd is
 * not the table that is served, or a newer one is in use somewhere. */
bool mirror_base(const struct mirror *m, const struct table **base, const char **why);

/* Is etcd behind a table that is in use? */
bool mirror_is_regressed(const struct mirror *m);
