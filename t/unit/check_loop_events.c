/* What a loop waits for: descriptors, timers, signals, and a library's own events. */
#include "t/unit/loop_fixture.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- descriptors ------------------------------------------------------------ */

static struct loop_io first, second;
static int pipe_fds[2];

static void
on_ready(void *arg, int ready)
{
    ck_assert_int_eq(ready, LOOP_READ);
    note(arg);
    loop_stop(loop);
}

static void
begin_pipe(void)
{
    loop = loop_create();
    ck_assert_int_eq(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static void
end_pipe(const char *letters)
{
    loop_io_deinit(&first);
    loop_io_deinit(&first);
    loop_io_deinit(&second);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    expect(letters);
}

START_TEST(readiness_is_told_again_until_it_is_over)
{
    begin_pipe();
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    loop_io_init(&first, loop, pipe_fds[0], on_ready, LETTER('r'));
    loop_io_want(&first, LOOP_READ);
    loop_run(loop);
    end_pipe("r");
}
END_TEST

START_TEST(what_is_not_wanted_is_not_told)
{
    begin_pipe();
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    loop_io_init(&first, loop, pipe_fds[0], on_ready, LETTER('r'));
    loop_io_want(&first, LOOP_READ);
    loop_io_want(&first, 0);
    struct loop_timer stop;
    loop_timer_init(&stop, loop, on_stop, NULL);
    loop_timer_start(&stop, 20);
    loop_run(loop);
    loop_timer_deinit(&stop);
    end_pipe("");
}
END_TEST

static void
kill_both(void *arg, int ready)
{
    note(arg);
    loop_io_deinit(&first);
    loop_io_deinit(&second);
    loop_stop(loop);
}

/* Both are ready in one turn; whichever comes first, the other must not run on
 * what is gone. */
START_TEST(a_callback_ends_itself_and_another_that_is_due)
{
    begin_pipe();
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    loop_io_init(&first, loop, pipe_fds[0], kill_both, LETTER('k'));
    loop_io_init(&second, loop, pipe_fds[1], kill_both, LETTER('k'));
    loop_io_want(&first, LOOP_READ);
    loop_io_want(&second, LOOP_WRITE);
    loop_run(loop);
    end_pipe("k");
}
END_TEST

static void
note_readiness(void *arg, int ready)
{
    note(ready == LOOP_READ ? LETTER('r') : LETTER('w'));
    loop_stop(loop);
}

START_TEST(reading_is_told_before_writing)
{
    loop = loop_create();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pipe_fds), 0);
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    loop_io_init(&first, loop, pipe_fds[0], note_readiness, NULL);
    loop_io_want(&first, LOOP_READ | LOOP_WRITE);
    loop_run(loop);
    loop_io_want(&first, LOOP_WRITE);
    loop_run(loop);
    loop_io_want(&first, LOOP_READ);
    loop_run(loop);
    end_pipe("rwwr");
}
END_TEST

/* Errors are told to whoever waits for anything, and to nobody else. */
START_TEST(a_hangup_is_readiness)
{
    begin_pipe();
    loop_io_init(&first, loop, pipe_fds[1], note_readiness, NULL);
    loop_io_want(&first, LOOP_WRITE);
    close(pipe_fds[0]);
    loop_run(loop);
    loop_io_want(&first, 0);
    struct loop_timer stop;
    loop_timer_init(&stop, loop, on_stop, NULL);
    loop_timer_start(&stop, 20);
    loop_run(loop);
    ck_assert_uint_lt(loop_turns(loop), 5);
    loop_timer_deinit(&stop);
    end_pipe("w");
}
END_TEST

/* --- timers and signals ------------------------------------------------------ */

static struct loop_timer timer;

static void
on_timer_ends_itself(void *arg)
{
    note(arg);
    ck_assert(!loop_timer_running(&timer));
    loop_timer_deinit(&timer);
    loop_stop(loop);
}

START_TEST(a_timer_ends_itself)
{
    loop = loop_create();
    loop_timer_init(&timer, loop, on_timer_ends_itself, LETTER('t'));
    ck_assert(!loop_timer_running(&timer));
    loop_timer_start(&timer, 1);
    ck_assert(loop_timer_running(&timer));
    loop_run(loop);
    loop_timer_deinit(&timer);
    expect("t");
}
END_TEST

START_TEST(a_later_start_replaces_and_stop_stops)
{
    loop = loop_create();
    struct loop_timer stop;
    loop_timer_init(&timer, loop, note, LETTER('t'));
    loop_timer_init(&stop, loop, on_stop, NULL);
    loop_timer_start(&timer, 0);
    loop_timer_start(&timer, 60000);
    loop_timer_start(&stop, 20);
    loop_run(loop);
    ck_assert(loop_timer_running(&timer));
    loop_timer_stop(&timer);
    ck_assert(!loop_timer_running(&timer));
    loop_timer_deinit(&timer);
    loop_timer_deinit(&stop);
    expect("");
}
END_TEST

