/* selfvalue.h - keys and values that a trace's numbers stand for.
 *
 * A value is a function of its key: it begins with the key and goes on with
 * bytes that the key chooses. So whoever reads a value can tell, without having
 * written it, whether it is the right one and whole. Pure. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>

#define SELFVALUE_KEY_CHARS 10 /* "t:" and eight hex digits */
#define SELFVALUE_BYTES_MIN SELFVALUE_KEY_CHARS
#define SELFVALUE_BYTES_MAX (512u << 10)

/* Writes the key of `id` (SELFVALUE_KEY_CHARS bytes, no terminator). */
void selfvalue_key(uint32_t id, char *out);

/* How long the value of `id` is: between `min` and `max` bytes, most of them
 * near `min`, as in caches of objects. */
size_t selfvalue_bytes(uint32_t id, size_t min, size_t max);

/* The flags that are stored with it. */
uint32_t selfvalue_flags(uint32_t id);

/* Writes the first `bytes` bytes of the value. */
void selfvalue_fill(uint32_t id, char *out, size_t bytes);

bool selfvalue_equals(uint32_t id, struct span value);
