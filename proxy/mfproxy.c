/* mfproxy.c - main(). What the program does is told in proxy.h. */
#include "common/net/call_batch.h"
#include "common/net/daemon.h"
#include "proxy/proxy.h"

#include "config.h"

#include <stdlib.h>

#ifdef HAVE_JEMALLOC
/* What a burst took goes back to the system within seconds, also when the proxy
 * is idle afterwards. jemalloc reads this by its name. */
extern const char *malloc_conf;
const char *malloc_conf = "background_thread:true,dirty_decay_ms:2000,muzzy_decay_ms:0";
#endif

int
main(int argc, char **argv)
{
    struct proxy_options options;
    switch (proxy_options_parse(argc, argv, &options)) {
    case OPTIONS_OK: break;
    case OPTIONS_EXIT: return EXIT_SUCCESS;
    case OPTIONS_BAD: return OPTIONS_EXIT_BAD;
    }
    if (options.no_io_uring) {
        call_ring_forbid();
    }
    /* While another process serves, the pid file is its own. */
    bool pid_late = options.takeover != NULL && options.pid_file != NULL;
    if (!daemon_become("mfproxy", options.user, options.daemonize,
                       pid_late ? NULL : options.pid_file, options.log_level)) {
        proxy_options_deinit(&options);
        return EXIT_FAILURE;
    }
    static struct proxy proxy;
    bool started = proxy_start(&proxy, &options) &&
                   (!pid_late || daemon_write_pid("mfproxy", options.pid_file));
    if (started) {
        proxy_take_over(&proxy);
        daemon_ready();
        proxy_run(&proxy);
    }
    proxy_stop(&proxy);
    if (options.pid_file != NULL) {
        daemon_remove_pid(options.pid_file);
    }
    proxy_options_deinit(&options);
    return started ? EXIT_SUCCESS : EXIT_FAILURE;
}
