#include "proxy/move.h"
#include "common/core/assert.h"
#include "proxy/form.h"

static bool
only_has(const struct meta_args *m, const char *letters)
{
    uint64_t allowed = 0;
    for (; *letters != '\0'; letters++) {
        allowed |= meta_bit(*letters);
    }
    return (m->present & ~allowed) == 0;
}

/* C and I compare with what is there. */
static enum move_op
op_of_ms(const struct meta_args *m)
{
    bool sets = m->mode == MODE_DEFAULT || m->mode == MODE_SET;
    return sets && !meta_has(m, 'C') && !meta_has(m, 'I') ? MOVE_OP_STORE : MOVE_OP_BUILD;
}

enum move_op
move_op_of(const struct request *r, uint8_t form)
{
    if (form != FORM_NONE) {
        return MOVE_OP_READ;
    }
    switch (r->cmd) {
    case CMD_SET: return MOVE_OP_STORE;
    case CMD_MS: return op_of_ms(&r->meta);
    case CMD_DELETE: return MOVE_OP_DELETE;
    case CMD_MD: return only_has(&r->meta, "Okqb") ? MOVE_OP_DELETE : MOVE_OP_BUILD;
    case CMD_MG: return form_changes_item(r) ? MOVE_OP_BUILD : MOVE_OP_LOOK;
    case CMD_ME: return MOVE_OP_PLAIN;
    default: return MOVE_OP_BUILD; /* a surprise is the safer for it */
    }
}

enum move_act
move_act(enum move_step step, enum move_op op, unsigned at)
{
    /* clang-format off */
    static const uint8_t acts[][MOVE_OP_PLAIN][MOVE_ACTS_MAX + 1] = {
        [MOVE_PREPARE] = {
            [MOVE_OP_STORE]  = {MOVE_AT_OLD, MOVE_DELETE_NEW},
            [MOVE_OP_BUILD]  = {MOVE_AT_OLD, MOVE_DELETE_NEW},
            [MOVE_OP_DELETE] = {MOVE_AT_OLD, MOVE_AT_NEW},
        },
        [MOVE_WARM] = {
            [MOVE_OP_READ]   = {MOVE_READ_BOTH},
            [MOVE_OP_LOOK]   = {MOVE_FILL, MOVE_AT_NEW},
            [MOVE_OP_STORE]  = {MOVE_DELETE_OLD, MOVE_AT_NEW},
            [MOVE_OP_BUILD]  = {MOVE_FILL, MOVE_DELETE_OLD, MOVE_AT_NEW},
            [MOVE_OP_DELETE] = {MOVE_AT_OLD, MOVE_AT_NEW},
        },
        [MOVE_ACTIVE] = {
            [MOVE_OP_READ]   = {MOVE_READ_NEW},
            [MOVE_OP_LOOK]   = {MOVE_CLEAR, MOVE_AT_NEW},
            [MOVE_OP_STORE]  = {MOVE_DELETE_OLD, MOVE_AT_NEW},
            [MOVE_OP_BUILD]  = {MOVE_CLEAR, MOVE_DELETE_OLD, MOVE_AT_NEW},
            [MOVE_OP_DELETE] = {MOVE_AT_OLD, MOVE_AT_NEW},
        },
        [MOVE_DONE] = {{0}},
    };
    /* clang-format on */
    ASSERT(step <= MOVE_DONE && at <= MOVE_ACTS_MAX);
    return op == MOVE_OP_PLAIN ? MOVE_END : (enum move_act)acts[step][op][at];
}

enum move_act
move_after_failure(enum move_op op, enum move_act act, bool may_be_done)
{
    if (op == MOVE_OP_DELETE) {
        return act == MOVE_AT_OLD ? MOVE_AT_NEW : MOVE_END;
    }
    if (act == MOVE_AT_OLD) { /* what the new owner may have is older than that */
        return may_be_done ? MOVE_DELETE_NEW : MOVE_END;
    }
    /* A set that failed leaves nothing behind, or the old value would be read on. */
    return op == MOVE_OP_STORE && act == MOVE_DELETE_OLD ? MOVE_DELETE_NEW : MOVE_END;
}
