/* parallel.h - steps that do not depend on each other, done by several threads
 * while the caller waits. For starting and stopping, when nobody else works. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#define PARALLEL_MAX 16u

struct parallel {
    /* `thread` is below what parallel_threads() said: for what each has of its own. */
    void (*step)(struct parallel *work, unsigned thread, uint64_t step);
    uint64_t steps;
    _Atomic uint64_t next;
    _Atomic unsigned threads;
};

/* How many threads are worth it: at most `wanted`, PARALLEL_MAX, and the
 * system's processors. */
unsigned parallel_threads(unsigned wanted);

/* Does steps 0 to work->steps - 1 with up to `threads` threads, the caller being
 * one; with fewer if the system has no more. */
void parallel_run(struct parallel *work, unsigned threads);
