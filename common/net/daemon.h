/* daemon.h - what every server program does around its loops: privileges,
 * background, pid file, and the one line that says where it listens. */
#pragma once
#include <stdbool.h>

/* Changes to `user` if we are root. False and a line on stderr if we are root
 * and no user was named, or the user is unknown. `program` starts the line. */
bool daemon_drop_root(const char *program, const char *user);

/* Forks into the background; the parent exits. stdio goes to /dev/null. Before
 * any thread or loop exists. */
bool daemon_detach(const char *program);

/* Writes our pid; complains on stderr if it cannot. */
bool daemon_write_pid(const char *program, const char *path);
void daemon_remove_pid(const char *path);

/* Raises RLIMIT_NOFILE to what `descriptors` needs, as far as allowed; warns
 * in the log with the number reached. Returns the limit. Any thread, one at a
 * time. */
unsigned long daemon_want_descriptors(unsigned long descriptors);
