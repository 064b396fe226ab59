#include "cached/store/purge.h"
#include "cached/store/segments.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define RANGES_MAX  (2 * PURGE_TAILS_MAX) /* of a batch, tails among them */
#define BATCH_MIN   (256u << 10)          /* less takes as long, and up to 33 pages longer */
#define BATCH_MAX   (2u << 20)            /* a tenth of a millisecond */
#define SLACK_SHARE 512                   /* of the limit: so much may be resident beyond it */
#define SLACK_MAX   (256u << 10)
#define SLACKS_FAR  16 /* and never so many times as much */

/* The calling process, to process_madvise(); known since the system takes it there. */
#define SELF (-10001)

struct batch {
    struct iovec ranges[RANGES_MAX];
    unsigned count;
    uint64_t bytes;
};

static void
add(struct segments *s, struct batch *b, const struct segment *from, uint64_t skip, uint64_t bytes)
{
    b->ranges[b->count++] = (struct iovec){segment_memory(s, from) + skip, bytes};
    b->bytes += bytes;
}

/* --- giving back ------------------------------------------------------------- */

/* False if the system does not know how: it is older, or will not let us. */
static bool
send_together(const struct batch *b)
{
#ifdef SYS_process_madvise
    return syscall(SYS_process_madvise, SELF, b->ranges, b->count, MADV_DONTNEED, 0) ==
           (long)b->bytes;
#else
    return false;
#endif
}

static void
send_one(struct segments *s, const struct iovec *range)
{
    if (s->file != NULL) {
        memory_file_give_back(s->file, (uint64_t)((char *)range->iov_base - s->base),
                              range->iov_len);
    } else {
        madvise(range->iov_base, range->iov_len, MADV_DONTNEED);
    }
}

static void
send_back(struct segments *s, const struct batch *b)
{
    bool together = b->count > 1 && s->file == NULL && !s->purge.singly;
    if (together && send_together(b)) {
        return;
    }
    s->purge.singly |= together;
    for (unsigned i = 0; i < b->count; i++) {
        send_one(s, &b->ranges[i]);
    }
}

/* --- what goes --------------------------------------------------------------- */

static void
add_tails(struct segments *s, struct batch *b)
{
    for (unsigned i = 0; i < s->purge.tail_count; i++) {
        struct segment *seg = &s->all[s->purge.tails[i]];
        add(s, b, seg, seg->bytes, seg->tail_bytes);
        seg->tail_bytes = 0;
    }
    s->purge.tail_count = 0;
    s->purge.tail_bytes = 0;
}

/* One row of places, of about so many bytes at most. */
static void
add_places(struct segments *s, struct batch *b, uint64_t bytes)
{
    uint32_t n, most = (uint32_t)((bytes + s->segment_bytes - 1) >> s->segment_shift);
    uint32_t first = places_chill(&s->places, most, &n);
    ASSERT(first != 0); /* warm_bytes says that there is one */
    for (uint32_t i = first; i < first + n; i++) {
        s->warm_bytes -= s->all[i].bytes;
        s->all[i].bytes = 0;
    }
    add(s, b, &s->all[first], 0, (uint64_t)n << s->segment_shift);
}

/* All tails, and places of about so many bytes in all, unless these were too many pieces. */
static void
purge(struct segments *s, uint64_t bytes)
{
    struct batch b = {.count = 0};
    bytes = bytes < BATCH_MAX ? bytes : BATCH_MAX;
    add_tails(s, &b);
    while (b.bytes < bytes && b.count < RANGES_MAX && s->warm_bytes > 0) {
        add_places(s, &b, bytes - b.bytes);
    }
    send_back(s, &b);
}

/* --- when -------------------------------------------------------------------- */

/* How much of what is resident or may become so is too much, if so many bytes may be kept
 * free. */
static uint64_t
surplus(const struct segments *s, uint64_t keep)
{
    uint64_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&s->used, memory_order_relaxed);
    uint64_t room = used < limit ? limit - used : 0;
    uint64_t spare = s->warm_bytes + s->purge.tail_bytes;
    keep = keep < room ? keep : room;
    return spare > keep ? spare - keep : 0;
}

static uint64_t
resident_over(const struct segments *s)
{
    uint64_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&s->used, memory_order_relaxed);
    uint64_t all = used + s->warm_bytes + s->purge.tail_bytes;
    return all > limit ? all - limit : 0;
}

void
purge_limit_changed(struct segments *s)
{
    s->purge.draft = resident_over(s);
}

/* Not for a segment or two, which will be used again before long. */
static uint64_t
slack(const struct segments *s)
{
    uint64_t share = atomic_load_explicit(&s->limit, memory_order_relaxed) / SLACK_SHARE;
    return share < SLACK_MAX ? share : SLACK_MAX;
}

/* However much is taken at once, it comes down to this. */
static uint64_t
most_beyond(struct segments *s)
{
    if (s->purge.draft > 0) {
        uint64_t over = resident_over(s);
        s->purge.draft = over < s->purge.draft ? over : s->purge.draft;
    }
    return slack(s) * SLACKS_FAR + s->purge.draft;
}

void
purge_for_taken(struct segments *s)
{
    uint64_t over = surplus(s, UINT64_MAX);
    if (__builtin_expect(over <= slack(s), 1)) {
        return;
    }
    purge(s, BATCH_MIN);
    uint64_t most = most_beyond(s);
    while ((over = surplus(s, UINT64_MAX)) > most) {
        purge(s, over);
    }
}

bool
purge_spare(struct segments *s, uint64_t bytes, uint64_t keep)
{
    uint64_t over = surplus(s, keep);
    if (over <= slack(s)) {
        return false;
    }
    bytes = bytes < over ? bytes : over;
    purge(s, bytes > BATCH_MIN ? bytes : BATCH_MIN);
    return surplus(s, keep) > slack(s);
}

void
purge_all(struct segments *s)
{
    while (s->warm_bytes + s->purge.tail_bytes > 0) {
        purge(s, BATCH_MAX);
    }
}

/* --- tails ------------------------------------------------------------------- */

void
purge_tail_later(struct segments *s, struct segment *seg, uint32_t bytes)
{
    ASSERT(seg->tail_bytes == 0);
    if (s->purge.tail_count == PURGE_TAILS_MAX) {
        purge(s, 0);
    }
    s->purge.tails[s->purge.tail_count++] = (uint32_t)(seg - s->all);
    s->purge.tail_bytes += bytes;
    seg->tail_bytes = bytes;
}

uint32_t
purge_keep_tail(struct segments *s, struct segment *seg)
{
    uint32_t bytes = seg->tail_bytes;
    for (unsigned i = 0; bytes > 0 && i < s->purge.tail_count; i++) {
        if (&s->all[s->purge.tails[i]] == seg) {
            s->purge.tails[i] = s->purge.tails[--s->purge.tail_count];
            break;
        }
    }
    s->purge.tail_bytes -= bytes;
    seg->tail_bytes = 0;
    return bytes;
}
