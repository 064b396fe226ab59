/* Turns of the loop, and what is put into them: posts and hooks. */
#include "common/core/clock.h"
#include "t/unit/loop_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the turn --------------------------------------------------------------- */

static uint64_t times[3];

static void
take_time(void *arg)
{
    times[(intptr_t)arg] = loop_now_us(loop);
}

static void
spin_5_ms(void *arg)
{
    uint64_t until_ns = clock_thread_cpu_ns() + 5000000;
    while (clock_thread_cpu_ns() < until_ns) {
    }
    loop_stop(loop);
}

static void
sleep_50_ms(void *arg)
{
    usleep(50000);
    loop_stop(loop);
}

/* Time off the CPU does not count: not the wait for events, and not what others
 * take from us. */
START_TEST(a_long_turn_is_told_by_its_cpu_time)
{
    loop = loop_create();
    loop_post(loop, sleep_50_ms, NULL);
    loop_run(loop);
    ck_assert_uint_lt(loop_longest_turn_us(loop), 5000);
    loop_post(loop, spin_5_ms, NULL);
    loop_run(loop);
    uint64_t longest_us = loop_longest_turn_us(loop);
    ck_assert_uint_ge(longest_us, 5000);
    ck_assert_uint_lt(longest_us, 10000);
    uint64_t slow = loop_slow_turns(loop);
    ck_assert_uint_ge(slow, 1);
    loop_post(loop, sleep_50_ms, NULL);
    loop_run(loop);
    ck_assert_uint_eq(loop_longest_turn_us(loop), longest_us);
    loop_forget_longest_turn(loop);
    ck_assert_uint_eq(loop_longest_turn_us(loop), 0);
    ck_assert_uint_ge(loop_slow_turns(loop), slow);
    loop_destroy(&loop);
}
END_TEST

/* A turn begins when the wait is over. With the time of the turn before, every
 * deadline after an idle second would be a second too early. */
START_TEST(the_time_is_that_of_this_turn)
{
    loop = loop_create();
    struct loop_timer timer, stop;
    loop_timer_init(&timer, loop, take_time, (void *)0);
    loop_timer_init(&stop, loop, on_stop, NULL);
    uint64_t begin = clock_mono_us();
    ck_assert_uint_ge(loop_now_us(loop) + 1000000, begin);
    loop_timer_start(&timer, 50);
    loop_timer_start(&stop, 60);
    loop_run(loop);
    ck_assert_uint_ge(times[0], begin + 49000);
    ck_assert_uint_le(times[0], clock_mono_us());
    loop_timer_deinit(&timer);
    loop_timer_deinit(&stop);
    expect("");
}
END_TEST

static void
dawdle(void *arg)
{
    take_time(arg);
    usleep(2000);
}

static void
come_later(void *arg)
{
    take_time((void *)1);
    loop_stop(loop);
}

START_TEST(the_time_stands_still_within_a_turn)
{
    loop = loop_create();
    struct loop_hook hook = {0};
    loop_post(loop, dawdle, (void *)0);
    loop_hook_add(&hook, loop, come_later, NULL);
    loop_run(loop);
    ck_assert_uint_eq(times[0], times[1]);
    ck_assert_uint_eq(loop_turns(loop), 1);
    loop_hook_remove(&hook);
    expect("");
}
END_TEST

static void
gather_2_ms(void *arg)
{
    take_time((void *)0);
    loop_gather(loop, 2000);
    loop_post(loop, come_later, NULL);
}

/* Though there is something to do at once. */
START_TEST(a_turn_that_gathers_keeps_the_next_waiting)
{
    loop = loop_create();
    loop_post(loop, gather_2_ms, NULL);
    loop_run(loop);
    ck_assert_uint_ge(times[1], times[0] + 2000);
    uint64_t before = clock_mono_us();
    for (int i = 0; i < 5; i++) {
        loop_post(loop, on_stop, NULL);
        loop_run(loop);
    }
    ck_assert_uint_lt(clock_mono_us() - before, 1000000);
    expect("");
}
END_TEST

enum { CROWD = 8 };

static int told;

static void
on_one_of_many(void *arg, int ready)
{
    struct loop_io *io = arg;
    loop_io_want(io, 0);
    times[told > 0] = loop_now_us(loop);
    if (++told == CROWD) {
        loop_stop(loop);
    }
    uint64_t until_ns = clock_thread_cpu_ns() + 500000;
    while (clock_thread_cpu_ns() < until_ns) {
    }
}

static void
note_how_many(void *arg)
{
    note(LETTER('0' + told));
}

