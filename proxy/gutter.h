/* gutter.h - the small pool that stands in for nodes that are DOWN. Pure.
 *
 * While a key's owner cannot be reached its reads and sets go to the gutter, and
 * nothing stays there for longer than the pool's gutter_ttl_s. What builds on a
 * value (incr, cas, add, ...) does not: two places for one counter or one lock
 * are worse than an error. Neither do reads that ask for the CAS value, which a
 * client would compare with the owner's later.
 *
 * Deletes, and all other writes, go there too while something may be there. */
#pragma once
#include "common/proto/request.h"

struct buf;

enum gutter_use {
    GUTTER_NEVER,
    GUTTER_READ,
    GUTTER_STORE,
    GUTTER_DELETE,
};

/* What the gutter may do for this request. `form` is the request's form_of(). */
enum gutter_use gutter_use(const struct request *r, uint8_t form);

/* May a read of this form be served by the gutter? */
bool gutter_serves(uint8_t form);

/* A client's exptime, as it must be for an item that lives `ttl_s` at most. */
int64_t gutter_exptime(int64_t exptime, uint64_t ttl_s, uint64_t wall_s);

/* Appends the line of a set or ms as request_put_line() does, with this exptime.
 * False when the system has no memory. */
bool gutter_put_store(struct buf *out, const struct request *r, int64_t exptime);
