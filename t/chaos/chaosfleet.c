#include "t/chaos/chaosfleet.h"
#include "common/core/assert.h"
#include "common/core/buf.h"
#include "common/core/clock.h"
#include "t/chaos/chaostable.h"
#include "t/soak/soakconn.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_LIMIT_US 30000000
#define ASK_LIMIT_US   1000000
#define ARGS_MAX       32
#define NODE_PORT      11211

static void
pause_ms(unsigned ms)
{
    struct timespec t = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&t, NULL);
}

static void
give_up(const char *what, const struct chaos_process *p)
{
    fprintf(stderr, "mfchaos: %s: %s (see %s)\n", p->name, what, p->log);
    exit(EXIT_FAILURE);
}

/* --- processes ------------------------------------------------------------------------- */

static void
exec_program(const struct chaos_fleet *f, const struct chaos_process *p, const char **args)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", f->setup.bin_dir, args[0]);
    int log = open(p->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log, 1);
    dup2(log, 2);
    execv(path, (char *const *)args);
    _exit(127);
}

static struct addr
local_addr(unsigned port)
{
    struct addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&addr.sa;
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return addr;
}

static struct addr
socket_addr(const struct chaos_process *p)
{
    struct addr addr = {.len = sizeof(struct sockaddr_un)};
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&addr.sa;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, p->socket, strlen(p->socket) + 1);
    return addr;
}

/* Ready when somebody can connect. */
static void
await_listener(struct chaos_process *p)
{
    uint64_t limit = clock_mono_us() + START_LIMIT_US;
    while (clock_mono_us() < limit) {
        struct soak_conn c;
        if (soak_conn_open(&c, &p->addr)) {
            soak_conn_close(&c, false);
            return;
        }
        if (waitpid(p->pid, NULL, WNOHANG) == p->pid) {
            give_up("ended at once", p);
        }
        pause_ms(2);
    }
    give_up("does not listen", p);
}

static void
start(const struct chaos_fleet *f, struct chaos_process *p, const char **args)
{
    unlink(p->socket);
    p->pid = fork();
    if (p->pid == 0) {
        exec_program(f, p, args);
    }
    if (p->pid < 0) {
        give_up("cannot fork", p);
    }
    await_listener(p);
}

static int
await_end(struct chaos_process *p)
{
    int status = 0;
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {
    }
    p->pid = 0;
    return status;
}

static void
judge_end(struct chaos_fleet *f, const struct chaos_process *p, int sent, int status)
{
    bool good = sent == SIGKILL || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (!good) {
        chaos_wrong(f->run, "%s ended with status %x, see %s", p->name, (unsigned)status, p->log);
        f->setup.keep = true;
    }
}

static void
end(struct chaos_fleet *f, struct chaos_process *p, int signal)
{
    if (p->pid == 0) {
        return;
    }
    kill(p->pid, SIGCONT);
    kill(p->pid, signal);
    judge_end(f, p, signal, await_end(p));
}

void
chaos_fleet_look(struct chaos_fleet *f)
{
    for (unsigned i = 0; i < f->node_count + f->setup.proxies; i++) {
        struct chaos_process *p = i < f->node_count ? &f->nodes[i] : &f->proxies[i - f->node_count];
        int status;
        if (p->pid != 0 && waitpid(p->pid, &status, WNOHANG) == p->pid) {
            p->pid = 0;
            f->run->ending = true;
            judge_end(f, p, 0, status);
            chaos_wrong(f->run, "%s ended by itself, see %s", p->name, p->log);
            f->setup.keep = true;
        }
    }
}

/* --- nodes -------------------------------------------------------------------------------- */

/* In a namespace all ports are ours. */
static unsigned
node_port(unsigned node)
{
    return NODE_PORT + node;
}

