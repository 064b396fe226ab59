#include "common/net/resolver.h"
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define STOP_WAIT_MS 200

struct resolver {
    pthread_mutex_t lock; /* covers all that follows, and every endpoint */
    pthread_cond_t work;  /* something is to be looked up, or the end */
    pthread_cond_t quiet; /* a lookup or a thread has ended */
    resolver_fn *lookup;
    struct endpoint *first; /* to be looked up */
    struct endpoint **last;
    unsigned refs; /* the owner's, one of each endpoint and thread */
    unsigned threads, idle;
    unsigned queued;
    unsigned under_way; /* lookups, queued ones included */
    bool interrupted;
    bool ending;
};

struct endpoint {
    struct resolver *resolver;
    struct endpoint *next; /* in the resolver's queue */
    struct addr_name name;
    struct addr *addrs;
    unsigned count;
    unsigned refs;
    bool literal;
    bool under_way;
    uint64_t looked_up_ms; /* 0: never */
};

static unsigned
ask_system(const struct addr_name *name, struct addr *out, unsigned max, const char **error)
{
    return addr_lookup(name, false, out, max, error);
}

struct resolver *
resolver_create(resolver_fn *lookup)
{
    struct resolver *r = mem_zalloc(sizeof(*r));
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, &attr);
    pthread_cond_init(&r->quiet, &attr);
    pthread_condattr_destroy(&attr);
    r->lookup = lookup != NULL ? lookup : ask_system;
    r->last = &r->first;
    r->refs = 1;
    return r;
}

/* Gives the lock back. */
static void
unref_locked(struct resolver *r)
{
    bool gone = --r->refs == 0;
    pthread_mutex_unlock(&r->lock);
    if (gone) {
        pthread_cond_destroy(&r->work);
        pthread_cond_destroy(&r->quiet);
        pthread_mutex_destroy(&r->lock);
        free(r);
    }
}

/* --- lookups ------------------------------------------------------------------ */

static void
keep_answer(struct endpoint *e, const struct addr *addrs, unsigned count)
{
    e->under_way = false;
    e->looked_up_ms = clock_mono_ms();
    e->resolver->under_way--;
    if (count > 0) {
        free(e->addrs);
        e->addrs = mem_zalloc(count * sizeof(addrs[0]));
        memcpy(e->addrs, addrs, count * sizeof(addrs[0]));
        e->count = count;
    }
    pthread_cond_broadcast(&e->resolver->quiet);
}

/* With the lock, which is given back meanwhile. */
static void
look_up_first(struct resolver *r)
{
    struct endpoint *e = r->first;
    struct addr addrs[ENDPOINT_ADDRS_MAX];
    const char *why = "no address";
    r->first = e->next;
    if (r->first == NULL) {
        r->last = &r->first;
    }
    r->queued--;
    pthread_mutex_unlock(&r->lock);
    unsigned count = r->lookup(&e->name, addrs, ENDPOINT_ADDRS_MAX, &why);
    if (count == 0) {
        LOG_LIMITED(5, LOG_WARN, "lookup_failed", "name=%s reason=%s", LOG_STR(e->name.host),
                    LOG_STR(why));
    }
    pthread_mutex_lock(&r->lock);
    keep_answer(e, addrs, count);
    pthread_mutex_unlock(&r->lock);
    endpoint_unref(&e); /* the queue's */
    pthread_mutex_lock(&r->lock);
}

static void *
run(void *arg)
{
    struct resolver *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->ending) {
        if (r->first != NULL) {
            look_up_first(r);
            continue;
        }
        r->idle++;
        pthread_cond_wait(&r->work, &r->lock);
        r->idle--;
    }
    r->threads--;
    pthread_cond_broadcast(&r->quiet);
    unref_locked(r);
    return NULL;
}

