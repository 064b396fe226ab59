/* mfcontrol.c - main(). What the program does is told in control.h. */
#include "common/core/log.h"
#include "common/net/daemon.h"
#include "control/control.h"

#include <stdlib.h>

static bool
become_server(const struct control_options *o)
{
    enum log_level level;
    if (log_level_find(span_cstr(o->log_level), &level)) {
        log_set_level(level);
    }
    if (!daemon_drop_root("mfcontrol", o->user)) {
        return false;
    }
    if (o->daemonize && !daemon_detach("mfcontrol")) {
        return false;
    }
    return o->pid_file == NULL || daemon_write_pid("mfcontrol", o->pid_file);
}

int
main(int argc, char **argv)
{
    struct control_options options;
    switch (control_options_parse(argc, argv, &options)) {
    case OPTIONS_OK: break;
    case OPTIONS_EXIT: return EXIT_SUCCESS;
    case OPTIONS_BAD: return OPTIONS_EXIT_BAD;
    }
    if (!become_server(&options)) {
        return EXIT_FAILURE;
    }
    static struct control control;
    bool started = control_start(&control, &options);
    if (started) {
        control_run(&control);
    }
    control_stop(&control);
    if (options.pid_file != NULL) {
        daemon_remove_pid(options.pid_file);
    }
    control_options_deinit(&options);
    return started ? EXIT_SUCCESS : EXIT_FAILURE;
}
