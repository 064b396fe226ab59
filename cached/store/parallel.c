#include "cached/store/parallel.h"
#include "common/core/assert.h"

#include <pthread.h>
#include <unistd.h>

unsigned
parallel_threads(unsigned wanted)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = wanted < PARALLEL_MAX ? wanted : PARALLEL_MAX;
    n = online > 0 && (unsigned long)online < n ? (unsigned)online : n;
    return n > 0 ? n : 1;
}

static void *
run(void *arg)
{
    struct parallel *work = arg;
    unsigned thread = atomic_fetch_add(&work->threads, 1);
    uint64_t i;
    while ((i = atomic_fetch_add(&work->next, 1)) < work->steps) {
        work->step(work, thread, i);
    }
    return NULL;
}

void
parallel_run(struct parallel *work, unsigned threads)
{
    ASSERT(threads > 0 && threads <= PARALLEL_MAX);
    pthread_t helpers[PARALLEL_MAX];
    unsigned count = 0;
    atomic_store(&work->next, 0);
    atomic_store(&work->threads, 0);
    while (count + 1 < threads && pthread_create(&helpers[count], NULL, run, work) == 0) {
        count++;
    }
    run(work);
    while (count > 0) {
        pthread_join(helpers[--count], NULL);
    }
}
