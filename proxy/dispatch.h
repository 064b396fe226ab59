/* dispatch.h - from a parsed command to what is done with it. */
#pragma once
#include "common/proto/request.h"

struct client;

/* `r` was PARSE_OK; `block` is its value with CRLF, whole and checked, or empty.
 * The client is answered in its order, now or later. */
void dispatch(struct client *c, const struct request *r, struct span block);
