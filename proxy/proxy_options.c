#include "proxy/proxy_options.h"
#include "common/core/addrname.h"
#include "common/core/log.h"
#include "common/core/name.h"
#include "common/core/version.h"
#include "common/fleet/table.h"
#include "common/net/handover.h"
#include "proxy/frontend.h"

#define THREADS_MAX 256
#define LISTEN_MAX  (HANDOVER_ITEMS_MAX - 8) /* with --takeover; HTTP, table and itself go along */

#define OPTIONS_STRUCT struct proxy_options
static const struct option_row rows[] = {PROXY_OPTIONS(OPTION_ROW)};

static const struct option_table table = {
    .program = "mfproxy",
    .usage =
        "--servers HOST:PORT[:WEIGHT],... | --table FILE | --control HOST:PORT,... [OPTION]...",
    .summary = "A memcached proxy: routes every key to its node, gathers many clients' requests\n"
               "into one connection per node, and answers when nodes do not.",
    .epilog = "SIGTERM and SIGINT drain and end. The manual is mfproxy(1).",
    .version = MEMFLEET_VERSION,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

static const char *
takeover_fault(const struct proxy_options *o)
{
    struct addr_name name;
    if (o->takeover == NULL) {
        return NULL;
    }
    if (!addr_parse(span_cstr(o->takeover), 0, &name) || !name.is_unix) {
        return "option --takeover: expected the path of a unix socket, /like/this";
    }
    return o->listen.count <= LISTEN_MAX ? NULL : "option --takeover: at most 72 times --listen";
}

static const char *
listen_fault(const struct proxy_options *o)
{
    struct span addr, pool;
    for (size_t i = 0; i < o->listen.count; i++) {
        if (!frontend_split(span_cstr(o->listen.items[i]), &addr, &pool)) {
            return "option --listen: a pool's name is 1 to 128 letters, digits, '.', '_', '-'";
        }
        if (o->servers.count > 0 && pool.len > 0 && !span_eq_cstr(pool, "default")) {
            return "option --listen: the pool of --servers is called default";
        }
    }
    return o->listen.count < FRONTENDS_MAX ? NULL : "option --listen: too many";
}

static const char *
find_fault(const void *options)
{
    const struct proxy_options *o = options;
    int sources = (o->servers.count > 0) + (o->table != NULL) + (o->control.count > 0);
    if (sources != 1) {
        return "exactly one of --servers, --table and --control is needed";
    }
    if (o->threads == 0 || o->threads > THREADS_MAX) {
        return "option --threads: expected 1 to 256";
    }
    if (o->max_inflight == 0 || o->max_connections == 0) {
        return "options --max-inflight and --max-connections: expected at least 1";
    }
    if (o->request_timeout == 0 || o->connect_timeout == 0) {
        return "options --request-timeout and --connect-timeout: expected at least 1ms";
    }
    if (strcmp(o->coalesce, "on") != 0 && strcmp(o->coalesce, "off") != 0) {
        return "option --coalesce: expected on or off";
    }
    if (o->near_cache > TABLE_NEAR_MAX_BYTES) {
        return "option --near-cache: expected at most 1g";
    }
    if (o->near_cache_ttl < 1 || o->near_cache_ttl > TABLE_NEAR_MAX_MS) {
        return "option --near-cache-ttl: expected 1ms to 1s";
    }
    if (o->gutter.count > 0 && o->servers.count == 0) {
        return "option --gutter: only with --servers; pools of tables name theirs";
    }
    if (o->gutter_ttl < 1000 || o->gutter_ttl > 3600000) {
        return "option --gutter-ttl: expected 1s to 1h";
    }
    enum rejoin_policy rejoin;
    if (!rejoin_policy_find(span_cstr(o->rejoin), &rejoin)) {
        return "option --rejoin: expected " REJOIN_POLICIES_TEXT;
    }
    if (o->gather_us > 1000) {
        return "option --gather-us: expected 0 to 1000";
    }
    if (o->replay_rate == 0) {
        return "option --replay-rate: expected at least 1";
    }
    if (o->id != NULL && !name_ok(span_cstr(o->id))) {
        return "option --id: " NAME_EXPECTED;
    }
    const char *fault = listen_fault(o);
    if (fault == NULL) {
        fault = takeover_fault(o);
    }
    return fault != NULL ? fault : daemon_options_fault(o->log_level);
}

void
proxy_options_log_ignored(const struct proxy_options *o)
{
    static const char *const of_servers[] = {
        "ring",       "hash",           "connect-timeout", "request-timeout", "coalesce",
        "near-cache", "near-cache-ttl", "gutter-ttl",      "rejoin",
    };
    if (o->servers.count > 0) {
        return;
    }
    for (size_t i = 0; i < table.count; i++) {
        for (size_t k = 0; k < sizeof(of_servers) / sizeof(of_servers[0]); k++) {
            if (strcmp(rows[i].name, of_servers[k]) == 0 && !option_is_default(&rows[i], o)) {
                log_warn("option_ignored", "option=--%s reason=\"tables have their own\"",
                         rows[i].name);
            }
        }
    }
}

enum options_outcome
proxy_options_parse(int argc, char **argv, struct proxy_options *into)
{
    return options_parse_only(&table, argc, argv, into, find_fault);
}

void
proxy_options_deinit(struct proxy_options *options)
{
    options_deinit(&table, options);
}
