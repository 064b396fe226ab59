/* daemon.h - what every server program does around its loops: privileges,
 * background, pid file, and the one line that says where it listens. */
#pragma once
#include "common/core/option.h"

/* The options of every server program of ours (common/core/option.h).
 * mfcached has memcached's instead. */
/* clang-format off */
#define DAEMON_OPTIONS(X)                                                                          \
    X('P', "pid-file",  STRING, pid_file,  "FILE",  NULL,   "write the process id here")           \
    X('u', "user",      STRING, user,      "NAME",  NULL,                                          \
      "become this user when started as root")                                                     \
    X('d', "daemonize", BOOL,   daemonize, "",      NULL,                                          \
      "run in the background; returns when it serves, or fails")                                   \
    X(0,   "log-level", STRING, log_level, "LEVEL", "info", "error, warn, info or debug")
/* clang-format on */

/* NULL, or what is wrong with them. */
const char *daemon_options_fault(const char *log_level);

/* Does what those options say, before any thread or loop exists. False and a
 * line on stderr if it cannot. */
bool daemon_become(const char *program, const char *user, bool detach, const char *pid_file,
                   const char *log_level);

/* Changes to `user` if we are root. False and a line on stderr if we are root
 * and no user was named, or the user is unknown. `program` starts the line. */
bool daemon_drop_root(const char *program, const char *user);

/* Forks into the background. The parent waits for daemon_ready(), or for our end, and
 * exits by what it was: with 0, or our status. Until then stderr stays, for the line that
 * says why not; the log goes nowhere. Before any thread or loop exists. */
bool daemon_detach(const char *program);

/* We serve. Whoever started us in the background may go on; stderr goes to /dev/null. */
void daemon_ready(void);

/* Writes our pid; complains on stderr if it cannot. */
bool daemon_write_pid(const char *program, const char *path);
/* Unless it names another process, which has come after us. */
void daemon_remove_pid(const char *path);

/* Raises RLIMIT_NOFILE to what `descriptors` needs, as far as allowed; warns
 * in the log with the number reached. Returns the limit. Any thread, one at a
 * time. */
unsigned long daemon_want_descriptors(unsigned long descriptors);
