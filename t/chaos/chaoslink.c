#include "t/chaos/chaoslink.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/buf.h"
#include "common/core/clock.h"
#include "common/core/list.h"
#include "common/core/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK       65536
#define HELD_MAX    (1u << 20)
#define WIRES_MAX   2000
#define TICK_MS     2
#define LATE_MAX_US 300000 /* what was held back comes at any time of these */

/* One direction. */
struct flow {
    struct buf held;
    bool ended;      /* the sender will send nothing more */
    bool told;       /* and the receiver knows */
    uint64_t due_us; /* of what is held */
};

/* A connection, both its ends. */
struct wire {
    struct list link;
    unsigned number;
    int proxy, node;
    uint32_t cuts; /* of its link, when it was made */
    bool was_stalled;
    uint64_t silent_until_us;
    struct flow to_node, to_proxy;
    struct pollfd *polls; /* two, of this round */
};

struct chaos_link {
    int listener;
    struct sockaddr_un node;
    _Atomic int state;
    _Atomic uint32_t cuts;
};

struct chaos_links {
    pthread_t thread;
    bool running;
    _Atomic bool ending;
    uint64_t rng, slow_us;
    unsigned count, wire_count;
    struct chaos_link links[CHAOS_LINKS_MAX];
    struct list wires;
    struct pollfd polls[CHAOS_LINKS_MAX + 2 * WIRES_MAX];
};

struct chaos_links *
chaos_links_create(uint64_t seed, uint64_t slow_us)
{
    struct chaos_links *ls = mem_zalloc(sizeof(*ls));
    ls->rng = seed | 1;
    ls->slow_us = slow_us;
    list_init(&ls->wires);
    return ls;
}

unsigned
chaos_link_add(struct chaos_links *ls, const char *path, unsigned *port)
{
    ASSERT(ls->count < CHAOS_LINKS_MAX && !ls->running);
    struct chaos_link *l = &ls->links[ls->count];
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l->node.sun_family = AF_UNIX;
    snprintf(l->node.sun_path, sizeof(l->node.sun_path), "%s", path);
    l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->listener < 0 || bind(l->listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(l->listener, 128) != 0 ||
        getsockname(l->listener, (struct sockaddr *)&at, &len) != 0) {
        perror("mfchaos: listening for a link");
        exit(EXIT_FAILURE);
    }
    *port = ntohs(at.sin_port);
    return ls->count++;
}

void
chaos_link_set(struct chaos_links *ls, unsigned link, enum chaos_link_state state)
{
    ls->links[link].state = state;
    if (state == LINK_REFUSES) {
        chaos_link_cut(ls, link);
    }
}

void
chaos_link_cut(struct chaos_links *ls, unsigned link)
{
    ls->links[link].cuts++;
}

/* --- wires -------------------------------------------------------------------------- */

static void
close_hard(int fd)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

static void
destroy_wire(struct chaos_links *ls, struct wire *w, bool reset)
{
    if (reset) {
        close_hard(w->proxy);
    } else {
        close(w->proxy);
    }
    close(w->node);
    buf_deinit(&w->to_node.held);
    buf_deinit(&w->to_proxy.held);
    list_remove(&w->link);
    ls->wire_count--;
    free(w);
}

