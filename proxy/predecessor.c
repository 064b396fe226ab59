#include "proxy/predecessor.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/fleet/table.h"
#include "common/net/handover_link.h"
#include "common/net/sock.h"
#include "proxy/successor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_WAIT_MS    10000 /* a mute process that is before us is cut after five seconds */
#define MESSAGES_PER_TURN 256   /* of clients that come; then others have their turn */

struct predecessor {
    struct handover_link link;
    struct handover_offer offer;
    struct loop_io io;
    struct predecessor_heir heir;
    pid_t pid;
    unsigned clients;
    bool gone;
};

/* --- the offer ------------------------------------------------------------------- */

/* NULL, or why the answer is no offer that we can take. `text` is room for it. */
static const char *
read_offer(struct predecessor *p, char text[HANDOVER_TEXT_MAX])
{
    struct handover_message m;
    switch (handover_link_next(&p->link, &m)) {
    case HANDOVER_MESSAGE: break;
    case HANDOVER_NOTHING: return "no answer in time";
    case HANDOVER_ENDED: return "it hung up";
    case HANDOVER_GARBAGE: return "whoever listens there is no mfproxy";
    }
    if (m.type == HANDOVER_REFUSED) {
        snprintf(text, HANDOVER_TEXT_MAX, "%.*s", SPAN_FMT(m.body));
        return text;
    }
    if (m.version != HANDOVER_VERSION) {
        snprintf(text, HANDOVER_TEXT_MAX, "it speaks version %u of the handover, we speak %d",
                 m.version, HANDOVER_VERSION);
        return text;
    }
    if (m.type != HANDOVER_OFFER || !handover_parse_offer(m.body, &p->offer)) {
        p->offer.count = 0;
        return "its offer makes no sense";
    }
    for (unsigned i = 0; i < p->offer.count; i++) {
        p->offer.items[i].fd = handover_link_take(&p->link);
        if (p->offer.items[i].fd < 0) {
            return "descriptors are missing from its offer";
        }
    }
    return NULL;
}

static const char *
ask(struct predecessor *p, char text[HANDOVER_TEXT_MAX])
{
    uid_t uid;
    if (!handover_link_peer(&p->link, &p->pid, &uid)) {
        return strerror(errno);
    }
    if (uid != geteuid()) {
        snprintf(text, HANDOVER_TEXT_MAX, "user %u listens there, we are user %u", (unsigned)uid,
                 (unsigned)geteuid());
        return text;
    }
    struct span hello = span_cstr(SUCCESSOR_PROGRAM);
    if (handover_link_send(&p->link, HANDOVER_HELLO, hello, NULL, 0) != HANDOVER_SENT) {
        return "it hung up";
    }
    return read_offer(p, text);
}

enum predecessor_found
predecessor_meet(const struct addr *at, struct predecessor **out, char **error)
{
    char text[HANDOVER_TEXT_MAX], where[ADDR_TEXT_MAX];
    struct predecessor *p = mem_zalloc(sizeof(*p));
    const char *why;
    *out = NULL;
    if (handover_link_connect(&p->link, at, ANSWER_WAIT_MS)) {
        why = ask(p, text);
    } else if (errno == ENOENT || errno == ECONNREFUSED) {
        predecessor_destroy(&p);
        return PREDECESSOR_NONE;
    } else {
        why = strerror(errno);
    }
    if (why != NULL) {
        *error = mem_printf("cannot take over at %s: %s", addr_format(at, where), why);
        predecessor_destroy(&p);
        return PREDECESSOR_UNUSABLE;
    }
    log_info("takeover_begun", "pid=%d sockets=%u", (int)p->pid, p->offer.count);
    *out = p;
    return PREDECESSOR_MET;
}

static bool
is_at(const struct handover_item *item, const char *text)
{
    struct addr bound;
    char bound_text[ADDR_TEXT_MAX];
    return strcmp(item->name, text) == 0 ||
           (sock_local(item->fd, &bound) && strcmp(addr_format(&bound, bound_text), text) == 0);
}

int
predecessor_take(struct predecessor *p, enum handover_kind kind, const struct addr *addr)
{
    char text[ADDR_TEXT_MAX];
    addr_format(addr, text);
    for (unsigned i = 0; p != NULL && i < p->offer.count; i++) {
        struct handover_item *item = &p->offer.items[i];
        if (item->fd >= 0 && item->kind == kind && is_at(item, text)) {
            int fd = item->fd;
            item->fd = -1;
            return fd;
        }
    }
    return -1;
}

