/* The HTTP server, asked by a client that writes bytes and reads to the end. */
#include "common/net/http.h"
#include "common/net/sock.h"
#include "t/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

static struct loop *loop;
static struct http_server *server;
static pthread_t thread;
static _Atomic size_t body_bytes;

static void
on_hello(void *arg, struct http_reply *reply)
{
    ck_assert_str_eq(arg, "arg");
    buf_printf(&reply->body, "hello\n");
}

static void
on_teapot(void *arg, struct http_reply *reply)
{
    reply->status = 418;
    reply->content_type = "text/html";
}

static void
on_large(void *arg, struct http_reply *reply)
{
    memset(buf_room(&reply->body, body_bytes), 'x', body_bytes);
    buf_grew(&reply->body, body_bytes);
}

static void *
run(void *arg)
{
    loop_run(loop);
    return NULL;
}

static void
begin(void)
{
    static char arg[] = "arg";
    struct addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in4 = (struct sockaddr_in *)&addr.sa;
    in4->sin_family = AF_INET;
    in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    char *error = NULL;
    loop = loop_create();
    server = http_server_create(loop, &addr, &error);
    ck_assert_ptr_nonnull(server);
    http_server_route(server, "/hello", on_hello, arg);
    http_server_route(server, "/teapot", on_teapot, NULL);
    http_server_route(server, "/large", on_large, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
}

static void
end(void)
{
    loop_stop(loop);
    pthread_join(thread, NULL);
    http_server_destroy(&server);
    http_server_destroy(&server);
    loop_destroy(&loop);
}

/* A connected socket whose reads give up after ten seconds. */
static int
connect_to_server(void)
{
    const struct addr *addr = http_server_addr(server);
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&addr->sa, addr->len), 0);
    return fd;
}

static void
say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* All that comes until the server closes. */
static char *
read_to_end(int fd, struct buf *got)
{
    for (;;) {
        char *room = buf_room(got, 65536);
        ssize_t n = read(fd, room, 65535);
        ck_assert_int_ge(n, 0);
        room[n] = '\0';
        if (n == 0) {
            close(fd);
            return buf_len(got) > 0 ? got->mem + got->head : room;
        }
        buf_grew(got, (size_t)n);
    }
}

static void
expect_status(const char *request, const char *status, const char *ending)
{
    struct buf got = BUF_EMPTY;
    int fd = connect_to_server();
    say(fd, request);
    const char *reply = read_to_end(fd, &got);
    ck_assert_msg(strncmp(reply, "HTTP/1.1 ", 9) == 0 && strncmp(reply + 9, status, 3) == 0, "%s",
                  reply);
    const char *body = strstr(reply, "\r\n\r\n");
    ck_assert_ptr_nonnull(body);
    if (ending != NULL) {
        ck_assert_str_eq(body + 4, ending);
    }
    buf_deinit(&got);
}

#define CLOSE " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

START_TEST(answers_what_it_has)
{
    begin();
    expect_status("GET /hello" CLOSE, "200", "hello\n");
    expect_status("GET /hello?x=1" CLOSE, "200", "hello\n");
    expect_status("HEAD /hello" CLOSE, "200", "");
    expect_status("GET /teapot" CLOSE, "418", "");
    end();
}
END_TEST

START_TEST(refuses_the_rest)
{
    begin();
    expect_status("GET /" CLOSE, "404", NULL);
    expect_status("GET /hello/" CLOSE, "404", NULL);
    expect_status("GET /hell" CLOSE, "404", NULL);
    expect_status("POST /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                  "Content-Length: 2\r\n\r\n{}",
                  "405", NULL);
    expect_status("DELETE /hello" CLOSE, "405", NULL);
    end();
}
END_TEST

START_TEST(several_requests_on_one_connection)
{
    begin();
    int fd = connect_to_server();
    struct buf got = BUF_EMPTY;
    say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello" CLOSE);
    const char *first = strstr(read_to_end(fd, &got), "hello\n");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(strstr(first + 1, "hello\n"));
    buf_deinit(&got);
    end();
}
END_TEST

static void
on_retire(void *arg)
{
    http_server_retire(server);
    http_server_retire(server);
    ck_assert_int_eq(http_server_fd(server), -1);
    atomic_store((atomic_bool *)arg, true);
}

