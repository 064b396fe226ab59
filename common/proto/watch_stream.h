/* watch_stream.h - what `watch` can be asked for. Pure. */
#pragma once
#include "common/core/span.h"

#define WATCH_STREAMS(X)                                                                           \
    X(FETCHERS, "fetchers")                                                                        \
    X(MUTATIONS, "mutations")                                                                      \
    X(EVICTIONS, "evictions")                                                                      \
    X(CONNEVENTS, "connevents")                                                                    \
    X(DELETIONS, "deletions")                                                                      \
    X(HOTKEYS, "hotkeys")

enum watch_stream {
#define X(id, name) WATCH_##id,
    WATCH_STREAMS(X)
#undef X
        WATCH_STREAM_COUNT
};

/* The streams (1 << enum watch_stream) that the words behind `watch` name; fetchers
 * if there are none. Those that memcached has besides ours are known too, and have
 * nothing to tell. False if a word is unknown. */
bool watch_streams_parse(const struct span *words, unsigned count, uint32_t *streams);
