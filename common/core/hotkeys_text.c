/* Hot keys as lines of a reply. */
#include "common/core/hotkeys.h"
#include "common/core/num.h"
#include "common/core/uri.h"

#include <inttypes.h>

struct listing {
    struct buf *out;
    const char *order; /* of rows of stats */
    unsigned rank;
};

static struct span
encoded(const struct hotkey *key, char *room)
{
    return span_make(room, uri_encode(key->key, room));
}

static void
put_line(void *arg, const struct hotkey *key)
{
    struct listing *listing = arg;
    char room[URI_ENCODED_BYTES(HOTKEYS_KEY_MAX)];
    buf_printf(listing->out, "HOTKEY %.*s %" PRIu64 " %" PRIu64 "\r\n",
               SPAN_FMT(encoded(key, room)), key->count, key->error);
}

static void
put_stat(void *arg, const struct hotkey *key)
{
    struct listing *listing = arg;
    char room[URI_ENCODED_BYTES(HOTKEYS_KEY_MAX)];
    listing->rank++;
    buf_printf(listing->out, "STAT %s:%u:key %.*s\r\n", listing->order, listing->rank,
               SPAN_FMT(encoded(key, room)));
    buf_printf(listing->out, "STAT %s:%u:count %" PRIu64 "\r\nSTAT %s:%u:error %" PRIu64 "\r\n",
               listing->order, listing->rank, key->count, listing->order, listing->rank,
               key->error);
}

void
hotkeys_put_lines(struct hotkeys *const *sketches, unsigned count, enum hotkeys_order order,
                  unsigned top, uint64_t now_ms, struct buf *out)
{
    struct listing listing = {.out = out};
    hotkeys_report(sketches, count, HOTKEYS_RECENT, order, top, now_ms, put_line, &listing);
}

void
hotkeys_put_stats(struct hotkeys *const *sketches, unsigned count, enum hotkeys_order order,
                  uint64_t now_ms, struct buf *out)
{
    struct listing listing = {out, hotkeys_order_name(order), 0};
    if (order == HOTKEYS_REQUESTS) {
        buf_printf(out, "STAT %s:total %" PRIu64 "\r\n", listing.order,
                   hotkeys_total(sketches, count, now_ms));
    }
    hotkeys_report(sketches, count, HOTKEYS_RECENT, order, HOTKEYS_TOP_DEFAULT, now_ms, put_stat,
                   &listing);
}

bool
hotkeys_parse(const struct span *words, unsigned count, enum hotkeys_order *order, uint64_t *top)
{
    unsigned at = 0;
    *order = HOTKEYS_REQUESTS;
    *top = HOTKEYS_TOP_DEFAULT;
    for (unsigned i = 0; i < HOTKEYS_ORDERS && count > 0; i++) {
        if (span_eq_cstr(words[0], hotkeys_order_name((enum hotkeys_order)i))) {
            *order = (enum hotkeys_order)i;
            at = 1;
        }
    }
    if (at < count && (!num_parse_u64(words[at], top) || *top == 0 || *top > HOTKEYS_TOP_MAX)) {
        return false;
    }
    return count <= at + 1;
}
