/* What a journal tells its heir, and what the heir makes of it. The two are two
 * journals here, and what is sent goes through a queue. */
#include "proxy/journal.h"
#include "proxy/journal_heir.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define OWNER "n1\n10.0.0.1:11211"

static struct journal_budget budget = {.max_entries = 100000, .max_bytes = 100000000};
static struct journal *j, *next;
static struct journal_heir *heir;
static enum handover_send kernel; /* what it says to the next message */
static unsigned messages;

/* The other process: each record into its journal. */
static enum handover_send
deliver(void *arg, struct span message)
{
    ck_assert_ptr_eq(arg, &messages);
    ck_assert_uint_le(message.len, JOURNAL_HEIR_MESSAGE);
    struct span owner;
    struct journal_record record;
    size_t bytes;
    if (kernel != HANDOVER_SENT) {
        return kernel;
    }
    ck_assert_int_eq(journal_owner_parse(message, &owner, &bytes), JOURNAL_PARSED);
    ck_assert(span_eq_cstr(owner, OWNER));
    message = span_skip(message, bytes);
    ck_assert_uint_gt(message.len, 0);
    while (message.len > 0) {
        ck_assert_int_eq(journal_record_parse(message, &record), JOURNAL_PARSED);
        journal_inherit(next, &record, 7);
        message = span_skip(message, record.bytes);
    }
    messages++;
    return HANDOVER_SENT;
}

static void
begin(void)
{
    char *owner = journal_owner("n1", "10.0.0.1:11211");
    ck_assert_str_eq(owner, OWNER);
    free(owner);
    kernel = HANDOVER_SENT;
    messages = 0;
    j = journal_create(&budget, 2);
    next = journal_create(&budget, 3);
    heir = journal_heir_create(deliver, &messages);
}

static void
bequeath(void)
{
    uint64_t cursor = 0;
    ck_assert(!journal_is_bequeathed(j));
    journal_bequeath(j, heir, SPAN_LIT(OWNER));
    while (journal_tell_heir(j, &cursor)) {
    }
    ck_assert(journal_is_bequeathed(j));
}

static void
end(void)
{
    journal_unref(&j);
    journal_unref(&next);
    journal_heir_destroy(&heir);
    ck_assert_uint_eq(atomic_load(&budget.entries), 0);
}

static void
put(const char *key)
{
    journal_put(j, span_cstr(key), 1, 5);
}

static bool
next_blocks(const char *key)
{
    return journal_blocks(next, span_cstr(key));
}

/* By whichever of its workers. */
static void
next_delivers(const char *key)
{
    for (unsigned worker = 0; worker < 3; worker++) {
        struct journal_entry *entry = NULL;
        if (journal_take(next, worker, &entry) == JOURNAL_DELETE) {
            ck_assert(span_eq_cstr(journal_key(entry), key));
            journal_delivered(next, &entry);
            return;
        }
    }
    ck_abort_msg("nobody has %s", key);
}

START_TEST(what_is_there_and_what_is_put_later_goes_over)
{
    begin();
    put("a");
    ck_assert_uint_eq(journal_left_us(next), 0);
    bequeath();
    ck_assert(!next_blocks("a"));
    ck_assert(journal_heir_send(heir));
    ck_assert(next_blocks("a") && !next_blocks("b"));
    ck_assert_uint_eq(journal_left_us(next), 7);
    put("b");
    journal_write(j); /* as at the end of a turn */
    ck_assert(next_blocks("b") && journal_heir_has_all(heir));
    ck_assert_uint_eq(journal_count(j), 2);
    end();
}
END_TEST

START_TEST(nothing_is_told_that_nobody_inherits)
{
    begin();
    put("a");
    journal_write(j);
    ck_assert(journal_heir_send(heir) && journal_heir_has_all(heir));
    ck_assert_uint_eq(messages, 0);
    end();
}
END_TEST

/* The heir may have delivered the key, and then it has to do so again. */
START_TEST(a_key_that_is_put_again_is_told_again)
{
    begin();
    put("a");
    bequeath();
    journal_write(j);
    next_delivers("a");
    ck_assert(!next_blocks("a"));
    put("a");
    journal_write(j);
    ck_assert(next_blocks("a"));
    end();
}
END_TEST

START_TEST(what_is_delivered_here_is_not_forgotten_there)
{
    begin();
    put("a");
    bequeath();
    journal_write(j);
    struct journal_entry *entry = NULL;
    ck_assert_int_eq(journal_take(j, 1, &entry), JOURNAL_DELETE);
    journal_delivered(j, &entry);
    journal_write(j);
    ck_assert(journal_is_empty(j) && next_blocks("a"));
    end();
}
END_TEST

START_TEST(a_flush_goes_over_whenever_it_is_wanted)
{
    begin();
    journal_want_flush(j, 1);
    bequeath();
    journal_write(j);
    ck_assert(next_blocks("whatever"));
    for (unsigned worker = 0; worker < 3; worker++) {
        struct journal_entry *entry = NULL;
        ck_assert_int_eq(journal_take(next, worker, &entry), JOURNAL_FLUSH);
        journal_flushed(next, worker);
    }
    ck_assert(!next_blocks("whatever"));
    put("included"); /* here by the flush that still waits, there it is over */
    journal_write(j);
    ck_assert(next_blocks("included") && !next_blocks("whatever"));
    journal_want_flush(j, 2);
    journal_write(j);
    ck_assert(next_blocks("whatever"));
    end();
}
END_TEST

START_TEST(what_the_kernel_has_no_room_for_goes_later)
{
    begin();
    bequeath();
    kernel = HANDOVER_LATER;
    put("a");
    journal_write(j);
    ck_assert(!journal_heir_send(heir) && !journal_heir_has_all(heir));
    kernel = HANDOVER_SENT;
    ck_assert(journal_heir_send(heir) && next_blocks("a"));
    end();
}
END_TEST

START_TEST(an_heir_that_is_gone_is_owed_nothing)
{
    begin();
    bequeath();
    kernel = HANDOVER_LOST;
    put("a");
    ck_assert(journal_heir_send(heir));
    put("b");
    ck_assert(journal_heir_send(heir) && !journal_heir_has_all(heir));
    ck_assert_uint_eq(journal_count(j), 2);
    end();
}
END_TEST

START_TEST(thousands_go_in_messages_that_are_not_too_long)
{
    char key[251];
    begin();
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(key, sizeof(key), "%0*u", 1 + (int)(i % 250), i);
        put(key);
    }
    bequeath();
    ck_assert(journal_heir_send(heir));
    ck_assert_uint_gt(messages, 30);
    ck_assert_uint_eq(journal_count(next), journal_count(j));
    end();
}
END_TEST

UNIT_MAIN("journal_heir", what_is_there_and_what_is_put_later_goes_over,
          nothing_is_told_that_nobody_inherits, a_key_that_is_put_again_is_told_again,
          what_is_delivered_here_is_not_forgotten_there, a_flush_goes_over_whenever_it_is_wanted,
          what_the_kernel_has_no_room_for_goes_later, an_heir_that_is_gone_is_owed_nothing,
          thousands_go_in_messages_that_are_not_too_long)
