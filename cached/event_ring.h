/* event_ring.h - the latest events of one worker, for any number of readers who
 * may be slower than it.
 *
 *     worker --put--> [ slot | slot | slot | ... ]   never waits, overwrites the oldest
 *                        ^              ^
 *                     reader A       reader B        each with a cursor of its own
 *
 * A slot carries a sequence number that is odd while it is being written. The
 * writer stores it, then the words of the event with release order, then the
 * even number with release. A reader loads the number with acquire, then the
 * words with acquire, then the number again: had a word been of a later event,
 * that load would have made the odd number visible too, and the two would
 * differ. So nobody waits and no torn event is ever taken for a whole one.
 *
 * Each event carries how many of each stream there have been, so that a reader
 * who was overtaken knows exactly how many it has missed.
 *
 * Threads: event_ring_put() by the one writer; readers anywhere. */
#pragma once
#include "cached/store/store.h"
#include "common/proto/watch_stream.h"

#include <stdatomic.h>

enum event_kind {
    EVENT_FETCH,
    EVENT_STORE,
    EVENT_DELETE,
    EVENT_EVICTION,
    EVENT_OPENED,
    EVENT_CLOSED,
    EVENT_HOTKEY,
};

struct event {
    uint64_t seen[WATCH_STREAM_COUNT]; /* events of each stream so far, this one included */
    uint64_t gid;                      /* grows over all workers */
    uint64_t wall_ms;
    uint64_t value_bytes; /* EVENT_HOTKEY: the count */
    int64_t ttl_s;        /* 0 never; EVENT_EVICTION: -1 never; EVENT_HOTKEY: the count's error */
    uint64_t idle_s;      /* EVENT_EVICTION: since the last access */
    const char *status;   /* static text; EVENT_CLOSED: the reason; EVENT_HOTKEY: the order */
    const char *command;  /* static text; EVENT_OPENED, EVENT_CLOSED: the transport */
    int fd;
    uint16_t port;
    uint8_t kind;
    uint8_t stream;
    uint8_t class; /* EVENT_HOTKEY: the rank */
    uint8_t key_bytes;
    char key[STORE_KEY_MAX]; /* EVENT_OPENED, EVENT_CLOSED: the peer's address */
};

#define EVENT_RING_SLOTS 2048
#define EVENT_WORDS      ((sizeof(struct event) + 7) / 8)

struct event_slot {
    _Atomic uint64_t sequence; /* 2 * (position + 1) when whole, odd while written */
    _Atomic uint64_t words[EVENT_WORDS];
};

struct event_ring {
    _Atomic uint64_t position; /* events put so far */
    uint64_t seen[WATCH_STREAM_COUNT];
    struct event_slot slots[EVENT_RING_SLOTS];
};

/* One reader's place in one ring. */
struct event_cursor {
    uint64_t position;
    uint64_t seen[WATCH_STREAM_COUNT];
};

/* Zeroed memory; pages that are never written cost nothing. */
struct event_ring *event_ring_create(void);
void event_ring_destroy(struct event_ring **ring);

/* Fills in event->seen. */
void event_ring_put(struct event_ring *ring, struct event *event);

/* Places the cursor behind the latest event. */
void event_cursor_init(struct event_cursor *cursor, const struct event_ring *ring);

/* Takes the next event of a wanted stream (`streams`: bit 1 << enum
 * watch_stream). False if there is none now. Adds to *missed the wanted events
 * that were overwritten before they could be read. */
bool event_ring_next(const struct event_ring *ring, struct event_cursor *cursor, uint32_t streams,
                     struct event *event, uint64_t *missed);
