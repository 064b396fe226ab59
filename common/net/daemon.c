#include "common/net/daemon.h"
#include "common/core/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
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

bool
daemon_detach(const char *program)
{
    if (daemon(1, 0) != 0) {
        fprintf(stderr, "%s: cannot go to the background: %s\n", program, strerror(errno));
        return false;
    }
    return true;
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
