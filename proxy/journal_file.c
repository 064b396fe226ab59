#include "proxy/journal_file.h"
#include "common/core/assert.h"
#include "common/core/clock.h"
#include "common/core/hash.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "proxy/journal.h"
#include "proxy/journal_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES     65536
#define SLOW_US        50000 /* a write that a worker feels */
#define LINES_A_SECOND 10

/* --- writing ------------------------------------------------------------------------ */

static bool
write_all(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        bytes = span_skip(bytes, (size_t)n);
    }
    return true;
}

static int
create_file(const struct journal_file *f, const char *name, uint64_t *bytes)
{
    struct buf header = BUF_EMPTY;
    int fd = openat(journal_dir_fd(f->dir), name,
                    O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd >= 0 &&
        (!journal_header_put(&header, span_cstr(f->owner)) || !write_all(fd, buf_span(&header)))) {
        close(fd);
        fd = -1;
    }
    *bytes = buf_len(&header);
    buf_deinit(&header);
    return fd;
}

/* The name says what is lost; it needs no room on the disk where a file was. */
static void
mark_lossy(struct journal_file *f)
{
    int at = journal_dir_fd(f->dir);
    if (renameat(at, f->name, at, f->lossy_name) == 0) {
        if (f->fd >= 0 && ftruncate(f->fd, 0) != 0) {
            log_warn("journal_room_kept", "file=%s", f->lossy_name);
        }
        return;
    }
    int fd = openat(at, f->lossy_name, O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd >= 0) {
        close(fd);
        return;
    }
    LOG_LIMITED(LINES_A_SECOND, LOG_ERROR, "journal_not_marked",
                "node=%s file=%s error=%s deletes_lost_by_a_restart=1", LOG_STR(f->node), f->name,
                LOG_STR(strerror(errno)));
}

static void
give_up(struct journal_file *f, const char *why)
{
    LOG_LIMITED(LINES_A_SECOND, LOG_ERROR, "journal_not_written",
                "node=%s file=%s error=%s then=flush_all_after_a_restart", LOG_STR(f->node),
                f->name, LOG_STR(why));
    journal_dir_count(f->dir, METRIC_ID_JOURNAL_DISK_ERRORS, 1);
    f->failed = true;
    mark_lossy(f);
    if (f->fd >= 0) {
        close(f->fd);
        f->fd = -1;
    }
}

static void
write_out(struct journal_file *f, struct span bytes)
{
    if (f->failed || f->dropped) {
        return;
    }
    if (f->fd < 0) {
        f->fd = create_file(f, f->name, &f->bytes);
    }
    if (f->fd < 0 || !write_all(f->fd, bytes)) {
        give_up(f, strerror(errno));
        return;
    }
    f->bytes += bytes.len;
    f->synced = false;
}

static struct buf
take(struct journal_file *f, struct buf *from, bool *short_of_memory)
{
    pthread_mutex_lock(&f->lock);
    struct buf taken = *from;
    *from = BUF_EMPTY;
    *short_of_memory = f->short_of_memory;
    pthread_mutex_unlock(&f->lock);
    return taken;
}

/* The disk's lock is taken even if nothing is pending: another thread may be
 * writing what this one has noted. */
void
journal_file_write(struct journal_file *f)
{
    uint64_t began = clock_mono_us();
    pthread_mutex_lock(&f->disk);
    bool short_of_memory;
    struct buf bytes = take(f, &f->pending, &short_of_memory);
    if (buf_len(&bytes) > 0) {
        write_out(f, buf_span(&bytes));
    }
    if (short_of_memory && !f->failed && !f->dropped) {
        give_up(f, "out of memory");
    }
    pthread_mutex_unlock(&f->disk);
    buf_deinit(&bytes);
    uint64_t took = clock_mono_us() - began;
    if (took > SLOW_US) {
        LOG_LIMITED(1, LOG_WARN, "journal_slow", "node=%s ms=%" PRIu64, LOG_STR(f->node),
                    took / 1000);
    }
}

void
journal_file_note(struct journal_file *f, enum journal_record_type type, struct span key)
{
    pthread_mutex_lock(&f->lock);
    bool noted = journal_record_put(&f->pending, type, key) &&
                 (!f->renewing || journal_record_put(&f->fresh, type, key));
    f->short_of_memory = f->short_of_memory || !noted;
    pthread_mutex_unlock(&f->lock);
}

/* --- writing anew --------------------------------------------------------------------- */

static void
begin_renewing(struct journal_file *f)
{
    pthread_mutex_lock(&f->lock);
    ASSERT(!f->renewing && buf_len(&f->fresh) == 0);
    f->renewing = true;
    f->short_of_memory = false;
    pthread_mutex_unlock(&f->lock);
}

static void
end_renewing(struct journal_file *f)
{
    pthread_mutex_lock(&f->lock);
    f->renewing = false;
    buf_deinit(&f->fresh);
    pthread_mutex_unlock(&f->lock);
}

