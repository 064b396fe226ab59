#include "cached/store/memory_file.h"
#include "common/core/log.h"
#include "common/core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_BYTES 4096 /* a page, so that holes begin behind it */

static const char header[] = "memfleet memory file\n";

struct memory_file {
    int fd;
};

/* --- opening ----------------------------------------------------------------- */

static const char *
check_owner(int fd, struct stat *st)
{
    if (fstat(fd, st) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(st->st_mode)) {
        return "it is no regular file";
    }
    if (st->st_uid != geteuid() || (st->st_mode & (S_IWGRP | S_IWOTH))) {
        return "others own it or may write to it";
    }
    return NULL;
}

static bool
is_ours(int fd)
{
    char text[sizeof(header)];
    return pread(fd, text, sizeof(header), 0) == (ssize_t)sizeof(header) &&
           memcmp(text, header, sizeof(header)) == 0;
}

static bool
write_header(int fd)
{
    return fallocate(fd, 0, 0, HEADER_BYTES) == 0 &&
           pwrite(fd, header, sizeof(header), 0) == (ssize_t)sizeof(header);
}

static const char *
prepare(int fd)
{
    struct stat st;
    const char *why = check_owner(fd, &st);
    if (why != NULL) {
        return why;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? "another process uses it" : strerror(errno);
    }
    if (st.st_size > 0 && !is_ours(fd)) {
        return "it is no memory file of mfcached, and is left as it is";
    }
    /* The hole is nowhere: asked for only to learn whether there are any. */
    if (!write_header(fd) || fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                       (off_t)1 << 40, HEADER_BYTES) != 0) {
        return errno == EOPNOTSUPP ? "its file system cannot reserve room and give it back"
                                   : strerror(errno);
    }
    return NULL;
}

struct memory_file *
memory_file_open(const char *path, char **error)
{
    /* Over a limit of file sizes we want an error and no signal. */
    signal(SIGXFSZ, SIG_IGN);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    const char *why = fd >= 0 ? prepare(fd) : strerror(errno);
    if (why != NULL) {
        *error = mem_printf("cannot use the memory file %s: %s", path, why);
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    struct memory_file *f = mem_alloc(sizeof(*f));
    f->fd = fd;
    return f;
}

void
memory_file_close(struct memory_file **f)
{
    struct memory_file *it = *f;
    if (it == NULL) {
        return;
    }
    close(it->fd);
    free(it);
    *f = NULL;
}

/* --- its memory -------------------------------------------------------------- */

void *
memory_file_map(struct memory_file *f, size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, f->fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

uint64_t
memory_file_bytes(const struct memory_file *f)
{
    struct stat st;
    return fstat(f->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

bool
memory_file_read(const struct memory_file *f, uint64_t offset, void *out, size_t bytes)
{
    char *to = out;
    while (bytes > 0) {
        ssize_t n = pread(f->fd, to, bytes, (off_t)offset);
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            return false;
        }
        size_t got = n > 0 ? (size_t)n : 0;
        to += got;
        offset += got;
        bytes -= got;
    }
    return true;
}

bool
memory_file_reserve(struct memory_file *f, uint64_t offset, uint64_t bytes)
{
    int failed;
    do {
        failed = fallocate(f->fd, 0, (off_t)offset, (off_t)bytes);
    } while (failed && errno == EINTR);
    if (failed) {
        LOG_LIMITED(1, LOG_WARN, "memory_file_full", "reason=%s", LOG_STR(strerror(errno)));
    }
    return !failed;
}

void
memory_file_give_back(struct memory_file *f, uint64_t offset, uint64_t bytes)
{
    if (fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes) !=
        0) {
        LOG_LIMITED(1, LOG_WARN, "memory_file_give_back_failed", "reason=%s",
                    LOG_STR(strerror(errno)));
    }
}

bool
memory_file_clear(struct memory_file *f)
{
    return ftruncate(f->fd, 0) == 0 && write_header(f->fd);
}

bool
memory_file_sync(struct memory_file *f)
{
    return fsync(f->fd) == 0;
}
