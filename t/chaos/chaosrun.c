#include "t/chaos/chaosrun.h"
#include "common/core/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void
chaos_wrong(struct chaos_run *run, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    printf("%" PRIu64 " WRONG: %s\n", clock_mono_us(), text);
    fflush(stdout);
    if (atomic_fetch_add(&run->wrongs, 1) + 1 >= CHAOS_WRONGS_MAX) {
        run->ending = true;
    }
}
