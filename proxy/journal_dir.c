#include "proxy/journal_dir.h"
#include "common/core/assert.h"
#include "common/core/mem.h"
#include "proxy/journal.h"
#include "proxy/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct journal_dir {
    int fd, lock_fd;
    pthread_mutex_t lock; /* covers all that follows */
    pthread_cond_t wake;
    struct list files;
    unsigned count;
    struct metric_block *metrics;
    bool ending;
    bool started;
    pthread_t thread;
};

/* --- whose it is ---------------------------------------------------------------------- */

/* Why it cannot be used, or NULL. */
static const char *
occupy(struct journal_dir *d, const char *path)
{
    if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST) {
        return strerror(errno);
    }
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0) {
        return strerror(errno);
    }
    d->lock_fd = openat(d->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (d->lock_fd < 0) {
        return strerror(errno);
    }
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? "another mfproxy uses it" : strerror(errno);
    }
    return NULL;
}

struct journal_dir *
journal_dir_open(const char *path, struct metric_block *metrics, char **error)
{
    /* Over a limit of file sizes we want an error and no signal. */
    signal(SIGXFSZ, SIG_IGN);
    struct journal_dir *d = mem_zalloc(sizeof(*d));
    d->fd = d->lock_fd = -1;
    d->metrics = metrics;
    list_init(&d->files);
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->wake, &attr);
    pthread_condattr_destroy(&attr);
    const char *why = occupy(d, path);
    if (why != NULL) {
        *error = mem_printf("cannot keep journals in %s: %s", path, why);
        journal_dir_close(&d);
    }
    return d;
}

int
journal_dir_fd(const struct journal_dir *dir)
{
    return dir->fd;
}

/* --- its files ---------------------------------------------------------------------------- */

void
journal_dir_add(struct journal_dir *d, struct journal_file *f)
{
    pthread_mutex_lock(&d->lock);
    list_push_back(&d->files, &f->link);
    d->count++;
    pthread_mutex_unlock(&d->lock);
}

void
journal_dir_remove(struct journal_dir *d, struct journal_file *f)
{
    pthread_mutex_lock(&d->lock);
    list_remove(&f->link);
    d->count--;
    pthread_mutex_unlock(&d->lock);
}

void
journal_dir_count(struct journal_dir *d, enum proxy_metric id, uint64_t n)
{
    pthread_mutex_lock(&d->lock);
    if (d->metrics != NULL) {
        metric_add(d->metrics, id, n);
    }
    pthread_mutex_unlock(&d->lock);
}

/* The journals that live, with a reference to each. */
static struct journal_file **
hold_files(struct journal_dir *d, unsigned *count)
{
    pthread_mutex_lock(&d->lock);
    struct journal_file **files = mem_alloc((d->count + 1) * sizeof(struct journal_file *));
    *count = 0;
    LIST_EACH (it, &d->files) {
        struct journal_file *f = LIST_ENTRY(it, struct journal_file, link);
        if (journal_try_ref(f->journal)) {
            files[(*count)++] = f;
        }
    }
    pthread_mutex_unlock(&d->lock);
    return files;
}

void
journal_dir_tidy(struct journal_dir *d)
{
    unsigned count;
    struct journal_file **files = hold_files(d, &count);
    for (unsigned i = 0; i < count; i++) {
        struct journal *j = files[i]->journal;
        journal_file_tidy(files[i]);
        journal_unref(&j);
    }
    free(files);
}

/* --- the thread ------------------------------------------------------------------------------ */

static void
wait_a_round(struct journal_dir *d)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += JOURNAL_TIDY_MS / 1000;
    while (!d->ending && pthread_cond_timedwait(&d->wake, &d->lock, &until) == 0) {
    }
}

static void *
run(void *arg)
{
    struct journal_dir *d = arg;
    pthread_mutex_lock(&d->lock);
    while (!d->ending) {
        wait_a_round(d);
        pthread_mutex_unlock(&d->lock);
        journal_dir_tidy(d);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

void
journal_dir_start(struct journal_dir *d)
{
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ASSERT(pthread_create(&d->thread, NULL, run, d) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    d->started = true;
}

void
journal_dir_close(struct journal_dir **dir)
{
    struct journal_dir *d = *dir;
    *dir = NULL;
    if (d == NULL) {
        return;
    }
    if (d->started) {
        pthread_mutex_lock(&d->lock);
        d->ending = true;
        pthread_cond_signal(&d->wake);
        pthread_mutex_unlock(&d->lock);
        pthread_join(d->thread, NULL);
    }
    ASSERT(d->count == 0);
    if (d->lock_fd >= 0) {
        close(d->lock_fd);
    }
    if (d->fd >= 0) {
        close(d->fd);
    }
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
