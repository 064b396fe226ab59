/* base64.h - RFC 4648 section 4: the standard alphabet, padded. etcd's gateway
 * and the meta protocol's `b` flag both speak exactly this. */
#pragma once
#include "common/core/span.h"

#include <sys/types.h>

#define BASE64_ENCODED_BYTES(n) (((n) + 2) / 3 * 4)
#define BASE64_DECODED_BYTES(n) ((n) / 4 * 3)

/* Writes BASE64_ENCODED_BYTES(in.len) bytes to `out`, no terminator; returns
 * that number. */
size_t base64_encode(struct span in, char *out);

/* Decodes strictly (length a multiple of 4, padding only at the end, nothing
 * outside the alphabet) into `out`, which has room for
 * BASE64_DECODED_BYTES(in.len). Returns the length, or -1. */
ssize_t base64_decode(struct span in, char *out);
