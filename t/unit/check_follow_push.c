/* The whole follower on a push stream, against an mfcontrol that this test plays:
 * the test's thread is the server, with blocking sockets and deadlines. */
#include "common/core/clock.h"
#include "common/net/sock.h"
#include "common/push/follow_link.h"
#include "common/push/frame.h"
#include "t/unit/follow_host.h"

#include <arpa/inet.h>

/* --- the server's side -------------------------------------------------------- */

struct control {
    int listen_fd, fd;
    char name[ADDR_TEXT_MAX];
    struct buf in;
};

static void
control_open(struct control *c)
{
    struct addr_name any = {.host = "127.0.0.1"};
    struct addr addr;
    const char *why;
    *c = (struct control){.fd = -1};
    ck_assert(addr_resolve(&any, true, &addr, &why));
    c->listen_fd = sock_listen(&addr, 16, false, 0);
    ck_assert_int_ge(c->listen_fd, 0);
    ck_assert(sock_local(c->listen_fd, &addr));
    addr_format(&addr, c->name);
}

static void
wait_fd(int fd, short events, const char *what)
{
    struct pollfd p = {.fd = fd, .events = events};
    ck_assert_msg(poll(&p, 1, HOST_DEADLINE_S * 1000) == 1, "waiting for %s", what);
}

static void
control_hang_up(struct control *c)
{
    close(c->fd);
    c->fd = -1;
    buf_clear(&c->in);
}

static void
control_close(struct control *c)
{
    if (c->fd >= 0) {
        control_hang_up(c);
    }
    close(c->listen_fd);
    buf_deinit(&c->in);
}

static void
control_accept(struct control *c)
{
    struct addr peer;
    wait_fd(c->listen_fd, POLLIN, "a connection");
    c->fd = sock_accept(c->listen_fd, &peer);
    ck_assert_int_ge(c->fd, 0);
}

static void
control_write(struct control *c, struct span bytes)
{
    while (bytes.len > 0) {
        wait_fd(c->fd, POLLOUT, "room");
        ssize_t n = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        ck_assert_int_gt(n, 0);
        bytes = span_skip(bytes, (size_t)n);
    }
}

static void
control_send(struct control *c, enum frame_type type, const char *body)
{
    struct buf frame = BUF_EMPTY;
    ck_assert(frame_put(&frame, type, span_cstr(body)));
    control_write(c, buf_span(&frame));
    buf_deinit(&frame);
}

static void
control_send_table(struct control *c, uint64_t epoch, const char *more)
{
    char *text = document(epoch, more);
    control_send(c, FRAME_TABLE, text);
    free(text);
}

/* The next frame of that type; others are skipped. The caller's to release. */
static json_t *
control_expect(struct control *c, enum frame_type type)
{
    for (;;) {
        struct frame frame;
        if (frame_parse(buf_span(&c->in), &frame) == FRAME_OK) {
            json_t *body = NULL;
            if (frame.type == type) {
                body = json_loadb(frame.body.ptr, frame.body.len, 0, NULL);
                ck_assert_ptr_nonnull(body);
            }
            buf_consume(&c->in, frame.bytes);
            if (body != NULL) {
                return body;
            }
            continue;
        }
        wait_fd(c->fd, POLLIN, frame_type_name(type));
        ssize_t n = recv(c->fd, buf_room(&c->in, 4096), 4096, 0);
        ck_assert_msg(n > 0, "closed while waiting for %s", frame_type_name(type));
        buf_grew(&c->in, (size_t)n);
    }
}

static void
control_expect_close(struct control *c)
{
    char sink[4096];
    for (;;) {
        wait_fd(c->fd, POLLIN, "the end");
        if (recv(c->fd, sink, sizeof(sink), 0) <= 0) {
            control_hang_up(c);
            return;
        }
    }
}

static const char *
text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

static json_int_t
number_of(const json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member));
}

static void
expect_ack(struct control *c, json_int_t epoch)
{
    json_t *ack = control_expect(c, FRAME_ACK);
    ck_assert_int_eq(number_of(ack, "epoch"), epoch);
    ck_assert_str_eq(text_of(ack, "incarnation"), "i");
    ck_assert_uint_eq(strlen(text_of(ack, "sha")), TABLE_SHA_CHARS);
    json_decref(ack);
}

