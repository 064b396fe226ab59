#include "t/chaos/chaosnet.h"
#include "common/core/assert.h"
#include "common/core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char rules[] =
    "add table ip chaos\n"
    "add set ip chaos deaf { type ipv4_addr; }\n"
    "add set ip chaos mute { type ipv4_addr; }\n"
    "add set ip chaos refuse { type ipv4_addr; flags timeout; }\n"
    "add chain ip chaos in { type filter hook input priority 0; policy accept; }\n"
    "add rule ip chaos in ip daddr @deaf drop\n"
    "add rule ip chaos in ip saddr @mute drop\n"
    "add rule ip chaos in meta l4proto tcp ip daddr @refuse reject with tcp reset\n"
    "add rule ip chaos in meta l4proto tcp ip saddr @refuse reject with tcp reset\n";

struct chaos_net {
    FILE *nft; /* its standard input */
    pid_t pid;
    char log[128];
    enum chaos_link_state states[CHAOS_NET_MAX][CHAOS_NET_MAX];
};

/* --- the namespace ------------------------------------------------------------------------ */

static bool
write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/* Who is not root becomes it, inside. */
static bool
enter_as_user(void)
{
    char uids[64], gids[64];
    snprintf(uids, sizeof(uids), "0 %u 1", (unsigned)geteuid());
    snprintf(gids, sizeof(gids), "0 %u 1", (unsigned)getegid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
           write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/uid_map", uids) &&
           write_file("/proc/self/gid_map", gids);
}

static bool
raise_loopback(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static bool
has_nft(void)
{
    return access("/usr/sbin/nft", X_OK) == 0 || access("/sbin/nft", X_OK) == 0;
}

const char *
chaos_net_enter(void)
{
    if (!has_nft()) {
        return "there is no nft";
    }
    bool entered = geteuid() == 0 ? unshare(CLONE_NEWNET) == 0 : enter_as_user();
    if (!entered) {
        return "no network namespace may be made";
    }
    if (!raise_loopback()) {
        return "a namespace's loopback interface does not come up";
    }
    return system("PATH=$PATH:/usr/sbin:/sbin nft add table ip chaos 2>/dev/null") == 0
               ? NULL
               : "the kernel has no nftables for us";
}

/* --- nft ------------------------------------------------------------------------------------ */

static void
run_nft(const char *log, int from, int close_too)
{
    int null = open("/dev/null", O_WRONLY), to = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(close_too);
    dup2(from, 0);
    dup2(null, 1);
    dup2(to, 2);
    execl("/usr/sbin/nft", "nft", "-i", NULL);
    execl("/sbin/nft", "nft", "-i", NULL);
    _exit(127);
}

struct chaos_net *
chaos_net_create(const char *log)
{
    struct chaos_net *net = mem_zalloc(sizeof(*net));
    int ends[2];
    snprintf(net->log, sizeof(net->log), "%s", log);
    if (pipe2(ends, O_CLOEXEC) != 0 || (net->pid = fork()) < 0) {
        perror("mfchaos: starting nft");
        exit(EXIT_FAILURE);
    }
    if (net->pid == 0) {
        run_nft(log, ends[0], ends[1]);
    }
    close(ends[0]);
    net->nft = fdopen(ends[1], "w");
    fputs(rules, net->nft);
    fflush(net->nft);
    return net;
}

bool
chaos_net_destroy(struct chaos_net **netp)
{
    struct chaos_net *net = *netp;
    struct stat said;
    int status;
    *netp = NULL;
    fclose(net->nft);
    while (waitpid(net->pid, &status, 0) < 0 && errno == EINTR) {
    }
    bool quiet = stat(net->log, &said) == 0 && said.st_size == 0 && WIFEXITED(status) &&
                 WEXITSTATUS(status) == 0;
    if (quiet) {
        unlink(net->log);
    }
    free(net);
    return quiet;
}

/* --- wires ----------------------------------------------------------------------------------- */

void
chaos_net_host(char out[CHAOS_NET_ADDR_MAX], unsigned proxy, unsigned node)
{
    snprintf(out, CHAOS_NET_ADDR_MAX, "127.1.%u.%u", proxy + 1, node + 1);
}

static void
change(struct chaos_net *net, const char *what, const char *set, const char *host)
{
    fprintf(net->nft, "%s element ip chaos %s { %s }\n", what, set, host);
}

/* The sets that a state is. */
static void
change_all(struct chaos_net *net, const char *what, enum chaos_link_state state, const char *host)
{
    switch (state) {
    case LINK_OPEN: return;
    case LINK_STALLED:
        change(net, what, "deaf", host);
        change(net, what, "mute", host);
        return;
    case LINK_MUTE: change(net, what, "mute", host); return;
    case LINK_DEAF: change(net, what, "deaf", host); return;
    case LINK_REFUSES: change(net, what, "refuse", host); return;
    case LINK_SLOW:
    case LINK_SPLIT: break;
    }
    UNREACHABLE();
}

void
chaos_net_set(struct chaos_net *net, unsigned proxy, unsigned node, enum chaos_link_state state)
{
    char host[CHAOS_NET_ADDR_MAX];
    chaos_net_host(host, proxy, node);
    change_all(net, "delete", net->states[proxy][node], host);
    change_all(net, "add", state, host);
    net->states[proxy][node] = state;
    fflush(net->nft);
}

/* Adding what is in a set already leaves it as it is. */
void
chaos_net_cut(struct chaos_net *net, unsigned proxy, unsigned node)
{
    char host[CHAOS_NET_ADDR_MAX];
    if (net->states[proxy][node] == LINK_REFUSES) {
        return;
    }
    chaos_net_host(host, proxy, node);
    fprintf(net->nft, "add element ip chaos refuse { %s timeout %dms }\n", host, CHAOS_NET_CUT_MS);
    fflush(net->nft);
}
