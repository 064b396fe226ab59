/* etcd_probe - the etcd client behind a line protocol, so that a test can hold
 * conversations with it: it listens, takes one connection, and there reads one
 * command a line and writes one line a callback.
 *
 *   get K | list P | put K V [LEASE] | del K | delprefix P | cas K MOD V
 *   grant TTL | keepalive ID | revoke ID | status N | members
 *   watch P IDLE_MS RESYNC_MS ADOPT(0|1) | unwatch | resync | adopt
 *   lease TTL OWN_KEY ADOPT_ID | unlease | elect ID TTL BEAT_MS | fput K V
 *   fence | resign | metrics | echo WORD
 *   endon CALLBACK - the next callback of that name ends its watch or lease
 *
 * A word "-" is the empty word. */
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/num.h"
#include "common/core/option.h"
#include "common/net/listener.h"
#include "common/net/stream.h"
#include "control/etcd/election.h"
#include "control/etcd/etcd.h"
#include "control/etcd/lease.h"
#include "control/etcd/txn.h"
#include "control/etcd/etcd_watch.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS_MAX 8

/* clang-format off */
#define PROBE_OPTIONS(X)                                                              \
    X('e', "endpoints", STRINGS, endpoints, "URL,...", NULL, "Whom to ask.")          \
    X('p', "prefix", STRING, prefix, "TEXT", "", "In front of every key.")            \
    X('u', "user", STRING, user, "NAME", NULL, "User to authenticate as.")            \
    X(0, "password-file", STRING, password_file, "FILE", NULL, "File with the password.") \
    X(0, "ca", STRING, ca, "FILE", NULL, "CA certificates.")                          \
    X(0, "cert", STRING, cert, "FILE", NULL, "Client certificate.")                   \
    X(0, "key", STRING, key, "FILE", NULL, "Key of the client certificate.")          \
    X(0, "read-ms", DURATION, read_ms, "TIME", "2000", "Deadline of a read.")         \
    X(0, "write-ms", DURATION, write_ms, "TIME", "3000", "Deadline of a write.")
/* clang-format on */

struct probe_options {
    PROBE_OPTIONS(OPTION_FIELD)
};

#define OPTIONS_STRUCT struct probe_options
static const struct option_row ROWS[] = {PROBE_OPTIONS(OPTION_ROW)};

static struct {
    struct loop *loop;
    struct etcd *client;
    struct watch *watch;
    bool adopt;
    char endon[16]; /* the callback that ends its owner; "" for none */
    struct lease *lease;
    struct election *election;
    struct listener *listener;
    struct stream *stream;
    struct loop_signal term;
    struct buf line; /* being written */
} probe;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Adds to the line; a '\n' at the end of the text sends it. */
static void
say(const char *fmt, ...)
{
    char text[65536];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    size_t len = n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1;
    buf_append(&probe.line, text, len);
    if (len > 0 && text[len - 1] == '\n') {
        if (probe.stream != NULL) {
            stream_write(probe.stream, buf_span(&probe.line));
        }
        buf_clear(&probe.line);
    }
}

static void
print_kv(const struct etcd_kv *kv)
{
    say(" %.*s=%.*s@%" PRId64, SPAN_FMT(kv->key), SPAN_FMT(kv->value), kv->mod_revision);
}

/* --- calls -------------------------------------------------------------------- */
static void
on_reply(void *arg, const struct etcd_reply *r)
{
    say("%s %s rev=%" PRId64, (const char *)arg, etcd_outcome_name(r->outcome), r->revision);
    if (r->outcome != ETCD_OK) {
        say(" error=%s\n", r->error);
        return;
    }
    say(" count=%zu succeeded=%d deleted=%" PRId64 " lease=%" PRId64 " ttl=%" PRId64, r->kv_count,
        r->succeeded, r->deleted, r->lease, r->ttl_s);
    for (size_t i = 0; i < r->kv_count && i < 8; i++) {
        print_kv(&r->kvs[i]);
    }
    for (size_t i = 0; i < r->result_count; i++) {
        say(" [%zu kvs, %" PRId64 " deleted]", r->results[i].kv_count, r->results[i].deleted);
    }
    if (r->status->version[0] != '\0') {
        say(" version=%s has_leader=%d is_leader=%d", r->status->version, r->status->has_leader,
            r->status->is_leader);
    }
    for (size_t i = 0; i < r->member_count; i++) {
        say(" member=%s", r->members[i].name);
    }
    say("\n");
}

