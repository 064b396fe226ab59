#include "common/core/statefile.h"
#include "common/core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define HEADER_MAX 128

const char *
statefile_folder_fault(const char *dir)
{
    struct stat st;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return strerror(errno);
    }
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return "not a folder";
    }
    return access(dir, R_OK | W_OK | X_OK) != 0 ? strerror(errno) : NULL;
}

static bool
write_all(int fd, struct span s)
{
    while (s.len > 0) {
        ssize_t n = write(fd, s.ptr, s.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        s = span_skip(s, (size_t)n);
    }
    return true;
}

static uint32_t
checksum(struct span s)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), (const unsigned char *)s.ptr, s.len);
}

static bool
write_synced(const char *path, struct span header, struct span content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    bool ok = write_all(fd, header) && write_all(fd, content) && fsync(fd) == 0;
    int saved = errno;
    if (close(fd) != 0) {
        ok = false;
    } else {
        errno = saved;
    }
    return ok;
}

static bool
sync_folder_of(const char *path)
{
    char *copy = mem_strdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0) {
        return false;
    }
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

enum statefile_result
statefile_write(const char *path, const char *kind, struct span content)
{
    char header[HEADER_MAX];
    int n = snprintf(header, sizeof(header), "memfleet-state 1 %s %zu %08" PRIx32 "\n", kind,
                     content.len, checksum(content));
    char *tmp = mem_printf("%s.tmp", path);
    bool ok = write_synced(tmp, span_make(header, (size_t)n), content) && rename(tmp, path) == 0 &&
              sync_folder_of(path);
    free(tmp);
    return ok ? STATEFILE_OK : STATEFILE_FAILED;
}

/* The whole file into `out`, at most `max` bytes. */
static enum statefile_result
read_file(int fd, size_t max, struct buf *out)
{
    for (;;) {
        if (buf_len(out) > max) {
            return STATEFILE_DAMAGED;
        }
        char *to = buf_room(out, 65536);
        if (to == NULL) { /* our trouble, not the file's */
            errno = ENOMEM;
            return STATEFILE_FAILED;
        }
        ssize_t n = read(fd, to, 65536);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return STATEFILE_FAILED;
        }
        if (n == 0) {
            return STATEFILE_OK;
        }
        buf_grew(out, (size_t)n);
    }
}

static bool
check_header(struct span file, const char *kind, size_t max_bytes, struct span *content)
{
    const char *newline = memchr(file.ptr, '\n', file.len < HEADER_MAX ? file.len : HEADER_MAX);
    if (newline == NULL) {
        return false;
    }
    size_t line = (size_t)(newline - file.ptr) + 1;
    *content = span_skip(file, line);
    char expect[HEADER_MAX];
    int n = snprintf(expect, sizeof(expect), "memfleet-state 1 %s %zu %08" PRIx32 "\n", kind,
                     content->len, checksum(*content));
    return content->len <= max_bytes && (size_t)n == line && memcmp(expect, file.ptr, line) == 0;
}

static enum statefile_result
set_aside(const char *path)
{
    char *aside = mem_printf("%s.damaged", path);
    int failed = rename(path, aside);
    free(aside);
    return failed ? STATEFILE_FAILED : STATEFILE_DAMAGED;
}

enum statefile_result
statefile_read(const char *path, const char *kind, size_t max_bytes, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? STATEFILE_ABSENT : STATEFILE_FAILED;
    }
    struct buf file = BUF_EMPTY;
    struct span content;
    enum statefile_result result = read_file(fd, max_bytes + HEADER_MAX, &file);
    close(fd);
    if (result == STATEFILE_DAMAGED ||
        (result == STATEFILE_OK && !check_header(buf_span(&file), kind, max_bytes, &content))) {
        result = set_aside(path);
    }
    if (result == STATEFILE_OK && !buf_append_span(out, content)) {
        errno = ENOMEM;
        result = STATEFILE_FAILED;
    }
    buf_deinit(&file);
    return result;
}
