#include "common/net/loop.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS (CALL_BATCH_MAX + 4) /* more than one batch */

static struct loop *loop;

static struct peer {
    struct loop_io io;
    int theirs;
    char got[2 * LOOP_AHEAD_MAX];
    size_t bytes;
    int ends;  /* times that it was told of the end */
    int waits; /* times that there was nothing */
} peers[PEERS];

static int told;

static void
stop_at(int all)
{
    if (++told >= all) {
        loop_stop(loop);
    }
}

static void
take(struct peer *p)
{
    ssize_t n = loop_io_recv(&p->io, p->got + p->bytes, sizeof(p->got) - p->bytes);
    if (n > 0) {
        p->bytes += (size_t)n;
    } else if (n == 0) {
        p->ends++;
        loop_io_want(&p->io, 0);
    } else {
        p->waits++;
    }
}

static void
on_bytes(void *arg, int ready)
{
    ck_assert_int_eq(ready, LOOP_READ);
    take(arg);
    stop_at(PEERS);
}

/* Everybody has been read from once, so that he may be read ahead. */
static void
begin(void (*fn)(void *arg, int ready))
{
    loop = loop_create();
    for (int i = 0; i < PEERS; i++) {
        int fds[2];
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        peers[i] = (struct peer){.theirs = fds[1]};
        loop_io_init(&peers[i].io, loop, fds[0], fn, &peers[i]);
        take(&peers[i]);
        ck_assert_int_eq(peers[i].waits, 1);
        loop_io_want(&peers[i].io, LOOP_READ);
    }
}

static void
end(void)
{
    for (int i = 0; i < PEERS; i++) {
        loop_io_deinit(&peers[i].io);
        close(peers[i].io.fd);
        close(peers[i].theirs);
    }
    loop_destroy(&loop);
}

static void
say(int i, const char *format, int number)
{
    char text[64];
    int n = snprintf(text, sizeof(text), format, number);
    ck_assert_int_eq(send(peers[i].theirs, text, (size_t)n, 0), n);
}

static void
run(void)
{
    told = 0;
    loop_run(loop);
}

/* With io_uring, and as if there were none. */
static void
either_way(void (*check)(void), void (*fn)(void *arg, int ready))
{
    begin(fn);
    check();
    end();
    begin(fn);
    loop_call_ring(loop)->refused = true;
    check();
    end();
}

static void
each_says_something(void)
{
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < PEERS; i++) {
            say(i, "to %d;", i);
        }
        run();
    }
    for (int i = 0; i < PEERS; i++) {
        char expected[64];
        snprintf(expected, sizeof(expected), "to %d;to %d;to %d;", i, i, i);
        ck_assert_uint_eq(peers[i].bytes, strlen(expected));
        ck_assert_mem_eq(peers[i].got, expected, peers[i].bytes);
        ck_assert_int_eq(peers[i].waits, 1);
    }
}

START_TEST(each_gets_his_own)
{
    either_way(each_says_something, on_bytes);
}
END_TEST

static char *
aim(void *arg, size_t *room)
{
    struct peer *p = arg;
    *room = sizeof(p->got) - p->bytes;
    return p - peers == 3 ? NULL : p->got + p->bytes;
}

static void
aim_and_say_something(void)
{
    for (int i = 1; i < PEERS; i += 2) {
        peers[i].io.aim = aim;
    }
    each_says_something();
}

START_TEST(who_aims_finds_it_in_its_place)
{
    either_way(aim_and_say_something, on_bytes);
}
END_TEST

/* More than is read ahead, and the end, among others. */
static void
some_say_much(void)
{
    static char much[LOOP_AHEAD_MAX + 100];
    memset(much, 'm', sizeof(much));
    for (int i = 0; i < PEERS; i++) {
        if (i == 3) {
            shutdown(peers[i].theirs, SHUT_WR);
        } else if (i == 5) {
            ck_assert_int_eq(send(peers[i].theirs, much, sizeof(much), 0), sizeof(much));
        } else {
            say(i, "%d", i);
        }
    }
    run();
    ck_assert_int_eq(peers[3].ends, 1);
    ck_assert_uint_eq(peers[3].bytes, 0);
    told = PEERS - 1; /* the rest, if there is one */
    if (peers[5].bytes < sizeof(much)) {
        loop_run(loop);
    }
    ck_assert_uint_eq(peers[5].bytes, sizeof(much));
    ck_assert_mem_eq(peers[5].got, much, sizeof(much));
    ck_assert_int_eq(peers[4].got[0], '4');
}

START_TEST(much_and_nothing_more_are_told_too)
{
    either_way(some_say_much, on_bytes);
}
END_TEST

/* Who is told first ends the one behind him, and stops the next one. */
static void
on_bytes_end_others(void *arg, int ready)
{
    struct peer *p = arg;
    int at = (int)(p - peers);
    take(p);
    if (at % 4 == 0 && peers[at + 1].bytes == 0) {
        loop_io_deinit(&peers[at + 1].io);
        loop_io_want(&peers[at + 2].io, 0);
        told++;
    }
    stop_at(PEERS);
}

static void
stop_loop(void *arg)
{
    loop_stop(loop);
}

START_TEST(who_is_ended_is_not_told_and_who_wants_no_more_loses_nothing)
{
    begin(on_bytes_end_others);
    struct loop_timer timer;
    loop_timer_init(&timer, loop, stop_loop, NULL);
    for (int i = 0; i < PEERS; i++) {
        say(i, "%d", i);
    }
    loop_timer_start(&timer, 50);
    told = -1000;
    loop_run(loop);
    for (int i = 0; i < PEERS; i += 4) {
        ck_assert_uint_gt(peers[i].bytes, 0);
        bool was_ended = peers[i + 1].io.wanted == 0;
        ck_assert(was_ended);
        char left[8];
        /* told before it was stopped, or read ahead, or still to be read: once */
        ssize_t n = recv(peers[i + 2].io.fd, left, sizeof(left), 0);
        ck_assert_int_eq(n > 0, peers[i + 2].bytes == 0);
        ck_assert_uint_gt(peers[i + 3].bytes, 0);
    }
    loop_timer_deinit(&timer);
    end();
}
END_TEST

UNIT_MAIN("read_ahead", each_gets_his_own, who_aims_finds_it_in_its_place,
          much_and_nothing_more_are_told_too,
          who_is_ended_is_not_told_and_who_wants_no_more_loses_nothing)
