/* copy_name.h - what the copy of a hot key is called at the node that has it. Pure.
 *
 *     <key> 0xff "copy." <8 hex digits: of whose item>     the table lists the key
 *     <key> 0xff "here." <8 hex digits>                    it is hot for one proxy
 *
 * Under the key itself a node has what it has as the key's owner, and nothing else:
 * another table may make any node that, and a plain get does not tell an item from a
 * copy that others have outdated since, or from the empty item under which one is
 * made. Nor does it make a difference to a copy whose it is unless its name says so.
 *
 * No text has 0xff in it. A client may name a key so all the same; then it meets
 * copies, or spoils its own. */
#pragma once
#include "common/core/span.h"

#include <stdbool.h>
#include <stdint.h>

#define COPY_NAME_MARK_BYTES 14 /* what is behind the key */

enum copy_kind { COPY_OF_LISTED, COPY_OF_HERE };

/* May the key have copies? Not if the name would be longer than nodes take, in base64
 * if the key is none for text. */
bool copy_name_fits(struct span key);

/* What the name says of the owner; by its id, since its address may differ from proxy
 * to proxy. */
uint32_t copy_name_tag(const char *owner_id);

/* Into `room`, of KEY_MAX_BYTES; the key may stand there already. It fits. */
struct span copy_name_put(struct span key, enum copy_kind kind, uint32_t tag, char *room);

/* Does it end like one? */
bool copy_name_is(struct span name);