static void
accept_one(struct chaos_links *ls, unsigned number)
{
    struct chaos_link *l = &ls->links[number];
    int on = 1, fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    int node = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (node < 0 || l->state == LINK_REFUSES || ls->wire_count == WIRES_MAX ||
        connect(node, (struct sockaddr *)&l->node, sizeof(l->node)) != 0) {
        close_hard(fd);
        if (node >= 0) {
            close(node);
        }
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct wire *w = mem_zalloc(sizeof(*w));
    w->number = number;
    w->proxy = fd;
    w->node = node;
    w->cuts = l->cuts;
    list_push_back(&ls->wires, &w->link);
    ls->wire_count++;
}

static bool
passes(enum chaos_link_state state, bool to_node)
{
    switch (state) {
    case LINK_STALLED:
    case LINK_REFUSES: return false;
    case LINK_MUTE: return to_node;
    case LINK_DEAF: return !to_node;
    case LINK_OPEN:
    case LINK_SLOW:
    case LINK_SPLIT: return true;
    }
    return true;
}

/* False if the wire is broken. */
static bool
take_in(struct chaos_links *ls, struct flow *f, int from, enum chaos_link_state state, uint64_t now)
{
    if (f->ended || buf_len(&f->held) >= HELD_MAX) {
        return true;
    }
    char *room = buf_room(&f->held, CHUNK);
    ssize_t n = recv(from, room, CHUNK, 0);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (buf_len(&f->held) == 0) {
        f->due_us = state == LINK_SLOW ? now + random_next(&ls->rng) % (ls->slow_us + 1) : now;
    }
    buf_grew(&f->held, (size_t)n);
    f->ended = n == 0;
    return true;
}

static bool
give_out(struct chaos_links *ls, struct flow *f, int to, enum chaos_link_state state, uint64_t now)
{
    struct span s = buf_span(&f->held);
    if (s.len > 0 && f->due_us <= now) {
        size_t most = state == LINK_SPLIT ? 1 + random_next(&ls->rng) % 7 : s.len;
        ssize_t n = send(to, s.ptr, MIN(most, s.len), MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        buf_consume(&f->held, (size_t)n);
    }
    if (f->ended && !f->told && buf_len(&f->held) == 0) {
        f->told = true;
        shutdown(to, SHUT_WR);
    }
    return true;
}

static bool
move(struct chaos_links *ls, struct flow *f, int from, int to, enum chaos_link_state state,
     uint64_t now)
{
    return take_in(ls, f, from, state, now) && give_out(ls, f, to, state, now);
}

static bool
was_reset(const struct pollfd *p)
{
    return (p->revents & POLLERR) != 0;
}

/* Has somebody gone, so that what the other still sends reaches nobody? A proxy
 * that closes ends both directions; its node is told when it has read all. */
static bool
is_over(const struct wire *w)
{
    return (w->to_node.told || w->to_proxy.told) && buf_len(&w->to_node.held) == 0 &&
           buf_len(&w->to_proxy.held) == 0;
}

/* False if the wire has ended. */
static bool
run_wire(struct chaos_links *ls, struct wire *w, uint64_t now, bool *reset)
{
    const struct chaos_link *l = &ls->links[w->number];
    enum chaos_link_state state = (enum chaos_link_state)l->state;
    bool stalls = state == LINK_STALLED || state == LINK_DEAF || state == LINK_MUTE;
    *reset = true;
    if (w->cuts != l->cuts || (w->polls != NULL && was_reset(&w->polls[0]))) {
        return false;
    }
    if (w->was_stalled && !stalls) {
        w->silent_until_us = now + random_next(&ls->rng) % LATE_MAX_US;
    }
    w->was_stalled = stalls;
    if (now < w->silent_until_us) {
        return true;
    }
    if ((passes(state, true) && !move(ls, &w->to_node, w->proxy, w->node, state, now)) ||
        (passes(state, false) && !move(ls, &w->to_proxy, w->node, w->proxy, state, now))) {
        return false;
    }
    *reset = false;
    return !is_over(w);
}

/* --- the thread -------------------------------------------------------------------------- */

static nfds_t
gather(struct chaos_links *ls)
{
    nfds_t n = 0;
    for (unsigned i = 0; i < ls->count; i++) {
        ls->polls[n++] = (struct pollfd){.fd = ls->links[i].listener, .events = POLLIN};
    }
    LIST_EACH_SAFE (link, &ls->wires) {
        struct wire *w = LIST_ENTRY(link, struct wire, link);
        enum chaos_link_state state = (enum chaos_link_state)ls->links[w->number].state;
        bool quiet = clock_mono_us() < w->silent_until_us;
        bool in = passes(state, true) && !quiet && !w->to_node.ended;
        bool out = passes(state, false) && !quiet && !w->to_proxy.ended;
        w->polls = &ls->polls[n];
        ls->polls[n++] = (struct pollfd){.fd = w->proxy, .events = in ? POLLIN : 0};
        ls->polls[n++] = (struct pollfd){.fd = out ? w->node : -1, .events = POLLIN};
    }
    return n;
}

static void
run_links(struct chaos_links *ls)
{
    uint64_t now = clock_mono_us();
    LIST_EACH_SAFE (link, &ls->wires) {
        struct wire *w = LIST_ENTRY(link, struct wire, link);
        bool reset;
        if (!run_wire(ls, w, now, &reset)) {
            destroy_wire(ls, w, reset);
        }
    }
    for (unsigned i = 0; i < ls->count; i++) {
        if (ls->polls[i].revents != 0) {
            accept_one(ls, i);
        }
    }
}

static void *
links_thread(void *arg)
{
    struct chaos_links *ls = arg;
    while (!ls->ending) {
        nfds_t n = gather(ls);
        if (poll(ls->polls, n, TICK_MS) >= 0) {
            run_links(ls);
        }
    }
    return NULL;
}

void
chaos_links_start(struct chaos_links *ls)
{
    ls->running = true;
    if (pthread_create(&ls->thread, NULL, links_thread, ls) != 0) {
        perror("mfchaos: thread");
        exit(EXIT_FAILURE);
    }
}

void
chaos_links_destroy(struct chaos_links **links)
{
    struct chaos_links *ls = *links;
    *links = NULL;
    ls->ending = true;
    if (ls->running) {
        pthread_join(ls->thread, NULL);
    }
    LIST_EACH_SAFE (link, &ls->wires) {
        destroy_wire(ls, LIST_ENTRY(link, struct wire, link), true);
    }
    for (unsigned i = 0; i < ls->count; i++) {
        close(ls->links[i].listener);
    }
    free(ls);
}
