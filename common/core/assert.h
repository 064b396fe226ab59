/* assert.h - what only a bug can break. Stays on in release builds: a cache
 * that goes on with a broken invariant hands one user's data to another. */
#pragma once

/* Prints the expression and the place on stderr and aborts. */
void assert_failed(const char *expr, const char *file, int line) __attribute__((noreturn, cold));

#define ASSERT(expr)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!(expr), 0)) {                                                        \
            assert_failed(#expr, __FILE__, __LINE__);                                              \
        }                                                                                          \
    } while (0)

#define UNREACHABLE() assert_failed("unreachable", __FILE__, __LINE__)
