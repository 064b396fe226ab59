/* metrics.h - what mfcontrol counts; names begin "mfcontrol_". One block, one
 * thread. */
#pragma once
#include "common/core/metric.h"

/* clang-format off */
#define CONTROL_METRICS(X)                                                                         \
    X(FOLLOWERS, "followers", GAUGE, "Push streams that are up and greeted.")                      \
    X(FOLLOWERS_BEHIND, "followers_behind", GAUGE, "Of these, how many do not use the newest table.") \
    X(ACCEPTED, "followers_accepted_total", COUNTER, "Push streams accepted.")                     \
    X(DROPPED, "followers_dropped_total", COUNTER, "Push streams that we ended: silent, slow, or no followers.") \
    X(TABLES_SENT, "tables_sent_total", COUNTER, "Tables offered to a follower.")                  \
    X(ACKS, "acks_total", COUNTER, "Tables that a follower took into use.")                        \
    X(NACKS, "nacks_total", COUNTER, "Tables that a follower refused.")                            \
    X(BEATS, "beats_sent_total", COUNTER, "Beats sent to followers.")                              \
    X(EPOCH, "table_epoch", GAUGE, "Epoch of the table that is served; 0 without one.")            \
    X(TABLES_ADOPTED, "tables_adopted_total", COUNTER, "Tables taken from etcd and served.")       \
    X(TABLES_REFUSED, "tables_refused_total", COUNTER, "Tables in etcd that were not served; the log says why.") \
    X(PUBLISHED, "tables_published_total", COUNTER, "Tables that this leader wrote.")              \
    X(FENCED, "publishes_fenced_total", COUNTER, "Publications that etcd refused because of the fence or a newer head.") \
    X(PUBLISH_AMBIGUOUS, "publishes_ambiguous_total", COUNTER, "Publications whose outcome had to be read back.") \
    X(PLANS_REFUSED, "plans_refused_total", COUNTER, "Plans that were not good tables; the log says why.") \
    X(LEADER, "leader", GAUGE, "1 while this mfcontrol leads.")                                    \
    X(VIEW_LIVE, "view_live", GAUGE, "1 while the view of etcd is current.")                       \
    X(REGRESSED, "store_regressed", GAUGE, "1 while etcd is behind a table that is in use somewhere: it was restored.") \
    X(NODES_REGISTERED, "nodes_registered", GAUGE, "Nodes whose lease this mfcontrol keeps.")      \
    X(LEASES_LOST, "node_leases_lost_total", COUNTER, "Leases of nodes that were gone when renewed.") \
    X(MALFORMED, "etcd_values_malformed_total", COUNTER, "Values in etcd that could not be read.") \
    X(STATE_ERRORS, "state_errors_total", COUNTER, "Times the last-known-good could not be written or was damaged.")
/* clang-format on */

enum { CONTROL_METRICS(METRIC_ENUM) CONTROL_METRIC_COUNT };
