#include "common/proto/watch_stream.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *const names[] = {
#define X(id, name) name,
    WATCH_STREAMS(X)
#undef X
        "rawcmds",
    "sysevents",
    "proxyreqs",
    "proxyevents",
    "proxyuser",
};

static size_t
find_name(struct span word)
{
    size_t n = 0;
    while (n < COUNT_OF(names) && !span_eq_cstr(word, names[n])) {
        n++;
    }
    return n;
}

bool
watch_streams_parse(const struct span *words, unsigned count, uint32_t *streams)
{
    *streams = count == 0 ? 1u << WATCH_FETCHERS : 0;
    for (unsigned i = 0; i < count; i++) {
        size_t n = find_name(words[i]);
        if (n == COUNT_OF(names)) {
            return false;
        }
        *streams |= n < WATCH_STREAM_COUNT ? 1u << n : 0;
    }
    return true;
}
