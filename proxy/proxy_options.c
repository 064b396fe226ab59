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

/* clang-format off */
/* Products of these and of times in microseconds are far from the end of 64 bits.
 *    field            least  most                  in words */
#define PROXY_RANGES(X)                                                                            \
    X(threads,         1,     THREADS_MAX,          "option --threads: expected 1 to 256")         \
    X(max_connections, 1,     10000000,  "option --max-connections: expected 1 to 10000000")       \
    X(max_inflight,    1,     1000000,   "option --max-inflight: expected 1 to 1000000")           \
    X(connect_timeout, 1,     TABLE_TIMEOUT_MAX_MS, "option --connect-timeout: expected 1ms to 10m") \
    X(request_timeout, 1,     TABLE_TIMEOUT_MAX_MS, "option --request-timeout: expected 1ms to 10m") \
    X(near_cache,      0,     TABLE_NEAR_MAX_BYTES, "option --near-cache: expected at most 1g")    \
    X(near_cache_ttl,  1,     TABLE_NEAR_MAX_MS,    "option --near-cache-ttl: expected 1ms to 1s") \
    X(gutter_ttl,      1000,  3600000,   "option --gutter-ttl: expected 1s to 1h")                 \
    X(gather_us,       0,     1000,      "option --gather-us: expected 0 to 1000")                 \
    X(replay_rate,     1,     1000000000, "option --replay-rate: expected 1 to 1000000000")        \
    X(max_value_size,  1024,  1u << 30,  "option --max-value-size: expected 1k to 1g")             \
    X(half_command,    1,     3600000,   "option --half-command-timeout: expected 1ms to 1h")      \
    X(drain,           0,     86400000,  "option --drain: expected at most 24h")
/* clang-format on */

static const char *
range_fault(const struct proxy_options *o)
{
    static const struct {
        size_t offset;
        uint64_t least, most;
        const char *fault;
    } ranges[] = {
#define X(field, least, most, fault) {offsetof(struct proxy_options, field), least, most, fault},
        PROXY_RANGES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        uint64_t value = *(const uint64_t *)((const char *)o + ranges[i].offset);
        if (value < ranges[i].least || value > ranges[i].most) {
            return ranges[i].fault;
        }
    }
    return NULL;
}

static const char *
word_fault(const struct proxy_options *o)
{
    enum rejoin_policy rejoin;
    if (strcmp(o->coalesce, "on") != 0 && strcmp(o->coalesce, "off") != 0) {
        return "option --coalesce: expected on or off";
    }
    if (!rejoin_policy_find(span_cstr(o->rejoin), &rejoin)) {
        return "option --rejoin: expected " REJOIN_POLICIES_TEXT;
    }
    if (o->control.count > 0 && o->id != NULL && !name_ok(span_cstr(o->id))) {
        return "option --id: " NAME_EXPECTED;
    }
    return daemon_options_fault(o->log_level);
}

static const char *
source_fault(const struct proxy_options *o)
{
    int sources = (o->servers.count > 0) + (o->table != NULL) + (o->control.count > 0);
    if (sources != 1) {
        return "exactly one of --servers, --table and --control is needed";
    }
    if (o->gutter.count > 0 && o->servers.count == 0) {
        return "option --gutter: only with --servers; pools of tables name theirs";
    }
    return NULL;
}

static const char *
find_fault(const void *options)
{
    static const char *(*const looks[])(const struct proxy_options *) = {
        source_fault, range_fault, word_fault, listen_fault, takeover_fault,
    };
    const char *fault = NULL;
    for (size_t i = 0; fault == NULL && i < sizeof(looks) / sizeof(looks[0]); i++) {
        fault = looks[i](options);
    }
    return fault;
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
