#include "cached/node_options.h"
#include "common/core/log.h"
#include "common/core/name.h"
#include "common/core/num.h"
#include "common/core/version.h"

#include <stdlib.h>

#define ITEM_MAX_LOWEST   1024u
#define ITEM_MAX_HIGHEST  (1024u << 20)
#define THREADS_HIGHEST   256
#define WEIGHT_HIGHEST    1000
#define CONNECTIONS_LIMIT 10000000
#define MEMORY_HIGHEST    ((uint64_t)16 << 40) /* several times that is reserved of addresses */

#define OPTIONS_STRUCT struct node_options

static const struct option_row rows[] = {MFCACHED_OPTIONS(OPTION_ROW)};

#define SERVED(name, type, field, arg, help) OPTION_ROW(0, name, type, field, arg, NULL, help)
#define IGNORED(field)                                                                             \
    OPTION_ROW(0, #field, IGNORED, extended_##field, "", NULL, "accepted without effect")
static const struct option_row extended[] = {MFCACHED_EXTENDED_SERVED(SERVED)
                                                 MFCACHED_EXTENDED_IGNORED(IGNORED)};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct option_table table = {
    .program = "mfcached",
    .usage = "[OPTION]...",
    .summary = "A cache node that speaks memcached's text and meta protocols and takes\n"
               "memcached's command line.",
    .epilog =
        "SIGTERM, SIGINT and SIGUSR1 end the node after what it has begun; with -e its items\n"
        "are there again at the next start. With the environment variable\n"
        "MEMCACHED_PORT_FILENAME the bound ports are written to that file.",
    .version = MEMFLEET_VERSION,
    .rows = rows,
    .count = COUNT_OF(rows),
    .extended = extended,
    .extended_count = COUNT_OF(extended),
};

static bool
complain(const char *option, const char *sentence)
{
    fprintf(stderr, "mfcached: option %s: %s\n", option, sentence);
    return false;
}

static bool
parse_mode(const char *text, unsigned *mode)
{
    char *end;
    unsigned long value = strtoul(text, &end, 8);
    *mode = (unsigned)value;
    return end != text && *end == '\0' && value <= 0777;
}

/* -1 is 0: the kernel chooses. */
static bool
parse_port(const char *text, uint16_t *port)
{
    uint64_t n = 0;
    if (strcmp(text, "-1") != 0 && (!num_parse_u64(span_cstr(text), &n) || n > UINT16_MAX)) {
        return false;
    }
    *port = (uint16_t)n;
    return true;
}

static bool
is_one_of(const char *value, const char *a, const char *b)
{
    return strcmp(value, a) == 0 || strcmp(value, b) == 0;
}

static bool
check_unserved(const struct node_options *o)
{
    if (o->udp_port != 0) {
        return complain("-U", "UDP is not served, only 0 is possible");
    }
    if (!is_one_of(o->protocol, "ascii", "auto")) {
        return complain("-B", "only ascii and auto are served, the binary protocol is not");
    }
    if (o->refused_S) {
        return complain("-S", "SASL authentication is not served by this build");
    }
    if (o->refused_Y != NULL) {
        return complain("-Y", "authentication is not served by this build");
    }
    if (o->refused_Z) {
        return complain("-Z", "TLS is not served by this build");
    }
    return true;
}

static bool
check_ranges(const struct node_options *o)
{
    if (o->item_max_bytes < ITEM_MAX_LOWEST) {
        return complain("-I", "item max size cannot be less than 1024 bytes");
    }
    if (o->item_max_bytes > ITEM_MAX_HIGHEST) {
        return complain("-I", "item max size cannot be more than 1024 megabytes");
    }
    if (o->item_max_bytes > o->memory_bytes / 2) {
        return complain("-I", "item max size cannot be more than half of the memory limit (-m)");
    }
    if (o->memory_bytes > MEMORY_HIGHEST) {
        return complain("-m", "the memory limit cannot be more than 16777216 megabytes");
    }
    if (o->threads == 0 || o->threads > THREADS_HIGHEST) {
        return complain("-t", "the number of threads must be between 1 and 256");
    }
    if (o->connections_max == 0 || o->connections_max > CONNECTIONS_LIMIT) {
        return complain("-c", "the number of connections must be between 1 and 10000000");
    }
    if (o->backlog == 0 || o->backlog > INT32_MAX) {
        return complain("-b", "the backlog must be at least 1");
    }
    if (o->prefix_delimiter != NULL && strlen(o->prefix_delimiter) != 1) {
        return complain("-D", "expected one character");
    }
    if (o->gather_us > 1000) {
        return complain("--gather-us", "expected 0 to 1000");
    }
    if (o->requests_per_turn == 0) {
        return complain("-R", "the number of requests must be at least 1");
    }
    return true;
}

static bool
check_fleet(const struct node_options *o)
{
    if (o->control.count > 0 && o->node_name == NULL) {
        return complain("--control", "needs --node-name, our name in the fleet");
    }
    if (o->control.count > 0 && o->pool == NULL) {
        return complain("--control", "needs --pool, the pool to offer ourselves to");
    }
    if (o->control.count == 0 && (o->node_name != NULL || o->pool != NULL)) {
        return complain("--node-name", "and --pool have no meaning without --control");
    }
    if (o->node_name != NULL && !name_ok(span_cstr(o->node_name))) {
        return complain("--node-name", NAME_EXPECTED);
    }
    if (o->pool != NULL && !name_ok(span_cstr(o->pool))) {
        return complain("--pool", NAME_EXPECTED);
    }
    if (o->weight < 1 || o->weight > WEIGHT_HIGHEST) {
        return complain("--weight", "the weight must be between 1 and 1000");
    }
    return true;
}

static bool
check_all(struct node_options *o)
{
    if (!parse_mode(o->unix_mask, &o->unix_mode)) {
        return complain("-a", "expected an octal access mode such as 700");
    }
    if (!parse_port(o->port, &o->tcp_port)) {
        return complain("-p", "expected a port, 0 to 65535, or -1");
    }
    return check_unserved(o) && check_ranges(o) && check_fleet(o);
}

enum options_outcome
node_options_parse(struct node_options *o, int argc, char **argv)
{
    int rest;
    enum options_outcome outcome = options_parse(&table, argc, argv, o, &rest);
    if (outcome != OPTIONS_OK) {
        return outcome;
    }
    if (rest < argc) {
        fprintf(stderr, "mfcached: unexpected argument '%s' (see --help)\n", argv[rest]);
        node_options_deinit(o);
        return OPTIONS_BAD;
    }
    if (!check_all(o)) {
        node_options_deinit(o);
        return OPTIONS_BAD;
    }
    return OPTIONS_OK;
}

void
node_options_deinit(struct node_options *o)
{
    options_deinit(&table, o);
}

static void
log_ignored_rows(const struct option_row *list, size_t count, const struct node_options *o)
{
    for (size_t i = 0; i < count; i++) {
        const bool *given = (const bool *)((const char *)o + list[i].offset);
        if (list[i].type != OPTION_IGNORED || !*given) {
            continue;
        }
        char letter[] = {'-', (char)list[i].letter, '\0'};
        log_debug("option_ignored", "option=%s", list[i].name != NULL ? list[i].name : letter);
    }
}

void
node_options_log_ignored(const struct node_options *o)
{
    log_ignored_rows(rows, COUNT_OF(rows), o);
    log_ignored_rows(extended, COUNT_OF(extended), o);
}
