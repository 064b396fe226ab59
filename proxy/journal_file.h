/* journal_file.h - a node's journal in a file, so that it outlives the proxy.
 *
 *     journal --note--> pending --write, at the end of a turn--> the file
 *                 \---> fresh   --tidy-------------------------> the file's successor
 *
 * Append-only. What was noted is in the file when journal_file_write() returns: in
 * the kernel's memory, which a killed process leaves alone; nothing waits for the
 * disk. A file that has become much longer than the journal is written anew from
 * it, by the directory's thread, beside the workers.
 *
 * A file that cannot be written, or was damaged, has lost something. It is put out
 * of use, and its place says so until a whole one stands there: NAME.lossy. Then
 * the node needs a flush.
 *
 * Locks: the journal's, then `lock`; `disk`, then `lock`. Any thread unless said
 * otherwise. */
#pragma once
#include "common/core/buf.h"
#include "common/core/list.h"
#include "proxy/journal_record.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct journal;
struct journal_dir;

/* A file may be so much longer than what it stands for: this, and three times. */
#define JOURNAL_FILE_SLACK  65536
#define JOURNAL_FILE_FACTOR 3
#define JOURNAL_FILE_MOST   8 /* times as long as that, while it cannot be renewed */

struct journal_file {
    struct journal_dir *dir;
    struct journal *journal; /* whose end is the file's; no reference */
    struct list link;        /* the directory's files */
    char *name, *lossy_name, *next_name, *node;
    char *owner;          /* in the header */
    pthread_mutex_t lock; /* covers these: */
    struct buf pending;   /* not yet written */
    struct buf fresh;     /* not yet in the successor */
    bool renewing;
    bool short_of_memory; /* something could not be noted */
    pthread_mutex_t disk; /* covers these: */
    int fd;               /* -1: there is no file yet */
    uint64_t bytes;
    bool failed;  /* no file, and what is noted is not kept */
    bool dropped; /* no more shall be one */
    bool synced;  /* nothing was written since the disk was told */
};

/* For the node `id` at `addr`: fills the journal, of which nobody else knows yet,
 * from the file that is there, and keeps it in it from now on. Blocking. */
void journal_file_open(struct journal_dir *dir, struct journal *j, const char *id,
                       const char *addr);

/* Under the journal's lock. */
void journal_file_note(struct journal_file *f, enum journal_record_type type, struct span key);

void journal_file_write(struct journal_file *f);

/* Renews the file if it is too long or has failed, and has the kernel begin to
 * bring the rest to the disk. The caller has a reference to the journal. */
void journal_file_tidy(struct journal_file *f);

/* The file goes, and nothing is kept any more. */
void journal_file_drop(struct journal_file *f);

/* What is written stays if the journal `needs` it. */
void journal_file_close(struct journal_file **f, bool needs);
