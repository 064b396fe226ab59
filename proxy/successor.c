#include "proxy/successor.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/net/listener.h"
#include "proxy/frontend.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HELLO_WAIT_MS 5000
#define READY_WAIT_MS 120000 /* more than a new process allows itself */
#define SOCKET_MODE   0600
#define BACKLOG       16

enum stage { WAITING, GREETING, OFFERED, TAKEN };

struct successor {
    struct successor_host host;
    struct loop *loop;
    struct listener *listener;
    struct handover_link link;
    struct loop_io io; /* of the link; deinitialized while WAITING */
    struct loop_timer timer;
    enum stage stage;
    pid_t pid;
    pthread_mutex_t send_lock; /* workers give clients at the same time */
    _Atomic unsigned clients;
    atomic_bool gone;
};

/* --- one successor --------------------------------------------------------------- */

static void
forget(struct successor *s)
{
    loop_io_deinit(&s->io);
    s->io = (struct loop_io){0};
    loop_timer_stop(&s->timer);
    handover_link_deinit(&s->link);
    s->stage = WAITING;
    if (s->listener != NULL) {
        listener_resume(s->listener);
    }
}

static void
fail(struct successor *s, const char *why)
{
    log_warn("takeover_failed", "pid=%d reason=%s effect=\"this process goes on\"", (int)s->pid,
             LOG_STR(why));
    forget(s);
}

static void
refuse(struct successor *s, const char *why)
{
    (void)handover_link_send(&s->link, HANDOVER_REFUSED, span_cstr(why), NULL, 0);
    fail(s, why);
}

static void
make_offer(struct successor *s)
{
    struct handover_offer offer = {.count = 0};
    int fds[HANDOVER_ITEMS_MAX];
    if (s->listener != NULL) {
        char text[ADDR_TEXT_MAX];
        handover_add(&offer, HANDOVER_MEETING, addr_format(listener_addr(s->listener), text),
                     listener_fd(s->listener));
    }
    s->host.offer(s->host.arg, &offer);
    for (unsigned i = 0; i < offer.count; i++) {
        fds[i] = offer.items[i].fd;
    }
    struct buf body = BUF_EMPTY;
    bool sent = handover_put_offer(&body, &offer) &&
                handover_link_send(&s->link, HANDOVER_OFFER, buf_span(&body), fds, offer.count) ==
                    HANDOVER_SENT;
    buf_deinit(&body);
    for (unsigned i = 0; i < offer.count; i++) {
        if (offer.items[i].kind == HANDOVER_TABLE) {
            close(offer.items[i].fd);
        }
    }
    if (!sent) {
        fail(s, "the offer could not be sent");
        return;
    }
    s->stage = OFFERED;
    loop_timer_start(&s->timer, READY_WAIT_MS);
    log_info("takeover_offered", "pid=%d sockets=%u", (int)s->pid, offer.count);
}

static void
on_hello(struct successor *s, const struct handover_message *m)
{
    char why[HANDOVER_TEXT_MAX];
    if (m->version != HANDOVER_VERSION) {
        snprintf(why, sizeof(why), "the running process speaks version %d of the handover, not %u",
                 HANDOVER_VERSION, m->version);
        refuse(s, why);
    } else if (m->type != HANDOVER_HELLO || !span_eq_cstr(m->body, SUCCESSOR_PROGRAM)) {
        refuse(s, "the running process is an " SUCCESSOR_PROGRAM);
    } else {
        make_offer(s);
    }
}

/* What fails from here on is the successor's affair: it serves. */
static void
on_ready(struct successor *s, struct span wants)
{
    bool wants_health = span_eq_cstr(wants, HANDOVER_WANTS_HEALTH);
    s->stage = TAKEN;
    loop_timer_stop(&s->timer);
    if (s->listener != NULL) {
        listener_own_file(s->listener, false);
        listener_destroy(&s->listener);
    }
    if (wants_health) {
        s->host.health(s->host.arg);
    }
    s->host.journals(s->host.arg);
    pthread_mutex_lock(&s->send_lock); /* or a worker could give a client before we have answered */
    s->host.taken(s->host.arg);
    (void)handover_link_send(&s->link, HANDOVER_DRAINING, SPAN_LIT(""), NULL, 0);
    pthread_mutex_unlock(&s->send_lock);
}

static void
on_message(struct successor *s, const struct handover_message *m)
{
    switch (s->stage) {
    case WAITING: return;
    case GREETING: on_hello(s, m); return;
    case OFFERED:
        if (m->type == HANDOVER_READY) {
            on_ready(s, m->body);
        } else {
            refuse(s, "not the word that was expected");
        }
        return;
    case TAKEN: return;
    }
}

static void
on_end(struct successor *s, const char *why)
{
    if (s->stage != TAKEN) {
        fail(s, why);
        return;
    }
    atomic_store(&s->gone, true); /* the descriptor stays, workers may be using it */
    loop_io_want(&s->io, 0);
    log_warn("successor_gone", "pid=%d", (int)s->pid);
}

static void
on_readable(void *arg, int ready)
{
    (void)ready;
    struct successor *s = arg;
    struct handover_message m;
    switch (handover_link_next(&s->link, &m)) {
    case HANDOVER_MESSAGE: on_message(s, &m); return;
    case HANDOVER_NOTHING: return;
    case HANDOVER_ENDED: on_end(s, "it ended before it was ready"); return;
    case HANDOVER_GARBAGE: on_end(s, "it is no mfproxy"); return;
    }
}

