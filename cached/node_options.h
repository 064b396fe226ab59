/* node_options.h - mfcached's command line: memcached's options, ours, and what
 * each of memcached's that we do not serve is answered with. */
#pragma once
#include "common/core/option.h"

/* clang-format off */
/*  letter name               type       field              argument  default   sentence */
#define MFCACHED_OPTIONS(X)                                                                        \
    X('p', "port",            STRING,    port,              "NUM",    "11211",                     \
      "TCP port to listen on; 0 or -1 lets the kernel choose")                                     \
    X('U', "udp-port",        NUMBER,    udp_port,          "NUM",    "0",                         \
      "only 0, UDP is not served")                                                                 \
    X('s', "unix-socket",     STRING,    unix_socket,       "FILE",   NULL,                        \
      "listen on this unix socket instead of TCP")                                                 \
    X('a', "unix-mask",       STRING,    unix_mask,         "MODE",   "700",                       \
      "access mode of the unix socket, octal")                                                     \
    X('A', "enable-shutdown", BOOL,      shutdown_enabled,  "",       NULL,                        \
      "serve the \"shutdown\" command")                                                            \
    X('l', "listen",          STRINGS,   listen,            "ADDR",   NULL,                        \
      "address or address:port to listen on; may be repeated (default: all)")                      \
    X('d', "daemon",          BOOL,      daemon,            "",       NULL,                        \
      "run in the background; returns when it serves, or fails")                                   \
    X('r', "enable-coredumps", BOOL,     coredumps,         "",       NULL,                        \
      "raise the limit of core files")                                                             \
    X('u', "user",            STRING,    user,              "USER",   NULL,                        \
      "become this user (when started as root)")                                                   \
    X('m', "memory-limit",    MEGABYTES, memory_bytes,      "MB",     "64",                        \
      "memory for items, their tables, connections and buffers")                                                         \
    X('M', "disable-evictions", BOOL,    no_evictions,      "",       NULL,                        \
      "answer an error when memory is full instead of evicting")                                   \
    X('c', "conn-limit",      NUMBER,    connections_max,   "NUM",    "1024",                      \
      "connections at once")                                                                       \
    X('k', "lock-memory",     BOOL,      lock_memory,       "",       NULL,                        \
      "lock all memory (mlockall)")                                                                \
    X('v', "verbose",         COUNT,     verbose,           "",       NULL,                        \
      "log more; -vv and -vvv as in memcached")                                                    \
    X('P', "pidfile",         STRING,    pid_file,          "FILE",   NULL,                        \
      "write the process id here")                                                                 \
    X('t', "threads",         NUMBER,    threads,           "NUM",    "4",                         \
      "worker threads")                                                                            \
    X('R', "max-reqs-per-event", NUMBER, requests_per_turn, "NUM",    "256",                       \
      "requests of one connection before the others have their turn")                              \
    X(0,   "gather-us",       NUMBER,    gather_us,         "N",      "30",                        \
      "microseconds that a thread takes for a turn while many clients ask: what comes meanwhile "  \
      "is done together; 0: each as it comes")                                                     \
    X(0,   "no-io-uring",     BOOL,      no_io_uring,       "",       NULL,                        \
      "make every system call of its own, though the kernel offers io_uring")                      \
    X('C', "disable-cas",     BOOL,      no_cas,            "",       NULL,                        \
      "keep no CAS values")                                                                        \
    X('b', "listen-backlog",  NUMBER,    backlog,           "NUM",    "1024",                      \
      "connections that may wait to be accepted")                                                  \
    X('I', "max-item-size",   SIZE,      item_max_bytes,    "SIZE",   "1m",                        \
      "largest item, 1k to 1024m")                                                                 \
    X('F', "disable-flush-all", BOOL,    no_flush,          "",       NULL,                        \
      "refuse flush_all")                                                                          \
    X('X', "disable-dumping", BOOL,      no_dumping,        "",       NULL,                        \
      "refuse stats cachedump, metadump and mgdump")                                                                    \
    X('B', "protocol",        STRING,    protocol,          "NAME",   "auto",                      \
      "ascii or auto, which are the same; binary is not served")                                   \
    X(0,   "metrics",         STRING,    metrics_addr,      "ADDR",   NULL,                        \
      "serve /metrics, /healthz and /readyz over HTTP here")                                       \
    X(0,   "control",         STRINGS,   control,           "ADDR",   NULL,                        \
      "mfcontrol to register with; may be repeated")                                               \
    X(0,   "node-name",       STRING,    node_name,         "NAME",   NULL,                        \
      "our name in the fleet (with --control)")                                                    \
    X(0,   "pool",            STRING,    pool,              "NAME",   NULL,                        \
      "the pool to offer ourselves to (with --control)")                                           \
    X(0,   "zone",            STRING,    zone,              "NAME",   NULL,                        \
      "where we run (with --control)")                                                             \
    X(0,   "weight",          NUMBER,    weight,            "NUM",    "1",                         \
      "our share of the ring (with --control)")                                                    \
    X(0,   "advertise",       STRING,    advertise,         "ADDR",   NULL,                        \
      "the address that proxies shall use (default: the first listened on)")                       \
    X(0,   "debug-clock",     BOOL,      debug_clock,       "",       NULL,                        \
      "serve \"debugtime\", with which tests move the clock")                                      \
    X('W', "disable-watch",   BOOL,      no_watch,          "",       NULL,                        \
      "refuse watch")                                                             \
    X('f', "slab-growth-factor", IGNORED, ignored_f,        "NUM",    NULL,                        \
      "accepted without effect")                                                                   \
    X('n', "slab-min-size",   IGNORED,   ignored_n,         "BYTES",  NULL,                        \
      "accepted without effect")                                                                   \
    X('L', "enable-largepages", IGNORED, ignored_L,         "",       NULL,                        \
      "accepted without effect")                                                                   \
    X('D', "prefix-delimiter", STRING,   prefix_delimiter,  "CHAR",   NULL,                        \
      "where the prefix of a key ends for \"stats detail\" (default ':'); turns that on")                                \
    X('N', "napi_ids",        IGNORED,   ignored_N,         "NUM",    NULL,                        \
      "accepted without effect")                                                                   \
    X('S', NULL,              BOOL,      refused_S,         "",       NULL,                        \
      "binary authentication: not served by this build")                                           \
    X('Y', NULL,              STRING,    refused_Y,         "FILE",   NULL,                        \
      "text authentication: not served by this build")                                             \
    X('Z', NULL,              BOOL,      refused_Z,         "",       NULL,                        \
      "TLS: not served by this build")                                                             \
    X('e', "memory-file",     STRING,    memory_file,       "FILE",   NULL,                        \
      "keep items in this file, and find them there after a restart; best on tmpfs")

