/* A stream at one end of a socket pair, the test at the other. */
#include "common/core/mem.h"
#include "common/net/sock.h"
#include "common/net/stream.h"
#include "t/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static struct loop *loop;
static struct stream *stream;
static int peer;

enum happening { NOTHING, CONNECTED, READABLE, CLOSED, DRAINED };

static struct {
    unsigned count[DRAINED + 1];
    char reason[64];
    char got[256];
    size_t got_bytes;
} seen;

static enum happening stop_at;    /* ends the loop */
static enum happening destroy_at; /* destroys the stream, and ends the loop */
static bool leave_input;
static const char *answer; /* written at the first drained() */

static void
happened(enum happening what)
{
    seen.count[what]++;
    if (destroy_at == what) {
        stream_destroy(&stream);
        ck_assert_ptr_null(stream);
    }
    if (destroy_at == what || stop_at == what) {
        loop_stop(loop);
    }
}

static void
on_connected(void *arg)
{
    happened(CONNECTED);
}

static void
on_readable(void *arg)
{
    struct buf *in = stream_input(stream);
    if (!leave_input) {
        ck_assert_uint_le(seen.got_bytes + buf_len(in), sizeof(seen.got));
        memcpy(seen.got + seen.got_bytes, buf_span(in).ptr, buf_len(in));
        seen.got_bytes += buf_len(in);
        buf_consume(in, buf_len(in));
    }
    happened(READABLE);
}

static void
on_closed(void *arg, const char *reason)
{
    snprintf(seen.reason, sizeof(seen.reason), "%s", reason);
    ck_assert(!stream_write(stream, SPAN_LIT("x")));
    happened(CLOSED);
}

static void
on_drained(void *arg)
{
    if (answer != NULL) {
        const char *text = answer;
        answer = NULL;
        ck_assert(stream_write(stream, span_cstr(text)));
    }
    happened(DRAINED);
}

static const struct stream_events events = {on_connected, on_readable, on_closed, on_drained};
static const struct stream_limits roomy = {.input_max = 1 << 20, .output_max = 8 << 20};

static void
begin(const struct stream_limits *limits)
{
    int fds[2];
    loop = loop_create();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    stream = stream_adopt(loop, fds[0], limits, &events, NULL);
    peer = fds[1];
}

static void
end(void)
{
    stream_destroy(&stream);
    stream_destroy(&stream);
    if (peer >= 0) {
        close(peer);
    }
    loop_destroy(&loop);
}

static void
run_until(enum happening what)
{
    stop_at = what;
    loop_run(loop);
}

static void
on_stop(void *arg)
{
    loop_stop(loop);
}

static void
run_a_turn(void)
{
    loop_post(loop, on_stop, NULL);
    loop_run(loop);
}

static void
send_to_stream(const char *text)
{
    ck_assert_int_eq(write(peer, text, strlen(text)), (ssize_t)strlen(text));
}

static void
expect_at_peer(const char *text)
{
    char got[256];
    ssize_t n = recv(peer, got, sizeof(got), MSG_DONTWAIT);
    ck_assert_int_eq(n, (ssize_t)strlen(text));
    ck_assert_mem_eq(got, text, strlen(text));
}

/* --- reading ---------------------------------------------------------------- */

START_TEST(bytes_come_in)
{
    begin(&roomy);
    send_to_stream("hello");
    run_until(READABLE);
    ck_assert_uint_eq(seen.got_bytes, 5);
    ck_assert_mem_eq(seen.got, "hello", 5);
    ck_assert_uint_eq(seen.count[CLOSED], 0);
    end();
}
END_TEST

/* Whatever came before the end is read before the end is told. */
START_TEST(the_peer_may_close_at_every_byte)
{
    const char text[] = "a few words";
    for (size_t n = 0; n < sizeof(text); n++) {
        memset(&seen, 0, sizeof(seen));
        begin(&roomy);
        ck_assert_int_eq(write(peer, text, n), (ssize_t)n);
        close(peer);
        peer = -1;
        run_until(CLOSED);
        ck_assert_uint_eq(seen.got_bytes, n);
        ck_assert_str_eq(seen.reason, "closed");
        run_a_turn();
        ck_assert_uint_eq(seen.count[CLOSED], 1);
        end();
    }
}
END_TEST

