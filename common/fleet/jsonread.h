/* jsonread.h - reads members of JSON objects strictly, with errors that name the
 * place and what was expected there.
 *
 * Failure sticks: after the first one every further read does nothing and
 * returns the fallback, so a reader is written straight down and asks once at
 * its end. One thread, as the json_t it reads. */
#pragma once
#include "common/core/span.h"

#include <jansson.h>
#include <stdint.h>

#define JSONREAD_ERROR_MAX 512

struct jsonread {
    bool failed;
    char error[JSONREAD_ERROR_MAX]; /* one sentence, "pools.main.nodes[3].weight: expected ..." */
};

/* Where a read happens: an object and its place in the document ("" at the top). */
struct jsonread_at {
    const json_t *object;
    const char *place;
};

/* Whether a member may be missing. */
enum jsonread_need { JSONREAD_REQUIRED, JSONREAD_OPTIONAL };

/* Parses a whole document: duplicate members, deep nesting and anything behind
 * the end are refused, and the top must be an object. NULL on failure. */
json_t *jsonread_document(struct jsonread *r, struct span text);

/* Fails with "place.member: message". `member` may be NULL. */
void jsonread_fail(struct jsonread *r, struct jsonread_at at, const char *member,
                   const char *message, ...) __attribute__((format(printf, 4, 5)));

/* NULL if absent and optional, or on failure. */
const json_t *jsonread_object(struct jsonread *r, struct jsonread_at at, const char *member);
const json_t *jsonread_array(struct jsonread *r, struct jsonread_at at, const char *member);

/* A string of at most `max_bytes`, without control characters; lives as long as
 * the JSON. Optional and absent, or on failure: NULL. A required one is not
 * empty. */
const char *jsonread_string(struct jsonread *r, struct jsonread_at at, const char *member,
                            enum jsonread_need need, size_t max_bytes);

/* A whole number within [min, max]. */
uint64_t jsonread_u64(struct jsonread *r, struct jsonread_at at, const char *member,
                      enum jsonread_need need, uint64_t min, uint64_t max, uint64_t fallback);

bool jsonread_bool(struct jsonread *r, struct jsonread_at at, const char *member, bool fallback);

/* One of `words`; returns its index. */
unsigned jsonread_word(struct jsonread *r, struct jsonread_at at, const char *member,
                       const char *const *words, unsigned count, unsigned fallback);
