/* purge.h - what the system gets back of the items' memory, and when.
 *
 * Giving a range back makes every processor on which the process runs forget its
 * addresses: one by one up to 33 pages, which where the system is a guest takes 3 us a
 * page and several times that while its processors are shared, and all at once beyond
 * that. So memory goes in batches of ranges, by one call from Linux 6.16 on, and what is
 * small waits for more.
 *
 * Lock: all of it under the segments' lock. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct segment;
struct segments;

#define PURGE_TAILS_MAX 16

struct purge {
    uint32_t tails[PURGE_TAILS_MAX]; /* numbers of segments with a tail */
    unsigned tail_count;
    uint64_t tail_bytes;
    uint64_t draft; /* resident over the limit because that was lowered: not more than this */
    bool singly;    /* the system takes no batches */
};

/* When memory was taken that may not be resident: if too much is, some goes back. */
void purge_for_taken(struct segments *s);

/* Gives up to about `bytes` of what is more than `keep` back. True if that leaves more. */
bool purge_spare(struct segments *s, uint64_t bytes, uint64_t keep);

/* Gives all free memory back. */
void purge_all(struct segments *s);

/* Behind what the segment or run is charged for, so many bytes are resident, which nobody
 * uses: they go back with others. */
void purge_tail_later(struct segments *s, struct segment *seg, uint32_t bytes);
/* The segment is free: its tail, if that is still there, is kept with the rest. Returns how
 * many bytes that are. */
uint32_t purge_keep_tail(struct segments *s, struct segment *seg);

/* What is over a lower limit then goes back bit by bit. */
void purge_limit_changed(struct segments *s);
