#include "control/offload.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct queue {
    struct offload_job *head;
    struct offload_job **tail;
};

struct offload {
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock; /* covers what follows */
    pthread_cond_t wake;
    struct queue waiting, finished;
    bool ending;
    bool finishing; /* ending, but what waits is done first */
};

static void
queue_init(struct queue *q)
{
    q->head = NULL;
    q->tail = &q->head;
}

static void
queue_put(struct queue *q, struct offload_job *job)
{
    job->next = NULL;
    *q->tail = job;
    q->tail = &job->next;
}

static struct offload_job *
queue_take(struct queue *q)
{
    struct offload_job *job = q->head;
    if (job != NULL) {
        q->head = job->next;
        if (q->head == NULL) {
            q->tail = &q->head;
        }
    }
    return job;
}

static struct offload_job *
take_finished(struct offload *o)
{
    pthread_mutex_lock(&o->lock);
    struct offload_job *job = queue_take(&o->finished);
    pthread_mutex_unlock(&o->lock);
    return job;
}

static void
on_finished(void *arg)
{
    struct offload *o = arg;
    struct offload_job *job = take_finished(o);
    ASSERT(job != NULL); /* one post for each */
    job->done(job, true);
}

static void *
run(void *arg)
{
    struct offload *o = arg;
    pthread_mutex_lock(&o->lock);
    while (!o->ending || (o->finishing && o->waiting.head != NULL)) {
        struct offload_job *job = queue_take(&o->waiting);
        if (job == NULL) {
            pthread_cond_wait(&o->wake, &o->lock);
            continue;
        }
        pthread_mutex_unlock(&o->lock);
        job->work(job);
        pthread_mutex_lock(&o->lock);
        queue_put(&o->finished, job);
        loop_post(o->loop, on_finished, o);
    }
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

struct offload *
offload_create(struct loop *loop)
{
    struct offload *o = mem_zalloc(sizeof(*o));
    o->loop = loop;
    queue_init(&o->waiting);
    queue_init(&o->finished);
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->wake, NULL);
    /* Signals are the loop's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ASSERT(pthread_create(&o->thread, NULL, run, o) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return o;
}

void
offload_destroy(struct offload **o, enum offload_end end)
{
    struct offload *it = *o;
    if (it == NULL) {
        return;
    }
    pthread_mutex_lock(&it->lock);
    it->ending = true;
    it->finishing = end == OFFLOAD_FINISH;
    pthread_cond_signal(&it->wake);
    pthread_mutex_unlock(&it->lock);
    pthread_join(it->thread, NULL);
    struct offload_job *job;
    while ((job = queue_take(&it->finished)) != NULL || (job = queue_take(&it->waiting)) != NULL) {
        job->done(job, false);
    }
    pthread_cond_destroy(&it->wake);
    pthread_mutex_destroy(&it->lock);
    free(it);
    *o = NULL;
}

void
offload_run(struct offload *o, struct offload_job *job)
{
    pthread_mutex_lock(&o->lock);
    queue_put(&o->waiting, job);
    pthread_cond_signal(&o->wake);
    pthread_mutex_unlock(&o->lock);
}