START_TEST(many_that_are_ready_have_more_than_one_turn)
{
    loop = loop_create();
    struct loop_io io[CROWD];
    struct loop_timer timer;
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    told = 0;
    for (int i = 0; i < CROWD; i++) {
        loop_io_init(&io[i], loop, dup(fds[0]), on_one_of_many, &io[i]);
        loop_io_want(&io[i], LOOP_READ);
    }
    loop_timer_init(&timer, loop, note_how_many, NULL);
    loop_timer_start(&timer, 0);
    loop_run(loop);
    ck_assert_int_eq(told, CROWD);
    ck_assert_uint_ge(loop_turns(loop), CROWD); /* each took longer than a turn may */
    ck_assert_uint_lt(loop_longest_turn_us(loop), CROWD * 500);
    ck_assert_uint_eq(times[0], times[1]); /* all were ready then */
    for (int i = 0; i < CROWD; i++) {
        loop_io_deinit(&io[i]);
        close(io[i].fd);
    }
    close(fds[0]);
    close(fds[1]);
    loop_timer_deinit(&timer);
    expect("1");
}
END_TEST

static void
spin_1_ms(void *arg)
{
    uint64_t until_ns = clock_thread_cpu_ns() + 1000000;
    while (clock_thread_cpu_ns() < until_ns) {
    }
    note(LETTER((intptr_t)arg));
}

/* In the order of posting; what never ran is freed. */
START_TEST(many_posts_have_more_than_one_turn)
{
    loop = loop_create();
    for (int i = 0; i < 4; i++) {
        loop_post(loop, spin_1_ms, (void *)(intptr_t)('a' + i));
    }
    loop_post(loop, on_stop, NULL);
    loop_run(loop);
    ck_assert_uint_ge(loop_turns(loop), 5);
    loop_post(loop, spin_1_ms, (void *)(intptr_t)'e');
    expect("abcd");
}
END_TEST

START_TEST(many_timers_have_more_than_one_turn)
{
    loop = loop_create();
    struct loop_timer timers[4];
    for (int i = 0; i < 4; i++) {
        loop_timer_init(&timers[i], loop, spin_1_ms, (void *)(intptr_t)'t');
        loop_timer_start(&timers[i], 0);
    }
    while (strlen(seen) < 4) {
        loop_post(loop, on_stop, NULL);
        loop_run(loop);
    }
    ck_assert_uint_ge(loop_turns(loop), 4);
    for (int i = 0; i < 4; i++) {
        loop_timer_deinit(&timers[i]);
    }
    expect("tttt");
}
END_TEST

static void
on_one_of_few(void *arg, int ready)
{
    struct loop_io *io = arg;
    loop_io_want(io, 0);
    *loop_work_note(loop) = true;
    spin_1_ms((void *)(intptr_t)('0' + told));
    if (++told == 3) {
        loop_stop(loop);
    }
}

/* If they say that they did much. */
START_TEST(few_that_do_much_have_more_than_one_turn)
{
    loop = loop_create();
    struct loop_io io[3];
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    told = 0;
    for (int i = 0; i < 3; i++) {
        loop_io_init(&io[i], loop, dup(fds[0]), on_one_of_few, &io[i]);
        loop_io_want(&io[i], LOOP_READ);
    }
    loop_run(loop);
    ck_assert_uint_ge(loop_turns(loop), 3);
    for (int i = 0; i < 3; i++) {
        loop_io_deinit(&io[i]);
        close(io[i].fd);
    }
    close(fds[0]);
    close(fds[1]);
    expect("012");
}
END_TEST

START_TEST(stopped_before_it_runs)
{
    loop = loop_create();
    loop_stop(loop);
    loop_run(loop);
    expect("");
}
END_TEST

START_TEST(a_lost_peer_raises_no_signal)
{
    loop = loop_create();
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    close(fds[0]);
    ck_assert_int_eq(write(fds[1], "x", 1), -1);
    close(fds[1]);
    expect("");
}
END_TEST

/* --- posts ------------------------------------------------------------------ */

static void
post_more(void *arg)
{
    note(LETTER('1'));
    loop_post(loop, note, LETTER('3'));
    loop_post(loop, on_stop, NULL);
}

START_TEST(posts_run_in_order)
{
    loop = loop_create();
    loop_post(loop, post_more, NULL);
    loop_post(loop, note, LETTER('2'));
    loop_run(loop);
    expect("123");
}
END_TEST

START_TEST(posts_that_never_ran_are_freed)
{
    loop = loop_create();
    loop_post(loop, note, LETTER('1'));
    loop_post(loop, note, LETTER('2'));
    expect("");
}
END_TEST

enum { POSTERS = 4, POSTS = 2000 };

static unsigned next_of[POSTERS]; /* touched by the loop's thread only */
static unsigned posted;

