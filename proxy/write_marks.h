/* write_marks.h - has a key been written since? Asked of every read that would
 * share another's fetch, so that nobody is told a value older than a write that
 * was acknowledged to him.
 *
 * One array for the whole proxy, since a client may write by one connection and
 * read by another that a different worker serves. A write moves its key's mark
 * when it is queued for its node and again when it is answered, failed or lost.
 * A fetch notes the mark before it is queued; while the mark is still the same,
 * no write of the key was begun or acknowledged after that.
 *
 * Keys share marks by their hash: a fetch may be taken for outdated when it is
 * not, which costs one request, never the other way round.
 *
 * Threads: all may call everything. Pure. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#define WRITE_MARKS 4096

struct write_marks {
    _Atomic uint32_t all; /* moved by what writes every key */
    _Atomic uint32_t keys[WRITE_MARKS];
};

static inline void
write_marks_move(struct write_marks *m, uint64_t hash)
{
    atomic_fetch_add(&m->keys[hash % WRITE_MARKS], 1);
}

static inline void
write_marks_move_all(struct write_marks *m)
{
    atomic_fetch_add(&m->all, 1);
}

/* Both parts only grow, so their sum stays the same only if both do. */
static inline uint32_t
write_marks_read(struct write_marks *m, uint64_t hash)
{
    return atomic_load(&m->keys[hash % WRITE_MARKS]) + atomic_load(&m->all);
}
