#include "control/offload.h"
#include "t/unit/unit.h"

#include <semaphore.h>

/* The first job holds the helper until the test lets it go, so that those behind
 * it wait for certain when the end comes. */
static sem_t begun, let_go;
static int worked, done, done_alive;

struct job {
    struct offload_job base;
    bool holds;
};

static void
work(struct offload_job *job)
{
    if (((struct job *)job)->holds) {
        sem_post(&begun);
        sem_wait(&let_go);
    }
    worked++;
}

static void
on_done(struct offload_job *job, bool alive)
{
    done++;
    done_alive += alive;
    free(job);
}

static void
run_job(struct offload *o, bool holds)
{
    struct job *job = calloc(1, sizeof(*job));
    *job = (struct job){{.work = work, .done = on_done}, holds};
    offload_run(o, &job->base);
}

static void
end_while_two_wait(enum offload_end end)
{
    sem_init(&begun, 0, 0);
    sem_init(&let_go, 0, 0);
    struct loop *loop = loop_create();
    struct offload *o = offload_create(loop);
    run_job(o, true);
    run_job(o, false);
    run_job(o, false);
    sem_wait(&begun);
    sem_post(&let_go);
    offload_destroy(&o, end);
    ck_assert_ptr_null(o);
    loop_destroy(&loop);
    ck_assert_int_eq(done, 3);
    ck_assert_int_eq(done_alive, 0);
}

START_TEST(what_waits_is_finished)
{
    end_while_two_wait(OFFLOAD_FINISH);
    ck_assert_int_eq(worked, 3);
}
END_TEST

START_TEST(what_waits_is_dropped)
{
    end_while_two_wait(OFFLOAD_DROP);
    ck_assert_int_ge(worked, 1);
}
END_TEST

UNIT_MAIN("offload", what_waits_is_finished, what_waits_is_dropped)
