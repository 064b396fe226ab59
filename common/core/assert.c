#include "common/core/assert.h"

#include <stdio.h>
#include <stdlib.h>

void
assert_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "assertion failed: %s (%s:%d)\n", expr, file, line);
    abort();
}
