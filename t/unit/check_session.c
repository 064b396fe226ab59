/* A session at one end of a socket pair, a follower's words at the other. */
#include "common/core/log.h"
#include "common/push/frame.h"
#include "control/session.h"
#include "t/unit/unit.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 2000
#define BIG_BYTES   (4u << 20) /* more than a socket takes */

static struct loop *loop;
static struct session *session;
static int peer;
static struct {
    unsigned hellos, acks, nacks, byes;
    bool for_good;
    const char *closed;
} seen;

static void
on_hello(void *arg, struct session *s)
{
    seen.hellos++;
}

static void
on_acked(void *arg, struct session *s)
{
    seen.acks++;
}

static void
on_nacked(void *arg, struct session *s)
{
    seen.nacks++;
}

static void
on_bye(void *arg, struct session *s, bool for_good)
{
    seen.byes++;
    seen.for_good = for_good;
}

static void
on_closed(void *arg, struct session *s, const char *reason)
{
    seen.closed = reason;
}

static const struct session_events events = {on_hello, on_acked, on_nacked, on_bye, on_closed};

static void
begin(void)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    memset(&seen, 0, sizeof(seen));
    log_set_level(LOG_ERROR);
    loop = loop_create();
    session = session_create(loop, fds[0], PATIENCE_MS, &events, NULL, 0);
    peer = fds[1];
}

static void
end(void)
{
    session_destroy(&session);
    loop_destroy(&loop);
    close(peer);
}

static void
stop(void *arg)
{
    loop_stop(loop);
}

/* Some turns, so that what is ready is done. */
static void
turn(void)
{
    for (int i = 0; i < 4; i++) {
        loop_post(loop, stop, NULL);
        loop_run(loop);
    }
}

static void
say(enum frame_type type, const char *body)
{
    struct buf frame = BUF_EMPTY;
    ck_assert(frame_put(&frame, type, span_cstr(body)));
    ck_assert_int_eq(write(peer, frame.mem, buf_len(&frame)), (ssize_t)buf_len(&frame));
    buf_deinit(&frame);
    turn();
}

static void
say_hello(void)
{
    say(FRAME_HELLO, "{\"role\":\"proxy\",\"id\":\"p\",\"sha\":\"held\",\"epoch\":4}");
    ck_assert_uint_eq(seen.hellos, 1);
}

/* Offers a table whose body is `bytes` times `fill`. */
static void
offer(const char *sha, size_t bytes, char fill)
{
    struct table_identity identity = {.incarnation = "i", .epoch = 5};
    struct buf body = BUF_EMPTY, frame = BUF_EMPTY;
    strcpy(identity.sha, sha);
    memset(buf_room(&body, bytes), fill, bytes);
    buf_grew(&body, bytes);
    ck_assert(frame_put(&frame, FRAME_TABLE, buf_span(&body)));
    struct shared_bytes *shared = shared_bytes_create(&frame);
    session_offer(session, &identity, shared, 0);
    shared_bytes_unref(&shared);
    buf_deinit(&body);
    turn();
}

/* Reads all that comes; the first byte of each frame's body, as a string. */
static const char *
tables_that_come(void)
{
    static char names[16];
    struct buf in = BUF_EMPTY;
    unsigned count = 0, silent = 0;
    /* The rest of a frame is worth waiting for: the kernel may take its time. */
    while (silent < (buf_len(&in) > 0 ? 1000 : 3)) {
        struct pollfd wait = {.fd = peer, .events = POLLIN};
        poll(&wait, 1, silent > 0 ? 10 : 0);
        ssize_t n = read(peer, buf_room(&in, 1 << 20), 1 << 20);
        silent = n > 0 ? 0 : silent + 1;
        buf_grew(&in, n > 0 ? (size_t)n : 0);
        turn();
        struct frame frame;
        while (frame_parse(buf_span(&in), &frame) == FRAME_OK) {
            ck_assert_uint_lt(count, sizeof(names) - 1);
            names[count++] = frame.body.ptr[0];
            buf_consume(&in, frame.bytes);
        }
    }
    names[count] = '\0';
    ck_assert_uint_eq(buf_len(&in), 0);
    buf_deinit(&in);
    return names;
}