void
chaos_node_start(struct chaos_fleet *f, unsigned node)
{
    struct chaos_process *p = &f->nodes[node];
    char threads[16], port[16];
    const char *args[ARGS_MAX] = {"mfcached", "-m", "32", "-U", "0", "-t", threads};
    unsigned n = 7;
    snprintf(threads, sizeof(threads), "%u", f->setup.node_threads);
    snprintf(port, sizeof(port), "%u", node_port(node));
    args[n++] = f->setup.network ? "-p" : "-s";
    args[n++] = f->setup.network ? port : p->socket;
    if (geteuid() == 0) {
        args[n++] = "-u";
        args[n++] = "root";
    }
    if (f->setup.warm) {
        args[n++] = "-e";
        args[n++] = p->extra;
    }
    start(f, p, args);
}

void
chaos_node_end(struct chaos_fleet *f, unsigned node, int signal)
{
    end(f, &f->nodes[node], signal);
}

bool
chaos_node_flush(struct chaos_fleet *f, unsigned node)
{
    struct soak_conn c;
    uint64_t limit = clock_mono_us() + ASK_LIMIT_US;
    bool done = false;
    if (f->nodes[node].pid == 0 || !soak_conn_open(&c, &f->nodes[node].addr)) {
        return false;
    }
    buf_printf(&c.out, "flush_all\r\n");
    while (!done && !c.ended && clock_mono_us() < limit && soak_conn_pump(&c, 20)) {
        done = span_eq(buf_span(&c.in), SPAN_LIT("OK\r\n"));
    }
    soak_conn_close(&c, false);
    return done;
}

void
chaos_node_signal(struct chaos_fleet *f, unsigned node, int signal)
{
    if (f->nodes[node].pid != 0) {
        kill(f->nodes[node].pid, signal);
    }
}

/* --- proxies --------------------------------------------------------------------------------- */

void
chaos_proxy_start(struct chaos_fleet *f, unsigned proxy)
{
    struct chaos_process *p = &f->proxies[proxy];
    char threads[16], listen[160];
    const char *args[ARGS_MAX] = {"mfproxy", "-l",  listen,      "--table", p->extra,
                                  "--drain", "1ms", "--threads", threads};
    unsigned n = 9;
    snprintf(threads, sizeof(threads), "%u", f->setup.proxy_threads);
    snprintf(listen, sizeof(listen), "unix:%s", p->socket);
    if (geteuid() == 0) {
        args[n++] = "-u";
        args[n++] = "root";
    }
    start(f, p, args);
    f->run->doors[proxy].life++;
    f->run->doors[proxy].closed = false;
}

void
chaos_proxy_end(struct chaos_fleet *f, unsigned proxy, int signal)
{
    f->run->doors[proxy].closed = true;
    end(f, &f->proxies[proxy], signal);
    chaos_proxy_ended(f->run->model, proxy);
}

/* --- wires ---------------------------------------------------------------------------- */

void
chaos_wire_set(struct chaos_fleet *f, unsigned proxy, unsigned node, enum chaos_link_state state)
{
    if (f->net != NULL) {
        chaos_net_set(f->net, proxy, node, state);
    } else {
        chaos_link_set(f->links, f->link_of[proxy][node], state);
    }
}

void
chaos_wire_cut(struct chaos_fleet *f, unsigned proxy, unsigned node)
{
    if (f->net != NULL) {
        chaos_net_cut(f->net, proxy, node);
    } else {
        chaos_link_cut(f->links, f->link_of[proxy][node]);
    }
}

/* --- tables ------------------------------------------------------------------------------------
 */

void
chaos_fleet_pay(struct chaos_fleet *f)
{
    for (unsigned i = 0; i < f->setup.proxies; i++) {
        if (f->owed[i]) {
            f->owed[i] = false;
            chaos_table_write(f, i);
        }
    }
}

void
chaos_fleet_step(struct chaos_fleet *f, const struct chaos_ring *ring, unsigned first)
{
    ASSERT(chaos_fleet_settled(f));
    f->ring = *ring;
    f->epoch++;
    for (unsigned i = 0; i < f->setup.proxies; i++) {
        f->unsettled[i] = true;
        f->owed[i] = i != first;
    }
    chaos_table_write(f, first);
    chaos_count(f->run, CHAOS_COUNT_TABLES);
}

