/* plain.h - the short way of what most requests are: get of one key or of some, set,
 * and mg with flags that change nothing, as clients write them (request_plain.h), of keys
 * whose pool and owner have nothing out of the ordinary about them.
 *
 * It does what dispatch.c would do, and leaves out what would turn out not to be
 * needed. Whatever is not certain to be so goes the general way: another command or
 * another spelling; no table, or one that takes prefixes off; a pool with copies, a near
 * cache, a gutter, a shadow, a move or a limit (roster_pool.plain: whoever adds an option that such
 * a request must heed clears it there); an owner that is not UP and connected, is crowded, or has
 * deletes to come; a key that others may be asking for; a client that has not heard of its own
 * write.
 *
 * Worker's thread only. */
#pragma once
#include "common/core/span.h"

struct client;

/* Does the requests that `input` begins with, as far as back-pressure lets it, and says
 * how long they were; 0: the first is not for here, and nothing has been done. `input`
 * has something, and back-pressure allows of the first. */
size_t plain_take(struct client *c, struct span input);