/*  name                   type     field             argument  sentence */
#define MFCACHED_EXTENDED_SERVED(X)                                                                \
    X("maxconns_fast",     BOOL,    maxconns_fast,    "",                                          \
      "answer connections over the limit with an error and close them (default)")                  \
    X("no_maxconns_fast",  BOOL,    no_maxconns_fast, "",                                          \
      "let connections over the limit wait to be accepted")                                        \
    X("items_memory_only", BOOL,    items_memory_only, "",                                         \
      "let -m bound items and their tables only, as in memcached")                                 \
    X("idle_timeout",      NUMBER,  idle_timeout_s,   "SECONDS",                                   \
      "close connections that send and take nothing for so long; 0 never")                         \
    X("track_sizes",       BOOL,    track_sizes,      "",                                          \
      "answer \"stats sizes\" from the start")                                                     \
    X("lru_crawler",       BOOL,    lru_crawler,      "",                                          \
      "serve metadump and mgdump (default)")                                                       \
    X("no_lru_crawler",    BOOL,    no_lru_crawler,   "",                                          \
      "serve them after \"lru_crawler enable\" only")                                              \
    X("no_modern",         BOOL,    no_modern,        "",                                          \
      "the same, unless lru_crawler is given too")

/* What tunes memcached's own engine: accepted, so that existing command lines
 * start, and said in the log with -v. The names as fields. */
#define MFCACHED_EXTENDED_IGNORED(X)                                                               \
    X(hashpower) X(no_hashexpand) X(hash_algorithm) X(tail_repair_time)                            \
    X(slab_reassign) X(no_slab_reassign) X(slab_automove) X(no_slab_automove)                      \
    X(slab_automove_ratio) X(slab_automove_window) X(slab_automove_freeratio)                      \
    X(slab_chunk_max) X(slab_sizes) X(no_chunked_items)                            \
    X(lru_crawler_sleep) X(lru_crawler_tocrawl)                                                    \
    X(lru_maintainer) X(no_lru_maintainer) X(hot_lru_pct) X(warm_lru_pct)                          \
    X(hot_max_factor) X(warm_max_factor) X(temporary_ttl)                                          \
    X(watcher_logbuf_size) X(worker_logbuf_size) X(read_buf_mem_limit) X(resp_obj_mem_limit)       \
    X(inline_ascii_resp) X(no_inline_ascii_resp) X(modern)                                         \
    X(drop_privileges) X(no_drop_privileges) X(relaxed_privileges) X(sock_cookie_id)
/* clang-format on */

struct node_options {
    MFCACHED_OPTIONS(OPTION_FIELD)
#define X(name, type, field, arg, help) OPTION_CTYPE_##type field;
    MFCACHED_EXTENDED_SERVED(X)
#undef X
#define X(field) bool extended_##field;
    MFCACHED_EXTENDED_IGNORED(X)
#undef X
    unsigned unix_mode; /* parsed from unix_mask */
    uint16_t tcp_port;  /* parsed from port */
};

/* Parses and checks. OPTIONS_BAD has said on stderr which option is wrong and
 * why. */
enum options_outcome node_options_parse(struct node_options *o, int argc, char **argv);
void node_options_deinit(struct node_options *o);

/* Logs, at debug level, the options given that have no effect. */
void node_options_log_ignored(const struct node_options *o);