static void
expect_nack(struct control *c, json_int_t epoch, const char *code)
{
    json_t *nack = control_expect(c, FRAME_NACK);
    ck_assert_int_eq(number_of(nack, "epoch"), epoch);
    ck_assert_str_eq(text_of(nack, "code"), code);
    ck_assert_str_ne(text_of(nack, "reason"), "");
    json_decref(nack);
}

/* --- the follower's side ------------------------------------------------------- */

static void
add_to_report(void *arg, json_t *report)
{
    json_object_set_new(report, "ok", json_integer(77));
}

static void
add_too_much_to_report(void *arg, json_t *report)
{
    char *much = mem_alloc(300001);
    memset(much, 'x', 300000);
    much[300000] = '\0';
    json_object_set_new(report, "much", json_string(much));
    free(much);
}

static struct follower_options
node_options(const struct option_strings *control)
{
    return (struct follower_options){
        .control = control,
        .identity =
            {
                .role = FOLLOWER_NODE,
                .id = "n1",
                .zone = "z",
                .boot_id = "b",
                .pool = "main",
                .advertise = "10.0.0.1:11211",
                .ring_name = "old",
                .weight = 2,
                .memory_bytes = 1 << 20,
                .generation = 3,
            },
        .adopt = host_adopt,
        .healthy = host_healthy,
        .report = add_to_report,
    };
}

static struct follower *
start(const struct follower_options *options)
{
    char *error = NULL;
    struct follower *f = follower_create(options, &error);
    ck_assert_msg(f != NULL, "%s", error);
    follower_start(f);
    return f;
}

/* One mfcontrol that has accepted the follower and read its HELLO. */
struct pair {
    struct control control;
    char *items[1];
    struct option_strings list;
    struct follower_options options;
    struct follower *follower;
};

static void
pair_open(struct pair *p)
{
    control_open(&p->control);
    p->items[0] = p->control.name;
    p->list = (struct option_strings){p->items, 1};
    p->options = node_options(&p->list);
    p->follower = start(&p->options);
    control_accept(&p->control);
    json_decref(control_expect(&p->control, FRAME_HELLO));
}

static void
pair_close(struct pair *p)
{
    if (p->control.fd >= 0) {
        control_hang_up(&p->control);
    }
    follower_destroy(&p->follower, false);
    control_close(&p->control);
}

/* --- cases ---------------------------------------------------------------------- */

START_TEST(a_node_introduces_itself)
{
    struct control c;
    control_open(&c);
    char *items[] = {c.name};
    struct option_strings list = {items, 1};
    struct follower_options options = node_options(&list);
    struct follower *f = start(&options);
    ck_assert_str_eq(follower_source(f), "none");
    control_accept(&c);
    json_t *hello = control_expect(&c, FRAME_HELLO);
    ck_assert_str_eq(text_of(hello, "role"), "node");
    ck_assert_str_eq(text_of(hello, "id"), "n1");
    ck_assert_str_eq(text_of(hello, "zone"), "z");
    ck_assert_str_ne(text_of(hello, "build"), "");
    ck_assert_str_eq(text_of(hello, "pool"), "main");
    ck_assert_str_eq(text_of(hello, "addr"), "10.0.0.1:11211");
    ck_assert_str_eq(text_of(hello, "ring_name"), "old");
    ck_assert_str_eq(text_of(hello, "boot_id"), "b");
    ck_assert_int_eq(number_of(hello, "weight"), 2);
    ck_assert_int_eq(number_of(hello, "memory_bytes"), 1 << 20);
    ck_assert_int_eq(number_of(hello, "generation"), 3);
    ck_assert_ptr_null(json_object_get(hello, "epoch"));
    ck_assert_ptr_null(json_object_get(hello, "lease"));
    json_decref(hello);
    follower_destroy(&f, true);
    json_t *bye = control_expect(&c, FRAME_BYE);
    ck_assert(json_is_true(json_object_get(bye, "for_good")));
    json_decref(bye);
    control_expect_close(&c);
    control_close(&c);
}
END_TEST