/* The command's name travels as the callback's argument. */
static void *
tag(const char *name)
{
    return (void *)(uintptr_t)name;
}

static struct span
word(char *const *words, size_t i)
{
    bool empty = words[i] == NULL || strcmp(words[i], "-") == 0;
    return empty ? SPAN_LIT("") : span_cstr(words[i]);
}

static int64_t
number(char *const *words, size_t i)
{
    int64_t n = 0;
    return num_parse_i64(word(words, i), &n) ? n : 0;
}

static void
do_get(char **w)
{
    etcd_get(probe.client, word(w, 1), on_reply, tag("get"));
}

static void
do_list(char **w)
{
    etcd_list(probe.client, word(w, 1), on_reply, tag("list"));
}

static void
do_put(char **w)
{
    etcd_put(probe.client, word(w, 1), word(w, 2), number(w, 3), on_reply, tag("put"));
}

static void
do_del(char **w)
{
    etcd_delete(probe.client, word(w, 1), on_reply, tag("del"));
}

static void
do_delprefix(char **w)
{
    etcd_delete_prefix(probe.client, word(w, 1), on_reply, tag("delprefix"));
}

static void
do_cas(char **w)
{
    struct etcd_txn *txn = etcd_txn_create();
    etcd_txn_if_unchanged(txn, word(w, 1), number(w, 2));
    etcd_txn_put(txn, ETCD_THEN, word(w, 1), word(w, 3), 0);
    etcd_txn_get(txn, ETCD_ELSE, word(w, 1));
    etcd_commit(probe.client, txn, on_reply, tag("cas"));
    etcd_txn_destroy(&txn);
}

static void
do_grant(char **w)
{
    etcd_lease_grant(probe.client, number(w, 1), on_reply, tag("grant"));
}

static void
do_keepalive(char **w)
{
    etcd_lease_keepalive(probe.client, number(w, 1), on_reply, tag("keepalive"));
}

static void
do_revoke(char **w)
{
    etcd_lease_revoke(probe.client, number(w, 1), on_reply, tag("revoke"));
}

static void
do_status(char **w)
{
    etcd_status_of(probe.client, (size_t)number(w, 1), on_reply, tag("status"));
}

static void
do_members(char **w)
{
    etcd_members(probe.client, on_reply, tag("members"));
}

static void
do_endon(char **w)
{
    snprintf(probe.endon, sizeof(probe.endon), "%.*s", SPAN_FMT(word(w, 1)));
    say("endon %s\n", probe.endon);
}

static bool
ends(const char *callback)
{
    if (strcmp(probe.endon, callback) != 0) {
        return false;
    }
    probe.endon[0] = '\0';
    say("ended\n");
    return true;
}

static void
end_watch_on(const char *callback)
{
    if (ends(callback)) {
        watch_destroy(&probe.watch);
    }
}

static void
end_lease_on(const char *callback)
{
    if (ends(callback)) {
        lease_destroy(&probe.lease, false);
    }
}

/* --- watch ---------------------------------------------------------------------- */
static void
on_snapshot(void *arg, const struct etcd_kv *kvs, size_t count, int64_t revision)
{
    say("snapshot rev=%" PRId64 " count=%zu", revision, count);
    for (size_t i = 0; i < count && i < 300; i++) {
        print_kv(&kvs[i]);
    }
    say("\n");
    end_watch_on("snapshot");
}

static void
on_event(void *arg, const struct watch_event *e)
{
    say("event %s", e->type == WATCH_PUT ? "put" : "delete");
    print_kv(&e->kv);
    if (e->prev != NULL) {
        say(" was");
        print_kv(e->prev);
    }
    say("\n");
    end_watch_on("event");
}

static void
on_synced(void *arg, int64_t revision)
{
    say("synced rev=%" PRId64 "\n", revision);
    end_watch_on("synced");
}

static void
on_live(void *arg, bool live)
{
    say("live %d\n", live);
    end_watch_on("live");
}

static bool
on_regressed(void *arg, const struct etcd_kv *kvs, size_t count, int64_t revision)
{
    say("regressed rev=%" PRId64 " count=%zu\n", revision, count);
    end_watch_on("regressed");
    return probe.adopt;
}

