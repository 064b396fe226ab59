/* prefixes.h - `stats detail`: gets, hits, sets and deletes by key prefix, the
 * part of a key before the delimiter (-D, ':').
 *
 * Off, it costs a command one relaxed load. On, each worker counts into a table
 * of its own, under a lock that nobody else wants but a dump; the dump adds the
 * tables up. Memory is fixed: what would be the prefix after PREFIXES_MAX of one
 * worker is counted together as PREFIXES_OTHERS.
 *
 * Threads: any; each table has its lock. */
#pragma once
#include "common/core/buf.h"

#include <stdatomic.h>

#define PREFIXES_MAX    1000
#define PREFIXES_OTHERS "(others)"

enum prefix_count { PREFIX_GETS, PREFIX_HITS, PREFIX_SETS, PREFIX_DELETES, PREFIX_COUNTS };

/* What `stats detail` and -D set. */
struct prefix_settings {
    atomic_bool enabled;
    char delimiter;
};

struct prefix_table;

/* Room for `prefixes` of them. */
struct prefix_table *prefix_table_create(unsigned prefixes);
void prefix_table_destroy(struct prefix_table **t);
void prefix_table_clear(struct prefix_table *t);

/* Counts one of `what` for the key's prefix; a key without delimiter has none. */
void prefix_table_count(struct prefix_table *t, struct span key, char delimiter,
                        enum prefix_count what);

/* Adds all of `from` to `to`. */
void prefix_table_add(struct prefix_table *to, struct prefix_table *from);

/* "PREFIX <prefix> get <n> hit <n> set <n> del <n>" for each; bytes that would end
 * a word or the line, which a base64 key may have, as %XX. */
void prefix_table_put(struct prefix_table *t, struct buf *out);
