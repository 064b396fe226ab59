/* follow_file.h - notices when a watched table file has other content.
 *
 * The folder is watched (inotify), because editors and deployment tools write
 * another file and rename it over the old one, or turn a symlink; and every
 * FOLLOW_FILE_CHECK_MS the file is looked at anyway, for what inotify does not
 * tell (network file systems, a symlink's target far away). Follower's thread;
 * follow_file_read() also before it starts. */
#pragma once
#include "common/core/buf.h"

#define FOLLOW_FILE_CHECK_MS 1000

struct follow_file;
struct loop;

struct follow_file_events {
    /* Read it again. */
    void (*changed)(void *arg);
    /* It was looked at and is what was read last. */
    void (*unchanged)(void *arg);
    /* It cannot be looked at; said once until it is there again. */
    void (*missing)(void *arg, const char *reason);
};

struct follow_file *follow_file_create(const char *path);
void follow_file_destroy(struct follow_file **f);

/* Begins to watch; a change since the last follow_file_read() is noticed too. */
void follow_file_watch(struct follow_file *f, struct loop *loop,
                       const struct follow_file_events *events, void *arg);

/* Appends the file's content. False and errno if it cannot be read, is no
 * regular file, or is over `max_bytes` (EFBIG). */
bool follow_file_read(struct follow_file *f, size_t max_bytes, struct buf *out);
