/* uri.h - keys in lines that other programs split at blanks. */
#pragma once
#include "common/core/span.h"

#define URI_ENCODED_BYTES(n) (3 * (n)) /* at most */

/* Writes `text` so that only letters, digits and "-._~" stand for themselves,
 * every other byte is %XX. Needs URI_ENCODED_BYTES(text.len) bytes at `out`;
 * returns how many it wrote. */
size_t uri_encode(struct span text, char *out);

/* The same, but only of blanks, control bytes and DEL is made %XX: for lines in
 * which a text key stands as it is, and a base64 key must not end the line. */
size_t uri_encode_blanks(struct span text, char *out);