static void
on_late(void *arg)
{
    struct successor *s = arg;
    fail(s, s->stage == GREETING ? "it did not say who it is" : "it was not ready in time");
}

static void
on_connect(void *arg, int fd, const struct addr *peer)
{
    (void)peer;
    struct successor *s = arg;
    uid_t uid = 0;
    listener_pause(s->listener);
    handover_link_init(&s->link, fd);
    s->stage = GREETING;
    if (!handover_link_peer(&s->link, &s->pid, &uid) || uid != geteuid()) {
        char why[HANDOVER_TEXT_MAX];
        snprintf(why, sizeof(why), "the running process is of user %u, not %u", (unsigned)geteuid(),
                 (unsigned)uid);
        refuse(s, why);
        return;
    }
    loop_io_init(&s->io, s->loop, fd, on_readable, s);
    loop_io_want(&s->io, LOOP_READ);
    loop_timer_start(&s->timer, HELLO_WAIT_MS);
}

/* --- for the host ------------------------------------------------------------------ */

static struct listener *
listen_at(struct successor *s, const struct addr *at, int fd, char **error)
{
    static const struct listener_options options = {.backlog = BACKLOG, .unix_mode = SOCKET_MODE};
    return fd >= 0 ? listener_adopt(s->loop, fd, on_connect, s)
                   : listener_create(s->loop, at, &options, on_connect, s, error);
}

struct successor *
successor_create(struct loop *loop, const struct addr *at, int fd,
                 const struct successor_host *host, char **error)
{
    struct successor *s = mem_zalloc(sizeof(*s));
    s->host = *host;
    s->loop = loop;
    handover_link_init(&s->link, -1);
    loop_timer_init(&s->timer, loop, on_late, s);
    pthread_mutex_init(&s->send_lock, NULL);
    s->listener = listen_at(s, at, fd, error);
    if (s->listener == NULL) {
        successor_destroy(&s);
    }
    return s;
}

void
successor_stop_listening(struct successor *s)
{
    if (s->listener != NULL && successor_has_offer(s)) {
        listener_own_file(s->listener, false);
    }
    listener_destroy(&s->listener);
}

/* The kernel tells whoever connects the process that called listen() last. */
void
successor_own_socket(struct successor *s)
{
    (void)listen(listener_fd(s->listener), BACKLOG);
    listener_own_file(s->listener, true);
}

bool
successor_has_offer(const struct successor *s)
{
    return s->stage == OFFERED || s->stage == TAKEN;
}

static enum handover_send
give(struct successor *s, enum handover_type type, struct span message)
{
    if (atomic_load(&s->gone)) {
        return HANDOVER_LOST;
    }
    pthread_mutex_lock(&s->send_lock);
    enum handover_send sent = handover_link_send(&s->link, type, message, NULL, 0);
    pthread_mutex_unlock(&s->send_lock);
    return sent;
}

enum handover_send
successor_give_journal(void *successor, struct span message)
{
    return give(successor, HANDOVER_JOURNAL, message);
}

enum handover_send
successor_give_health(struct successor *s, struct span message)
{
    return give(s, HANDOVER_HEALTH, message);
}

void
successor_await_room(const struct successor *s, unsigned timeout_ms)
{
    struct pollfd p = {.fd = s->link.fd, .events = POLLOUT};
    (void)poll(&p, 1, (int)timeout_ms);
}

static enum handover_send
send_client(struct successor *s, int fd, const struct frontend *frontend)
{
    struct buf message = BUF_EMPTY;
    enum handover_send sent = HANDOVER_LATER; /* while there is no memory */
    if (frontend_put(frontend, &message)) {
        pthread_mutex_lock(&s->send_lock);
        sent = handover_link_send(&s->link, HANDOVER_CLIENT, buf_span(&message), &fd, 1);
        pthread_mutex_unlock(&s->send_lock);
    }
    buf_deinit(&message);
    return sent;
}

enum successor_takes
successor_give_client(struct successor *s, int fd, const struct frontend *frontend)
{
    if (atomic_load(&s->gone)) {
        return SUCCESSOR_GONE;
    }
    switch (send_client(s, fd, frontend)) {
    case HANDOVER_SENT: atomic_fetch_add(&s->clients, 1); return SUCCESSOR_TOOK;
    case HANDOVER_LATER: return SUCCESSOR_BUSY;
    case HANDOVER_LOST: atomic_store(&s->gone, true); return SUCCESSOR_GONE;
    }
    return SUCCESSOR_GONE;
}

bool
successor_is_gone(const struct successor *s)
{
    return atomic_load(&s->gone);
}

unsigned
successor_clients(const struct successor *s)
{
    return atomic_load(&s->clients);
}

void
successor_destroy(struct successor **successor)
{
    struct successor *s = *successor;
    if (s == NULL) {
        return;
    }
    loop_io_deinit(&s->io);
    loop_timer_deinit(&s->timer);
    handover_link_deinit(&s->link);
    listener_destroy(&s->listener);
    pthread_mutex_destroy(&s->send_lock);
    free(s);
    *successor = NULL;
}
