#include "control/control.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/statefile.h"
#include "common/net/daemon.h"
#include "common/net/sock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#define RESIGN_MS   2000
#define DESCRIPTORS 16384

static const char program[] = "mfcontrol";

/* --- what the rooms tell each other ------------------------------------------- */

static void
on_view(void *arg, struct push_view *view)
{
    struct control *c = arg;
    view->live = mirror_is_live(c->mirror);
    view->lag_ms = mirror_lag_ms(c->mirror);
    view->relays = c->relays;
}

static void
on_greeted(void *arg, struct session *s)
{
    struct control *c = arg;
    mirror_heard_of(c->mirror, s->held.incarnation, s->held.epoch);
}

static void
on_node_greeted(void *arg, struct session *s)
{
    struct control *c = arg;
    struct session *older = registrar_add(c->registrar, s);
    if (older != NULL) {
        push_server_drop(c->push, older, "superseded by another stream of the same node");
    }
}

static void
on_node_bye(void *arg, struct session *s, bool for_good)
{
    struct control *c = arg;
    registrar_bye(c->registrar, s, for_good);
}

static void
on_node_gone(void *arg, struct session *s)
{
    struct control *c = arg;
    registrar_remove(c->registrar, s);
}

static const struct push_server_events push_events = {
    .view = on_view,
    .greeted = on_greeted,
    .node_greeted = on_node_greeted,
    .node_bye = on_node_bye,
    .node_gone = on_node_gone,
};

static void
on_mirror_changed(void *arg)
{
    struct control *c = arg;
    free(c->relays);
    c->relays = presence_others(mirror_inventory(c->mirror), c->id);
    leader_nudge(c->leader);
}

static void
on_adopted(void *arg, struct table *table)
{
    struct control *c = arg;
    push_server_publish(c->push, table);
}

static const struct mirror_events mirror_events = {
    .changed = on_mirror_changed,
    .adopted = on_adopted,
};

/* --- start ---------------------------------------------------------------------- */

static bool
complain(char *error)
{
    fprintf(stderr, "%s: %s\n", program, error);
    free(error);
    return false;
}

static bool
find_addr(const char *option, const char *text, struct addr *out)
{
    struct addr_name name;
    const char *why = "expected HOST:PORT or unix:/path";
    if (addr_parse(span_cstr(text), 0, &name) && addr_resolve(&name, true, out, &why)) {
        return true;
    }
    fprintf(stderr, "%s: option %s: '%s': %s\n", program, option, text, why);
    return false;
}

static bool
listen_for_followers(struct control *c)
{
    struct addr addr;
    char *error = NULL;
    if (!find_addr("--listen", c->options->listen, &addr)) {
        return false;
    }
    c->push = push_server_create(c->loop, &addr, c->options->follower_timeout, &push_events, c,
                                 c->metrics, &error);
    return c->push != NULL || complain(error);
}

/* We go by our address, unless we were given a name. */
static bool
choose_names(struct control *c)
{
    addr_advertise(push_server_addr(c->push), c->options->advertise, c->advertise);
    const char *id = c->options->id != NULL ? c->options->id : c->advertise;
    if (!name_ok(span_cstr(id))) {
        fprintf(stderr, "%s: '%s' cannot be our name among the mfcontrols: give another by --id\n",
                program, id);
        return false;
    }
    snprintf(c->id, sizeof(c->id), "%s", id);
    return true;
}

static bool
open_state(struct control *c)
{
    const char *dir = c->options->state_dir;
    if (dir == NULL) {
        return true;
    }
    const char *fault = statefile_folder_fault(dir);
    if (fault != NULL) {
        fprintf(stderr, "%s: option --state-dir: '%s': %s\n", program, dir, fault);
        return false;
    }
    c->state_file = mem_printf("%s/table", dir);
    return true;
}

static bool
open_etcd(struct control *c)
{
    char prefix[PREFIX_MAX_BYTES];
    char *error = NULL;
    key_prefix(span_cstr(c->options->cluster), prefix);
    struct etcd_options options = ETCD_ARGUMENTS_OPTIONS(c->options, prefix);
    c->etcd = etcd_create(c->loop, &options, &error);
    return c->etcd != NULL || complain(error);
}