/* Whoever is connected already is answered once more and sent away; who connects
 * waits for whoever shares the socket. */
START_TEST(who_retires_leaves_the_socket_to_others)
{
    static atomic_bool retired;
    begin();
    int shared = dup(http_server_fd(server)), old = connect_to_server();
    struct buf got = BUF_EMPTY;
    say(old, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    char c;
    ck_assert_int_eq(recv(old, &c, 1, MSG_PEEK), 1);
    loop_post(loop, on_retire, &retired);
    while (!atomic_load(&retired)) {
        sched_yield();
    }
    say(old, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    const char *reply = read_to_end(old, &got);
    ck_assert_ptr_nonnull(strstr(reply, "Connection: close"));
    buf_deinit(&got);

    int waiting = connect_to_server();
    say(waiting, "GET /hello" CLOSE);
    end();
    char *error = NULL;
    loop = loop_create();
    server = http_server_adopt(loop, shared, &error);
    ck_assert_ptr_nonnull(server);
    static char arg[] = "arg";
    http_server_route(server, "/hello", on_hello, arg);
    ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
    got = BUF_EMPTY;
    ck_assert_ptr_nonnull(strstr(read_to_end(waiting, &got), "hello\n"));
    buf_deinit(&got);
    end();
}
END_TEST

START_TEST(large_bodies_arrive_whole)
{
    begin();
    body_bytes = 4 << 20;
    int fd = connect_to_server();
    struct buf got = BUF_EMPTY;
    say(fd, "GET /large" CLOSE);
    const char *body = strstr(read_to_end(fd, &got), "\r\n\r\n");
    ck_assert_uint_eq(strlen(body + 4), body_bytes);
    buf_deinit(&got);
    end();
}
END_TEST

START_TEST(headers_without_end_are_refused)
{
    begin();
    int fd = connect_to_server();
    struct buf got = BUF_EMPTY;
    say(fd, "GET /hello HTTP/1.1\r\n");
    char line[100];
    snprintf(line, sizeof(line), "X: %080d\r\n", 0);
    for (int i = 0; i < 200; i++) {
        if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    ssize_t n = recv(fd, line, sizeof(line) - 1, 0);
    ck_assert_msg(n <= 0 || strncmp(line, "HTTP/1.1 4", 10) == 0, "%.20s", line);
    close(fd);
    expect_status("GET /hello" CLOSE, "200", "hello\n");
    buf_deinit(&got);
    end();
}
END_TEST

/* At every byte of a request, and in the middle of a reply. */
START_TEST(clients_that_leave_disturb_nobody)
{
    static const char request[] = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
    begin();
    body_bytes = 1 << 20;
    for (size_t n = 0; n < sizeof(request); n++) {
        int fd = connect_to_server();
        ck_assert_int_eq(send(fd, request, n, MSG_NOSIGNAL), (ssize_t)n);
        if (n % 2) {
            struct linger reset = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        }
        close(fd);
    }
    expect_status("GET /hello" CLOSE, "200", "hello\n");
    end();
}
END_TEST

/* Without a descriptor for the next connection the loop must not spin. */
START_TEST(waits_when_descriptors_run_out)
{
    begin();
    expect_status("GET /hello" CLOSE, "200", "hello\n");
    int fd = connect_to_server();
    struct rlimit all, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
    none = all;
    int waiting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    none.rlim_cur = (rlim_t)waiting + 1;
    say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    char c;
    ck_assert_int_eq(read(fd, &c, 1), 1); /* so this connection has been accepted */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    const struct addr *addr = http_server_addr(server);
    ck_assert_int_eq(connect(waiting, (const struct sockaddr *)&addr->sa, addr->len), 0);
    uint64_t turns = loop_turns(loop);
    usleep(300000);
    ck_assert_uint_lt(loop_turns(loop) - turns, 50);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
    say(waiting, "GET /hello" CLOSE);
    ck_assert_int_eq(read(waiting, &c, 1), 1);
    close(waiting);
    close(fd);
    end();
}
END_TEST

UNIT_MAIN("http", answers_what_it_has, refuses_the_rest, several_requests_on_one_connection,
          who_retires_leaves_the_socket_to_others,
          large_bodies_arrive_whole, headers_without_end_are_refused,
          clients_that_leave_disturb_nobody, waits_when_descriptors_run_out)
