/* mfcontrol.c - main(). What the program does is told in control.h. */
#include "common/net/daemon.h"
#include "control/control.h"

#include <stdlib.h>

int
main(int argc, char **argv)
{
    struct control_options options;
    switch (control_options_parse(argc, argv, &options)) {
    case OPTIONS_OK: break;
    case OPTIONS_EXIT: return EXIT_SUCCESS;
    case OPTIONS_BAD: return OPTIONS_EXIT_BAD;
    }
    if (!daemon_become("mfcontrol", options.user, options.daemonize, options.pid_file,
                       options.log_level)) {
        control_options_deinit(&options);
        return EXIT_FAILURE;
    }
    static struct control control;
    bool started = control_start(&control, &options);
    if (started) {
        daemon_ready();
        control_run(&control);
    }
    control_stop(&control);
    if (options.pid_file != NULL) {
        daemon_remove_pid(options.pid_file);
    }
    control_options_deinit(&options);
    return started ? EXIT_SUCCESS : EXIT_FAILURE;
}
