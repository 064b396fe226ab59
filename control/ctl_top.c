/* mfctl top - what servers do now: a view on a terminal, or lines and JSON. */
#include "common/core/addrname.h"
#include "common/core/clock.h"
#include "control/ctl.h"
#include "control/ctl_table.h"
#include "control/top_json.h"
#include "control/top_screen.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define INTERVAL_MIN_MS 100

/* clang-format off */
#define TOP_OPTIONS(X)                                                                             \
    X('d', "interval", DURATION, interval, "TIME",  "1s",     "how often servers are asked")       \
    X('n', "count",    NUMBER,   count,    "COUNT", "0",                                           \
      "print lines, so many times, and end; 0: until it is interrupted")                           \
    X(0,   "once",     BOOL,     once,     "",      NULL,     "the same as -n 1")                  \
    X('s', "sort",     STRING,   sort,     "NAME",  "listed", "what comes first:" TOP_SORTS_TEXT)  \
    X(0,   "table",    STRING,   table,    "FILE",  NULL,                                          \
      "the servers of the routing table in this file")
/* clang-format on */

struct top_options {
    TOP_OPTIONS(OPTION_FIELD)
};
#define OPTIONS_STRUCT struct top_options
static const struct option_row rows[] = {TOP_OPTIONS(OPTION_ROW)};
static const struct option_table option_table = {
    .usage = "[HOST:PORT]... [OPTION]...",
    .summary =
        "Shows requests, hits, memory, connections, latency, hot keys and backends of nodes and\n"
        "proxies. Without HOST:PORT those of the nodes in the published table (--etcd, "
        "--cluster).\n"
        "Rates are of the time since the servers were last asked. On a terminal it goes on until\n"
        "q is pressed; where stdout is none, or with -n, it prints lines, and with --json one "
        "JSON\n"
        "document a line. Latencies are of the time since the server's start or stats reset.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

struct top {
    struct ctl *ctl;
    const struct top_options *options;
    struct top_look look;
    struct loop *loop;
    struct top_poll *poll;
    struct top_screen *screen; /* NULL: lines */
    struct top_page page;
    struct loop_signal sigint, sigterm;
    uint64_t rounds, wanted; /* wanted 0: no end */
};

/* --- lines ------------------------------------------------------------------------------------ */

static void
print_page(const struct top_page *page)
{
    for (unsigned i = 0; i < page->count; i++) {
        puts(page->lines[i].text);
    }
    putchar('\n');
}

static void
print_lines(struct top *top)
{
    const struct top_fleet *fleet = top_poll_fleet(top->poll);
    top->look.wall_ms = clock_wall_ms();
    if (top->ctl->options.json) {
        json_t *json = top_json(fleet, top->look.wall_ms);
        json_dumpf(json, stdout, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(json);
    } else {
        top->look.server = fleet->count == 1 ? fleet->servers[0] : NULL;
        top_view(fleet, &top->look, &top->page);
        print_page(&top->page);
    }
    if (fflush(stdout) != 0) {
        loop_stop(top->loop); /* nobody reads */
    }
}

/* The first round only gives rates something to begin with. */
static void
on_round(void *arg)
{
    struct top *top = arg;
    top->rounds++;
    if (top->screen != NULL) {
        top_screen_draw(top->screen);
        return;
    }
    if (top->rounds > 1) {
        print_lines(top);
    }
    if (top->wanted > 0 && top->rounds > top->wanted) {
        loop_stop(top->loop);
    }
}

static void
on_signal(void *arg)
{
    struct top *top = arg;
    loop_stop(top->loop);
}

/* --- whom to ask --------------------------------------------------------------------------------
 */

static bool
add(struct top *top, const char *name, const char *pool, const char *addr)
{
    struct addr_name parsed;
    if (!addr_parse(span_cstr(addr), 11211, &parsed)) {
        ctl_complain(top->ctl, "expected HOST:PORT, got '%s'", addr);
        return false;
    }
    if (!top_poll_add(top->poll, name, pool, addr)) {
        ctl_complain(top->ctl, "expected at most %u servers", TOP_SERVERS_MAX);
        return false;
    }
    return true;
}

/* A node that is in several pools is asked once. */
static bool
is_listed(const struct top_fleet *fleet, const char *addr)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        if (strcmp(fleet->servers[i]->addr, addr) == 0) {
            return true;
        }
    }
    return false;
}

