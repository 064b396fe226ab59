#include "common/net/daemon.h"
#include "common/core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

bool
daemon_drop_root(const char *program, const char *user)
{
    if (geteuid() != 0) {
        return true;
    }
    if (user == NULL || user[0] == '\0') {
        fprintf(stderr, "%s: refusing to run as root; name the user with -u (-u root to insist)\n",
                program);
        return false;
    }
    const struct passwd *pw = getpwnam(user);
    if (pw == NULL) {
        fprintf(stderr, "%s: option -u: no such user '%s'\n", program, user);
        return false;
    }
    if (pw->pw_uid == 0) {
        return true;
    }
    if (setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0) {
        fprintf(stderr, "%s: cannot become user '%s': %s\n", program, user, strerror(errno));
        return false;
    }
    return true;
}

static int parent_fd = -1; /* who waits for daemon_ready() */

static void
await_start(pid_t child, int fd)
{
    char ready;
    ssize_t n;
    int status = 0;
    do {
        n = read(fd, &ready, sizeof(ready));
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        _exit(EXIT_SUCCESS);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    _exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_FAILURE);
}

static void
to_null(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, fd);
        close(null);
    }
}

bool
daemon_detach(const char *program)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        fprintf(stderr, "%s: cannot go to the background: %s\n", program, strerror(errno));
        return false;
    }
    pid_t child = fork();
    if (child > 0) {
        close(fds[1]);
        await_start(child, fds[0]);
    }
    close(fds[0]);
    if (child < 0) {
        fprintf(stderr, "%s: cannot go to the background: %s\n", program, strerror(errno));
        close(fds[1]);
        return false;
    }
    parent_fd = fds[1];
    setsid();
    to_null(STDIN_FILENO);
    to_null(STDOUT_FILENO);
    log_set_fd(STDOUT_FILENO);
    return true;
}

/* Who started us may have gone. */
void
daemon_ready(void)
{
    if (parent_fd < 0) {
        return;
    }
    to_null(STDERR_FILENO);
    (void)send(parent_fd, "", 1, MSG_NOSIGNAL);
    close(parent_fd);
    parent_fd = -1;
}

bool
daemon_write_pid(const char *program, const char *path)
{
    FILE *f = fopen(path, "we");
    if (f == NULL) {
        fprintf(stderr, "%s: cannot write the pid file %s: %s\n", program, path, strerror(errno));
        return false;
    }
    fprintf(f, "%ld\n", (long)getpid());
    if (fclose(f) != 0) {
        fprintf(stderr, "%s: cannot write the pid file %s: %s\n", program, path, strerror(errno));
        return false;
    }
    return true;
}

const char *
daemon_options_fault(const char *log_level)
{
    enum log_level ignored;
    return log_level_find(span_cstr(log_level), &ignored)
               ? NULL
               : "option --log-level: expected error, warn, info or debug";
}

bool
daemon_become(const char *program, const char *user, bool detach, const char *pid_file,
              const char *log_level)
{
    enum log_level level;
    if (log_level_find(span_cstr(log_level), &level)) {
        log_set_level(level);
    }
    return daemon_drop_root(program, user) && (!detach || daemon_detach(program)) &&
           (pid_file == NULL || daemon_write_pid(program, pid_file));
}

void
daemon_remove_pid(const char *path)
{
    long pid = 0;
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return;
    }
    bool ours = fscanf(f, "%ld", &pid) == 1 && pid == (long)getpid();
    fclose(f);
    if (ours) {
        unlink(path);
    }
}

unsigned long
daemon_want_descriptors(unsigned long descriptors)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return descriptors;
    }
    if (limit.rlim_cur >= descriptors) {
        return limit.rlim_cur;
    }
    struct rlimit wish = limit;
    wish.rlim_cur = descriptors;
    if (wish.rlim_max != RLIM_INFINITY && wish.rlim_max < descriptors) {
        wish.rlim_max = descriptors; /* root may */
    }
    if (setrlimit(RLIMIT_NOFILE, &wish) == 0) {
        return descriptors;
    }
    wish.rlim_max = limit.rlim_max;
    wish.rlim_cur = limit.rlim_max;
    unsigned long got = setrlimit(RLIMIT_NOFILE, &wish) == 0 ? wish.rlim_cur : limit.rlim_cur;
    if (got < descriptors) {
        log_warn("descriptors_limited", "wanted=%lu got=%lu", descriptors, got);
    }
    return got;
}
