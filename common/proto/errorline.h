/* errorline.h - every error line that a client can see, once. Fixed texts:
 * clients match on them, and input is never echoed. */
#pragma once
#include "common/core/span.h"

#define PROTO_ERRORS(X)                                                                            \
    X(UNKNOWN_COMMAND,   "ERROR")                                                                  \
    X(BAD_FORMAT,        "CLIENT_ERROR bad command line format")                                   \
    X(BAD_TOKEN,         "CLIENT_ERROR bad token in command line format")                          \
    X(BAD_CHUNK,         "CLIENT_ERROR bad data chunk")                                            \
    X(BAD_DELTA,         "CLIENT_ERROR invalid numeric delta argument")                            \
    X(BAD_EXPTIME,       "CLIENT_ERROR invalid exptime argument")                                  \
    X(BAD_DELETE,        "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]")   \
    X(BAD_KEY_ENCODING,  "CLIENT_ERROR error decoding key")                                        \
    X(INVALID_FLAG,      "CLIENT_ERROR invalid flag")                                              \
    X(DUPLICATE_FLAG,    "CLIENT_ERROR duplicate flag")                                            \
    X(INVALID_OR_DUP,    "CLIENT_ERROR invalid or duplicate flag")                                 \
    X(FLAGS_TOO_LONG,    "CLIENT_ERROR options flags are too long")                                \
    X(OPAQUE_TOO_LONG,   "CLIENT_ERROR opaque token too long")                                     \
    X(BAD_INITIAL,       "CLIENT_ERROR invalid numeric initial value")                             \
    X(BAD_META_DELTA,    "CLIENT_ERROR invalid numeric delta value")                               \
    X(INVALID_MA_MODE,   "CLIENT_ERROR invalid mode for ma M token")                               \
    X(INVALID_MS_MODE,   "CLIENT_ERROR invalid mode for ms M token")                               \
    X(NON_NUMERIC,       "CLIENT_ERROR cannot increment or decrement non-numeric value")           \
    X(TOO_LARGE,         "SERVER_ERROR object too large for cache")                                \
    X(NO_MEMORY,         "SERVER_ERROR out of memory storing object")                              \
    X(OUT_OF_MEMORY,     "SERVER_ERROR out of memory")                                             \
    X(BACKEND_DOWN,      "SERVER_ERROR backend down")                                              \
    X(BACKEND_TIMEOUT,   "SERVER_ERROR backend timeout")                                           \
    X(OVERLOADED,        "SERVER_ERROR overloaded")                                                \
    X(NO_ROUTE,          "SERVER_ERROR no route")                                                  \
    X(STALE_EPOCH,       "SERVER_ERROR stale epoch")                                               \
    X(SHUTTING_DOWN,     "SERVER_ERROR shutting down")                                             \
    X(FLUSH_DISABLED,    "SERVER_ERROR flush_all disabled")                                        \
    X(SHUTDOWN_DISABLED, "SERVER_ERROR: shutdown not enabled")                                     \
    X(SHUTDOWN_MODE,     "CLIENT_ERROR invalid shutdown mode")                                     \
    X(TOO_MANY_CONNECTIONS, "ERROR Too many open connections")                                     \
    X(FLUSH_NOT_ALLOWED, "CLIENT_ERROR flush_all not allowed")                                     \
    X(WATCH_NOT_ALLOWED, "CLIENT_ERROR watch commands not allowed")                                \
    X(WATCH_HOTKEYS_ONLY, "CLIENT_ERROR a proxy can tell watchers of hotkeys only")                \
    X(PIPELINED_WATCH,   "ERROR cannot pipeline other commands before watch")                      \
    X(WATCHER_TOO_MANY,  "WATCHER_TOO_MANY log watcher limit reached")                            \
    X(DUMP_NOT_ALLOWED,  "CLIENT_ERROR stats cachedump not allowed")                               \
    X(METADUMP_NOT_ALLOWED, "ERROR metadump not allowed")                                          \
    X(MGDUMP_NOT_ALLOWED, "ERROR mgdump not allowed")                                              \
    X(PIPELINED_METADUMP, "ERROR cannot pipeline other commands before metadump")                  \
    X(PIPELINED_MGDUMP,  "ERROR cannot pipeline other commands before mgdump")                     \
    X(CRAWLER_DISABLED,  "CLIENT_ERROR lru crawler disabled")                                      \
    X(CRAWLER_SLEEP,     "CLIENT_ERROR sleep must be one second or less")                          \
    X(BAD_CLASS,         "BADCLASS invalid class id")                                              \
    X(BAD_DUMP,          "CLIENT_ERROR bad command line")                                          \
    X(BAD_DUMP_CLASS,    "CLIENT_ERROR Illegal slab id")                                           \
    X(MEMLIMIT_TOO_SMALL, "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m")                \
    X(MEMLIMIT_IN_BYTES, "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes")              \
    X(LRU_PERCENT,       "ERROR hot and warm pcts must not exceed 80")                             \
    X(LRU_FACTOR,        "ERROR hot/warm age factors must be greater than 0")                      \
    X(DETAIL_USAGE,      "CLIENT_ERROR usage: stats detail on|off|dump")                           \
    X(SAME_CLASS,        "SAME src and dst class are identical")                                   \
    X(BAD_CLASSES,       "BADCLASS invalid src or dst class id")                                   \
    X(NO_SPARE_PAGES,    "NOSPARE source class has no spare pages")                                \
    X(NO_TLS,            "Error TLS not enabled")

enum proto_error {
    PROTO_OK, /* no error; also: an error that is told by closing, without a line */
#define X(id, text) PROTO_ERR_##id,
    PROTO_ERRORS(X)
#undef X
};

/* The line with its CRLF; empty for PROTO_OK. Static. */
struct span error_line(enum proto_error error);