static bool
add_table(struct top *top, const struct table *table)
{
    bool added = true;
    for (unsigned p = 0; p < table->pool_count; p++) {
        const struct table_pool *pool = &table->pools[p];
        for (unsigned n = 0; added && n < pool->node_count; n++) {
            const struct table_node *node = &pool->nodes[n];
            if (!is_listed(top_poll_fleet(top->poll), node->addr)) {
                added = add(top, node->id, pool->name, node->addr);
            }
        }
    }
    return added;
}

static enum ctl_exit
find_servers(struct top *top, const struct ctl_arguments *named)
{
    for (unsigned i = 0; i < named->count; i++) {
        if (!add(top, named->items[i], "", named->items[i])) {
            return CTL_USAGE;
        }
    }
    if (named->count > 0 && top->options->table == NULL) {
        return CTL_OK;
    }
    if (top->options->table == NULL && !ctl_connect(top->ctl)) {
        return CTL_USAGE;
    }
    struct table *table = top->options->table != NULL
                              ? ctl_table_from_file(top->ctl, top->options->table)
                              : ctl_table_from_etcd(top->ctl);
    bool added = table != NULL && add_table(top, table);
    table_unref(&table);
    return added ? CTL_OK : CTL_NO;
}

/* --- the command
 * ----------------------------------------------------------------------------------- */

static enum ctl_exit
serve(struct top *top)
{
    const struct top_options *o = top->options;
    const char *error = NULL;
    top_poll_interval(top->poll, o->interval);
    loop_signal_init(&top->sigint, top->loop, SIGINT, on_signal, top);
    loop_signal_init(&top->sigterm, top->loop, SIGTERM, on_signal, top);
    bool lines = top->wanted > 0 || top->ctl->options.json || !isatty(STDOUT_FILENO) ||
                 !isatty(STDIN_FILENO);
    if (!lines) {
        top->screen = top_screen_create(top->loop, top->poll, &top->look, o->interval, &error);
    }
    if (error != NULL) {
        ctl_complain(top->ctl, "%s: -n COUNT prints lines", error);
    } else {
        top_poll_start(top->poll);
        loop_run(top->loop);
    }
    top_screen_destroy(&top->screen);
    loop_signal_deinit(&top->sigint);
    loop_signal_deinit(&top->sigterm);
    bool well = !lines || top_sum_of(top_poll_fleet(top->poll)).gone == 0;
    return error == NULL && well ? CTL_OK : CTL_NO;
}

static enum ctl_exit
check_options(const struct ctl *ctl, const struct top_options *o, enum top_sort *sort)
{
    if (!top_sort_find(span_cstr(o->sort), sort)) {
        ctl_complain(ctl, "option --sort: '%s' is not one of" TOP_SORTS_TEXT, o->sort);
        return CTL_USAGE;
    }
    if (o->interval < INTERVAL_MIN_MS) {
        ctl_complain(ctl, "option --interval: at least %u ms", INTERVAL_MIN_MS);
        return CTL_USAGE;
    }
    return CTL_OK;
}

static enum ctl_exit
run(struct ctl *ctl, const struct top_options *o, const struct ctl_arguments *named)
{
    struct top top = {.ctl = ctl, .options = o, .wanted = o->once ? 1 : o->count};
    enum ctl_exit status = check_options(ctl, o, &top.look.sort);
    if (status != CTL_OK) {
        return status;
    }
    top.loop = loop_create();
    top.poll = top_poll_create(top.loop, on_round, &top);
    status = find_servers(&top, named);
    if (status == CTL_OK) {
        status = serve(&top);
    }
    top_poll_destroy(&top.poll);
    top_page_deinit(&top.page);
    loop_destroy(&top.loop);
    return status;
}

enum ctl_exit
ctl_top(struct ctl *ctl, int argc, char **argv)
{
    struct top_options o;
    struct ctl_arguments named;
    enum ctl_exit status = ctl_parse(ctl, &option_table, argc, argv, &o, CTL_ANY_ARGUMENTS, &named);
    if (status != CTL_OK) {
        return status;
    }
    status = run(ctl, &o, &named);
    ctl_arguments_deinit(&named);
    options_deinit(&option_table, &o);
    return status;
}
