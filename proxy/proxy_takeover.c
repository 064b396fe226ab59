/* proxy_takeover.c - one process after another, without a moment in which none
 * serves:
 *
 *     new: meet the old one -> table -> listen by its sockets -> READY -> its journals, its clients
 *     old:      offer ..................... as ever ........... give journals, drain, give clients
 *
 * Both share the sockets, so what waits to be accepted waits for either. */
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/net/handover_link.h"
#include "proxy/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TABLE_WAIT_MS 30000 /* who has no table by then gives up */
#define TABLE_POLL_MS 10

static bool
complain(char *error)
{
    fprintf(stderr, "mfproxy: %s\n", error);
    free(error);
    return false;
}

/* --- the new process ----------------------------------------------------------- */

bool
proxy_meet_predecessor(struct proxy *proxy)
{
    struct addr at;
    char *error = NULL;
    if (proxy->options->takeover == NULL) {
        return true;
    }
    if (!proxy_resolve(proxy->options->takeover, &at)) {
        return false;
    }
    switch (predecessor_meet(&at, &proxy->predecessor, &error)) {
    case PREDECESSOR_NONE:
    case PREDECESSOR_MET: return true;
    case PREDECESSOR_UNUSABLE: return complain(error);
    }
    return false;
}

struct table_wait {
    struct proxy *proxy;
    struct loop_timer timer;
    uint64_t until_us;
};

static bool
has_table(struct proxy *proxy)
{
    struct placement *p = proxy_placement(proxy);
    bool has = p != NULL;
    placement_unref(&p);
    return has;
}

static void
on_poll(void *arg)
{
    struct table_wait *wait = arg;
    if (has_table(wait->proxy) || loop_now_us(wait->proxy->loop) >= wait->until_us) {
        loop_stop(wait->proxy->loop);
        return;
    }
    loop_timer_start(&wait->timer, TABLE_POLL_MS);
}

/* The old one goes on meanwhile. A signal ends the waiting. */
bool
proxy_await_table(struct proxy *proxy)
{
    if (proxy->predecessor == NULL || has_table(proxy)) {
        return true;
    }
    struct table_wait wait = {.proxy = proxy, .until_us = clock_mono_us() + TABLE_WAIT_MS * 1000};
    loop_timer_init(&wait.timer, proxy->loop, on_poll, &wait);
    loop_timer_start(&wait.timer, TABLE_POLL_MS);
    loop_run(proxy->loop);
    loop_timer_deinit(&wait.timer);
    if (atomic_load(&proxy->draining)) {
        return false;
    }
    if (!has_table(proxy)) {
        fprintf(stderr, "mfproxy: no routing table came within %d s; the process before goes on\n",
                TABLE_WAIT_MS / 1000);
        return false;
    }
    return true;
}

static void
on_inherited_client(void *arg, int fd, struct span message)
{
    struct proxy *proxy = arg;
    unsigned frontend = frontends_take(&proxy->frontends, message);
    if (frontend == FRONTEND_NONE) {
        log_warn("client_dropped", "reason=\"nobody knows where it came in\"");
        close(fd);
        return;
    }
    metric_add(proxy->accept_metrics, METRIC_ID_INHERITED, 1);
    proxy_accept(proxy, fd, frontend);
}

static void
on_inherited_journal(void *arg, struct span message)
{
    proxy_inherit_journal(arg, message);
}

static void
on_inherited_health(void *arg, struct span message)
{
    proxy_inherit_health(arg, message);
}

void
proxy_take_over(struct proxy *proxy)
{
    if (proxy->predecessor == NULL) {
        return;
    }
    const struct predecessor_heir heir = {proxy, on_inherited_client, on_inherited_health,
                                          on_inherited_journal};
    predecessor_relieve(proxy->predecessor, &heir);
    proxy_own_files(proxy, true);
    successor_own_socket(proxy->successor);
    predecessor_watch(proxy->predecessor, proxy->loop);
}

/* --- the old process ------------------------------------------------------------- */

static void
on_offer(void *arg, struct handover_offer *offer)
{
    struct proxy *proxy = arg;
    proxy_offer_listeners(proxy, offer);
    struct placement *p = proxy_placement(proxy);
    int fd = p != NULL ? handover_memory(buf_span(&p->table->document)) : -1;
    if (fd >= 0) {
        handover_add(offer, HANDOVER_TABLE, "", fd);
    }
    placement_unref(&p);
}

static void
on_health(void *arg)
{
    proxy_bequeath_health(arg);
}

static void
on_journals(void *arg)
{
    proxy_bequeath_journals(arg);
}

/* If we drain already, those who are left are given to it from now on. */
static void
on_taken(void *arg)
{
    struct proxy *proxy = arg;
    log_info("taken_over", "connections=%u", atomic_load(&proxy->connections));
    proxy->relieved = true;
    proxy_drain(proxy);
}

bool
proxy_meet_successor(struct proxy *proxy)
{
    struct addr at;
    char *error = NULL;
    const struct successor_host host = {.arg = proxy,
                                        .offer = on_offer,
                                        .health = on_health,
                                        .journals = on_journals,
                                        .taken = on_taken};
    if (proxy->options->takeover == NULL) {
        return true;
    }
    if (!proxy_resolve(proxy->options->takeover, &at)) {
        return false;
    }
    int fd = predecessor_take(proxy->predecessor, HANDOVER_MEETING, &at);
    proxy->successor = successor_create(proxy->loop, &at, fd, &host, &error);
    return proxy->successor != NULL || complain(error);
}