START_TEST(a_table_is_acked_when_the_workers_use_it)
{
    struct pair p;
    pair_open(&p);
    control_send_table(&p.control, 4, "");
    host_wait_epoch(4);
    follower_ack(p.follower, 4);
    expect_ack(&p.control, 4);
    ck_assert_str_eq(follower_source(p.follower), "push");

    /* The same again is acked again: mfcontrol may have forgotten. */
    control_send_table(&p.control, 4, "");
    expect_ack(&p.control, 4);
    ck_assert_uint_eq(metric_named(p.follower, "tables_adopted_total"), 1);
    pair_close(&p);
}
END_TEST

START_TEST(what_is_refused_is_nacked_and_the_old_table_stays)
{
    struct pair p;
    pair_open(&p);
    control_send_table(&p.control, 4, "");
    control_send(&p.control, FRAME_TABLE, "{\"memfleet_table\":1");
    expect_nack(&p.control, 0, "parse");
    control_send_table(&p.control, 3, "");
    expect_nack(&p.control, 3, "older");
    control_send_table(&p.control, 4, ",\"by\":\"me\"");
    expect_nack(&p.control, 4, "conflict");
    pthread_mutex_lock(&host.lock);
    host.refuses = true;
    pthread_mutex_unlock(&host.lock);
    control_send_table(&p.control, 5, "");
    expect_nack(&p.control, 5, "adopt");
    ck_assert_uint_eq(host_epoch(), 4);
    ck_assert_uint_eq(metric_named(p.follower, "table_epoch"), 4);

    /* What the program alone refused is offered to it again, unasked. */
    pthread_mutex_lock(&host.lock);
    host.refuses = false;
    pthread_mutex_unlock(&host.lock);
    host_wait_epoch(5);
    follower_ack(p.follower, 5);
    expect_ack(&p.control, 5);
    pair_close(&p);
}
END_TEST

START_TEST(frames_may_come_byte_by_byte)
{
    struct pair p;
    pair_open(&p);
    struct buf frame = BUF_EMPTY;
    char *text = document(4, "");
    ck_assert(frame_put(&frame, FRAME_TABLE, span_cstr(text)));
    for (size_t i = 0; i < buf_len(&frame); i++) {
        control_write(&p.control, span_make(frame.mem + i, 1));
    }
    host_wait_epoch(4);
    free(text);
    buf_deinit(&frame);
    pair_close(&p);
}
END_TEST

START_TEST(unknown_frames_are_skipped)
{
    struct pair p;
    pair_open(&p);
    control_write(&p.control, span_make("\0\0\0\7\x63\0\xff?!{x", 11));
    control_send(&p.control, FRAME_DELTA, "{\"from\":1}");
    control_send(&p.control, FRAME_HOT, "{}");
    control_send(&p.control, FRAME_BEAT, "{\"later\":[1]}");
    control_send_table(&p.control, 4, "");
    host_wait_epoch(4);
    ck_assert_uint_eq(metric_named(p.follower, "control_beats_total"), 1);
    pair_close(&p);
}
END_TEST

/* Something else than mfcontrol listens there: hang up and try again. */
START_TEST(a_wrong_peer_is_left)
{
    static const struct {
        const char *bytes;
        size_t len;
    } wrong[] = {
        {"HTTP/1.1 400 Bad Request\r\n", 26}, /* a length over the limit */
        {"\0\0\0\1\4", 5},                    /* a length under it */
        {"\0\0\0\3\4\0{", 7},                 /* a beat that is no JSON */
        {"\0\0\0\4\5\0[]", 8},                /* a lease that is no object */
    };
    struct pair p;
    pair_open(&p);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        control_write(&p.control, span_make(wrong[i].bytes, wrong[i].len));
        control_expect_close(&p.control);
        control_accept(&p.control);
        json_decref(control_expect(&p.control, FRAME_HELLO));
    }
    control_send_table(&p.control, 4, "");
    host_wait_epoch(4);
    pair_close(&p);
}
END_TEST