START_TEST(too_much_unread_input_is_a_failure)
{
    struct stream_limits limits = {.input_max = 10, .output_max = 10};
    begin(&limits);
    leave_input = true;
    send_to_stream("12345");
    run_until(READABLE);
    send_to_stream("67890");
    run_until(READABLE);
    ck_assert_uint_eq(seen.count[CLOSED], 0);
    send_to_stream("!");
    run_until(CLOSED);
    ck_assert_str_eq(seen.reason, "input over the limit");
    ck_assert_uint_eq(buf_len(stream_input(stream)), 10);
    end();
}
END_TEST

/* No further byte comes that could bring it to light. */
START_TEST(too_much_at_once_is_a_failure_too)
{
    struct stream_limits limits = {.input_max = 10, .output_max = 10};
    begin(&limits);
    leave_input = true;
    send_to_stream("1234567890!");
    run_until(CLOSED);
    ck_assert_str_eq(seen.reason, "input over the limit");
    ck_assert_uint_eq(seen.count[READABLE], 1);
    end();
}
END_TEST

/* --- writing ---------------------------------------------------------------- */

START_TEST(writes_gather_until_the_end_of_the_turn)
{
    begin(&roomy);
    ck_assert(stream_write(stream, SPAN_LIT("a")));
    ck_assert(stream_write(stream, SPAN_LIT("b")));
    ck_assert_uint_eq(stream_unsent(stream), 2);
    char c;
    ck_assert(recv(peer, &c, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    run_until(DRAINED);
    ck_assert_uint_eq(stream_unsent(stream), 0);
    ck_assert_uint_eq(seen.count[DRAINED], 1);
    expect_at_peer("ab");
    end();
}
END_TEST

START_TEST(more_can_be_written_when_drained)
{
    begin(&roomy);
    answer = "two";
    ck_assert(stream_write(stream, SPAN_LIT("one ")));
    run_a_turn();
    run_a_turn();
    ck_assert_uint_eq(seen.count[DRAINED], 2);
    expect_at_peer("one two");
    end();
}
END_TEST

START_TEST(output_over_the_limit_is_refused_whole)
{
    struct stream_limits limits = {.input_max = 10, .output_max = 10};
    begin(&limits);
    ck_assert(stream_write(stream, SPAN_LIT("12345678")));
    ck_assert(!stream_write(stream, SPAN_LIT("abc")));
    ck_assert(stream_write(stream, SPAN_LIT("90")));
    run_until(DRAINED);
    expect_at_peer("1234567890");
    end();
}
END_TEST

enum { BIG = 4 << 20 };

static void *
read_all(void *arg)
{
    char *all = arg;
    size_t n = 0;
    while (n < BIG) {
        ssize_t got = read(peer, all + n, BIG - n);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
    }
    return NULL;
}

START_TEST(much_output_arrives_in_order)
{
    begin(&roomy);
    char *sent = mem_alloc(BIG), *got = mem_zalloc(BIG);
    for (size_t i = 0; i < BIG; i++) {
        sent[i] = (char)(i % 251);
    }
    pthread_t reader;
    ck_assert_int_eq(pthread_create(&reader, NULL, read_all, got), 0);
    for (size_t i = 0; i < BIG; i += BIG / 16) {
        ck_assert(stream_write(stream, span_make(sent + i, BIG / 16)));
        run_a_turn();
    }
    while (stream_unsent(stream) > 0) {
        run_until(DRAINED);
    }
    pthread_join(reader, NULL);
    ck_assert_int_eq(memcmp(sent, got, BIG), 0);
    free(sent);
    free(got);
    end();
}
END_TEST

static struct shared_bytes *
shared_of(size_t bytes, char fill)
{
    struct buf b = BUF_EMPTY;
    memset(buf_room(&b, bytes), fill, bytes);
    buf_grew(&b, bytes);
    struct shared_bytes *shared = shared_bytes_create(&b);
    ck_assert_ptr_null(b.mem);
    return shared;
}

START_TEST(shared_bytes_keep_their_place)
{
    struct stream_limits limits = {.input_max = 10, .output_max = 4};
    begin(&limits);
    struct shared_bytes *shared = shared_of(5, 'S');
    ck_assert(stream_write(stream, SPAN_LIT("ab")));
    ck_assert(stream_write_shared(stream, shared));
    ck_assert(!stream_write_shared(stream, shared));
    ck_assert(stream_write(stream, SPAN_LIT("cd")));
    ck_assert_uint_eq(stream_unsent(stream), 9);
    run_until(DRAINED);
    expect_at_peer("abSSSSScd");
    ck_assert(stream_write_shared(stream, shared));
    shared_bytes_unref(&shared);
    ck_assert_ptr_null(shared);
    run_until(DRAINED);
    expect_at_peer("SSSSS");
    end();
}
END_TEST

START_TEST(shared_bytes_outlive_a_stream_that_dies)
{
    begin(&roomy);
    struct shared_bytes *shared = shared_of(BIG, 'S');
    ck_assert(stream_write_shared(stream, shared));
    run_a_turn();
    ck_assert_uint_gt(stream_unsent(stream), 0);
    stream_destroy(&stream);
    ck_assert_uint_eq(shared_bytes_span(shared).len, BIG);
    ck_assert_int_eq(shared_bytes_span(shared).ptr[BIG - 1], 'S');
    shared_bytes_unref(&shared);
    end();
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_a_failure)
{
    struct stream_limits limits = {.input_max = 1 << 20, .output_max = 8 << 20, .stall_ms = 30};
    begin(&limits);
    struct shared_bytes *shared = shared_of(BIG, 'S');
    ck_assert(stream_write_shared(stream, shared));
    shared_bytes_unref(&shared);
    run_until(CLOSED);
    ck_assert_str_eq(seen.reason, "peer does not read");
    ck_assert_uint_eq(seen.count[DRAINED], 0);
    run_a_turn();
    ck_assert_uint_eq(seen.count[CLOSED], 1);
    end();
}
END_TEST

START_TEST(an_idle_stream_does_not_stall)
{
    struct stream_limits limits = {.input_max = 1 << 20, .output_max = 8 << 20, .stall_ms = 1};
    begin(&limits);
    ck_assert(stream_write(stream, SPAN_LIT("x")));
    run_until(DRAINED);
    struct loop_timer timer;
    loop_timer_init(&timer, loop, on_stop, NULL);
    loop_timer_start(&timer, 20);
    run_until(CLOSED);
    loop_timer_deinit(&timer);
    ck_assert_uint_eq(seen.count[CLOSED], 0);
    end();
}
END_TEST

START_TEST(a_failed_write_is_told_later)
{
    begin(&roomy);
    shutdown(peer, SHUT_RD);
    ck_assert(stream_write(stream, SPAN_LIT("x")));
    ck_assert_uint_eq(seen.count[CLOSED], 0);
    run_until(CLOSED);
    ck_assert_str_eq(seen.reason, strerror(EPIPE));
    run_a_turn();
    ck_assert_uint_eq(seen.count[CLOSED], 1);
    ck_assert_uint_eq(seen.count[DRAINED], 0);
    end();
}
END_TEST

/* --- connecting --------------------------------------------------------------- */

static struct addr
loopback(void)
{
    struct addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in4 = (struct sockaddr_in *)&addr.sa;
    in4->sin_family = AF_INET;
    in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return addr;
}

/* A socket that listens, and its address. */
static int
listen_somewhere(struct addr *addr, int backlog)
{
    *addr = loopback();
    int fd = sock_listen(addr, backlog, false, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert(sock_local(fd, addr));
    return fd;
}

static void
begin_connect(const struct addr *addr, const struct stream_limits *limits)
{
    loop = loop_create();
    peer = -1;
    stream = stream_connect(loop, addr, limits, &events, NULL);
    ck_assert_uint_eq(seen.count[CLOSED] + seen.count[CONNECTED], 0);
}

START_TEST(what_is_written_while_connecting_is_sent)
{
    struct addr addr;
    char text[ADDR_TEXT_MAX];
    int listening = listen_somewhere(&addr, 5);
    begin_connect(&addr, &roomy);
    ck_assert(stream_write(stream, SPAN_LIT("early")));
    ck_assert_str_eq(stream_peer(stream), addr_format(&addr, text));
    run_until(DRAINED);
    ck_assert_uint_eq(seen.count[CONNECTED], 1);
    struct addr from;
    peer = sock_accept(listening, &from);
    ck_assert_int_ge(peer, 0);
    expect_at_peer("early");
    close(listening);
    end();
}
END_TEST

START_TEST(a_refused_connect_is_told_later)
{
    struct addr addr;
    close(listen_somewhere(&addr, 5));
    begin_connect(&addr, &roomy);
    run_until(CLOSED);
    ck_assert_str_eq(seen.reason, strerror(ECONNREFUSED));
    ck_assert_uint_eq(seen.count[CONNECTED], 0);
    end();
}
END_TEST

START_TEST(a_connect_that_fails_at_once_is_told_later)
{
    struct addr_name name;
    struct addr addr;
    const char *error;
    ck_assert(addr_parse(SPAN_LIT("/nonexistent/socket"), 0, &name));
    ck_assert(addr_resolve(&name, false, &addr, &error));
    begin_connect(&addr, &roomy);
    ck_assert(!stream_write(stream, SPAN_LIT("x")));
    run_until(CLOSED);
    ck_assert_str_eq(seen.reason, strerror(ENOENT));
    end();
}
END_TEST

/* A full queue of connections answers nothing. */
START_TEST(a_connect_without_answer_times_out)
{
    struct addr addr;
    int waiting[8], listening = listen_somewhere(&addr, 0);
    for (int i = 0; i < 8; i++) {
        waiting[i] = sock_connect(&addr);
    }
    struct stream_limits limits = {.input_max = 10, .output_max = 10, .connect_ms = 50};
    begin_connect(&addr, &limits);
    run_until(CLOSED);
    ck_assert_str_eq(seen.reason, "connect timed out");
    for (int i = 0; i < 8; i++) {
        close(waiting[i]);
    }
    close(listening);
    end();
}
END_TEST

/* --- destroyed in its own callbacks ---------------------------------------------- */

START_TEST(destroyed_when_readable)
{
    begin(&roomy);
    destroy_at = READABLE;
    send_to_stream("hello");
    close(peer);
    peer = -1;
    run_until(READABLE);
    ck_assert_uint_eq(seen.count[CLOSED], 0);
    end();
}
END_TEST

START_TEST(destroyed_when_closed)
{
    begin(&roomy);
    destroy_at = CLOSED;
    close(peer);
    peer = -1;
    run_until(CLOSED);
    end();
}
END_TEST

START_TEST(destroyed_when_drained)
{
    begin(&roomy);
    destroy_at = DRAINED;
    ck_assert(stream_write(stream, SPAN_LIT("x")));
    run_until(DRAINED);
    expect_at_peer("x");
    end();
}
END_TEST

START_TEST(destroyed_when_connected)
{
    struct addr addr;
    int listening = listen_somewhere(&addr, 5);
    begin_connect(&addr, &roomy);
    ck_assert(stream_write(stream, SPAN_LIT("x")));
    destroy_at = CONNECTED;
    run_until(CONNECTED);
    ck_assert_uint_eq(seen.count[DRAINED], 0);
    close(listening);
    end();
}
END_TEST

START_TEST(destroyed_with_output_waiting)
{
    begin(&roomy);
    ck_assert(stream_write(stream, SPAN_LIT("x")));
    stream_destroy(&stream);
    run_a_turn();
    end();
}
END_TEST

/* Both have something to read in one turn: the first to be told ends the other. */
static struct stream *others[2];

static void
end_the_other(void *arg)
{
    seen.count[READABLE]++;
    stream_destroy(&others[arg == &others[0] ? 1 : 0]);
    loop_stop(loop);
}

START_TEST(destroyed_by_another)
{
    static const struct stream_events deadly = {NULL, end_the_other, on_closed, NULL};
    int fds[2][2];
    loop = loop_create();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds[i]), 0);
        others[i] = stream_adopt(loop, fds[i][0], &roomy, &deadly, &others[i]);
        ck_assert_int_eq(write(fds[i][1], "x", 1), 1);
    }
    loop_run(loop);
    ck_assert_uint_eq(seen.count[READABLE], 1);
    ck_assert((others[0] == NULL) != (others[1] == NULL));
    for (int i = 0; i < 2; i++) {
        stream_destroy(&others[i]);
        close(fds[i][1]);
    }
    loop_destroy(&loop);
}
END_TEST

UNIT_MAIN("stream", bytes_come_in, the_peer_may_close_at_every_byte,
          too_much_unread_input_is_a_failure, too_much_at_once_is_a_failure_too,
          writes_gather_until_the_end_of_the_turn, more_can_be_written_when_drained,
          output_over_the_limit_is_refused_whole, much_output_arrives_in_order,
          shared_bytes_keep_their_place, shared_bytes_outlive_a_stream_that_dies,
          a_peer_that_does_not_read_is_a_failure, an_idle_stream_does_not_stall,
          a_failed_write_is_told_later, what_is_written_while_connecting_is_sent,
          a_refused_connect_is_told_later, a_connect_that_fails_at_once_is_told_later,
          a_connect_without_answer_times_out, destroyed_when_readable, destroyed_when_closed,
          destroyed_when_drained, destroyed_when_connected, destroyed_with_output_waiting,
          destroyed_by_another)
