/* mffloor.c - the least that a cache server can do: it counts the requests by
 * their size, and answers with as many replies that it had ready. No parsing, no
 * table, no locks: what epoll, recv, send and TCP cost by themselves, and so the
 * floor under every node. */
#include "common/core/mem.h"
#include "common/core/option.h"
#include "common/core/version.h"
#include "t/bench/loadwork.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES  (256u << 10)
#define READY_BYTES (4u << 20) /* so many replies are ready: what is sent at once at most */
#define THREADS_MAX 16

/* clang-format off */
#define MFFLOOR_OPTIONS(X)                                                                         \
    X('w', "work", STRING, work, "NAME", "get", "get, mget, mg or set, as mfload sends them")      \
    X('t', "threads", NUMBER, threads, "N", "1", "threads, 1 to 16")                               \
    X('k', "key-bytes", NUMBER, key_bytes, "N", "16", "length of a key")                           \
    X('v', "value-bytes", NUMBER, value_bytes, "N", "100", "length of a value")                    \
    X('n', "keys-each", NUMBER, keys_each, "N", "100", "keys of an mget")
/* clang-format on */

struct options {
    MFFLOOR_OPTIONS(OPTION_FIELD)
};

#define OPTIONS_STRUCT struct options
static const struct option_row rows[] = {MFFLOOR_OPTIONS(OPTION_ROW)};
static const struct option_table table = {
    .program = "mffloor",
    .usage = "[OPTION]...",
    .summary = "Answers one kind of mfload's requests with ready replies. Listens on a free port\n"
               "of 127.0.0.1 and prints \"listening addr=HOST:PORT\".",
    .version = MEMFLEET_VERSION,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

struct client {
    int fd;
    size_t have; /* bytes of a request that has not come whole */
    size_t owed; /* bytes of replies */
};

static size_t request_bytes, reply_bytes;
static struct buf replies = BUF_EMPTY;

/* Sends what the socket takes. The replies being all alike, any place in the
 * block that is as far into a reply as we are will do. */
static void
send_owed(struct client *c)
{
    while (c->owed > 0) {
        size_t part = c->owed % reply_bytes;
        size_t from = part > 0 ? reply_bytes - part : 0;
        size_t bytes = buf_len(&replies) - from;
        bytes = bytes < c->owed ? bytes : c->owed;
        ssize_t n = send(c->fd, buf_span(&replies).ptr + from, bytes, MSG_NOSIGNAL);
        if (n < 0) {
            return;
        }
        c->owed -= (size_t)n;
    }
}

/* False when the client is gone. */
static bool
receive(struct client *c)
{
    static _Thread_local char scratch[READ_BYTES];
    ssize_t n = recv(c->fd, scratch, sizeof(scratch), 0);
    if (n > 0) {
        c->have += (size_t)n;
        c->owed += c->have / request_bytes * reply_bytes;
        c->have %= request_bytes;
    }
    return n != 0;
}

static void
serve_one(int epoll, struct client *c, uint32_t events)
{
    bool waited = c->owed > 0;
    if ((events & EPOLLIN) != 0 && !receive(c)) {
        close(c->fd);
        free(c);
        return;
    }
    send_owed(c);
    if (waited != (c->owed > 0)) {
        struct epoll_event e = {.events = EPOLLIN | (c->owed > 0 ? EPOLLOUT : 0), .data.ptr = c};
        epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
    }
}

static void *
serve(void *arg)
{
    int epoll = *(int *)arg;
    struct epoll_event events[128];
    for (;;) {
        int n = epoll_wait(epoll, events, 128, -1);
        for (int i = 0; i < n; i++) {
            serve_one(epoll, events[i].data.ptr, events[i].events);
        }
    }
    return NULL;
}

static int
listen_anywhere(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        perror("mffloor");
        return -1;
    }
    printf("listening addr=127.0.0.1:%u\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

static int
run(unsigned threads)
{
    static int epolls[THREADS_MAX];
    int on = 1, fd = listen_anywhere();
    for (unsigned i = 0; fd >= 0 && i < threads; i++) {
        pthread_t thread;
        epolls[i] = epoll_create1(EPOLL_CLOEXEC);
        if (epolls[i] < 0 || pthread_create(&thread, NULL, serve, &epolls[i]) != 0) {
            return EXIT_FAILURE;
        }
    }
    for (unsigned next = 0; fd >= 0;) {
        struct client *c = mem_zalloc(sizeof(*c));
        c->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (c->fd < 0) {
            free(c);
            continue;
        }
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epolls[next++ % threads], EPOLL_CTL_ADD, c->fd, &e);
    }
    return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    struct options o = {0};
    int rest;
    enum options_outcome outcome = options_parse(&table, argc, argv, &o, &rest);
    if (outcome != OPTIONS_OK) {
        return outcome == OPTIONS_EXIT ? EXIT_SUCCESS : OPTIONS_EXIT_BAD;
    }
    struct load_work work = {.key_bytes = (unsigned)o.key_bytes,
                             .value_bytes = (unsigned)o.value_bytes,
                             .keys_each = (unsigned)o.keys_each};
    if (!load_kind_parse(o.work, &work.kind) || o.threads < 1 || o.threads > THREADS_MAX ||
        o.key_bytes < 12 || o.key_bytes > 250 || o.value_bytes > 1u << 20 || o.keys_each < 1 ||
        o.keys_each > 1000) {
        fprintf(stderr, "mffloor: see --help\n");
        return OPTIONS_EXIT_BAD;
    }
    request_bytes = load_work_request_bytes(&work);
    reply_bytes = load_work_reply_bytes(&work);
    do {
        load_work_put_reply(&work, &replies);
    } while (buf_len(&replies) < READY_BYTES);
    return run((unsigned)o.threads);
}
