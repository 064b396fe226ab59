/* What old and new process say to each other, and the link that carries it. */
#include "common/net/handover.h"
#include "common/net/handover_link.h"
#include "t/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct handover_message m;

START_TEST(what_is_put_is_parsed)
{
    struct buf b = BUF_EMPTY;
    ck_assert(handover_put(&b, HANDOVER_HELLO, SPAN_LIT("mfproxy")));
    ck_assert(handover_put(&b, HANDOVER_READY, SPAN_LIT("")));
    ck_assert_int_eq(handover_parse(buf_span(&b), &m), HANDOVER_OK);
    ck_assert_uint_eq(m.type, HANDOVER_HELLO);
    ck_assert_uint_eq(m.version, HANDOVER_VERSION);
    ck_assert(span_eq_cstr(m.body, "mfproxy"));
    ck_assert_uint_eq(m.bytes, HANDOVER_HEAD_BYTES + 7);
    buf_consume(&b, m.bytes);
    ck_assert_int_eq(handover_parse(buf_span(&b), &m), HANDOVER_OK);
    ck_assert_uint_eq(m.type, HANDOVER_READY);
    ck_assert_uint_eq(m.body.len, 0);
    ck_assert_str_eq(handover_type_name(m.type), "READY");
    ck_assert_str_eq(handover_type_name('?'), "unknown");
    buf_deinit(&b);
}
END_TEST

START_TEST(every_prefix_needs_more)
{
    struct buf b = BUF_EMPTY;
    ck_assert(handover_put(&b, HANDOVER_REFUSED, SPAN_LIT("no")));
    for (size_t cut = 0; cut < buf_len(&b); cut++) {
        ck_assert_int_eq(handover_parse(span_make(b.mem, cut), &m), HANDOVER_NEED_MORE);
    }
    buf_deinit(&b);
}
END_TEST

START_TEST(others_are_told_by_their_first_bytes)
{
    ck_assert_int_eq(handover_parse(SPAN_LIT("E"), &m), HANDOVER_BAD);
    ck_assert_int_eq(handover_parse(SPAN_LIT("MFX"), &m), HANDOVER_BAD);
    ck_assert_int_eq(handover_parse(SPAN_LIT("MFHO\0\1\200\1"), &m), HANDOVER_BAD);
    static char long_body[HANDOVER_BODY_MAX + 1];
    struct buf b = BUF_EMPTY;
    ck_assert(!handover_put(&b, HANDOVER_OFFER, span_make(long_body, sizeof(long_body))));
    ck_assert(handover_put(&b, HANDOVER_OFFER, span_make(long_body, sizeof(long_body) - 1)));
    ck_assert_int_eq(handover_parse(buf_span(&b), &m), HANDOVER_OK);
    buf_deinit(&b);
}
END_TEST

START_TEST(another_version_can_be_read_as_such)
{
    ck_assert_int_eq(handover_parse(SPAN_LIT("MFHZ\1\2\0\1x"), &m), HANDOVER_OK);
    ck_assert_uint_eq(m.version, 258);
    ck_assert_uint_eq(m.type, 'Z');
}
END_TEST

static struct handover_offer offer, again;

START_TEST(an_offer_comes_out_as_it_went_in)
{
    struct buf b = BUF_EMPTY;
    handover_add(&offer, HANDOVER_MEETING, "unix:/run/takeover", 3);
    handover_add(&offer, HANDOVER_LISTENER, "127.0.0.1:0", 4);
    handover_add(&offer, HANDOVER_TABLE, "", 5);
    ck_assert(handover_put_offer(&b, &offer));
    ck_assert(handover_parse_offer(buf_span(&b), &again));
    ck_assert_uint_eq(again.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(again.items[i].kind, offer.items[i].kind);
        ck_assert_str_eq(again.items[i].name, offer.items[i].name);
        ck_assert_int_eq(again.items[i].fd, -1);
    }
    for (size_t cut = 0; cut < buf_len(&b); cut++) {
        ck_assert(!handover_parse_offer(span_make(b.mem, cut), &again));
    }
    ck_assert(buf_append(&b, "x", 1));
    ck_assert(!handover_parse_offer(buf_span(&b), &again));
    buf_deinit(&b);
}
END_TEST

START_TEST(the_largest_offer_fits_a_message)
{
    char name[HANDOVER_NAME_MAX];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    offer.count = 0;
    while (offer.count < HANDOVER_ITEMS_MAX) {
        handover_add(&offer, HANDOVER_LISTENER, name, -1);
    }
    struct buf b = BUF_EMPTY;
    ck_assert(handover_put_offer(&b, &offer));
    ck_assert_uint_le(buf_len(&b), HANDOVER_BODY_MAX);
    ck_assert(handover_parse_offer(buf_span(&b), &again));
    buf_deinit(&b);
}
END_TEST

