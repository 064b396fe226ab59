/* journal_dir.h - the directory of --journal-dir: one proxy's, with a file for each
 * node that has missed something, and a thread that keeps the files short.
 *
 * A lock on DIR/lock says whose it is, for as long as the process lives: two that
 * appended to one file would forget each other's deletes. Any thread. */
#pragma once
#include "common/core/metric.h"
#include "proxy/proxy_metrics.h"

#include <stdbool.h>

struct journal_dir;
struct journal_file;

#define JOURNAL_TIDY_MS 1000

/* Makes the directory if it is not there. NULL and a sentence, the caller's to
 * free, if that cannot be, or another proxy uses it. `metrics` is its own block,
 * or NULL. */
struct journal_dir *journal_dir_open(const char *path, struct metric_block *metrics, char **error);

/* Tidies every second, on a thread of its own. */
void journal_dir_start(struct journal_dir *dir);
/* One round of it. */
void journal_dir_tidy(struct journal_dir *dir);

/* All its files were closed. */
void journal_dir_close(struct journal_dir **dir);

/* --- for journal_file.c ---------------------------------------------------------------- */
int journal_dir_fd(const struct journal_dir *dir);
void journal_dir_add(struct journal_dir *dir, struct journal_file *f);
void journal_dir_remove(struct journal_dir *dir, struct journal_file *f);
void journal_dir_count(struct journal_dir *dir, enum proxy_metric id, uint64_t n);
