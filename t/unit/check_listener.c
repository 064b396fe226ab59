/* Listeners and the sockets under them. */
#include "common/net/listener.h"
#include "common/net/sock.h"
#include "t/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct loop *loop;
static struct listener *listener;
static const struct listener_options plain;
static int accepted[8];
static unsigned count, stop_after;

static void
on_accept(void *arg, int fd, const struct addr *peer)
{
    ck_assert_uint_lt(count, 8);
    accepted[count++] = fd;
    if (count == stop_after) {
        loop_stop(loop);
    }
}

static void
pause_after_one(void *arg, int fd, const struct addr *peer)
{
    on_accept(arg, fd, peer);
    listener_pause(listener);
}

static struct addr
resolved(const char *text, bool to_listen)
{
    struct addr_name name;
    struct addr addr;
    const char *error = "";
    ck_assert(addr_parse(span_cstr(text), 0, &name));
    ck_assert_msg(addr_resolve(&name, to_listen, &addr, &error), "%s", error);
    return addr;
}

static void
begin(const char *where, listener_fn *fn)
{
    char *error = NULL;
    struct addr addr = resolved(where, true);
    loop = loop_create();
    listener = listener_create(loop, &addr, &plain, fn, NULL, &error);
    ck_assert_msg(listener != NULL, "%s", error);
}

static void
end(void)
{
    for (unsigned i = 0; i < count; i++) {
        close(accepted[i]);
    }
    listener_destroy(&listener);
    listener_destroy(&listener);
    loop_destroy(&loop);
}

