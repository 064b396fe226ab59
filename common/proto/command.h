/* command.h - memcached's commands and the meta protocol's flags, once, for
 * parser, node, proxy, statistics and manual.
 *
 * Source: memcached's doc/protocol.txt, dialect of 1.6.45. */
#pragma once
#include "common/core/assert.h"
#include "common/core/span.h"

#include <stdint.h>

/* The shape of a command line, which decides how it is parsed. */
enum command_shape {
    SHAPE_GET,     /* <verb> <key>+            (gat, gats: <verb> <exptime> <key>+) */
    SHAPE_STORE,   /* <verb> <key> <flags> <exptime> <bytes> [<cas>] [noreply], then a value */
    SHAPE_DELETE,  /* delete <key> [0] [noreply] */
    SHAPE_ARITH,   /* <verb> <key> <delta> [noreply] */
    SHAPE_TOUCH,   /* touch <key> <exptime> [noreply] */
    SHAPE_META,    /* <verb> <key> [<bytes>] <flag>*; ms has a value behind it */
    SHAPE_META_NOOP,
    SHAPE_ADMIN,   /* everything else: words, see request_admin_words() */
};

/*    id               wire               shape      */
#define PROTO_COMMANDS(X)                                                                          \
    X(GET,             "get",             GET)                                                     \
    X(GETS,            "gets",            GET)                                                     \
    X(GAT,             "gat",             GET)                                                     \
    X(GATS,            "gats",            GET)                                                     \
    X(SET,             "set",             STORE)                                                   \
    X(ADD,             "add",             STORE)                                                   \
    X(REPLACE,         "replace",         STORE)                                                   \
    X(APPEND,          "append",          STORE)                                                   \
    X(PREPEND,         "prepend",         STORE)                                                   \
    X(CAS,             "cas",             STORE)                                                   \
    X(INCR,            "incr",            ARITH)                                                   \
    X(DECR,            "decr",            ARITH)                                                   \
    X(TOUCH,           "touch",           TOUCH)                                                   \
    X(DELETE,          "delete",          DELETE)                                                  \
    X(MG,              "mg",              META)                                                    \
    X(MS,              "ms",              META)                                                    \
    X(MD,              "md",              META)                                                    \
    X(MA,              "ma",              META)                                                    \
    X(MN,              "mn",              META_NOOP)                                               \
    X(ME,              "me",              META)                                                    \
    X(FLUSH_ALL,       "flush_all",       ADMIN)                                                   \
    X(VERSION,         "version",         ADMIN)                                                   \
    X(VERBOSITY,       "verbosity",       ADMIN)                                                   \
    X(STATS,           "stats",           ADMIN)                                                   \
    X(QUIT,            "quit",            ADMIN)                                                   \
    X(SHUTDOWN,        "shutdown",        ADMIN)                                                   \
    X(CACHE_MEMLIMIT,  "cache_memlimit",  ADMIN)                                                   \
    X(SLABS,           "slabs",           ADMIN)                                                   \
    X(LRU,             "lru",             ADMIN)                                                   \
    X(LRU_CRAWLER,     "lru_crawler",     ADMIN)                                                   \
    X(WATCH,           "watch",           ADMIN)                                                   \
    X(REFRESH_CERTS,   "refresh_certs",   ADMIN)                                                   \
    X(HOTKEYS,         "hotkeys",         ADMIN)                                                   \
    X(DEBUGTIME,       "debugtime",       ADMIN)                                                   \
    X(CONFIG,          "config",          ADMIN)                                                   \
    X(EPOCH,           "epoch",           ADMIN)

enum proto_command {
#define X(id, wire, shape) CMD_##id,
    PROTO_COMMANDS(X)
#undef X
    CMD_COUNT,
    CMD_UNKNOWN = CMD_COUNT,
};

/* The wire word, e.g. "get". */
const char *command_name(enum proto_command cmd);
/* CMD_UNKNOWN if there is none; case matters, as in memcached. */
enum proto_command command_find(struct span word);

extern const unsigned char command_shapes[CMD_COUNT];

static inline enum command_shape
command_shape(enum proto_command cmd)
{
    ASSERT(cmd < CMD_COUNT);
    return (enum command_shape)command_shapes[cmd];
}

/* Does a value block (bytes, then CRLF) follow the command line? */
static inline bool
command_has_value(enum proto_command cmd)
{
    return (cmd >= CMD_SET && cmd <= CMD_CAS) || cmd == CMD_MS;
}