enum { TIMERS = 200 };

static struct loop_timer many[TIMERS];
static uint64_t due_before;
static unsigned fired;

static void
note_order(void *arg)
{
    uint64_t due_us = many[(uintptr_t)arg].due_us;
    ck_assert_uint_ge(due_us, due_before);
    ck_assert_uint_ge(loop_now_us(loop), due_us); /* both clocks are the system's here */
    due_before = due_us;
    fired++;
    loop_timer_stop(&many[((uintptr_t)arg + 7) % TIMERS]); /* due or not */
}

START_TEST(timers_fire_in_order_and_not_too_early)
{
    loop = loop_create();
    struct loop_timer stop;
    unsigned seed = 1, running = 0;
    for (uintptr_t i = 0; i < TIMERS; i++) {
        loop_timer_init(&many[i], loop, note_order, (void *)i);
        for (int j = 0; j < 3; j++) {
            seed = seed * 1103515245 + 12345;
            loop_timer_start(&many[i], (seed >> 16) % 40);
        }
    }
    for (unsigned i = 0; i < TIMERS; i += 3) {
        loop_timer_stop(&many[i]);
        loop_timer_stop(&many[i]);
    }
    loop_timer_init(&stop, loop, on_stop, NULL);
    loop_timer_start(&stop, 45);
    loop_run(loop);
    for (unsigned i = 0; i < TIMERS; i++) {
        running += loop_timer_running(&many[i]);
    }
    ck_assert_uint_eq(running, 0);
    ck_assert_uint_gt(fired, TIMERS / 4);
    loop_timer_start(&many[0], 1000);
    loop_destroy(&loop);
    ck_assert(!loop_timer_running(&many[0]));
    loop_timer_deinit(&many[0]);
}
END_TEST

static void
start_anew(void *arg)
{
    note(arg);
    loop_timer_start(&timer, 0);
}

/* One that starts itself anew runs once a turn, and without a wait between. */
START_TEST(a_timer_that_comes_back_leaves_others_their_turn)
{
    begin_pipe();
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    loop_timer_init(&timer, loop, start_anew, LETTER('t'));
    loop_timer_start(&timer, 0);
    loop_io_init(&first, loop, pipe_fds[0], on_ready, LETTER('r'));
    loop_io_want(&first, LOOP_READ);
    loop_run(loop);
    loop_timer_deinit(&timer);
    end_pipe("rt");
}
END_TEST

static void
on_library_event(evutil_socket_t fd, short what, void *arg)
{
    note(arg);
}

/* Once a library has asked for its base, everything goes on inside that. */
START_TEST(a_librarys_events_stand_beside_ours)
{
    begin_pipe();
    struct event *theirs =
        event_new(loop_base(loop), pipe_fds[1], EV_WRITE, on_library_event, LETTER('l'));
    event_add(theirs, NULL);
    loop_timer_init(&timer, loop, on_stop, NULL);
    loop_io_init(&first, loop, pipe_fds[0], on_ready, LETTER('r'));
    loop_io_want(&first, LOOP_READ);
    loop_timer_start(&timer, 20);
    loop_run(loop);
    ck_assert_str_eq(seen, "l");
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    loop_run(loop);
    loop_timer_start(&timer, 60000);
    loop_io_want(&first, 0);
    loop_post(loop, on_stop, NULL);
    loop_run(loop);
    loop_timer_deinit(&timer);
    event_free(theirs);
    end_pipe("lr");
}
END_TEST

START_TEST(a_signal_is_an_event)
{
    loop = loop_create();
    struct loop_signal sig;
    loop_signal_init(&sig, loop, SIGUSR1, on_stop, NULL);
    raise(SIGUSR1);
    loop_run(loop);
    loop_signal_deinit(&sig);
    loop_signal_deinit(&sig);
    expect("");
}
END_TEST

UNIT_MAIN("loop_events", readiness_is_told_again_until_it_is_over, what_is_not_wanted_is_not_told,
          a_callback_ends_itself_and_another_that_is_due, reading_is_told_before_writing,
          a_hangup_is_readiness, timers_fire_in_order_and_not_too_early,
          a_timer_that_comes_back_leaves_others_their_turn, a_librarys_events_stand_beside_ours,
          a_timer_ends_itself, a_later_start_replaces_and_stop_stops, a_signal_is_an_event)