static int
connect_to(const struct addr *addr)
{
    int fd = sock_connect(addr);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void
run_until_accepted(unsigned n)
{
    stop_after = n;
    loop_run(loop);
    ck_assert_uint_eq(count, n);
}

static void
on_stop(void *arg)
{
    loop_stop(loop);
}

/* Turns for as long, whatever happens. */
static void
run_for(uint64_t ms)
{
    struct loop_timer timer;
    loop_timer_init(&timer, loop, on_stop, NULL);
    loop_timer_start(&timer, ms);
    loop_run(loop);
    loop_timer_deinit(&timer);
}

START_TEST(hands_on_what_connects)
{
    begin("127.0.0.1:0", on_accept);
    const struct addr *addr = listener_addr(listener);
    char text[ADDR_TEXT_MAX];
    ck_assert_str_ne(addr_format(addr, text), "127.0.0.1:0");
    int a = connect_to(addr), b = connect_to(addr), on = 0;
    run_until_accepted(2);
    ck_assert_int_eq(sock_connect_error(a), 0);
    socklen_t len = sizeof(on);
    ck_assert_int_eq(getsockopt(accepted[0], IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    ck_assert_int_ne(on, 0);
    ck_assert(fcntl(accepted[0], F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(accepted[0], F_GETFD) & FD_CLOEXEC);
    close(a);
    close(b);
    end();
}
END_TEST

START_TEST(pauses_and_resumes)
{
    begin("127.0.0.1:0", pause_after_one);
    int a = connect_to(listener_addr(listener)), b = connect_to(listener_addr(listener));
    run_for(20);
    ck_assert_uint_eq(count, 1);
    listener_resume(listener);
    run_for(20);
    ck_assert_uint_eq(count, 2);
    close(a);
    close(b);
    end();
}
END_TEST

START_TEST(waits_when_descriptors_run_out)
{
    begin("127.0.0.1:0", on_accept);
    struct rlimit all, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
    int a = connect_to(listener_addr(listener));
    none = all;
    none.rlim_cur = (rlim_t)a + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    uint64_t turns = loop_turns(loop);
    run_for(250);
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_lt(loop_turns(loop) - turns, 50);
    ck_assert_uint_gt(listener_shortages(listener), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
    run_until_accepted(1);
    close(a);
    end();
}
END_TEST

START_TEST(an_address_in_use_is_named)
{
    begin("127.0.0.1:0", on_accept);
    char *error = NULL, text[ADDR_TEXT_MAX], wanted[400];
    ck_assert_ptr_null(
        listener_create(loop, listener_addr(listener), &plain, on_accept, NULL, &error));
    snprintf(wanted, sizeof(wanted), "cannot listen on %s: %s",
             addr_format(listener_addr(listener), text), strerror(EADDRINUSE));
    ck_assert_str_eq(error, wanted);
    free(error);
    end();
}
END_TEST

START_TEST(two_may_share_a_port)
{
    const struct listener_options sharing = {.reuse_port = true};
    struct addr addr = resolved("127.0.0.1:0", true);
    char *error = NULL;
    loop = loop_create();
    listener = listener_create(loop, &addr, &sharing, on_accept, NULL, &error);
    struct listener *other =
        listener_create(loop, listener_addr(listener), &sharing, on_accept, NULL, &error);
    ck_assert_ptr_nonnull(other);
    listener_destroy(&other);
    end();
}
END_TEST

/* --- unix sockets -------------------------------------------------------------- */

static char path[64];

static void
choose_path(void)
{
    snprintf(path, sizeof(path), "/tmp/memfleet-listener-%ld", (long)getpid());
    unlink(path);
}

START_TEST(a_unix_socket_has_its_mode_and_goes_away)
{
    choose_path();
    umask(0);
    begin(path, on_accept);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
    int a = connect_to(listener_addr(listener));
    run_until_accepted(1);
    close(a);
    end();
    ck_assert_int_eq(stat(path, &st), -1);
}
END_TEST

START_TEST(an_old_socket_is_replaced)
{
    choose_path();
    struct addr addr = resolved(path, true);
    close(sock_listen(&addr, 5, false, 0700));
    begin(path, on_accept);
    int a = connect_to(listener_addr(listener));
    run_until_accepted(1);
    close(a);
    end();
}
END_TEST

/* As when a new process takes the path over while the old one drains. */
START_TEST(a_successors_socket_stays)
{
    choose_path();
    begin(path, on_accept);
    struct listener *old = listener;
    struct addr addr = resolved(path, true);
    char *error = NULL;
    listener = listener_create(loop, &addr, &plain, on_accept, NULL, &error);
    ck_assert_ptr_nonnull(listener);
    listener_destroy(&old);
    int a = connect_to(listener_addr(listener));
    run_until_accepted(1);
    close(a);
    end();
    struct stat st;
    ck_assert_int_eq(stat(path, &st), -1);
}
END_TEST

/* As when a new process takes the socket itself over. */
START_TEST(a_shared_socket_goes_on)
{
    choose_path();
    begin(path, on_accept);
    struct stat st;
    struct listener *old = listener;
    int waiting = connect_to(listener_addr(old));
    listener = listener_adopt(loop, dup(listener_fd(old)), on_accept, NULL);
    listener_own_file(old, false);
    listener_destroy(&old);
    ck_assert_int_eq(stat(path, &st), 0);
    run_until_accepted(1);
    int later = connect_to(listener_addr(listener));
    run_until_accepted(2);
    listener_own_file(listener, true);
    close(waiting);
    close(later);
    end();
    ck_assert_int_eq(stat(path, &st), -1);
}
END_TEST

START_TEST(a_file_that_is_no_socket_stays)
{
    choose_path();
    close(open(path, O_CREAT | O_WRONLY, 0600));
    struct addr addr = resolved(path, true);
    char *error = NULL;
    loop = loop_create();
    ck_assert_ptr_null(listener_create(loop, &addr, &plain, on_accept, NULL, &error));
    ck_assert_ptr_nonnull(strstr(error, path));
    free(error);
    ck_assert_int_eq(unlink(path), 0);
    loop_destroy(&loop);
}
END_TEST

/* --- addresses -------------------------------------------------------------------- */

START_TEST(addresses_resolve_and_print)
{
    char text[ADDR_TEXT_MAX];
    struct addr addr = resolved("127.0.0.1:80", false);
    ck_assert_str_eq(addr_format(&addr, text), "127.0.0.1:80");
    addr = resolved("[::1]:80", false);
    ck_assert_str_eq(addr_format(&addr, text), "[::1]:80");
    addr = resolved("unix:/run/x", false);
    ck_assert_str_eq(addr_format(&addr, text), "unix:/run/x");
    addr = resolved("*:80", true);
    ck_assert(addr.sa.ss_family == AF_INET || addr.sa.ss_family == AF_INET6);
}
END_TEST

START_TEST(addresses_that_are_none)
{
    struct addr_name name;
    struct addr addr;
    const char *error = NULL;
    ck_assert(addr_parse(SPAN_LIT(":80"), 0, &name));
    ck_assert(!addr_resolve(&name, false, &addr, &error));
    ck_assert_ptr_nonnull(error);
    error = NULL;
    ck_assert(addr_parse(SPAN_LIT("no such host:80"), 0, &name));
    ck_assert(!addr_resolve(&name, false, &addr, &error));
    ck_assert_ptr_nonnull(error);
}
END_TEST

START_TEST(a_refused_connect_says_so)
{
    struct addr addr = resolved("127.0.0.1:0", true);
    int fd = sock_listen(&addr, 5, false, 0);
    ck_assert(sock_local(fd, &addr));
    close(fd);
    fd = sock_connect(&addr);
    if (fd >= 0) {
        ck_assert_int_eq(sock_connect_error(fd), ECONNREFUSED);
        ck_assert(!sock_peer(fd, &addr));
        close(fd);
    }
}
END_TEST

UNIT_MAIN("listener", hands_on_what_connects, pauses_and_resumes, waits_when_descriptors_run_out,
          an_address_in_use_is_named, two_may_share_a_port,
          a_unix_socket_has_its_mode_and_goes_away, an_old_socket_is_replaced,
          a_successors_socket_stays, a_shared_socket_goes_on, a_file_that_is_no_socket_stays, addresses_resolve_and_print,
          addresses_that_are_none, a_refused_connect_says_so)
