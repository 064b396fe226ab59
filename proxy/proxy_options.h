/* proxy_options.h - mfproxy's command line, once: parsing, --help and the
 * manual come from these rows. */
#pragma once
#include "common/core/option.h"
#include "common/fleet/ring.h"
#include "common/net/daemon.h"

/* clang-format off */
/*    letter  name              type      field            argument   default  one sentence */
#define PROXY_OPTIONS(X)                                                                           \
    X('l', "listen",            STRINGS,  listen,          "ADDR[=POOL]", NULL,                    \
      "serve clients at HOST:PORT or unix:/path, by the routes of the table or, with =POOL, all "  \
      "from that pool; may be repeated; port 0 lets the kernel choose (127.0.0.1:11211 if not "    \
      "given)")                                                            \
    X('t', "threads",           NUMBER,   threads,         "N",       "4",                         \
      "worker threads; each has its own connection to every node")                                 \
    X(0,   "servers",           STRINGS,  servers,         "HOST:PORT[:WEIGHT]", NULL,             \
      "the nodes, as a legacy client would list them; may be repeated")                            \
    X(0,   "ring",              STRING,   ring,            "NAME",    "libmemcached",              \
      "how --servers places keys:" RING_KINDS_TEXT)                                                \
    X(0,   "hash",              STRING,   hash,            "NAME",    NULL,                        \
      "key hash of --ring, if not the ring's own (md5, fnv1a_64, crc32, ...)")                     \
    X(0,   "table",             STRING,   table,           "FILE",    NULL,                        \
      "routing table in a file, which is watched for changes")                                     \
    X(0,   "control",           STRINGS,  control,         "HOST:PORT", NULL,                      \
      "mfcontrols that push the routing table; may be repeated")                                   \
    X(0,   "state-dir",         STRING,   state_dir,       "DIR",     NULL,                        \
      "keep the last good routing table here, for a start while its source is away")               \
    X(0,   "id",                STRING,   id,              "NAME",    NULL,                        \
      "how mfcontrol shall call this proxy (host name and process id if not given)")               \
    X(0,   "zone",              STRING,   zone,            "NAME",    "",                          \
      "failure zone of this proxy")                                                                \
    X(0,   "http",              STRING,   http,            "ADDR",    NULL,                        \
      "serve /metrics, /healthz, /readyz and a status page at HOST:PORT or unix:/path")            \
    X(0,   "connect-timeout",   DURATION, connect_timeout, "TIME",    "200ms",                     \
      "time to connect to a node of --servers; tables have their own")                             \
    X(0,   "request-timeout",   DURATION, request_timeout, "TIME",    "250ms",                     \
      "time for a node of --servers to answer a request; tables have their own")                   \
    X(0,   "coalesce",          STRING,   coalesce,        "on|off",  "on",                        \
      "whether reads of one key that come together are one request to its node of --servers; "     \
      "tables have their own")                                                                     \
    X(0,   "near-cache",        SIZE,     near_cache,      "SIZE",    "0",                         \
      "memory for values of the hottest keys of --servers, told without asking their node; 0: "    \
      "none; tables have their own")                                                               \
    X(0,   "near-cache-ttl",    DURATION, near_cache_ttl,  "TIME",    "250ms",                     \
      "how long such a value is told at most")                                                     \
    X(0,   "gutter",            STRINGS,  gutter,          "HOST:PORT[:WEIGHT]", NULL,             \
      "nodes that stand in for those of --servers that are down; may be repeated")                 \
    X(0,   "gutter-ttl",        DURATION, gutter_ttl,      "TIME",    "10s",                       \
      "how long an item stays there at most; whole seconds")                                       \
    X(0,   "rejoin",            STRING,   rejoin,          "HOW",     "replay-then-flush-if-lossy", \
      "what a node of --servers gets that was away and kept its memory: "                          \
      "replay-then-flush-if-lossy, flush or trust; tables have their own")                         \
    X(0,   "journal-entries",   NUMBER,   journal_entries, "N",       "1000000",                   \
      "keys to remember whose deletes could not be delivered; beyond, their nodes are flushed")    \
    X(0,   "journal-memory",    SIZE,     journal_memory,  "SIZE",    "64m",                       \
      "memory for them")                                                                           \
    X(0,   "journal-dir",       STRING,   journal_dir,     "DIR",     NULL,                        \
      "keep them here too, so that a restarted proxy knows them; one proxy to a directory")        \
    X(0,   "replay-rate",       NUMBER,   replay_rate,     "N",       "10000",                     \
      "deletes a second to a node that has come back")                                             \
    X('c', "max-connections",   NUMBER,   max_connections, "N",       "16384",                     \
      "client connections at a time")                                                              \
    X(0,   "max-inflight",      NUMBER,   max_inflight,    "N",       "1000",                      \
      "requests on their way to one node, of each thread; over it reads miss and writes fail")     \
    X(0,   "gather-us",         NUMBER,   gather_us,       "N",       "60",                        \
      "microseconds that a thread takes for a turn while many clients ask: what comes meanwhile "  \
      "is done together; 0: each as it comes")                                                     \
    X(0,   "no-io-uring",       BOOL,     no_io_uring,     "",        NULL,                        \
      "make every system call of its own, though the kernel offers io_uring")                      \
    X('I', "max-value-size",    SIZE,     max_value_size,  "SIZE",    "32m",                       \
      "largest value that a client may store")                                                     \
    X('m', "buffer-memory",     SIZE,     buffer_memory,   "SIZE",    "256m",                      \
      "memory for large values on their way in, beyond which they are refused, and as much for "   \
      "replies that clients do not take, beyond which who takes none for longest is closed")       \
    X(0,   "half-command-timeout", DURATION, half_command, "TIME",    "10s",                       \
      "close a client whose command is incomplete for so long")                                    \
    X(0,   "drain",             DURATION, drain,           "TIME",    "2s",                        \
      "on SIGTERM, time to answer what is on its way and to close idle clients one after another") \
    X(0,   "takeover",          STRING,   takeover,        "PATH",    NULL,                        \
      "take over from the mfproxy that listens at this unix socket: its listeners, its table and " \
      "its clients; then listen there for the next one")                                           \
    DAEMON_OPTIONS(X)
/* clang-format on */

struct proxy_options {
    PROXY_OPTIONS(OPTION_FIELD)
};

/* Fills `into` and checks what one row alone cannot. Prints what is wrong. */
enum options_outcome proxy_options_parse(int argc, char **argv, struct proxy_options *into);

/* Warns of those that were given and have no effect, since the table comes from elsewhere. */
void proxy_options_log_ignored(const struct proxy_options *options);
void proxy_options_deinit(struct proxy_options *options);
