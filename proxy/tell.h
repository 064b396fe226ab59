/* tell.h - a client is told, in its own words, what another request has brought:
 * one that it waited for (coalesce.h), or one that is kept (near.h). */
#pragma once
#include "proxy/form.h"
#include "proxy/pending.h"

/* The whole answer of a get or gets of this key. */
void tell_text(struct pending *p, struct span key, const struct fetched *f);

/* Of an mg; `ask` is "<key as on the wire> <flags>", `may_win` as form.h says. */
void tell_meta(struct pending *p, struct span ask, const struct fetched *f, bool may_win);

/* Of one key of a multiget. A miss, or an error of the node, leaves the key out. */
void tell_part(struct pending *p, uint32_t part, const struct fetched *f);
