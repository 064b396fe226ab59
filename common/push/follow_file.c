#include "common/push/follow_file.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/net/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES  65536
#define EVENT_BYTES 4096
/* Not IN_CREATE and IN_MODIFY: the writer is not done then. */
#define WATCH_MASK (IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR)

/* What tells one content from another without reading it. */
struct signature {
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec modified, changed;
};

struct follow_file {
    char *path;
    char *folder, *name;        /* the path's parts */
    struct signature seen;      /* of what was read last */
    struct signature candidate; /* seen once by a check; acted on when it has not moved on */
    bool missing;               /* and said so */
    const struct follow_file_events *events;
    void *arg;
    struct loop *loop;
    struct loop_timer check;
    struct loop_io io;
    int inotify_fd;
    int watch;
};

struct follow_file *
follow_file_create(const char *path)
{
    struct follow_file *f = mem_zalloc(sizeof(*f));
    f->path = mem_strdup(path);
    char *copy = mem_strdup(path);
    f->folder = mem_strdup(dirname(copy));
    free(copy);
    const char *slash = strrchr(path, '/');
    f->name = mem_strdup(slash != NULL ? slash + 1 : path);
    f->inotify_fd = f->watch = -1;
    return f;
}

void
follow_file_destroy(struct follow_file **f)
{
    struct follow_file *it = *f;
    if (it == NULL) {
        return;
    }
    if (it->loop != NULL) {
        loop_timer_deinit(&it->check);
        loop_io_deinit(&it->io);
    }
    if (it->inotify_fd >= 0) {
        close(it->inotify_fd);
    }
    free(it->path);
    free(it->folder);
    free(it->name);
    free(it);
    *f = NULL;
}

static struct signature
signature_of(const struct stat *st)
{
    struct signature s;
    memset(&s, 0, sizeof(s)); /* the padding too: signatures are compared as bytes */
    s.device = st->st_dev;
    s.inode = st->st_ino;
    s.bytes = st->st_size;
    s.modified = st->st_mtim;
    s.changed = st->st_ctim;
    return s;
}

static bool
same(const struct signature *a, const struct signature *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static bool
read_whole(int fd, size_t max_bytes, struct buf *out)
{
    for (;;) {
        char *to = buf_room(out, READ_BYTES);
        if (to == NULL) {
            errno = ENOMEM;
            return false;
        }
        ssize_t n = read(fd, to, READ_BYTES);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0;
        }
        buf_grew(out, (size_t)n);
        if (buf_len(out) > max_bytes) {
            errno = EFBIG;
            return false;
        }
    }
}

bool
follow_file_read(struct follow_file *f, size_t max_bytes, struct buf *out)
{
    struct stat st;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    bool ok = fstat(fd, &st) == 0;
    if (ok && !S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        ok = false;
    }
    if (ok) {
        /* Before reading: what is written meanwhile makes another signature. */
        f->seen = f->candidate = signature_of(&st);
        ok = read_whole(fd, max_bytes, out);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return ok;
}

/* How sure we are that whoever writes is done. */
enum certainty {
    PERHAPS, /* a routine look: the one before must have seen the same */
    SETTLED, /* something was renamed into the folder: no half file comes that way */
    CERTAIN, /* our file itself was written and closed: other content, even if no
                bit of its times and size differs */
};

static void
look(struct follow_file *f, enum certainty certainty)
{
    struct stat st;
    if (stat(f->path, &st) != 0) {
        if (!f->missing) {
            f->missing = true;
            f->events->missing(f->arg, strerror(errno));
        }
        return;
    }
    f->missing = false;
    struct signature now = signature_of(&st);
    if (certainty != CERTAIN && same(&now, &f->seen)) {
        f->events->unchanged(f->arg);
        return;
    }
    if (certainty == PERHAPS && !same(&now, &f->candidate)) {
        f->candidate = now;
        return;
    }
    f->seen = now;
    f->events->changed(f->arg);
}

static void
add_watch(struct follow_file *f)
{
    if (f->inotify_fd >= 0 && f->watch < 0) {
        f->watch = inotify_add_watch(f->inotify_fd, f->folder, WATCH_MASK);
    }
}

static void
on_check(void *arg)
{
    struct follow_file *f = arg;
    add_watch(f);
    look(f, PERHAPS);
    loop_timer_start(&f->check, FOLLOW_FILE_CHECK_MS);
}

/* With symlinks the name that is renamed is not ours, so any rename counts. */
static enum certainty
certainty_of(const struct follow_file *f, const struct inotify_event *event)
{
    if (event->len > 0 && strcmp(event->name, f->name) == 0) {
        return CERTAIN;
    }
    return event->mask & IN_MOVED_TO ? SETTLED : PERHAPS;
}

static void
on_inotify(void *arg, int ready)
{
    struct follow_file *f = arg;
    enum certainty most = PERHAPS;
    char events[EVENT_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;
    while ((n = read(f->inotify_fd, events, sizeof(events))) > 0) {
        for (char *at = events; at < events + n;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;
            if (event->mask & IN_IGNORED) {
                f->watch = -1; /* the folder itself is gone; on_check() tries again */
            }
            enum certainty certainty = certainty_of(f, event);
            most = certainty > most ? certainty : most;
            at += sizeof(*event) + event->len;
        }
    }
    if (most != PERHAPS) {
        look(f, most);
    }
}

void
follow_file_watch(struct follow_file *f, struct loop *loop, const struct follow_file_events *events,
                  void *arg)
{
    f->loop = loop;
    f->events = events;
    f->arg = arg;
    f->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (f->inotify_fd < 0) {
        log_warn("inotify_unavailable", "reason=%s check_ms=%d", LOG_STR(strerror(errno)),
                 FOLLOW_FILE_CHECK_MS);
    }
    loop_timer_init(&f->check, loop, on_check, f);
    loop_io_init(&f->io, loop, f->inotify_fd, on_inotify, f);
    add_watch(f);
    if (f->inotify_fd >= 0) {
        loop_io_want(&f->io, LOOP_READ);
    }
    loop_timer_start(&f->check, 0);
}
