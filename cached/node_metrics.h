/* node_metrics.h - what a node counts about commands and connections. What it
 * counts about items is in cached/store/store.h. */
#pragma once
#include "common/core/metric.h"

/* clang-format off */
/*    id                   name                         kind     sentence */
#define NODE_METRICS(X)                                                                            \
    X(NODE_GETS,           "gets_total",                COUNTER, "Keys read.")                     \
    X(NODE_GET_HITS,       "get_hits_total",            COUNTER, "Keys read and found.")           \
    X(NODE_GET_MISSES,     "get_misses_total",          COUNTER, "Keys read and not found.")       \
    X(NODE_SETS,           "sets_total",                COUNTER, "Storage commands with a whole value.") \
    X(NODE_FLUSHES,        "flushes_total",             COUNTER, "flush_all commands.")            \
    X(NODE_TOUCHES,        "touches_total",             COUNTER, "Keys whose expiry was to be set.") \
    X(NODE_TOUCH_HITS,     "touch_hits_total",          COUNTER, "Touched keys that were found.")  \
    X(NODE_TOUCH_MISSES,   "touch_misses_total",        COUNTER, "Touched keys that were not found.") \
    X(NODE_META,           "meta_total",                COUNTER, "mg, ms, md, ma, mn and me commands.") \
    X(NODE_DELETE_HITS,    "delete_hits_total",         COUNTER, "Deletes that found the key.")    \
    X(NODE_DELETE_MISSES,  "delete_misses_total",       COUNTER, "Deletes that did not.")          \
    X(NODE_INCR_HITS,      "incr_hits_total",           COUNTER, "Increments that found the key.") \
    X(NODE_INCR_MISSES,    "incr_misses_total",         COUNTER, "Increments that did not.")       \
    X(NODE_DECR_HITS,      "decr_hits_total",           COUNTER, "Decrements that found the key.") \
    X(NODE_DECR_MISSES,    "decr_misses_total",         COUNTER, "Decrements that did not.")       \
    X(NODE_CAS_HITS,       "cas_hits_total",            COUNTER, "Compare-and-set that matched.")  \
    X(NODE_CAS_MISSES,     "cas_misses_total",          COUNTER, "Compare-and-set of absent keys.") \
    X(NODE_CAS_BADVAL,     "cas_badval_total",          COUNTER, "Compare-and-set that did not match.") \
    X(NODE_BYTES_READ,     "bytes_read_total",          COUNTER, "Bytes received from clients.")   \
    X(NODE_BYTES_WRITTEN,  "bytes_written_total",       COUNTER, "Bytes sent to clients.")         \
    X(NODE_CONNECTIONS,    "connections",               GAUGE,   "Connections open.")              \
    X(NODE_ACCEPTED,       "connections_total",         COUNTER, "Connections accepted.")          \
    X(NODE_REJECTED,       "connections_rejected_total", COUNTER, "Connections over the limit.")   \
    X(NODE_REFUSED_MEMORY, "connections_refused_memory_total", COUNTER, "Connections refused for lack of memory.") \
    X(NODE_MEMORY_KICKS,   "memory_kicks_total",        COUNTER, "Connections closed because they grew while memory was short.") \
    X(NODE_IDLE_KICKS,     "idle_kicks_total",          COUNTER, "Connections closed for idling.") \
    X(NODE_HALF_KICKS,     "half_kicks_total",          COUNTER, "Connections closed for half a command.") \
    X(NODE_GIVEN_UP,       "given_up_total",            COUNTER, "Connections reset while the node stood still, closed unread.") \
    X(NODE_ANNOUNCED,      "epochs_announced_total",    COUNTER, "Times that a proxy said which routing table it goes by.") \
    X(NODE_FENCED,         "connections_fenced",        GAUGE,   "Connections whose proxy has too old a routing table.") \
    X(NODE_STALE_REFUSED,  "stale_refused_total",       COUNTER, "Requests refused on such connections.") \
    X(NODE_YIELDS,         "connection_yields_total",   COUNTER, "Turns given up to other connections.") \
    X(NODE_DUMPS,          "dumps_total",               COUNTER, "metadump and mgdump commands.")  \
    X(NODE_DUMPED_ITEMS,   "dumped_items_total",        COUNTER, "Items that they listed.")        \
    X(NODE_WATCHERS,       "watchers",                  GAUGE,   "Connections that watch.")        \
    X(NODE_WATCH_EVENTS,   "watch_events_total",        COUNTER, "Events written for watchers.")   \
    X(NODE_WATCH_LINES,    "watch_lines_total",         COUNTER, "Lines told to watchers.")        \
    X(NODE_WATCH_SKIPPED,  "watch_skipped_total",       COUNTER, "Lines that watchers were too slow for.") \
    X(NODE_HOTKEY_SAMPLES, "hotkey_samples_total",      COUNTER, "Requests looked at for hot keys.") \
    X(NODE_OUT_OF_MEMORY,  "connection_oom_total",      COUNTER, "Connections closed for lack of memory.")
/* clang-format on */

enum node_metric { NODE_METRICS(METRIC_ENUM) NODE_METRIC_COUNT };
