/* ringcheck.h - does a ring agree with what real clients did?
 *
 * Reads CSV lines `scheme,servers,key,server` (as in t/data/ring_vectors.csv.gz:
 * `servers` is "host:port:weight ..." with blanks between), or `key,server` for
 * a pool that the caller names, and counts per scheme how many keys the ring
 * places on the same server. Behind `mfctl ring verify` and the unit test of
 * all rings. One thread; pure but for the streams it is handed. */
#pragma once
#include "common/fleet/ringscheme.h"
#include "common/fleet/table.h"

#include <stdio.h>

#define RINGCHECK_SHOWN 5 /* differences that are kept per scheme */

struct ringcheck_difference {
    char *key, *expected;
    char *ours; /* the server of our ring */
};

struct ringcheck_tally {
    char *scheme;
    uint64_t agree, differ;
    uint64_t unsupported; /* lines of a scheme that no ring here serves */
    uint64_t malformed;   /* lines that are not such CSV, or name unusable servers */
    struct ringcheck_difference differences[RINGCHECK_SHOWN];
    unsigned shown;
};

struct ringcheck;

/* With `pool` NULL lines have four columns and each scheme brings its ring. With
 * a pool lines are `key,server` and are compared with that pool; `server` is a
 * node's id, address, ring name or, for host:11211, its host. The pool outlives
 * the check. */
struct ringcheck *ringcheck_create(const struct table_pool *pool);
void ringcheck_destroy(struct ringcheck **check);

/* One line without its newline. A header line (`scheme,…` or `key,…`) and empty
 * lines are skipped. */
void ringcheck_line(struct ringcheck *check, struct span line);

/* All lines of `in`, at most 64 KB each (longer ones count as malformed). False
 * if reading failed; errno says why. */
bool ringcheck_file(struct ringcheck *check, FILE *in);

unsigned ringcheck_count(const struct ringcheck *check);
const struct ringcheck_tally *ringcheck_tally(const struct ringcheck *check, unsigned i);

/* A line per scheme, its first differences below it, and a sum. */
void ringcheck_print(const struct ringcheck *check, FILE *out);

/* True if something was compared and nothing differed or was malformed;
 * unsupported schemes do not count against it. */
bool ringcheck_agrees(const struct ringcheck *check);

/* Writes how `pool` places `key`: the part that is hashed, the hash, the point
 * that it hits, and the node, a line each. */
void ringcheck_explain(const struct table_pool *pool, struct span key, FILE *out);