START_TEST(a_lease_and_a_table_are_shown_after_a_reconnect)
{
    struct pair p;
    pair_open(&p);
    control_send(&p.control, FRAME_LEASE, "{\"id\":\"7587895\",\"ttl_ms\":15000}");
    control_send_table(&p.control, 4, "");
    host_wait_epoch(4);
    follower_ack(p.follower, 4);
    expect_ack(&p.control, 4);
    control_hang_up(&p.control);
    control_accept(&p.control);
    json_t *hello = control_expect(&p.control, FRAME_HELLO);
    ck_assert_str_eq(text_of(hello, "lease"), "7587895");
    ck_assert_int_eq(number_of(hello, "epoch"), 4);
    ck_assert_str_eq(text_of(hello, "incarnation"), "i");
    json_decref(hello);
    ck_assert_uint_eq(metric_named(p.follower, "control_reconnects_total"), 2);
    pair_close(&p);
}
END_TEST

START_TEST(reports_say_health)
{
    struct pair p;
    pair_open(&p);
    json_t *report = control_expect(&p.control, FRAME_REPORT);
    ck_assert(json_is_true(json_object_get(report, "healthy")));
    ck_assert_int_eq(number_of(report, "ok"), 77);
    json_decref(report);
    pthread_mutex_lock(&host.lock);
    host.healthy = false;
    pthread_mutex_unlock(&host.lock);
    report = control_expect(&p.control, FRAME_REPORT);
    ck_assert(json_is_false(json_object_get(report, "healthy")));
    json_decref(report);
    pair_close(&p);
}
END_TEST

START_TEST(a_report_too_large_is_cut)
{
    struct control c;
    control_open(&c);
    char *items[] = {c.name};
    struct option_strings list = {items, 1};
    struct follower_options options = node_options(&list);
    options.report = add_too_much_to_report;
    struct follower *f = start(&options);
    control_accept(&c);
    json_t *report = control_expect(&c, FRAME_REPORT);
    ck_assert(json_is_true(json_object_get(report, "healthy")));
    ck_assert_ptr_null(json_object_get(report, "much"));
    json_decref(report);
    control_hang_up(&c);
    follower_destroy(&f, false);
    control_close(&c);
}
END_TEST

/* The clock is made up; any frame makes the follower look at it. */
START_TEST(an_mfcontrol_without_beats_is_left_for_another)
{
    struct control one, two;
    control_open(&one);
    control_open(&two);
    char *items[] = {one.name, two.name};
    struct option_strings list = {items, 2};
    struct follower_options options = node_options(&list);
    clock_test_begin(1000000, 1000000);
    struct follower *f = start(&options);
    struct pollfd both[] = {{.fd = one.listen_fd, .events = POLLIN},
                            {.fd = two.listen_fd, .events = POLLIN}};
    ck_assert_int_eq(poll(both, 2, HOST_DEADLINE_S * 1000), 1);
    struct control *first = both[0].revents ? &one : &two;
    struct control *second = both[0].revents ? &two : &one;
    control_accept(first);
    json_decref(control_expect(first, FRAME_HELLO));

    clock_test_advance_ms(LINK_SILENT_MS - 1);
    control_send(first, FRAME_BEAT, "{}");
    clock_test_advance_ms(LINK_SILENT_MS - 1);
    control_send(first, FRAME_HOT, "{}");
    control_send_table(first, 4, "");
    host_wait_epoch(4);
    follower_ack(f, 4);
    expect_ack(first, 4); /* so it has looked at the clock behind the table */
    clock_test_advance_ms(LINK_SILENT_MS);
    control_send(first, FRAME_HOT, "{}");
    control_expect_close(first);
    clock_test_advance_ms(LINK_WAIT_MAX_MS);
    control_accept(second);
    json_decref(control_expect(second, FRAME_HELLO));
    ck_assert_uint_eq(host_epoch(), 4);
    clock_test_end();
    control_hang_up(second);
    follower_destroy(&f, false);
    control_close(&one);
    control_close(&two);
}
END_TEST

START_TEST(relays_are_tried_too)
{
    struct pair p;
    struct control relay;
    pair_open(&p);
    control_open(&relay);
    char *beat = mem_printf("{\"relays\":[\"nonsense\",1,\"%s\"]}", relay.name);
    control_send(&p.control, FRAME_BEAT, beat);
    free(beat);
    control_hang_up(&p.control);
    control_accept(&relay);
    json_decref(control_expect(&relay, FRAME_HELLO));
    pair_close(&p);
    control_close(&relay);
}
END_TEST