bool
predecessor_table(struct predecessor *p, struct buf *document)
{
    for (unsigned i = 0; p != NULL && i < p->offer.count; i++) {
        struct handover_item *item = &p->offer.items[i];
        if (item->kind == HANDOVER_TABLE && item->fd >= 0) {
            return handover_memory_read(item->fd, TABLE_BYTES_MAX, document);
        }
    }
    return false;
}

/* --- from here on it is us --------------------------------------------------------- */

static void
close_rest(struct predecessor *p, bool remove_files)
{
    for (unsigned i = 0; i < p->offer.count; i++) {
        struct handover_item *item = &p->offer.items[i];
        struct addr addr;
        if (item->fd < 0) {
            continue;
        }
        if (remove_files && item->kind != HANDOVER_TABLE && sock_local(item->fd, &addr)) {
            struct sock_file file = sock_file_of(&addr);
            sock_file_remove(&file, &addr);
            log_info("listener_dropped", "addr=%s", LOG_STR(item->name));
        }
        close(item->fd);
        item->fd = -1;
    }
}

/* False if that is something else. */
static bool
hear_of_node(struct predecessor *p, const struct handover_message *m)
{
    if (m->type == HANDOVER_JOURNAL) {
        p->heir.journal(p->heir.arg, m->body);
    } else if (m->type == HANDOVER_HEALTH) {
        p->heir.health(p->heir.arg, m->body);
    } else {
        return false;
    }
    return true;
}

/* What it says to READY, behind what it knows of nodes. */
static const char *
await_draining(struct predecessor *p)
{
    struct handover_message m;
    for (;;) {
        switch (handover_link_next(&p->link, &m)) {
        case HANDOVER_MESSAGE: break;
        case HANDOVER_NOTHING: return "silent";
        case HANDOVER_ENDED:
        case HANDOVER_GARBAGE: return "gone";
        }
        if (!hear_of_node(p, &m)) {
            return m.type == HANDOVER_DRAINING ? "draining" : handover_type_name(m.type);
        }
    }
}

/* An old process that has ended meanwhile accepts no more, either; and one that
 * hangs does not keep us from serving. */
void
predecessor_relieve(struct predecessor *p, const struct predecessor_heir *heir)
{
    const char *outcome = "gone";
    p->heir = *heir;
    struct span wants = SPAN_LIT(HANDOVER_WANTS_HEALTH);
    if (handover_link_send(&p->link, HANDOVER_READY, wants, NULL, 0) == HANDOVER_SENT) {
        outcome = await_draining(p);
    }
    close_rest(p, true);
    log_info("takeover_done", "pid=%d predecessor=%s", (int)p->pid, outcome);
}

static void
on_end(struct predecessor *p)
{
    loop_io_want(&p->io, 0);
    p->gone = true;
    log_info("predecessor_gone", "pid=%d clients=%u", (int)p->pid, p->clients);
}

static void
on_message(struct predecessor *p, const struct handover_message *m)
{
    if (hear_of_node(p, m)) {
        return;
    }
    int fd = m->type == HANDOVER_CLIENT ? handover_link_take(&p->link) : -1;
    if (fd >= 0) {
        p->clients++;
        p->heir.client(p->heir.arg, fd, m->body);
    }
}

static void
on_readable(void *arg, int ready)
{
    (void)ready;
    struct predecessor *p = arg;
    struct handover_message m;
    for (int i = 0; i < MESSAGES_PER_TURN || handover_link_has_next(&p->link); i++) {
        switch (handover_link_next(&p->link, &m)) {
        case HANDOVER_MESSAGE: on_message(p, &m); break;
        case HANDOVER_NOTHING: return;
        case HANDOVER_ENDED:
        case HANDOVER_GARBAGE: on_end(p); return;
        }
    }
}

void
predecessor_watch(struct predecessor *p, struct loop *loop)
{
    handover_link_unblock(&p->link);
    loop_io_init(&p->io, loop, p->link.fd, on_readable, p);
    loop_io_want(&p->io, LOOP_READ);
    on_readable(p, LOOP_READ); /* what came with DRAINING: of that the socket does not tell */
}

bool
predecessor_is_gone(const struct predecessor *p)
{
    return p == NULL || p->gone;
}

void
predecessor_destroy(struct predecessor **predecessor)
{
    struct predecessor *p = *predecessor;
    if (p == NULL) {
        return;
    }
    loop_io_deinit(&p->io);
    close_rest(p, false);
    handover_link_deinit(&p->link);
    free(p);
    *predecessor = NULL;
}
