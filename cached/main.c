/* mfcached: a cache node. The story goes on in node.h. */
#include "cached/node.h"
#include "config.h"
#include "common/core/log.h"
#include "common/net/call_batch.h"
#include "common/net/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define DESCRIPTORS_BESIDE_CONNECTIONS 64
#define EXIT_UNAVAILABLE               69 /* EX_UNAVAILABLE */

#ifdef HAVE_JEMALLOC
/* jemalloc reads this name. A cache frees as much as it allocates, all day: few
 * arenas, and pages given back soon, keep the process near what -m says (at
 * -m 64, filled with values of five mixes one after the other: 70 to 80 MiB,
 * with jemalloc's own settings up to 85). MALLOC_CONF in the environment wins. */
const char *malloc_conf = "narenas:2,background_thread:true,dirty_decay_ms:200,muzzy_decay_ms:0";
#endif

static void
allow_core_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_CORE, &limit);
    }
}

static void
lock_memory(void)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
        log_warn("lock_memory_failed", "reason=%s", LOG_STR(strerror(errno)));
    }
}

static bool
prepare_process(const struct node_options *o)
{
    daemon_want_descriptors(o->connections_max + o->threads * 4 + DESCRIPTORS_BESIDE_CONNECTIONS);
    if (o->no_io_uring) {
        call_ring_forbid();
    }
    if (o->coredumps) {
        allow_core_files();
    }
    if (!daemon_drop_root("mfcached", o->user)) {
        return false;
    }
    if (o->daemon && !daemon_detach("mfcached")) {
        return false;
    }
    if (o->lock_memory) {
        lock_memory();
    }
    return o->pid_file == NULL || daemon_write_pid("mfcached", o->pid_file);
}

int
main(int argc, char **argv)
{
    struct node_options options;
    switch (node_options_parse(&options, argc, argv)) {
    case OPTIONS_OK: break;
    case OPTIONS_EXIT: return 0;
    case OPTIONS_BAD: return OPTIONS_EXIT_BAD;
    }
    if (!prepare_process(&options)) {
        node_options_deinit(&options);
        return EXIT_UNAVAILABLE;
    }
    char *pid_file = options.pid_file; /* outlives the options, which the node takes over */
    options.pid_file = NULL;
    struct node *node = node_create(&options);
    if (node != NULL) {
        daemon_ready();
        node_run(node);
    }
    if (pid_file != NULL) {
        daemon_remove_pid(pid_file);
        free(pid_file);
    }
    if (node == NULL) {
        return EXIT_UNAVAILABLE;
    }
    node_destroy(&node);
    return 0;
}
