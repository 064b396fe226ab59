#include "control/control_options.h"
#include "common/core/version.h"

#define LEASE_TTL_MIN_MS        3000
#define LEASE_TTL_MAX_MS        600000
#define FOLLOWER_TIMEOUT_MIN_MS 1000

#define OPTIONS_STRUCT struct control_options
static const struct option_row rows[] = {CONTROL_OPTIONS(OPTION_ROW)};

static const struct option_table table = {
    .program = "mfcontrol",
    .usage = "--etcd URL,... --cluster NAME [OPTION]...",
    .summary = "The control plane: keeps the cluster's routing table in etcd and pushes it to\n"
               "nodes and proxies. Any number may run; one of them leads.",
    .epilog = "SIGTERM and SIGINT resign and end. The manual is mfcontrol(1).",
    .version = MEMFLEET_VERSION,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

static const char *
find_fault(const void *options)
{
    const struct control_options *o = options;
    char prefix[PREFIX_MAX_BYTES];
    if (o->etcd.count == 0) {
        return "option --etcd is needed: expected a URL, e.g. http://127.0.0.1:2379";
    }
    if (o->cluster == NULL || !key_prefix(span_cstr(o->cluster), prefix)) {
        return "option --cluster: " NAME_EXPECTED;
    }
    if (o->id != NULL && !name_ok(span_cstr(o->id))) {
        return "option --id: " NAME_EXPECTED;
    }
    if (o->lease_ttl < LEASE_TTL_MIN_MS || o->lease_ttl > LEASE_TTL_MAX_MS ||
        o->node_lease_ttl < LEASE_TTL_MIN_MS || o->node_lease_ttl > LEASE_TTL_MAX_MS) {
        return "options --lease-ttl and --node-lease-ttl: expected 3s to 10m";
    }
    if (o->follower_timeout < FOLLOWER_TIMEOUT_MIN_MS) {
        return "option --follower-timeout: expected at least 1s";
    }
    return daemon_options_fault(o->log_level);
}

enum options_outcome
control_options_parse(int argc, char **argv, struct control_options *into)
{
    return options_parse_only(&table, argc, argv, into, find_fault);
}

void
control_options_deinit(struct control_options *options)
{
    options_deinit(&table, options);
}
