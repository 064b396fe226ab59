/* sorted.h - pointers to named things, sorted by name: found by bisection,
 * walked in the order in which people and documents list them. The first member
 * of each thing is its `char *name`. One owner, no lock. */
#pragma once
#include "common/core/span.h"

struct sorted {
    void **items;
    unsigned count, cap;
};

#define SORTED_EMPTY ((struct sorted){0})

/* Frees the array, not the things. */
void sorted_deinit(struct sorted *s);

/* NULL if there is none of that name. */
void *sorted_find(const struct sorted *s, struct span name);

/* The name may not be in yet. */
void sorted_insert(struct sorted *s, void *item);

/* Takes the thing out and returns it; NULL if there is none. */
void *sorted_remove(struct sorted *s, struct span name);
