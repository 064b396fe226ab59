/* Every (step, operation): what is asked where, and what follows a failure. */
#include "proxy/form.h"
#include "proxy/move.h"
#include "t/unit/unit.h"

static const char *const act_names[] = {
    [MOVE_END] = "",       [MOVE_READ_BOTH] = "both",  [MOVE_READ_NEW] = "read",
    [MOVE_FILL] = "fill",  [MOVE_CLEAR] = "clear",     [MOVE_AT_OLD] = "OLD",
    [MOVE_AT_NEW] = "NEW", [MOVE_DELETE_OLD] = "-old", [MOVE_DELETE_NEW] = "-new",
};

static const char *
acts(enum move_step step, enum move_op op)
{
    static char text[64];
    text[0] = '\0';
    for (unsigned at = 0; move_act(step, op, at) != MOVE_END; at++) {
        ck_assert_uint_lt(at, MOVE_ACTS_MAX);
        strcat(text, at > 0 ? " " : "");
        strcat(text, act_names[move_act(step, op, at)]);
    }
    return text;
}

START_TEST(the_table_is_that_of_the_manual)
{
    static const char *const rows[][MOVE_OP_PLAIN + 1] = {
        /*              read    look         store        build             delete     plain */
        [MOVE_NONE] = {"", "", "", "", "", ""},
        [MOVE_PREPARE] = {"", "", "OLD -new", "OLD -new", "OLD NEW", ""},
        [MOVE_WARM] = {"both", "fill NEW", "-old NEW", "fill -old NEW", "OLD NEW", ""},
        [MOVE_ACTIVE] = {"read", "clear NEW", "-old NEW", "clear -old NEW", "OLD NEW", ""},
        [MOVE_DONE] = {"", "", "", "", "", ""},
    };
    for (enum move_step step = MOVE_NONE; step <= MOVE_DONE; step++) {
        for (enum move_op op = MOVE_OP_READ; op <= MOVE_OP_PLAIN; op++) {
            ck_assert_str_eq(acts(step, op), rows[step][op]);
        }
    }
}
END_TEST

static bool
touches_old(enum move_act act)
{
    return act == MOVE_AT_OLD || act == MOVE_DELETE_OLD;
}

static bool
touches_new(enum move_act act)
{
    return act == MOVE_AT_NEW || act == MOVE_DELETE_NEW;
}

/* The rules of the model: both owners hear of every change, the old one first; and
 * nothing is copied after the old one has heard of it. */
START_TEST(changes_come_to_the_old_owner_first)
{
    for (enum move_step step = MOVE_PREPARE; step <= MOVE_ACTIVE; step++) {
        for (enum move_op op = MOVE_OP_STORE; op <= MOVE_OP_DELETE; op++) {
            int old = -1, new = -1, fill = -1;
            for (unsigned at = 0; at < MOVE_ACTS_MAX; at++) {
                enum move_act act = move_act(step, op, at);
                old = touches_old(act) ? (int)at : old;
                new = touches_new(act) ? (int)at : new;
                fill = act == MOVE_FILL ? (int)at : fill;
            }
            ck_assert_int_ge(old, 0);
            ck_assert_int_gt(new, old);
            ck_assert_int_lt(fill, old);
        }
    }
}
END_TEST