/* Detached: nobody can wait for one that DNS holds. */
static void
start_thread(struct resolver *r)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are others' */
    if (pthread_create(&thread, NULL, run, r) == 0) {
        pthread_detach(thread);
        r->threads++;
        r->refs++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void
endpoint_look_up(struct endpoint *e)
{
    struct resolver *r = e->resolver;
    pthread_mutex_lock(&r->lock);
    bool lately = e->looked_up_ms != 0 && clock_mono_ms() - e->looked_up_ms < RESOLVER_GAP_MS;
    if (!e->literal && !e->under_way && !lately && !r->ending) {
        e->under_way = true;
        e->refs++;
        e->next = NULL;
        *r->last = e;
        r->last = &e->next;
        r->under_way++;
        if (++r->queued > r->idle && r->threads < RESOLVER_THREADS) {
            start_thread(r);
        }
        pthread_cond_signal(&r->work);
    }
    pthread_mutex_unlock(&r->lock);
}

/* --- waiting -------------------------------------------------------------------- */

static struct timespec
deadline_in(uint64_t ms)
{
    struct timespec now; /* the system's, which a condition is waited for by */
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t at_ns = (uint64_t)now.tv_nsec + ms * 1000000;
    return (struct timespec){now.tv_sec + (time_t)(at_ns / 1000000000), (long)(at_ns % 1000000000)};
}

void
resolver_wait(struct resolver *r, uint64_t ms)
{
    struct timespec until = deadline_in(ms);
    pthread_mutex_lock(&r->lock);
    int rc = 0;
    while (r->under_way > 0 && !r->interrupted && rc == 0) {
        rc = pthread_cond_timedwait(&r->quiet, &r->lock, &until);
    }
    pthread_mutex_unlock(&r->lock);
}

void
resolver_interrupt(struct resolver *r)
{
    pthread_mutex_lock(&r->lock);
    r->interrupted = true;
    pthread_cond_broadcast(&r->quiet);
    pthread_mutex_unlock(&r->lock);
}

/* What still waits to be looked up is nobody's any more. */
static void
empty_queue(struct resolver *r)
{
    pthread_mutex_lock(&r->lock);
    struct endpoint *e = r->first;
    r->first = NULL;
    r->last = &r->first;
    pthread_mutex_unlock(&r->lock);
    while (e != NULL) {
        struct endpoint *next = e->next;
        endpoint_unref(&e);
        e = next;
    }
}

void
resolver_destroy(struct resolver **resolver)
{
    struct resolver *r = *resolver;
    if (r == NULL) {
        return;
    }
    *resolver = NULL;
    struct timespec until = deadline_in(STOP_WAIT_MS);
    pthread_mutex_lock(&r->lock);
    r->ending = true;
    r->interrupted = true;
    pthread_cond_broadcast(&r->work);
    pthread_cond_broadcast(&r->quiet);
    for (int rc = 0; r->threads > 0 && rc == 0;) {
        rc = pthread_cond_timedwait(&r->quiet, &r->lock, &until);
    }
    pthread_mutex_unlock(&r->lock);
    empty_queue(r);
    pthread_mutex_lock(&r->lock);
    unref_locked(r);
}

/* --- endpoints -------------------------------------------------------------------- */

struct endpoint *
endpoint_create(struct resolver *r, const struct addr_name *name)
{
    struct endpoint *e = mem_zalloc(sizeof(*e));
    struct addr addr;
    e->resolver = r;
    e->name = *name;
    e->refs = 1;
    if (addr_literal(name, &addr)) {
        e->literal = true;
        e->addrs = mem_zalloc(sizeof(addr));
        e->addrs[0] = addr;
        e->count = 1;
    }
    pthread_mutex_lock(&r->lock);
    r->refs++;
    pthread_mutex_unlock(&r->lock);
    return e;
}

struct endpoint *
endpoint_ref(struct endpoint *e)
{
    pthread_mutex_lock(&e->resolver->lock);
    e->refs++;
    pthread_mutex_unlock(&e->resolver->lock);
    return e;
}

void
endpoint_unref(struct endpoint **endpoint)
{
    struct endpoint *e = *endpoint;
    *endpoint = NULL;
    if (e == NULL) {
        return;
    }
    struct resolver *r = e->resolver;
    pthread_mutex_lock(&r->lock);
    ASSERT(e->refs > 0);
    if (--e->refs > 0) {
        pthread_mutex_unlock(&r->lock);
        return;
    }
    unref_locked(r);
    free(e->addrs);
    free(e);
}

unsigned
endpoint_count(struct endpoint *e)
{
    pthread_mutex_lock(&e->resolver->lock);
    unsigned count = e->count;
    pthread_mutex_unlock(&e->resolver->lock);
    return count;
}

bool
endpoint_addr(struct endpoint *e, unsigned at, struct addr *out)
{
    pthread_mutex_lock(&e->resolver->lock);
    bool known = e->count > 0;
    if (known) {
        *out = e->addrs[at % e->count];
    }
    pthread_mutex_unlock(&e->resolver->lock);
    return known;
}