START_TEST(the_age_counts_from_the_last_confirmation)
{
    struct pair p;
    clock_test_begin(1000000, 1000000);
    pair_open(&p);
    control_send_table(&p.control, 4, "");
    host_wait_epoch(4);
    follower_ack(p.follower, 4);
    json_t *ack = control_expect(&p.control, FRAME_ACK);
    clock_test_advance_ms(60000);
    ck_assert_uint_eq(follower_table_age_ms(p.follower), 60000);

    /* A beat, and a table that is answered, so that the beat was heard. */
    static const char *const states[] = {"\"state\":\"stale\",\"lag_ms\":40000",
                                         "\"state\":\"live\""};
    static const uint64_t ages[] = {40000, 0};
    for (unsigned i = 0; i < 2; i++) {
        char *beat = mem_printf("{\"epoch\":4,\"incarnation\":\"i\",\"sha\":\"%s\",%s}",
                                text_of(ack, "sha"), states[i]);
        control_send(&p.control, FRAME_BEAT, beat);
        control_send_table(&p.control, 3, "");
        expect_nack(&p.control, 3, "older");
        ck_assert_uint_eq(follower_table_age_ms(p.follower), ages[i]);
        free(beat);
    }
    json_decref(ack);
    clock_test_end();
    pair_close(&p);
}
END_TEST

START_TEST(a_start_without_mfcontrol_uses_the_state)
{
    struct pair p;
    make_folder();
    control_open(&p.control);
    p.items[0] = p.control.name;
    p.list = (struct option_strings){p.items, 1};
    p.options = node_options(&p.list);
    p.options.state_dir = folder;
    p.follower = start(&p.options);
    control_accept(&p.control);
    control_send_table(&p.control, 9, "");
    host_wait_epoch(9);
    wait_fd(p.control.fd, POLLIN, "anything");
    control_hang_up(&p.control);
    follower_destroy(&p.follower, false);
    host.epoch = 0;

    p.follower = start(&p.options);
    ck_assert_uint_eq(host_epoch(), 9);
    ck_assert_str_eq(follower_source(p.follower), "state");
    control_accept(&p.control);
    control_send_table(&p.control, 8, "");
    expect_nack(&p.control, 8, "older");
    control_send_table(&p.control, 10, "");
    host_wait_epoch(10);
    follower_ack(p.follower, 10);
    expect_ack(&p.control, 10);
    ck_assert_str_eq(follower_source(p.follower), "push");
    pair_close(&p);
    remove_folder();
}
END_TEST

START_TEST(destroying_while_nobody_answers_is_quick)
{
    /* Nobody listens there: the port was ours a moment ago. */
    struct control gone;
    control_open(&gone);
    close(gone.listen_fd);
    char *items[] = {gone.name};
    struct option_strings list = {items, 1};
    struct follower_options options = node_options(&list);
    catch_log();
    struct follower *f = start(&options);
    wait_log("event=control_unreachable");
    uint64_t before_ms = clock_mono_ms();
    follower_destroy(&f, false);
    ck_assert_uint_lt(clock_mono_ms() - before_ms, 5000);
}
END_TEST

START_TEST(bad_lists_are_refused)
{
    static const char *const bad[] = {"host", "host:", ":1", "host:0", "[::1", "host:99999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *items[] = {mem_strdup(bad[i])};
        struct option_strings list = {items, 1};
        struct follower_options options = node_options(&list);
        char *error = NULL;
        ck_assert_msg(follower_create(&options, &error) == NULL, "%s", bad[i]);
        ck_assert_ptr_nonnull(strstr(error, "expected HOST:PORT"));
        free(error);
        free(items[0]);
    }
}
END_TEST

UNIT_MAIN("follow_push", a_node_introduces_itself, a_table_is_acked_when_the_workers_use_it,
          what_is_refused_is_nacked_and_the_old_table_stays, frames_may_come_byte_by_byte,
          unknown_frames_are_skipped, a_wrong_peer_is_left,
          a_lease_and_a_table_are_shown_after_a_reconnect, reports_say_health,
          a_report_too_large_is_cut, an_mfcontrol_without_beats_is_left_for_another,
          relays_are_tried_too, the_age_counts_from_the_last_confirmation,
          a_start_without_mfcontrol_uses_the_state, destroying_while_nobody_answers_is_quick,
          bad_lists_are_refused)
