/* proxy_metrics.h - everything mfproxy counts, once: `stats`, /metrics and the
 * manual read these rows. One block per worker, which alone writes it. */
#pragma once
#include "common/core/metric.h"

/* clang-format off */
/*    id                name                          kind     one sentence */
#define PROXY_METRICS(X)                                                                           \
    X(CURR_CONNECTIONS, "client_connections",         GAUGE,   "Client connections open now.")     \
    X(CONNECTIONS,      "client_connections_total",   COUNTER, "Client connections accepted.")     \
    X(REJECTED,         "client_rejected_total",      COUNTER,                                     \
      "Client connections refused because --max-connections was reached.")                         \
    X(HALF_CUT,         "client_half_commands_total", COUNTER,                                     \
      "Client connections closed because half a command stood too long.")                          \
    X(SHED,             "client_shed_total",          COUNTER,                                     \
      "Client connections closed because they did not read and memory ran short.")                 \
    X(INHERITED,        "client_inherited_total",     COUNTER,                                     \
      "Client connections taken over from the process before.")                                    \
    X(GIVEN,            "client_handed_over_total",   COUNTER,                                     \
      "Client connections given to the process that took over.")                                   \
    X(BYTES_READ,       "client_read_bytes_total",    COUNTER, "Bytes read from clients.")         \
    X(BYTES_WRITTEN,    "client_written_bytes_total", COUNTER, "Bytes written to clients.")        \
    X(HELD_BYTES,       "client_held_bytes",          GAUGE,                                       \
      "Bytes of replies that clients have not taken yet.")                                         \
    X(CMD_GET,          "keys_get_total",             COUNTER, "Keys of get, gets, gat, gats.")    \
    X(CMD_SET,          "requests_set_total",         COUNTER,                                     \
      "Storage commands of the text protocol.")                                                    \
    X(CMD_TOUCH,        "requests_touch_total",       COUNTER, "touch commands.") \
    X(CMD_DELETE,       "requests_delete_total",      COUNTER, "delete commands.")                 \
    X(CMD_ARITH,        "requests_arith_total",       COUNTER, "incr and decr commands.")          \
    X(CMD_META,         "requests_meta_total",        COUNTER, "Meta commands.")                   \
    X(CMD_FLUSH,        "requests_flush_total",       COUNTER, "flush_all commands.")              \
    X(CMD_OTHER,        "requests_local_total",       COUNTER,                                     \
      "Commands that the proxy answers itself.")                                                   \
    X(BAD_REQUESTS,     "requests_bad_total",         COUNTER,                                     \
      "Commands that were malformed or unknown.")                                                  \
    X(GET_HITS,         "get_hits_total",             COUNTER,                                     \
      "Values returned to get, gets, gat, gats.")                                                  \
    X(BACKEND_REQUESTS, "backend_requests_total",     COUNTER, "Requests queued at backends.")     \
    X(BACKEND_CONNECTS, "backend_connects_total",     COUNTER, "Connections to backends begun.")   \
    X(BACKEND_READ,     "backend_read_bytes_total",   COUNTER, "Bytes read from backends.")        \
    X(BACKEND_WRITTEN,  "backend_written_bytes_total", COUNTER, "Bytes written to backends.")      \
    X(BACKEND_SENDS,    "backend_sends_total",        COUNTER,                                     \
      "System calls that wrote to backends.")                                                      \
    X(CLIENT_SENDS,     "client_sends_total",         COUNTER,                                     \
      "System calls that wrote to clients.")                                                       \
    X(GATHERED,         "gathered_turns_total",       COUNTER,                                     \
      "Turns under load behind which more was waited for (--gather-us).")                          \
    X(FAILED_DOWN,      "failed_down_total",          COUNTER,                                     \
      "Requests (a shard of a multiget is one) not sent because the node was DOWN.")               \
    X(FAILED_TIMEOUT,   "failed_timeout_total",       COUNTER,                                     \
      "Requests that were sent and not answered in time, or whose connection broke.")              \
    X(FAILED_OVERLOADED, "failed_overloaded_total",   COUNTER,                                     \
      "Requests over the limit of requests on their way to one node.")                             \
    X(FAILED_LIMITED,   "failed_limited_total",       COUNTER,                                     \
      "Requests, of a multiget each key, over a limit by rate of their pool.")                     \
    X(FAILED_NO_ROUTE,  "failed_no_route_total",      COUNTER,                                     \
      "Requests before there was a routing table, or by a listener whose pool it lacks.")                                                \
    X(FAILED_STALE,     "failed_stale_total",         COUNTER,                                     \
      "Requests that a node refused because our routing table is too old.")                        \
    X(HERALDS,          "epochs_announced_total",     COUNTER,                                     \
      "Times that a node was told by which routing table we go.")                                  \
    X(READ_RETRIES,     "read_retries_total",         COUNTER,                                     \
      "Reads sent once more because their connection was closed before any answer.")               \
    X(LATE_REPLIES,     "backend_late_replies_total", COUNTER,                                     \
      "Replies that came after their request had timed out, dropped by their position.")           \
    X(BACKEND_ERRORS,   "backend_error_replies_total", COUNTER,                                    \
      "Error lines that backends answered.")                                                       \
    X(GARBAGE,          "backend_garbage_total",      COUNTER,                                     \
      "Backend connections closed because what they sent was no reply.")                           \
    X(STALLED,          "backend_stalled_total",      COUNTER,                                     \
      "Backend connections closed because they owed replies and made no progress.")                \
    X(WENT_DOWN,        "backend_went_down_total",    COUNTER,                                     \
      "Times a node began to look DOWN to a worker.")                                              \
    X(WENT_UP,          "backend_went_up_total",      COUNTER,                                     \
      "Times a node looked UP again to a worker.")                                                 \
    X(BACKENDS_DOWN,    "backends_down",              GAUGE,                                       \
      "Nodes that look DOWN now, summed over workers.")                                            \
    X(COALESCED,        "coalesced_total",            COUNTER,                                     \
      "Reads, of a multiget each key, that waited for another's request instead of sending one.")  \
    X(FLIGHTS,          "coalesced_flights_total",    COUNTER,                                     \
      "Requests whose answer was told to others too.")                                             \
    X(FLIGHTS_REELECTED, "coalesced_reelections_total", COUNTER,                                   \
      "Requests sent once more for those who waited, because the first failed.")                   \
    X(MISS_LEASES,      "coalesced_miss_leases_total", COUNTER,                                    \
      "Misses that were told to one, while the others waited for what he writes.")                 \
    X(FLIGHT_OVERFLOWS, "coalesced_overflows_total",  COUNTER,                                     \
      "Reads sent alone because as many waited, or were on their way, as may.")                    \
    X(REPLICA_READS,    "replica_reads_total",        COUNTER,                                     \
      "Reads of hot keys, of a multiget each key, sent to a copy.")                                \
    X(REPLICA_MISSES,   "replica_misses_total",       COUNTER,                                     \
      "Of them, those that found no copy and asked the owner.")                                    \
    X(HEDGES,           "hedges_total",               COUNTER,                                     \
      "Reads of hot keys that waited long and were asked at another of their nodes, too.")         \
    X(HEDGE_WINS,       "hedge_wins_total",           COUNTER,                                     \
      "Of them, those that the other answered first.")                                             \
    X(REPLICA_FILLS,    "replica_fills_total",        COUNTER, "Copies of hot keys made.")         \
    X(REPLICA_REFUSED,  "replica_fills_refused_total", COUNTER,                                    \
      "Copies not made because the key was written meanwhile.")                                    \
    X(REPLICA_DELETES,  "replica_deletes_total",      COUNTER,                                     \
      "Deletes of copies sent because their key was written.")                                     \
    X(REPLICA_UNCONFIRMED, "replica_unconfirmed_total", COUNTER,                                   \
      "Deletes of copies that were not confirmed in time.")                                        \
    X(PROMOTIONS,       "promotions_total",           COUNTER,                                     \
      "Times a key became hot by what this proxy sees.")                                           \
    X(DEMOTIONS,        "demotions_total",            COUNTER, "Times such a key was it no more.") \
    X(WATCHERS,         "watchers",                   GAUGE,   "Clients that watch hot keys.")         \
    X(WATCH_LINES,      "watch_lines_total",          COUNTER, "Lines told to watchers.")              \
    X(WATCH_SKIPPED,    "watch_skipped_total",        COUNTER,                                     \
      "Lines that watchers were too slow for.")                                                    \
    X(NEAR_HITS,        "near_cache_hits_total",      COUNTER,                                     \
      "Reads, of a multiget each key, answered from the near cache.")                              \
    X(NEAR_FILLS,       "near_cache_fills_total",     COUNTER, "Values put into the near cache.")  \
    X(NEAR_INVALIDATED, "near_cache_invalidations_total", COUNTER,                                 \
      "Values found in the near cache whose key had been written since.")                          \
    X(NEAR_BYTES,       "near_cache_bytes",           GAUGE,   "Bytes of values in the near cache.") \
    X(MOVE_REQUESTS,    "move_requests_total",        COUNTER,                                     \
      "Requests, of a multiget each key, for keys that were on their way to another owner.")       \
    X(MOVE_SOURCE_READS, "move_source_reads_total",   COUNTER,                                     \
      "Values of such keys found at the old owner because the new one had none.")                  \
    X(MOVE_FILLS,       "move_fills_total",           COUNTER,                                     \
      "Of them, those that the new owner was given.")                                              \
    X(MOVE_FILLS_LOST,  "move_fills_lost_total",      COUNTER,                                     \
      "Those that it did not take, mostly because the key was written meanwhile.")                 \
    X(SHADOW_REQUESTS,  "shadow_requests_total",      COUNTER,                                     \
      "Requests, of a multiget each line, copied to shadow pools.")                                \
    X(SHADOW_DOWN,      "shadow_dropped_down_total",  COUNTER,                                     \
      "Copies, of a multiget each key, not made because their node was DOWN.")                     \
    X(SHADOW_OVERLOADED, "shadow_dropped_overloaded_total", COUNTER,                               \
      "Copies, of a multiget each key, not made because too much was on its way.")                 \
    X(SHADOW_TOO_LARGE, "shadow_dropped_too_large_total", COUNTER,                                 \
      "Copies not made because of the length of their value.")                                     \
    X(SHADOW_SAME_NODE, "shadow_dropped_same_node_total", COUNTER,                                 \
      "Copies, of a multiget each key, not made because their node is in both pools.")             \
    X(SHADOW_FAILURES,  "shadow_failures_total",      COUNTER,                                     \
      "Copies that were not answered in time, or by an error.")                                    \
    X(SHADOW_HITS,      "shadow_hits_total",          COUNTER,                                     \
      "Keys read by copies that the shadow pool had.")                                             \
    X(SHADOW_MISSES,    "shadow_misses_total",        COUNTER, "Those that it had not.")           \
    X(PROBES,           "backend_probes_total",       COUNTER, "Probes sent to DOWN nodes.")          \
    X(GUTTER_READS,     "gutter_reads_total",         COUNTER,                                     \
      "Reads, of a multiget each key, sent to the gutter because the owner was DOWN.")             \
    X(GUTTER_STORES,    "gutter_sets_total",          COUNTER,                                     \
      "Sets sent to the gutter because the owner was DOWN.")                                       \
    X(GUTTER_DELETES,   "gutter_deletes_total",       COUNTER,                                     \
      "Deletes sent to the gutter because it might have the key.")                                 \
    X(JOURNALED,        "journal_puts_total",         COUNTER,                                     \
      "Invalidations that could not be delivered and were remembered.")                            \
    X(REPLAYED,         "journal_replays_total",      COUNTER,                                     \
      "Remembered deletes that their node has had since.")                                         \
    X(JOURNAL_MOOT,     "journal_moot_total",         COUNTER,                                     \
      "Remembered deletes that a node did not need because it came back empty.")                   \
    X(JOURNAL_OVERFLOWS, "journal_overflows_total",   COUNTER,                                     \
      "Times the journal was over its limit, and a flush took the place of its keys.")             \
    X(JOURNAL_RESTORED, "journal_restored_total",     COUNTER,                                     \
      "Invalidations read from --journal-dir at the start.")                                       \
    X(JOURNAL_INHERITED, "journal_inherited_total",   COUNTER,                                     \
      "Invalidations that the process before this one has left to it (--takeover).")               \
    X(JOURNAL_DAMAGED,  "journal_damaged_total",      COUNTER,                                     \
      "Files in --journal-dir that were damaged, set aside, and made up for by a flush.")          \
    X(JOURNAL_DISK_ERRORS, "journal_disk_errors_total", COUNTER,                                   \
      "Times a file in --journal-dir could not be written.")                                       \
    X(REJOIN_FLUSHES,   "rejoin_flushes_total",       COUNTER,                                     \
      "flush_all sent to nodes instead of the deletes that they had missed.")
/* clang-format on */

enum proxy_metric {
    PROXY_METRICS(METRIC_ENUM) PROXY_METRIC_COUNT,
};