static void
do_watch(char **w)
{
    static const struct watch_events events = {on_snapshot, on_event, on_synced, on_live,
                                               on_regressed};
    struct watch_options options = {
        .prefix = word(w, 1),
        .idle_ms = (uint64_t)number(w, 2),
        .resync_ms = (uint64_t)number(w, 3),
    };
    probe.adopt = number(w, 4) != 0;
    watch_destroy(&probe.watch);
    probe.watch = watch_create(probe.client, &options, &events, NULL);
}

static void
do_unwatch(char **w)
{
    watch_destroy(&probe.watch);
    say("unwatched\n");
}

static void
do_resync(char **w)
{
    watch_resync(probe.watch);
}

static void
do_adopt(char **w)
{
    probe.adopt = true;
}

/* --- lease and election ------------------------------------------------------------ */
static void
on_held(void *arg, int64_t id)
{
    say("held %" PRId64 " ttl_ms=%" PRIu64 "\n", id, lease_ttl_ms(probe.lease));
    end_lease_on("held");
}

static void
on_lost(void *arg, int64_t id, const char *reason)
{
    say("lost %" PRId64 " %s\n", id, reason);
    end_lease_on("lost");
}

static void
on_renewed(void *arg)
{
    say("renewed\n");
    end_lease_on("renewed");
}

static void
do_lease(char **w)
{
    static const struct lease_events events = {on_held, on_lost, on_renewed, NULL};
    struct lease_options options = {
        .ttl_s = number(w, 1),
        .own_key = word(w, 2),
        .adopt = number(w, 3),
    };
    probe.lease = lease_create(probe.client, &options, &events, NULL);
}

static void
do_unlease(char **w)
{
    lease_destroy(&probe.lease, true);
}

static void
on_elected(void *arg, int64_t fence)
{
    say("elected %" PRId64 "\n", fence);
}

static void
on_deposed(void *arg, const char *reason)
{
    say("deposed %s\n", reason);
}

static void
on_leader(void *arg, const struct etcd_kv *leader)
{
    say("leader %.*s\n", leader ? (int)leader->value.len : 1, leader ? leader->value.ptr : "-");
}

static void
do_elect(char **w)
{
    static const struct election_events events = {on_elected, on_deposed, on_leader};
    struct election_options options = {
        .identity = word(w, 1),
        .ttl_s = number(w, 2),
        .beat_ms = (uint64_t)number(w, 3),
    };
    probe.election = election_create(probe.client, &options, &events, NULL);
}

static void
do_fput(char **w)
{
    struct etcd_txn *txn = etcd_txn_create();
    election_fence(probe.election, txn);
    etcd_txn_put(txn, ETCD_THEN, word(w, 1), word(w, 2), 0);
    etcd_commit(probe.client, txn, on_reply, tag("fput"));
    etcd_txn_destroy(&txn);
}

static void
do_fence(char **w)
{
    say("fence %" PRId64 " leader=%d\n", election_token(probe.election),
        election_is_leader(probe.election));
}

static void
on_resigned(void *arg)
{
    say("resigned\n");
}

static void
do_resign(char **w)
{
    election_resign(probe.election, on_resigned, NULL);
}

/* --- the conversation ---------------------------------------------------------------- */
static void
print_metric(void *arg, const struct metric_desc *desc, uint64_t value)
{
    say(" %s=%" PRIu64, desc->name, value);
}

static void
do_metrics(char **w)
{
    say("metrics");
    metric_each(etcd_metrics(probe.client), print_metric, NULL);
    say("\n");
}

static void
do_echo(char **w)
{
    say("echo %.*s\n", SPAN_FMT(word(w, 1)));
}

static const struct {
    const char *name;
    void (*fn)(char **words);
} COMMANDS[] = {
    {"get", do_get},         {"list", do_list},           {"put", do_put},
    {"del", do_del},         {"delprefix", do_delprefix}, {"cas", do_cas},
    {"grant", do_grant},     {"keepalive", do_keepalive}, {"revoke", do_revoke},
    {"status", do_status},   {"members", do_members},     {"watch", do_watch},
    {"unwatch", do_unwatch}, {"resync", do_resync},       {"adopt", do_adopt},
    {"lease", do_lease},     {"unlease", do_unlease},     {"elect", do_elect},
    {"fput", do_fput},       {"fence", do_fence},         {"resign", do_resign},
    {"metrics", do_metrics}, {"echo", do_echo},           {"endon", do_endon},
};

