/* mem.h - allocation that either works or ends the process with a line that
 * says so. For configuration, tables and other things whose size we choose;
 * what a client can make large goes through paths that may refuse. */
#pragma once
#include <stddef.h>

void *mem_alloc(size_t bytes);
void *mem_zalloc(size_t bytes);
void *mem_realloc(void *p, size_t bytes);
void *mem_dup(const void *p, size_t bytes);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Zeroed and aligned to 64 bytes, so that two threads' blocks never share a
 * cache line. Freed by free(). */
void *mem_zalloc_lines(size_t bytes);