void
chaos_fleet_table(struct chaos_fleet *f, const struct chaos_ring *ring)
{
    struct buf before = BUF_EMPTY, after = BUF_EMPTY;
    chaos_table_put(&before, f, 0, f->epoch, &f->ring);
    chaos_table_put(&after, f, 0, f->epoch + 1, ring);
    chaos_table_moves(f->run, buf_span(&before), buf_span(&after));
    chaos_fleet_step(f, ring, 0);
    chaos_fleet_pay(f);
    buf_deinit(&before);
    buf_deinit(&after);
}

bool
chaos_fleet_settled(const struct chaos_fleet *f)
{
    bool all = true;
    for (unsigned i = 0; i < f->setup.proxies; i++) {
        all = all && !f->unsettled[i];
    }
    return all;
}

bool
chaos_fleet_ask(struct chaos_fleet *f, unsigned proxy, const char *command, struct buf *out)
{
    static const struct span end = {"END\r\n", 5};
    struct soak_conn c;
    uint64_t limit = clock_mono_us() + ASK_LIMIT_US;
    bool whole = false;
    buf_clear(out);
    if (f->run->doors[proxy].closed || !soak_conn_open(&c, &f->run->doors[proxy].addr)) {
        return false;
    }
    buf_printf(&c.out, "%s\r\n", command);
    while (!whole && !c.ended && clock_mono_us() < limit && soak_conn_pump(&c, 20)) {
        struct span in = buf_span(&c.in);
        whole = in.len >= end.len && span_eq(span_skip(in, in.len - end.len), end);
    }
    if (whole) {
        buf_append_span(out, buf_span(&c.in));
        buf_append(out, "", 1);
    }
    soak_conn_close(&c, false);
    return whole;
}

/* 0 if it is not told. */
static uint64_t
stat_of(struct chaos_fleet *f, unsigned proxy, const char *name)
{
    struct buf stats = BUF_EMPTY;
    uint64_t value = 0;
    char row[64];
    int len = snprintf(row, sizeof(row), "STAT %s ", name);
    if (chaos_fleet_ask(f, proxy, "stats", &stats)) {
        const char *at = strstr(buf_span(&stats).ptr, row);
        value = at != NULL ? strtoull(at + len, NULL, 10) : 0;
    }
    buf_deinit(&stats);
    return value;
}

uint64_t
chaos_fleet_sum(struct chaos_fleet *f, const char *name)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < f->setup.proxies; i++) {
        sum += stat_of(f, i, name);
    }
    return sum;
}

static bool
follows(struct chaos_fleet *f, unsigned proxy)
{
    return stat_of(f, proxy, "table_clear_epoch") == f->epoch;
}

void
chaos_fleet_settle(struct chaos_fleet *f)
{
    for (unsigned i = 0; i < f->setup.proxies; i++) {
        if (f->unsettled[i] && follows(f, i)) {
            f->unsettled[i] = false;
            chaos_proxy_settled(f->run->model, i);
        }
    }
}

/* --- all of it -----------------------------------------------------------------------------------
 */

static void
name_process(const struct chaos_fleet *f, struct chaos_process *p, const char *kind, unsigned i)
{
    snprintf(p->name, sizeof(p->name), "%s%u", kind, i);
    snprintf(p->socket, sizeof(p->socket), "%s/%s", f->dir, p->name);
    snprintf(p->log, sizeof(p->log), "%s/%s.log", f->dir, p->name);
    snprintf(p->extra, sizeof(p->extra), "%s/%s.extra", f->dir, p->name);
    p->addr = socket_addr(p);
}

