#include "cached/event_ring.h"
#include "common/core/mem.h"

#include <stdlib.h>

struct event_ring *
event_ring_create(void)
{
    return mem_zalloc(sizeof(struct event_ring));
}

void
event_ring_destroy(struct event_ring **ring)
{
    free(*ring);
    *ring = NULL;
}

/* Only the words that hold something: most keys are short. */
static size_t
words_of_event(size_t key_bytes)
{
    return (offsetof(struct event, key) + key_bytes + 7) / 8;
}

void
event_ring_put(struct event_ring *ring, struct event *event)
{
    uint64_t words[EVENT_WORDS] = {0};
    uint64_t position = atomic_load_explicit(&ring->position, memory_order_relaxed);
    struct event_slot *slot = &ring->slots[position % EVENT_RING_SLOTS];
    size_t count = words_of_event(event->key_bytes);
    ring->seen[event->stream]++;
    memcpy(event->seen, ring->seen, sizeof(event->seen));
    memcpy(words, event, offsetof(struct event, key) + event->key_bytes);
    atomic_store_explicit(&slot->sequence, 2 * position + 1, memory_order_release);
    for (size_t i = 0; i < count; i++) {
        atomic_store_explicit(&slot->words[i], words[i], memory_order_release);
    }
    atomic_store_explicit(&slot->sequence, 2 * (position + 1), memory_order_release);
    atomic_store_explicit(&ring->position, position + 1, memory_order_release);
}

/* False if the slot holds another event by now, or is being overwritten. */
static bool
read_slot(const struct event_ring *ring, uint64_t position, struct event *event)
{
    const struct event_slot *slot = &ring->slots[position % EVENT_RING_SLOTS];
    uint64_t words[EVENT_WORDS], whole = 2 * (position + 1);
    if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != whole) {
        return false;
    }
    for (size_t i = 0; i < EVENT_WORDS; i++) {
        words[i] = atomic_load_explicit(&slot->words[i], memory_order_acquire);
    }
    if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != whole) {
        return false;
    }
    memcpy(event, words, sizeof(*event));
    return true;
}

void
event_cursor_init(struct event_cursor *cursor, const struct event_ring *ring)
{
    struct event latest = {0};
    do {
        cursor->position = atomic_load_explicit(&ring->position, memory_order_acquire);
    } while (cursor->position > 0 && !read_slot(ring, cursor->position - 1, &latest));
    memcpy(cursor->seen, latest.seen, sizeof(cursor->seen));
}

/* How many wanted events were between the last that was read and this one. */
static uint64_t
gap(struct event_cursor *cursor, uint32_t streams, const struct event *event)
{
    uint64_t missed = 0;
    for (unsigned i = 0; i < WATCH_STREAM_COUNT; i++) {
        uint64_t before = event->seen[i] - (i == event->stream);
        if (streams & 1u << i) {
            missed += before - cursor->seen[i];
        }
        cursor->seen[i] = event->seen[i];
    }
    return missed;
}

bool
event_ring_next(const struct event_ring *ring, struct event_cursor *cursor, uint32_t streams,
                struct event *event, uint64_t *missed)
{
    for (;;) {
        uint64_t end = atomic_load_explicit(&ring->position, memory_order_acquire);
        if (cursor->position == end) {
            return false;
        }
        if (!read_slot(ring, cursor->position, event)) {
            /* Overtaken: half a ring ahead, so that it does not happen again at once. */
            end = atomic_load_explicit(&ring->position, memory_order_acquire);
            cursor->position = end - EVENT_RING_SLOTS / 2;
            continue;
        }
        cursor->position++;
        *missed += gap(cursor, streams, event);
        if (streams & 1u << event->stream) {
            return true;
        }
    }
}