START_TEST(a_failed_change_leaves_no_old_value)
{
    /* The old owner did not confirm a set: nothing may be stored at the new one. */
    ck_assert_int_eq(move_after_failure(MOVE_OP_STORE, MOVE_DELETE_OLD, true), MOVE_DELETE_NEW);
    ck_assert_int_eq(move_after_failure(MOVE_OP_STORE, MOVE_DELETE_OLD, false), MOVE_DELETE_NEW);
    ck_assert_int_eq(move_after_failure(MOVE_OP_STORE, MOVE_AT_OLD, true), MOVE_DELETE_NEW);
    ck_assert_int_eq(move_after_failure(MOVE_OP_BUILD, MOVE_AT_OLD, true), MOVE_DELETE_NEW);
    ck_assert_int_eq(move_after_failure(MOVE_OP_BUILD, MOVE_AT_OLD, false), MOVE_END);
    ck_assert_int_eq(move_after_failure(MOVE_OP_DELETE, MOVE_AT_OLD, true), MOVE_AT_NEW);
    /* What builds on a value has not been done, and the value is as good as it was. */
    ck_assert_int_eq(move_after_failure(MOVE_OP_BUILD, MOVE_DELETE_OLD, true), MOVE_END);
    for (enum move_op op = MOVE_OP_READ; op <= MOVE_OP_DELETE; op++) {
        for (enum move_act act = MOVE_READ_BOTH; act <= MOVE_DELETE_NEW; act++) {
            enum move_act next = move_after_failure(op, act, true);
            ck_assert(next == MOVE_END || touches_new(next));
            ck_assert(!touches_new(act) || next == MOVE_END);
            ck_assert(next != MOVE_AT_NEW || op == MOVE_OP_DELETE);
        }
    }
}
END_TEST

static enum move_op
op_of(const char *text)
{
    struct request_parser parser = REQUEST_PARSER_INIT;
    struct request r;
    ck_assert_msg(request_parse(&parser, span_cstr(text), &r) == PARSE_OK, "%s", text);
    return move_op_of(&r, form_of(&r));
}

START_TEST(every_command_is_of_a_kind)
{
    static const struct {
        const char *line;
        enum move_op op;
    } rows[] = {
        {"get k\r\n", MOVE_OP_READ},
        {"gets k\r\n", MOVE_OP_READ},
        {"mg k v f s k O1 c t q\r\n", MOVE_OP_READ},
        {"mg k v h l\r\n", MOVE_OP_LOOK},
        {"me k\r\n", MOVE_OP_PLAIN},
        {"set k 0 0 1\r\n", MOVE_OP_STORE},
        {"ms k 1 T0 F1 q\r\n", MOVE_OP_STORE},
        {"ms k 1 MS\r\n", MOVE_OP_STORE},
        {"delete k\r\n", MOVE_OP_DELETE},
        {"md k q O1 k\r\n", MOVE_OP_DELETE},
        {"md k I T30\r\n", MOVE_OP_BUILD},
        {"md k C1\r\n", MOVE_OP_BUILD},
        {"ms k 1 C1\r\n", MOVE_OP_BUILD},
        {"ms k 1 I C1\r\n", MOVE_OP_BUILD},
        {"ms k 1 MA\r\n", MOVE_OP_BUILD},
        {"add k 0 0 1\r\n", MOVE_OP_BUILD},
        {"replace k 0 0 1\r\n", MOVE_OP_BUILD},
        {"append k 0 0 1\r\n", MOVE_OP_BUILD},
        {"prepend k 0 0 1\r\n", MOVE_OP_BUILD},
        {"cas k 0 0 1 1\r\n", MOVE_OP_BUILD},
        {"incr k 1\r\n", MOVE_OP_BUILD},
        {"decr k 1\r\n", MOVE_OP_BUILD},
        {"ma k\r\n", MOVE_OP_BUILD},
        {"touch k 1\r\n", MOVE_OP_BUILD},
        {"gat 1 k\r\n", MOVE_OP_BUILD},
        {"gats 1 k\r\n", MOVE_OP_BUILD},
        {"mg k v T30\r\n", MOVE_OP_BUILD},
        {"mg k v N30\r\n", MOVE_OP_BUILD},
        {"mg k v R30\r\n", MOVE_OP_BUILD},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_msg(op_of(rows[i].line) == rows[i].op, "%s", rows[i].line);
    }
}
END_TEST

UNIT_MAIN("move", the_table_is_that_of_the_manual, changes_come_to_the_old_owner_first,
          a_failed_change_leaves_no_old_value, every_command_is_of_a_kind)