static void
make_wire(struct chaos_fleet *f, unsigned proxy, unsigned node)
{
    char host[CHAOS_NET_ADDR_MAX] = "127.0.0.1";
    unsigned port = node_port(node);
    if (f->setup.network) {
        chaos_net_host(host, proxy, node);
    } else {
        f->link_of[proxy][node] = chaos_link_add(f->links, f->nodes[node].socket, &port);
    }
    snprintf(f->addrs[proxy][node], sizeof(f->addrs[proxy][node]), "%s:%u", host, port);
}

static void
make_dir(struct chaos_fleet *f)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof(f->dir), "%s/mfchaos-XXXXXX",
             tmp != NULL && strlen(tmp) < 60 ? tmp : "/tmp");
    if (mkdtemp(f->dir) == NULL) {
        perror("mfchaos: mkdtemp");
        exit(EXIT_FAILURE);
    }
}

void
chaos_fleet_start(struct chaos_fleet *f)
{
    char log[128];
    make_dir(f);
    snprintf(log, sizeof(log), "%s/nft.log", f->dir);
    f->net = f->setup.network ? chaos_net_create(log) : NULL;
    f->node_count = f->setup.nodes + (f->setup.gutter_ttl_s > 0);
    for (unsigned i = 0; i < f->node_count; i++) {
        name_process(f, &f->nodes[i], "node", i);
        if (f->setup.network) {
            f->nodes[i].addr = local_addr(node_port(i));
        }
        f->ring.weights[i] = 1;
        f->ring.names[i] = i;
    }
    for (unsigned p = 0; p < f->setup.proxies; p++) {
        name_process(f, &f->proxies[p], "proxy", p);
        f->run->doors[p].addr = f->proxies[p].addr;
        f->run->doors[p].closed = true;
        for (unsigned n = 0; n < f->node_count; n++) {
            make_wire(f, p, n);
        }
    }
    for (unsigned i = 0; i < f->node_count; i++) {
        chaos_node_start(f, i);
    }
    if (f->links != NULL) {
        chaos_links_start(f->links);
    }
    f->epoch = 1;
    for (unsigned p = 0; p < f->setup.proxies; p++) {
        chaos_table_write(f, p);
        chaos_proxy_start(f, p);
    }
}

/* What sanitizers and assertions print. */
static void
judge_log(struct chaos_fleet *f, const struct chaos_process *p)
{
    static const char *const bad[] = {"Sanitizer", "runtime error: ", "ASSERT failed",
                                      "ASSERTION failed"};
    char line[4096];
    FILE *log = fopen(p->log, "r");
    while (log != NULL && fgets(line, sizeof(line), log) != NULL) {
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            if (strstr(line, bad[i]) != NULL) {
                f->setup.keep = true;
                chaos_wrong(f->run, "%s said: %s", p->name, line);
            }
        }
    }
    if (log != NULL) {
        fclose(log);
    }
}

static void
remove_files(struct chaos_process *p)
{
    char more[160];
    unlink(p->socket);
    unlink(p->log);
    unlink(p->extra);
    snprintf(more, sizeof(more), "%s.meta", p->extra);
    unlink(more);
}

bool
chaos_fleet_stop(struct chaos_fleet *f)
{
    for (unsigned i = f->setup.proxies; i-- > 0;) {
        end(f, &f->proxies[i], SIGTERM);
        judge_log(f, &f->proxies[i]);
    }
    for (unsigned i = f->node_count; i-- > 0;) {
        end(f, &f->nodes[i], SIGTERM);
        judge_log(f, &f->nodes[i]);
    }
    if (f->net != NULL && !chaos_net_destroy(&f->net)) {
        f->setup.keep = true;
        chaos_wrong(f->run, "nft has failed, see %s/nft.log", f->dir);
    }
    for (unsigned i = 0; !f->setup.keep && i < f->setup.proxies; i++) {
        remove_files(&f->proxies[i]);
    }
    for (unsigned i = 0; !f->setup.keep && i < f->node_count; i++) {
        remove_files(&f->nodes[i]);
    }
    if (f->setup.keep) {
        printf("logs are in %s\n", f->dir);
    } else {
        rmdir(f->dir);
    }
    return f->run->wrongs == 0;
}