START_TEST(offers_that_make_no_sense)
{
    ck_assert(handover_parse_offer(SPAN_LIT("\0"), &again));
    ck_assert(!handover_parse_offer(SPAN_LIT(""), &again));
    ck_assert(!handover_parse_offer(SPAN_LIT("\201"), &again));
    ck_assert(!handover_parse_offer(SPAN_LIT("\1?\0\0"), &again));
    ck_assert(!handover_parse_offer(SPAN_LIT("\1l\0\2x"), &again));
    ck_assert(!handover_parse_offer(SPAN_LIT("\1l\377\377x"), &again));
    ck_assert(!handover_parse_offer(SPAN_LIT("\1l\0\1\0"), &again));
}
END_TEST

/* --- the link -------------------------------------------------------------------- */

static struct handover_link a, b;

static void
link_up(void)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    handover_link_init(&a, fds[0]);
    handover_link_init(&b, fds[1]);
}

static void
expect_message(unsigned type)
{
    ck_assert_int_eq(handover_link_next(&b, &m), HANDOVER_MESSAGE);
    ck_assert_uint_eq(m.type, type);
}

START_TEST(descriptors_arrive_with_their_message)
{
    link_up();
    int pipe_fds[2], left;
    ck_assert_int_eq(pipe(pipe_fds), 0);
    struct span none = SPAN_LIT("");
    ck_assert_int_eq(handover_link_next(&b, &m), HANDOVER_NOTHING);
    ck_assert_int_eq(handover_link_send(&a, HANDOVER_OFFER, SPAN_LIT("two"), pipe_fds, 2),
                     HANDOVER_SENT);
    ck_assert_int_eq(handover_link_send(&a, HANDOVER_CLIENT, none, pipe_fds, 1), HANDOVER_SENT);
    close(pipe_fds[0]);
    expect_message(HANDOVER_OFFER);
    ck_assert(span_eq_cstr(m.body, "two"));
    int in = handover_link_take(&b), out = handover_link_take(&b);
    ck_assert_int_eq(handover_link_take(&b), -1);
    ck_assert(fcntl(in, F_GETFD) & FD_CLOEXEC);
    ck_assert_int_eq(write(out, "x", 1), 1);
    close(out);
    close(pipe_fds[1]);
    char c;
    ck_assert_int_eq(read(in, &c, 1), 1);
    ck_assert_int_eq(read(in, &c, 1), 0);
    close(in);
    expect_message(HANDOVER_CLIENT);
    left = b.fds[0];
    handover_link_deinit(&b);
    ck_assert_int_eq(fcntl(left, F_GETFD), -1);
    ck_assert_int_eq(handover_link_send(&a, HANDOVER_CLIENT, none, NULL, 0), HANDOVER_LOST);
    ck_assert_int_eq(handover_link_next(&a, &m), HANDOVER_ENDED);
    handover_link_deinit(&a);
}
END_TEST

START_TEST(a_full_link_takes_all_or_nothing)
{
    link_up();
    unsigned sent = 0;
    while (handover_link_send(&a, HANDOVER_CLIENT, SPAN_LIT("x"), &a.fd, 1) == HANDOVER_SENT) {
        ck_assert_uint_lt(++sent, 100000);
    }
    ck_assert_uint_gt(sent, 10);
    ck_assert_int_eq(handover_link_send(&a, HANDOVER_CLIENT, SPAN_LIT("x"), &a.fd, 1),
                     HANDOVER_LATER);
    for (unsigned i = 0; i < sent; i++) {
        expect_message(HANDOVER_CLIENT);
        int fd = handover_link_take(&b);
        ck_assert_int_ge(fd, 0);
        close(fd);
    }
    ck_assert_int_eq(handover_link_next(&b, &m), HANDOVER_NOTHING);
    ck_assert_int_eq(handover_link_send(&a, HANDOVER_CLIENT, SPAN_LIT("x"), NULL, 0),
                     HANDOVER_SENT);
    ck_assert_int_eq(write(a.fd, "GET / HTTP", 10), 10);
    expect_message(HANDOVER_CLIENT);
    ck_assert_int_eq(handover_link_next(&b, &m), HANDOVER_GARBAGE);
    handover_link_deinit(&a);
    handover_link_deinit(&b);
}
END_TEST

START_TEST(memory_can_be_read_and_not_changed)
{
    struct buf out = BUF_EMPTY;
    int fd = handover_memory(SPAN_LIT("a table"));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
    ck_assert(!handover_memory_read(fd, 6, &out));
    ck_assert(handover_memory_read(fd, 7, &out));
    ck_assert(handover_memory_read(fd, 100, &out));
    ck_assert(span_eq_cstr(buf_span(&out), "a tablea table"));
    close(fd);
    ck_assert_int_eq(pipe(b.fds), 0);
    ck_assert(!handover_memory_read(b.fds[0], 100, &out));
    close(b.fds[0]);
    close(b.fds[1]);
    buf_deinit(&out);
}
END_TEST

UNIT_MAIN("handover", what_is_put_is_parsed, every_prefix_needs_more,
          others_are_told_by_their_first_bytes, another_version_can_be_read_as_such,
          an_offer_comes_out_as_it_went_in, the_largest_offer_fits_a_message,
          offers_that_make_no_sense, descriptors_arrive_with_their_message,
          a_full_link_takes_all_or_nothing, memory_can_be_read_and_not_changed)