static bool
serve_http(struct control *c)
{
    struct addr addr;
    char *error = NULL;
    if (c->options->http == NULL) {
        return true;
    }
    if (!find_addr("--http", c->options->http, &addr)) {
        return false;
    }
    struct status_sources sources = {
        .cluster = c->options->cluster,
        .id = c->id,
        .mirror = c->mirror,
        .leader = c->leader,
        .push = c->push,
        .metrics = c->metric_set,
        .etcd_metrics = etcd_metrics(c->etcd),
    };
    c->status = status_page_create(c->loop, &addr, &sources, &error);
    return c->status != NULL || complain(error);
}

static void
start_rooms(struct control *c)
{
    c->builder = offload_create(c->loop);
    c->saver = offload_create(c->loop);
    struct mirror_options mirror = {
        .cluster = c->options->cluster,
        .state_file = c->state_file,
        .parser = c->builder,
        .saver = c->saver,
    };
    c->mirror = mirror_create(&mirror, &mirror_events, c, c->metrics);
    if (mirror_table(c->mirror) != NULL) {
        push_server_publish(c->push, mirror_table(c->mirror));
    }
    c->registrar =
        registrar_create(c->etcd, (int64_t)(c->options->node_lease_ttl / 1000), c->metrics);
    c->presence = presence_create(c->etcd, c->id, c->advertise);
    struct leader_options leader = {
        .cluster = c->options->cluster,
        .id = c->id,
        .address = c->advertise,
        .lease_ttl_s = (int64_t)(c->options->lease_ttl / 1000),
    };
    c->leader = leader_create(c->etcd, c->mirror, c->builder, &leader, c->metrics);
    mirror_follow(c->mirror, c->etcd);
}

static void
say_where(const struct control *c)
{
    char text[ADDR_TEXT_MAX];
    log_info("listening", "addr=%s role=push id=%s", addr_format(push_server_addr(c->push), text),
             LOG_STR(c->id));
    if (c->status != NULL) {
        log_info("listening", "addr=%s role=http", addr_format(status_page_addr(c->status), text));
    }
}

bool
control_start(struct control *c, const struct control_options *options)
{
    static const struct metric_desc descs[] = {CONTROL_METRICS(METRIC_DESC)};
    *c = (struct control){.options = options};
    daemon_want_descriptors(DESCRIPTORS);
    c->loop = loop_create();
    c->metric_set = metric_set_create("mfcontrol", descs, CONTROL_METRIC_COUNT);
    c->metrics = metric_set_block(c->metric_set);
    if (!listen_for_followers(c) || !choose_names(c) || !open_state(c) || !open_etcd(c)) {
        return false;
    }
    start_rooms(c);
    if (!serve_http(c)) {
        return false;
    }
    say_where(c);
    return true;
}

/* --- the end -------------------------------------------------------------------- */

static void
on_resigned(void *arg)
{
    struct control *c = arg;
    loop_stop(c->loop);
}

/* A standby follows at once instead of after the lease. A second signal does not
 * wait. */
static void
on_signal(void *arg)
{
    struct control *c = arg;
    if (c->ending) {
        loop_stop(c->loop);
        return;
    }
    c->ending = true;
    log_info("ending", "id=%s", LOG_STR(c->id));
    presence_destroy(&c->presence, true);
    loop_timer_start(&c->deadline, RESIGN_MS);
    leader_resign(c->leader, on_resigned, c);
}

void
control_run(struct control *c)
{
    loop_signal_init(&c->terminate, c->loop, SIGTERM, on_signal, c);
    loop_signal_init(&c->interrupt, c->loop, SIGINT, on_signal, c);
    loop_timer_init(&c->deadline, c->loop, on_resigned, c);
    loop_run(c->loop);
    loop_timer_deinit(&c->deadline);
    loop_signal_deinit(&c->terminate);
    loop_signal_deinit(&c->interrupt);
}

void
control_stop(struct control *c)
{
    status_page_destroy(&c->status);
    offload_destroy(&c->builder, OFFLOAD_DROP);
    offload_destroy(&c->saver, OFFLOAD_FINISH); /* the newest table must be on disk */
    push_server_destroy(&c->push);              /* while the registrar is there to be told */
    leader_destroy(&c->leader);
    presence_destroy(&c->presence, false);
    registrar_destroy(&c->registrar);
    mirror_destroy(&c->mirror);
    etcd_destroy(&c->etcd);
    metric_set_destroy(&c->metric_set);
    free(c->state_file);
    free(c->relays);
    loop_destroy(&c->loop);
}
