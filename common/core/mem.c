#include "common/core/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
or_die(void *p, size_t bytes)
{
    if (p == NULL && bytes != 0) {
        fprintf(stderr, "out of memory: %zu bytes refused\n", bytes);
        abort();
    }
    return p;
}

void *
mem_alloc(size_t bytes)
{
    return or_die(malloc(bytes), bytes);
}

void *
mem_zalloc(size_t bytes)
{
    return or_die(calloc(1, bytes), bytes);
}

void *
mem_realloc(void *p, size_t bytes)
{
    return or_die(realloc(p, bytes), bytes);
}

void *
mem_dup(const void *p, size_t bytes)
{
    void *copy = mem_alloc(bytes ? bytes : 1);
    if (bytes != 0) {
        memcpy(copy, p, bytes);
    }
    return copy;
}

char *
mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

char *
mem_strndup(const char *s, size_t n)
{
    char *copy = mem_alloc(n + 1);
    if (n != 0) {
        memcpy(copy, s, n);
    }
    copy[n] = '\0';
    return copy;
}

char *
mem_printf(const char *fmt, ...)
{
    va_list ap;
    char *out = NULL;
    va_start(ap, fmt);
    int n = vasprintf(&out, fmt, ap);
    va_end(ap);
    return or_die(n < 0 ? NULL : out, 1);
}

void *
mem_zalloc_lines(size_t bytes)
{
    size_t rounded = (bytes + 63) & ~(size_t)63;
    void *p = or_die(aligned_alloc(64, rounded), rounded);
    memset(p, 0, rounded);
    return p;
}
