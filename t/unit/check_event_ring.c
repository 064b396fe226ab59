/* The ring of events: what a reader gets, and what it knows that it missed. */
#include "cached/event_ring.h"
#include "t/unit/unit.h"

#include <pthread.h>
#include <stdio.h>

#define ALL ((1u << WATCH_STREAM_COUNT) - 1)

static struct event_ring *ring;

static void
put(enum watch_stream stream, uint64_t gid)
{
    struct event event = {.stream = (uint8_t)stream, .gid = gid};
    event.key_bytes =
        (uint8_t)snprintf(event.key, sizeof(event.key), "key%llu", (unsigned long long)gid);
    event_ring_put(ring, &event);
}

START_TEST(tells_in_order)
{
    struct event_cursor cursor;
    struct event event;
    uint64_t missed = 0;
    ring = event_ring_create();
    put(WATCH_FETCHERS, 1);
    event_cursor_init(&cursor, ring);
    ck_assert(!event_ring_next(ring, &cursor, ALL, &event, &missed));
    put(WATCH_FETCHERS, 2);
    put(WATCH_MUTATIONS, 3);
    put(WATCH_FETCHERS, 4);
    ck_assert(event_ring_next(ring, &cursor, 1u << WATCH_FETCHERS, &event, &missed));
    ck_assert_uint_eq(event.gid, 2);
    ck_assert_mem_eq(event.key, "key2", 4);
    ck_assert(event_ring_next(ring, &cursor, 1u << WATCH_FETCHERS, &event, &missed));
    ck_assert_uint_eq(event.gid, 4);
    ck_assert(!event_ring_next(ring, &cursor, 1u << WATCH_FETCHERS, &event, &missed));
    ck_assert_uint_eq(missed, 0);
    event_ring_destroy(&ring);
}
END_TEST

/* Every wanted event is either read or counted as missed. */
START_TEST(counts_what_was_overwritten)
{
    struct event_cursor cursor;
    struct event event;
    uint64_t missed = 0, read = 0;
    ring = event_ring_create();
    put(WATCH_MUTATIONS, 0);
    event_cursor_init(&cursor, ring);
    for (unsigned i = 0; i < 3 * EVENT_RING_SLOTS; i++) {
        put(i % 3 == 0 ? WATCH_MUTATIONS : WATCH_FETCHERS, i);
    }
    while (event_ring_next(ring, &cursor, 1u << WATCH_MUTATIONS, &event, &missed)) {
        ck_assert_uint_eq(event.stream, WATCH_MUTATIONS);
        read++;
    }
    ck_assert_uint_gt(missed, 0);
    ck_assert_uint_gt(read, 0);
    ck_assert_uint_eq(read + missed, EVENT_RING_SLOTS);
    event_ring_destroy(&ring);
}
END_TEST

#define RACED 300000

static atomic_bool done;

static void *
write_many(void *arg)
{
    for (uint64_t i = 1; i <= RACED; i++) {
        put(WATCH_FETCHERS, i);
    }
    atomic_store(&done, true);
    return NULL;
}

/* A reader beside the writer never sees a torn event, nor one twice, and its
 * accounts are right in the end. */
START_TEST(is_whole_beside_the_writer)
{
    struct event_cursor cursor;
    struct event event;
    uint64_t missed = 0, read = 0, last = 0;
    pthread_t writer;
    ring = event_ring_create();
    event_cursor_init(&cursor, ring);
    atomic_store(&done, false);
    pthread_create(&writer, NULL, write_many, NULL);
    for (bool more = true; more;) {
        more = !atomic_load(&done);
        while (event_ring_next(ring, &cursor, ALL, &event, &missed)) {
            char key[32];
            int n = snprintf(key, sizeof(key), "key%llu", (unsigned long long)event.gid);
            ck_assert_uint_gt(event.gid, last);
            ck_assert_int_eq(event.key_bytes, n);
            ck_assert_mem_eq(event.key, key, (size_t)n);
            last = event.gid;
            read++;
        }
    }
    pthread_join(writer, NULL);
    ck_assert_uint_eq(last, RACED);
    ck_assert_uint_eq(read + missed, RACED);
    event_ring_destroy(&ring);
}
END_TEST

UNIT_MAIN("event_ring", tells_in_order, counts_what_was_overwritten, is_whole_beside_the_writer)