START_TEST(a_table_is_sent_to_who_lacks_it)
{
    begin();
    offer("early", 10, 'x'); /* before HELLO nothing is sent */
    say_hello();
    ck_assert_uint_eq(session->held.epoch, 4);
    offer("held", 10, 'h');
    offer("new", 10, 'n');
    offer("new", 10, 'n');
    ck_assert_str_eq(tables_that_come(), "n");
    end();
}
END_TEST

START_TEST(newer_tables_replace_those_that_wait)
{
    begin();
    say_hello();
    offer("1", BIG_BYTES, '1');
    offer("2", BIG_BYTES, '2');
    offer("3", BIG_BYTES, '3');
    offer("4", BIG_BYTES, '4');
    ck_assert_str_eq(tables_that_come(), "14");
    ck_assert_ptr_null(session->sending);
    ck_assert_ptr_null(session->waiting);
    end();
}
END_TEST

START_TEST(small_frames_are_bounded)
{
    begin();
    say_hello();
    offer("1", BIG_BYTES, '1');
    char small[1024] = {0};
    unsigned taken = 0;
    while (session_send(session, span_make(small, sizeof(small)))) {
        taken++;
    }
    ck_assert_uint_eq(taken, SESSION_OUTPUT_MAX / sizeof(small));
    end();
}
END_TEST

START_TEST(answers_are_understood)
{
    begin();
    say_hello();
    say(FRAME_ACK, "{\"epoch\":5,\"incarnation\":\"i\"}");
    ck_assert_uint_eq(seen.acks, 1);
    ck_assert_uint_eq(session->held.epoch, 5);
    say(FRAME_NACK, "{\"epoch\":6,\"code\":\"adopt\",\"reason\":\"because\"}");
    ck_assert_uint_eq(seen.nacks, 1);
    ck_assert_str_eq(session->nack_reason, "because");
    say(FRAME_REPORT, "{\"epoch\":6,\"healthy\":false,\"more\":[1,{}]}");
    ck_assert_uint_eq(session->held.epoch, 6);
    ck_assert(!session->healthy);
    ck_assert_ptr_null(seen.closed);
    say(FRAME_BYE, "{\"for_good\":true}");
    ck_assert(seen.byes == 1 && seen.for_good);
    ck_assert_str_eq(seen.closed, "said goodbye");
    end();
}
END_TEST

START_TEST(words_that_make_no_sense_end_it)
{
    static const struct {
        enum frame_type type;
        const char *body;
    } bad[] = {
        {FRAME_ACK, "{}"},
        {FRAME_ACK, "{\"epoch\":-1}"},
        {FRAME_NACK, "[]"},
        {FRAME_REPORT, "{\"healthy\":1}"},
        {FRAME_BYE, "{"},
        {FRAME_HELLO, "{\"role\":\"proxy\",\"id\":\"again\"}"},
        {FRAME_ACK, "{\"epoch\":1,\"incarnation\":\"0123456789012345678901234567890123456789"
                    "0123456789012345678901234567890123456789\"}"},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin();
        say_hello();
        say(bad[i].type, bad[i].body);
        ck_assert_msg(seen.closed != NULL, "%s went unnoticed", bad[i].body);
        end();
    }
}
END_TEST

START_TEST(time_runs_out)
{
    begin();
    ck_assert_ptr_null(session_overdue(session, PATIENCE_MS));
    ck_assert_str_eq(session_overdue(session, SESSION_HELLO_MS + 1), "no HELLO in time");
    say_hello();
    uint64_t heard = session->heard_ms;
    ck_assert_ptr_null(session_overdue(session, heard + PATIENCE_MS));
    ck_assert_str_eq(session_overdue(session, heard + PATIENCE_MS + 1), "silent");
    offer("1", BIG_BYTES, '1');
    session->sending_since_ms = heard;
    ck_assert_str_eq(session_overdue(session, heard + 2 * PATIENCE_MS + 1),
                     "takes a table too slowly");
    end();
}
END_TEST

UNIT_MAIN("session", a_table_is_sent_to_who_lacks_it, newer_tables_replace_those_that_wait,
          small_frames_are_bounded, answers_are_understood, words_that_make_no_sense_end_it,
          time_runs_out)
