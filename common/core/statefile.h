/* statefile.h - a small file that survives a power cut whole or not at all.
 *
 * Written to NAME.tmp, fsynced, renamed over NAME, and the folder fsynced. The
 * first line is a header with kind, length and CRC-32, so that a torn or
 * foreign file is noticed: it is renamed to NAME.damaged and never obeyed.
 * Blocking; never call it on a worker thread. */
#pragma once
#include "common/core/buf.h"

enum statefile_result {
    STATEFILE_OK,
    STATEFILE_ABSENT,
    STATEFILE_DAMAGED, /* set aside as NAME.damaged */
    STATEFILE_FAILED,  /* the system refused; errno says why */
};

/* `kind` is one word that names the content, e.g. "table". */
enum statefile_result statefile_write(const char *path, const char *kind, struct span content);

/* Makes the folder `dir` if it is missing, and looks whether files can be kept there. NULL, or what
 * is wrong with it, for a program that has just been told to use it; valid until the next call. */
const char *statefile_folder_fault(const char *dir);

/* Appends the content to `out`. Files over `max_bytes` count as damaged. */
enum statefile_result statefile_read(const char *path, const char *kind, size_t max_bytes,
                                     struct buf *out);
