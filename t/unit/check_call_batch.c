#include "common/net/call_batch.h"
#include "t/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS 6

static struct call_batch batch;
static struct call_ring ring;
static int ours[PAIRS], theirs[PAIRS];
static char bytes[PAIRS][64];

static void
begin(void)
{
    batch.count = 0;
    ring = CALL_RING_INIT;
    for (int i = 0; i < PAIRS; i++) {
        int fds[2];
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        ours[i] = fds[0];
        theirs[i] = fds[1];
        memset(bytes[i], 0, sizeof(bytes[i]));
    }
}

static void
end(void)
{
    call_ring_close(&ring);
    for (int i = 0; i < PAIRS; i++) {
        close(ours[i]);
        close(theirs[i]);
    }
}

/* Each case with the ring, if this kernel offers one, and without. */
static void
either_way(void (*check)(void))
{
    begin();
    check();
    end();
    begin();
    ring.refused = true;
    check();
    ck_assert_ptr_null(ring.uring);
    end();
}

static void
send_each(void)
{
    static const char *const words[PAIRS] = {"a", "bc", "def", "ghij", "klmno", "pqrstu"};
    for (int i = 0; i < PAIRS; i++) {
        call_batch_add(&batch, BATCHED_SEND, ours[i], words[i], strlen(words[i]));
    }
    call_batch_run(&batch, &ring);
    for (int i = 0; i < PAIRS; i++) {
        ck_assert_int_eq(batch.calls[i].result, i + 1);
    }
    batch.count = 0;
    for (int i = PAIRS - 1; i >= 0; i--) {
        call_batch_add(&batch, BATCHED_RECV, theirs[i], bytes[i], sizeof(bytes[i]));
    }
    call_batch_run(&batch, &ring);
    for (int i = 0; i < PAIRS; i++) {
        ck_assert_int_eq(batch.calls[PAIRS - 1 - i].result, i + 1);
        ck_assert_str_eq(bytes[i], words[i]);
    }
}

START_TEST(each_call_has_its_own_result)
{
    either_way(send_each);
}
END_TEST

static void
fail_in_between(void)
{
    close(theirs[0]); /* the end of the input, and nobody who reads */
    ck_assert_int_eq(send(theirs[2], "x", 1, 0), 1);
    struct batched_call *closed = call_batch_add(&batch, BATCHED_RECV, ours[0], bytes[0], 64);
    struct batched_call *broken = call_batch_add(&batch, BATCHED_SEND, ours[0], "y", 1);
    struct batched_call *nothing = call_batch_add(&batch, BATCHED_RECV, ours[1], bytes[1], 64);
    struct batched_call *something = call_batch_add(&batch, BATCHED_RECV, ours[2], bytes[2], 64);
    struct batched_call *no_fd = call_batch_add(&batch, BATCHED_SEND, -1, "y", 1);
    struct batched_call *last = call_batch_add(&batch, BATCHED_SEND, ours[3], "z", 1);
    call_batch_run(&batch, &ring);
    ck_assert_int_eq(closed->result, 0);
    ck_assert_int_eq(broken->result, -EPIPE); /* and no SIGPIPE */
    ck_assert_int_eq(nothing->result, -EAGAIN);
    ck_assert_int_eq(something->result, 1);
    ck_assert_int_eq(no_fd->result, -EBADF);
    ck_assert_int_eq(last->result, 1);
    theirs[0] = dup(ours[0]);
}

START_TEST(one_that_fails_hurts_no_other)
{
    either_way(fail_in_between);
}
END_TEST

/* A descriptor that would block is not waited for. */
static void
fill(void)
{
    static char much[1 << 20];
    int flags = fcntl(ours[0], F_GETFL);
    ck_assert_int_eq(fcntl(ours[0], F_SETFL, flags & ~O_NONBLOCK), 0);
    struct batched_call *whole = call_batch_add(&batch, BATCHED_SEND, ours[0], much, sizeof(much));
    struct batched_call *empty = call_batch_add(&batch, BATCHED_RECV, ours[1], bytes[1], 64);
    call_batch_run(&batch, &ring);
    if (ring.uring != NULL) { /* send() of a descriptor that may block does */
        ck_assert_int_gt(whole->result, 0);
        ck_assert_int_lt(whole->result, sizeof(much));
    }
    ck_assert_int_eq(empty->result, -EAGAIN);
}

START_TEST(nothing_waits)
{
    begin();
    if (call_ring_open(&ring)) {
        fill();
    }
    end();
}
END_TEST

static void
run_often(void)
{
    for (int round = 0; round < 1000; round++) {
        batch.count = 0;
        for (int i = 0; i < PAIRS; i++) {
            call_batch_add(&batch, BATCHED_SEND, ours[i], "12", 2);
            call_batch_add(&batch, BATCHED_RECV, ours[i], bytes[i], 64);
        }
        call_batch_run(&batch, &ring);
        for (int i = 0; i < PAIRS; i++) {
            ck_assert_int_eq(batch.calls[2 * i].result, 2);
            ck_assert_int_eq(batch.calls[2 * i + 1].result, -EAGAIN);
            ck_assert_int_eq(recv(theirs[i], bytes[i], 64, 0), 2);
        }
    }
}

START_TEST(a_ring_goes_round)
{
    either_way(run_often);
}
END_TEST

START_TEST(one_call_needs_no_ring)
{
    begin();
    struct batched_call *one = call_batch_add(&batch, BATCHED_SEND, ours[0], "x", 1);
    call_batch_run(&batch, &ring);
    ck_assert_int_eq(one->result, 1);
    ck_assert_ptr_null(ring.uring);
    end();
}
END_TEST

/* As where a container's rules refuse it; here there is no descriptor left. */
START_TEST(what_the_kernel_refuses_is_done_without)
{
    begin();
    int next = dup(0);
    close(next);
    struct rlimit before, limit;
    getrlimit(RLIMIT_NOFILE, &before);
    limit = (struct rlimit){(rlim_t)next, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert(!call_ring_open(&ring));
    send_each();
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert(!call_ring_open(&ring)); /* nor is it asked again */
    ck_assert_str_eq(call_ring_use(), "unavailable");
    end();
}
END_TEST

START_TEST(what_is_forbidden_is_not_opened)
{
    begin();
    call_ring_forbid();
    send_each();
    ck_assert_ptr_null(ring.uring);
    ck_assert(!call_ring_open(&ring));
    ck_assert_str_ne(call_ring_use(), "on");
    end();
}
END_TEST

UNIT_MAIN("call_batch", each_call_has_its_own_result, one_that_fails_hurts_no_other, nothing_waits,
          a_ring_goes_round, one_call_needs_no_ring, what_the_kernel_refuses_is_done_without,
          what_is_forbidden_is_not_opened)