/* Only for the successor. */
static void
note_again(void *arg, enum journal_record_type type, struct span key)
{
    struct journal_file *f = arg;
    pthread_mutex_lock(&f->lock);
    bool noted = journal_record_put(&f->fresh, type, key);
    f->short_of_memory = f->short_of_memory || !noted;
    pthread_mutex_unlock(&f->lock);
}

/* What the journal has, step by step, and what changes meanwhile, in its order. */
static bool
write_successor(struct journal_file *f, int fd, uint64_t *bytes)
{
    bool more = true, ok = true, short_of_memory;
    for (uint64_t cursor = 0; ok && more;) {
        more = journal_tell_again(f->journal, &cursor, note_again, f);
        struct buf some = take(f, &f->fresh, &short_of_memory);
        ok = !short_of_memory && write_all(fd, buf_span(&some));
        *bytes += buf_len(&some);
        buf_deinit(&some);
    }
    return ok && fdatasync(fd) == 0;
}

/* The last of what has changed, and the successor takes the file's place. All
 * that is pending is in it, too. */
static bool
succeed(struct journal_file *f, int fd, uint64_t bytes)
{
    int at = journal_dir_fd(f->dir);
    bool short_of_memory;
    struct buf rest = take(f, &f->fresh, &short_of_memory);
    bool ok = !f->dropped && !short_of_memory && write_all(fd, buf_span(&rest)) &&
              renameat(at, f->next_name, at, f->name) == 0;
    bytes += buf_len(&rest);
    buf_deinit(&rest);
    if (!ok) {
        return false;
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    f->fd = fd;
    f->bytes = bytes;
    f->failed = f->synced = false;
    unlinkat(at, f->lossy_name, 0);
    return true;
}

/* No note may come between the last of `fresh` and the end of renewing, or it
 * would be in `pending` only, and be written twice at worst: which is harmless. */
static void
renew(struct journal_file *f, uint64_t most_bytes)
{
    uint64_t bytes = 0;
    int fd = create_file(f, f->next_name, &bytes);
    begin_renewing(f);
    bool ok = fd >= 0 && write_successor(f, fd, &bytes);
    pthread_mutex_lock(&f->disk);
    ok = ok && succeed(f, fd, bytes);
    if (!ok && !f->failed && !f->dropped && f->bytes > most_bytes) {
        give_up(f, "it has become too long, and cannot be written anew");
    }
    pthread_mutex_unlock(&f->disk);
    end_renewing(f);
    if (!ok && fd >= 0) {
        close(fd);
        unlinkat(journal_dir_fd(f->dir), f->next_name, 0);
    }
}

void
journal_file_tidy(struct journal_file *f)
{
    journal_file_write(f);
    uint64_t needed = journal_record_total(f->journal);
    pthread_mutex_lock(&f->disk);
    bool dropped = f->dropped;
    uint64_t long_bytes = JOURNAL_FILE_SLACK + JOURNAL_FILE_FACTOR * needed;
    bool bad = f->failed || f->bytes > long_bytes;
    int fd = f->synced || dropped ? -1 : f->fd;
    f->synced = true;
    pthread_mutex_unlock(&f->disk);
    if (bad && !dropped) {
        renew(f, JOURNAL_FILE_MOST * long_bytes);
    } else if (fd >= 0) {
        /* Does not wait: fsync would hold up those who write meanwhile. */
        (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
}

/* --- reading ---------------------------------------------------------------------------- */

struct reading {
    uint64_t good;      /* bytes that were right, from the first on */
    const char *damage; /* why the rest is not obeyed, or NULL */
    bool lossy;         /* more than the journal's budget */
    bool headed;
};

/* Takes what is whole; what is left in `in` goes on in what is read next. */
static void
take_records(struct journal_file *f, struct reading *r, struct buf *in, uint64_t now_us)
{
    for (;;) {
        struct journal_record record = {0};
        struct span rest = buf_span(in);
        enum journal_parse parse =
            r->headed ? journal_record_parse(rest, &record)
                      : journal_header_parse(rest, span_cstr(f->owner), &record.bytes);
        switch (parse) {
        case JOURNAL_CUT: return;
        case JOURNAL_DAMAGED: r->damage = "it is not as it was written"; return;
        case JOURNAL_PARSED: break;
        }
        if (r->headed && journal_restore(f->journal, &record, now_us) == JOURNAL_LOSSY) {
            r->lossy = true;
        }
        r->headed = true;
        r->good += record.bytes;
        buf_consume(in, record.bytes);
    }
}

static void
read_records(struct journal_file *f, int fd, struct reading *r)
{
    struct buf in = BUF_EMPTY;
    uint64_t now_us = clock_mono_us();
    while (r->damage == NULL) {
        char *at = buf_room(&in, READ_BYTES);
        ssize_t n = at != NULL ? read(fd, at, READ_BYTES) : -1;
        if (n < 0) {
            r->damage = at != NULL ? strerror(errno) : "out of memory";
        }
        if (n <= 0) {
            break;
        }
        buf_grew(&in, (size_t)n);
        take_records(f, r, &in, now_us);
    }
    buf_deinit(&in);
}

static void
set_aside(struct journal_file *f, const struct reading *r)
{
    int at = journal_dir_fd(f->dir);
    char *aside = mem_printf("%s.damaged", f->name);
    log_error("journal_damaged", "node=%s file=%s at=%" PRIu64 " reason=%s aside=%s then=flush_all",
              LOG_STR(f->node), f->name, r->good, LOG_STR(r->damage), aside);
    journal_dir_count(f->dir, METRIC_ID_JOURNAL_DAMAGED, 1);
    if (renameat(at, f->name, at, aside) != 0) {
        unlinkat(at, f->name, 0);
    }
    free(aside);
}

/* Goes on behind what was read, if that may be obeyed. */
static void
continue_file(struct journal_file *f, int fd, const struct reading *r, off_t size)
{
    bool cut = (uint64_t)size > r->good;
    if (r->good == 0 || (cut && ftruncate(fd, (off_t)r->good) != 0)) {
        close(fd); /* nothing was in it, or it is written anew */
        f->failed = r->good > 0;
        return;
    }
    if (cut) {
        log_warn("journal_cut", "node=%s file=%s bytes=%" PRIu64, LOG_STR(f->node), f->name,
                 (uint64_t)size - r->good);
    }
    f->fd = fd;
    f->bytes = r->good;
}

/* True if something was lost. */
static bool
read_file(struct journal_file *f)
{
    struct reading r = {0};
    struct stat st = {0};
    int at = journal_dir_fd(f->dir);
    bool lossy = faccessat(at, f->lossy_name, F_OK, 0) == 0;
    unlinkat(at, f->next_name, 0);
    int fd = openat(at, f->name, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return lossy;
    }
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        r.damage = fd < 0 ? strerror(errno) : "it is no file";
    } else {
        read_records(f, fd, &r);
    }
    if (r.damage == NULL) {
        continue_file(f, fd, &r, st.st_size);
        return lossy || r.lossy || f->failed;
    }
    if (fd >= 0) {
        close(fd);
    }
    set_aside(f, &r);
    return true;
}

/* Keys that were read beside what was lost are included in the flush. The flush
 * is in the file before the sign that it is needed goes. */
static void
want_flush(struct journal_file *f)
{
    journal_want_flush(f->journal, clock_mono_us());
    journal_file_note(f, RECORD_FLUSH_ALL, (struct span){0});
    journal_file_write(f);
    if (!f->failed) {
        unlinkat(journal_dir_fd(f->dir), f->lossy_name, 0);
    }
}

static struct journal_file *
allocate(struct journal_dir *dir, struct journal *j, const char *id, const char *addr)
{
    struct journal_file *f = mem_zalloc(sizeof(*f));
    f->dir = dir;
    f->journal = j;
    f->owner = journal_owner(id, addr);
    f->name = mem_printf("%016" PRIx64 ".journal", hash_span(span_cstr(f->owner)));
    f->lossy_name = mem_printf("%s.lossy", f->name);
    f->next_name = mem_printf("%s.next", f->name);
    f->node = mem_strdup(id);
    f->fd = -1;
    f->synced = true;
    pthread_mutex_init(&f->lock, NULL);
    pthread_mutex_init(&f->disk, NULL);
    return f;
}

void
journal_file_open(struct journal_dir *dir, struct journal *j, const char *id, const char *addr)
{
    struct journal_file *f = allocate(dir, j, id, addr);
    bool lossy = read_file(f);
    journal_keep_in(j, f);
    if (lossy) {
        want_flush(f);
    }
    uint64_t count = journal_count(j);
    if (count > 0) {
        log_info("journal_restored", "node=%s file=%s entries=%" PRIu64 " flush=%d", LOG_STR(id),
                 f->name, count, lossy);
        journal_dir_count(dir, METRIC_ID_JOURNAL_RESTORED, count);
    }
    journal_dir_add(dir, f);
}

/* --- its end ------------------------------------------------------------------------------ */

void
journal_file_drop(struct journal_file *f)
{
    pthread_mutex_lock(&f->disk);
    f->dropped = true;
    unlinkat(journal_dir_fd(f->dir), f->name, 0);
    unlinkat(journal_dir_fd(f->dir), f->lossy_name, 0);
    pthread_mutex_unlock(&f->disk);
}

void
journal_file_close(struct journal_file **file, bool needs)
{
    struct journal_file *f = *file;
    *file = NULL;
    journal_dir_remove(f->dir, f);
    if (needs) {
        journal_file_write(f);
    } else if (!f->dropped) {
        journal_file_drop(f);
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    buf_deinit(&f->pending);
    buf_deinit(&f->fresh);
    pthread_mutex_destroy(&f->lock);
    pthread_mutex_destroy(&f->disk);
    free(f->owner);
    free(f->name);
    free(f->lossy_name);
    free(f->next_name);
    free(f->node);
    free(f);
}
