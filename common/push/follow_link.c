#include "common/push/follow_link.h"
#include "common/core/assert.h"

static void
wait_for_next(struct follow_link *l, uint64_t now_ms)
{
    l->state = LINK_WAITING;
    l->peer = (l->peer + 1) % l->peer_count;
    l->due_ms = now_ms + backoff_next_ms(&l->backoff);
}

void
follow_link_init(struct follow_link *l, unsigned peer_count, uint64_t seed, uint64_t now_ms)
{
    ASSERT(peer_count > 0);
    *l = (struct follow_link){.peer_count = peer_count, .due_ms = now_ms};
    backoff_init(&l->backoff, LINK_WAIT_MIN_MS, LINK_WAIT_FIRST_MS, LINK_WAIT_MAX_MS, seed);
    l->peer = (unsigned)(random_next(&seed) % peer_count);
}

enum link_action
follow_link_step(struct follow_link *l, uint64_t now_ms)
{
    if (now_ms < l->due_ms) {
        return LINK_NOTHING;
    }
    if (l->state == LINK_WAITING) {
        l->peer %= l->peer_count;
        l->state = LINK_CONNECTING;
        l->due_ms = now_ms + LINK_CONNECT_MS;
        return LINK_CONNECT;
    }
    wait_for_next(l, now_ms);
    return LINK_DROP;
}

void
follow_link_connected(struct follow_link *l, uint64_t now_ms)
{
    ASSERT(l->state == LINK_CONNECTING);
    l->state = LINK_UP;
    l->due_ms = now_ms + LINK_SILENT_MS;
}

/* Only here, and not when connected, the waits start from short ones again:
 * something that accepts and hangs up must not be asked ten times a second. */
void
follow_link_heard(struct follow_link *l, uint64_t now_ms)
{
    ASSERT(l->state == LINK_UP);
    l->due_ms = now_ms + LINK_SILENT_MS;
    backoff_reset(&l->backoff, LINK_WAIT_FIRST_MS);
}

void
follow_link_receiving(struct follow_link *l, uint64_t now_ms)
{
    ASSERT(l->state == LINK_UP);
    l->due_ms = now_ms + LINK_SILENT_MS;
}

void
follow_link_lost(struct follow_link *l, uint64_t now_ms)
{
    if (l->state != LINK_WAITING) {
        wait_for_next(l, now_ms);
    }
}

void
follow_link_hurry(struct follow_link *l, uint64_t now_ms)
{
    bool suspect = l->state == LINK_UP && now_ms + LINK_SILENT_MS >= l->due_ms + LINK_SUSPECT_MS;
    if (now_ms < l->due_ms && (l->state == LINK_WAITING || suspect)) {
        l->due_ms = now_ms;
    }
}

uint64_t
follow_link_wait_ms(const struct follow_link *l, uint64_t now_ms)
{
    return l->due_ms > now_ms ? l->due_ms - now_ms : 0;
}
