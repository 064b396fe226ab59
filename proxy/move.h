/* move.h - what is asked where, and in which order, for a key that is on its way
 * from an old owner to a new one. Pure; docs/moving-keys.md is its prose, and
 * moving.h carries it out.
 *
 *     step      read                    delete     set               what builds on the value
 *     prepare   old                     old, new   old, delete new   old, delete new
 *     warm      new, on a miss old,     old, new   delete old, new   fill new, delete old, new
 *               which fills new
 *     active    new                     old, new   delete old, new   delete old, new
 *
 * Whatever changes a value reaches the old owner before the new one, since the new
 * one is filled from there: an old value that is copied after the change at the new
 * owner would stay. Between the two the answer of the first is waited for. */
#pragma once
#include "common/fleet/table.h"
#include "common/proto/request.h"
#include "proxy/failure.h"

enum move_op {
    MOVE_OP_READ,   /* changes nothing, and asks for no more than its value and what stands by it */
    MOVE_OP_LOOK,   /* changes nothing, and is the item's owner's to answer */
    MOVE_OP_STORE,  /* whatever there was */
    MOVE_OP_BUILD,  /* what it does, and whether, depends on what there is */
    MOVE_OP_DELETE, /* whatever there is */
    MOVE_OP_PLAIN,  /* goes where reads go, as if nothing moved */
};
/* `form` is the request's form_of(). */
enum move_op move_op_of(const struct request *r, uint8_t form);

enum move_act {
    MOVE_END,       /* nothing is left to do */
    MOVE_READ_BOTH, /* read the new owner; on a miss the old one, and fill */
    MOVE_READ_NEW,  /* read the new owner, where an empty claim is a miss */
    MOVE_FILL,      /* as MOVE_READ_BOTH, for what comes next */
    MOVE_CLEAR,     /* take an empty claim away at the new owner */
    MOVE_AT_OLD,    /* the request itself */
    MOVE_AT_NEW,
    MOVE_DELETE_OLD, /* a delete of the key */
    MOVE_DELETE_NEW,
};
#define MOVE_ACTS_MAX 3

/* What is done `at`-th, from 0, of a request at this step. MOVE_END at 0: the
 * request goes as if nothing moved, to where reads go. */
enum move_act move_act(enum move_step step, enum move_op op, unsigned at);

/* `act` was not done, and what failure leaves to be done at its node is in hand:
 * what is to be done next, before the client is told that it failed.
 * `may_be_done`: nobody knows, or the old value has to go all the same. */
enum move_act move_after_failure(enum move_op op, enum move_act act, bool may_be_done);

/* Does the request change anything? */
static inline bool
move_op_writes(enum move_op op)
{
    return op == MOVE_OP_STORE || op == MOVE_OP_BUILD || op == MOVE_OP_DELETE;
}
