#include "common/core/hotkeys_watch.h"
#include "common/core/assert.h"

#include <inttypes.h>
#include <stdio.h>

bool
hotkeys_watch_is_due(const struct hotkeys_watch *watch, bool wanted, uint64_t now_ms)
{
    if (!wanted || watch->since_ms == 0) {
        return wanted != (watch->since_ms != 0);
    }
    return now_ms >= watch->since_ms + HOTKEYS_WATCH_MS;
}

struct ranking {
    hotkeys_ranked_fn *fn;
    void *arg;
    enum hotkeys_order order;
    unsigned rank;
};

static void
tell_ranked(void *arg, const struct hotkey *key)
{
    struct ranking *ranking = arg;
    ranking->fn(ranking->arg, ranking->order, ++ranking->rank, key);
}

void
hotkeys_watch_next(struct hotkeys_watch *watch, struct hotkeys *const *sketches, unsigned count,
                   unsigned orders, bool wanted, uint64_t now_ms, hotkeys_ranked_fn *fn, void *arg)
{
    ASSERT(orders <= HOTKEYS_ORDERS);

    bool tells = wanted && watch->since_ms != 0;
    for (unsigned i = 0; tells && i < orders; i++) {
        struct ranking ranking = {fn, arg, (enum hotkeys_order)i, 0};
        hotkeys_report(sketches, count, HOTKEYS_INTERVAL, ranking.order, HOTKEYS_WATCH_TOP, now_ms,
                       tell_ranked, &ranking);
    }
    for (unsigned i = 0; i < count; i++) {
        hotkeys_interval(sketches[i], wanted);
    }
    watch->since_ms = !wanted ? 0 : now_ms > 0 ? now_ms : 1;
}

/* --- the log -------------------------------------------------------------------- */

static size_t
written(int n, size_t room)
{
    ASSERT(n >= 0 && (size_t)n < room);
    return (size_t)n;
}

size_t
watch_head(uint64_t wall_ms, uint64_t gid, char *out, size_t room)
{
    return written(snprintf(out, room, "ts=%" PRIu64 ".%06u gid=%" PRIu64 " type=", wall_ms / 1000,
                            (unsigned)(wall_ms % 1000) * 1000, gid),
                   room);
}

size_t
watch_hotkey(const char *order, unsigned rank, const char *key, uint64_t count, uint64_t error,
             char *out, size_t room)
{
    return written(snprintf(out, room,
                            "hotkey order=%s rank=%u key=%s count=%" PRIu64 " error=%" PRIu64,
                            order, rank, key, count, error),
                   room);
}

size_t
watch_skipped(uint64_t lines, char *out, size_t room)
{
    return written(snprintf(out, room, "skipped=%" PRIu64, lines), room);
}
