/* loop_fixture.h - what the tests of the loop share: the loop at hand, and what has
 * happened on it, a letter an event. */
#pragma once
#include "common/net/loop.h"
#include "t/unit/unit.h"

#include <stdint.h>
#include <string.h>

static struct loop *loop;
static char seen[64];

#define LETTER(c) ((void *)(intptr_t)(c))

static inline void
note(void *letter)
{
    size_t n = strlen(seen);
    ck_assert_uint_lt(n + 1, sizeof(seen));
    seen[n] = (char)(intptr_t)letter;
}

static inline void
on_stop(void *arg)
{
    loop_stop(loop);
}

/* Checks what a test has noted, and ends it. */
static inline void
expect(const char *letters)
{
    ck_assert_str_eq(seen, letters);
    loop_destroy(&loop);
    ck_assert_ptr_null(loop);
}