static void
on_numbered(void *arg)
{
    unsigned from = (unsigned)((uintptr_t)arg / POSTS), number = (unsigned)((uintptr_t)arg % POSTS);
    ck_assert_uint_eq(next_of[from], number);
    next_of[from]++;
    if (++posted == POSTERS * POSTS) {
        loop_stop(loop);
    }
}

static void *
post_many(void *arg)
{
    for (uintptr_t i = 0; i < POSTS; i++) {
        loop_post(loop, on_numbered, (void *)((uintptr_t)arg * POSTS + i));
    }
    return NULL;
}

START_TEST(posts_of_many_threads_all_run)
{
    loop = loop_create();
    pthread_t threads[POSTERS];
    for (uintptr_t i = 0; i < POSTERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, (void *)i), 0);
    }
    loop_run(loop);
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
    }
    expect("");
}
END_TEST

/* --- hooks ------------------------------------------------------------------ */

static struct loop_hook a, b, c;

static void
note_and_stop(void *arg)
{
    note(arg);
    loop_stop(loop);
}

START_TEST(a_hook_added_before_the_loop_runs_needs_no_event)
{
    loop = loop_create();
    loop_hook_add(&a, loop, note_and_stop, LETTER('a'));
    loop_run(loop);
    expect("a");
}
END_TEST

static void
note_and_leave(void *arg)
{
    note(arg);
    loop_hook_remove(&a);
    loop_hook_remove(&a);
}

/* One turn with the hooks that are there. */
static void
run_a_turn(void)
{
    loop_post(loop, on_stop, NULL);
    loop_run(loop);
}

START_TEST(hooks_run_in_the_order_of_adding)
{
    loop = loop_create();
    loop_hook_add(&a, loop, note, LETTER('a'));
    loop_hook_add(&b, loop, note, LETTER('b'));
    loop_hook_add(&c, loop, note, LETTER('c'));
    loop_hook_remove(&b);
    loop_hook_add(&b, loop, note, LETTER('b'));
    run_a_turn();
    expect("acb");
}
END_TEST

START_TEST(a_hook_removes_itself)
{
    loop = loop_create();
    loop_hook_add(&a, loop, note_and_leave, LETTER('a'));
    loop_hook_add(&b, loop, note, LETTER('b'));
    run_a_turn();
    expect("ab");
}
END_TEST

static void
remove_the_others(void *arg)
{
    note(arg);
    loop_hook_remove(&a);
    loop_hook_remove(&c);
}

START_TEST(a_hook_removes_the_one_before_and_the_one_behind)
{
    loop = loop_create();
    loop_hook_add(&a, loop, note, LETTER('a'));
    loop_hook_add(&b, loop, remove_the_others, LETTER('b'));
    loop_hook_add(&c, loop, note, LETTER('c'));
    run_a_turn();
    expect("ab");
}
END_TEST

static void
add_c(void *arg)
{
    note(arg);
    loop_hook_remove(&b);
    loop_hook_add(&c, loop, note_and_leave, LETTER('c'));
}

START_TEST(a_hook_added_by_the_last_one_runs_in_the_same_turn)
{
    loop = loop_create();
    loop_hook_add(&a, loop, note, LETTER('a'));
    loop_hook_add(&b, loop, add_c, LETTER('b'));
    run_a_turn();
    expect("abc");
}
END_TEST

static void
come_back_once(void *arg)
{
    note(arg);
    loop_hook_remove(&a);
    if (strcmp(seen, "aa") != 0) {
        loop_hook_add(&a, loop, come_back_once, arg);
    }
}

START_TEST(a_hook_that_comes_back_runs_again)
{
    loop = loop_create();
    loop_hook_add(&a, loop, come_back_once, LETTER('a'));
    run_a_turn();
    expect("aa");
}
END_TEST

UNIT_MAIN("loop", a_long_turn_is_told_by_its_cpu_time, the_time_is_that_of_this_turn,
          the_time_stands_still_within_a_turn, a_turn_that_gathers_keeps_the_next_waiting,
          many_that_are_ready_have_more_than_one_turn, many_posts_have_more_than_one_turn,
          many_timers_have_more_than_one_turn, few_that_do_much_have_more_than_one_turn,
          stopped_before_it_runs, a_lost_peer_raises_no_signal, posts_run_in_order,
          posts_that_never_ran_are_freed, posts_of_many_threads_all_run,
          hooks_run_in_the_order_of_adding, a_hook_added_before_the_loop_runs_needs_no_event,
          a_hook_removes_itself, a_hook_removes_the_one_before_and_the_one_behind,
          a_hook_added_by_the_last_one_runs_in_the_same_turn, a_hook_that_comes_back_runs_again)