static void
run_command(char *line)
{
    char *words[WORDS_MAX + 1] = {NULL};
    char *rest = NULL;
    size_t n = 0;
    for (char *w = strtok_r(line, " ", &rest); w != NULL && n < WORDS_MAX;
         w = strtok_r(NULL, " ", &rest)) {
        words[n++] = w;
    }
    for (size_t i = 0; n > 0 && i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++) {
        if (strcmp(words[0], COMMANDS[i].name) == 0) {
            COMMANDS[i].fn(words);
            return;
        }
    }
    say("unknown command\n");
}

static void
on_readable(void *arg)
{
    struct buf *input = stream_input(probe.stream);
    for (;;) {
        struct span in = buf_span(input);
        const char *end = in.len > 0 ? memchr(in.ptr, '\n', in.len) : NULL;
        if (end == NULL) {
            return;
        }
        char *line = mem_strndup(in.ptr, (size_t)(end - in.ptr));
        buf_consume(input, (size_t)(end - in.ptr) + 1);
        run_command(line);
        free(line);
    }
}

static void
on_closed(void *arg, const char *reason)
{
    stream_destroy(&probe.stream);
}

static void
on_accepted(void *arg, int fd, const struct addr *peer)
{
    static const struct stream_events events = {.readable = on_readable, .closed = on_closed};
    static const struct stream_limits limits = {.input_max = 1 << 22, .output_max = 1 << 26};
    stream_destroy(&probe.stream);
    probe.stream = stream_adopt(probe.loop, fd, &limits, &events, NULL);
}

static void
on_term(void *arg)
{
    loop_stop(probe.loop);
}

static bool
start_listening(char **error)
{
    static const struct listener_options options = {0};
    struct addr_name name;
    struct addr addr;
    const char *why;
    char text[ADDR_TEXT_MAX];
    if (!addr_parse(SPAN_LIT("127.0.0.1:0"), 0, &name) || !addr_resolve(&name, true, &addr, &why)) {
        *error = mem_strdup("no loopback address");
        return false;
    }
    probe.listener = listener_create(probe.loop, &addr, &options, on_accepted, NULL, error);
    if (probe.listener == NULL) {
        return false;
    }
    log_info("listening", "addr=%s", addr_format(listener_addr(probe.listener), text));
    return true;
}

static void
stop_all(void)
{
    watch_destroy(&probe.watch);
    lease_destroy(&probe.lease, false);
    election_destroy(&probe.election);
    etcd_destroy(&probe.client);
    stream_destroy(&probe.stream);
    listener_destroy(&probe.listener);
    loop_signal_deinit(&probe.term);
    buf_deinit(&probe.line);
    loop_destroy(&probe.loop);
}

int
main(int argc, char **argv)
{
    static const struct option_table table = {
        .program = "etcd_probe",
        .usage = "[OPTION]...",
        .summary = "The etcd client behind a line protocol, for tests.",
        .version = "0",
        .rows = ROWS,
        .count = sizeof(ROWS) / sizeof(ROWS[0]),
    };
    struct probe_options o;
    int rest;
    if (options_parse(&table, argc, argv, &o, &rest) != OPTIONS_OK) {
        return OPTIONS_EXIT_BAD;
    }
    struct etcd_options options = {
        .endpoints = (const char *const *)o.endpoints.items,
        .endpoint_count = o.endpoints.count,
        .prefix = o.prefix,
        .user = o.user,
        .password_file = o.password_file,
        .ca_file = o.ca,
        .cert_file = o.cert,
        .key_file = o.key,
        .read_deadline_ms = o.read_ms,
        .write_deadline_ms = o.write_ms,
    };
    probe.loop = loop_create();
    char *error = NULL;
    probe.client = etcd_create(probe.loop, &options, &error);
    loop_signal_init(&probe.term, probe.loop, SIGTERM, on_term, NULL);
    bool started = probe.client != NULL && start_listening(&error);
    if (started) {
        loop_run(probe.loop);
    } else {
        fprintf(stderr, "%s\n", error);
        free(error);
    }
    stop_all();
    options_deinit(&table, &o);
    return started ? EXIT_SUCCESS : EXIT_FAILURE;
}
