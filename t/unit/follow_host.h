/* follow_host.h - what the follower's tests share: a program that adopts tables
 * and can be waited for, tables by epoch, a folder of its own, and the log. */
#pragma once
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/push/follow.h"
#include "t/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HOST_DEADLINE_S 20

struct host {
    pthread_mutex_t lock; /* covers all below */
    pthread_cond_t changed;
    uint64_t epoch; /* of the last table that was adopted; 0: none */
    bool refuses;
    bool healthy;
    unsigned adoptions;
};

static struct host host = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false, true, 0};

static bool
host_adopt(void *arg, struct table *table, char *why)
{
    pthread_mutex_lock(&host.lock);
    bool refuses = host.refuses;
    if (refuses) {
        snprintf(why, TABLE_ERROR_MAX, "nobody knows this name");
    } else {
        host.epoch = table->epoch;
        host.adoptions++;
    }
    pthread_cond_broadcast(&host.changed);
    pthread_mutex_unlock(&host.lock);
    return !refuses;
}

static inline bool
host_healthy(void *arg)
{
    pthread_mutex_lock(&host.lock);
    bool healthy = host.healthy;
    pthread_mutex_unlock(&host.lock);
    return healthy;
}

static inline void
host_wait_epoch(uint64_t epoch)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HOST_DEADLINE_S;
    pthread_mutex_lock(&host.lock);
    int rc = 0;
    while (host.epoch != epoch && rc == 0) {
        rc = pthread_cond_timedwait(&host.changed, &host.lock, &until);
    }
    ck_assert_msg(host.epoch == epoch, "epoch %lu, want %lu", host.epoch, epoch);
    pthread_mutex_unlock(&host.lock);
}

static inline uint64_t
host_epoch(void)
{
    pthread_mutex_lock(&host.lock);
    uint64_t epoch = host.epoch;
    pthread_mutex_unlock(&host.lock);
    return epoch;
}

/* The caller's to free. */
static inline char *
document(uint64_t epoch, const char *more)
{
    return mem_printf("{\"memfleet_table\":1,\"cluster\":\"c\",\"incarnation\":\"i\",\"epoch\":%lu"
                      "%s,\"pools\":{\"main\":{\"nodes\":[{\"id\":\"a\",\"addr\":\"a:1\"}]}}}",
                      epoch, more);
}

/* A folder that is gone when the test is. */
static char folder[64];

static inline void
remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static inline void
make_folder(void)
{
    strcpy(folder, "/tmp/follow.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline char *
in_folder(const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

static inline void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    ck_assert_msg(file != NULL, "%s", path);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* The log, as a stream of bytes to wait for words in. */
static int log_read_fd = -1;
static char log_text[65536];
static size_t log_len;

static inline void
catch_log(void)
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    log_read_fd = fds[0];
    log_set_fd(fds[1]);
}

/* Waits until `word` has been logged; what stands before it is forgotten. */
static inline void
wait_log(const char *word)
{
    for (;;) {
        log_text[log_len] = '\0';
        char *at = strstr(log_text, word);
        if (at != NULL) {
            at += strlen(word);
            log_len -= (size_t)(at - log_text);
            memmove(log_text, at, log_len);
            return;
        }
        struct pollfd p = {.fd = log_read_fd, .events = POLLIN};
        ck_assert_msg(poll(&p, 1, HOST_DEADLINE_S * 1000) == 1, "no \"%s\" in: %s", word, log_text);
        ssize_t n = read(log_read_fd, log_text + log_len, sizeof(log_text) - 1 - log_len);
        ck_assert_int_gt(n, 0);
        log_len += (size_t)n;
    }
}

static inline uint64_t
metric_named(const struct follower *f, const char *name)
{
    static const char *const names[] = {
#define X(id, metric, kind, help) metric,
        FOLLOW_METRICS(X)
#undef X
    };
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            return metric_sum(follower_metrics(f), i);
        }
    }
    ck_abort_msg("no metric %s", name);
}
