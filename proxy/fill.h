/* fill.h - makes a copy of a hot key that is never older than a delete.
 *
 *     replica   mg k' t N E<token>          an empty item, ours if the answer has W
 *     owner     mg k v f c t                what there is now
 *     replica   ms k' C<token> E<cas> ...   if that item still stands there
 *
 * k' is the name of the copy (copy_name.h): the node may become the key's owner. *
 * A delete that comes to the replica between the first and the last takes the
 * token away, so that the last is refused; a write whose delete came before the
 * first was at the owner before the second. Until it is filled the empty item is
 * marked Z, which says to every proxy that there is no copy. It needs memcached's
 * meta commands; a node that lacks them never has copies, and is never read.
 *
 * A key that is hot here only is not deleted at its replicas by others, so nothing
 * is claimed: it is read and stored, and the worker remembers by which CAS value
 * it knows its copy.
 *
 * If the owner's item is stale the fill ends, and gives back the right to refill
 * it that the owner may have given to it. Worker's thread only. */
#pragma once
#include "common/proto/reply.h"
#include "common/proto/request.h"
#include "proxy/lookup_key.h"

#define FILL_VALUE_MAX   (1u << 20) /* longer values have no copies */
#define FILL_TOKEN_S     3          /* an empty item that is not filled goes after so long */
#define FILL_LOCAL_TTL_S 2          /* nodes count whole seconds, so that one may be none */

struct backend;
struct copied_key;
struct leg;
struct roster;
struct worker;

enum fill_step { FILL_CLAIMS, FILL_READS, FILL_STORES };

struct fill {
    struct backend *target;
    struct backend *owner;
    uint64_t hash;
    unsigned pool;
    enum fill_step step;
    bool local; /* hot here only: */
    uint32_t mark;
    uint64_t cas;
    uint64_t token;
    uint64_t read_us;  /* when the owner was asked */
    uint64_t fresh_us; /* how long what it stores may be read */
    uint8_t key_bytes;
    uint8_t name_bytes; /* of the copy's name, which begins with the key */
    char key[KEY_MAX_BYTES];
};

/* Begins to make the copy k->at[i]. Both nodes are open. */
void fill_begin(struct worker *w, struct copied_key *k, unsigned i);

/* The answer to its leg; there will be none. */
void fill_piece(struct leg *leg, const struct reply_piece *piece);
void fill_failed(struct leg *leg);
