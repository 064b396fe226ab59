/* memory_file.h - a file whose pages are the items' memory, so that they
 * outlive the process (-e).
 *
 * Its first page says what it is; behind that stands what segments.h puts
 * there. It is mapped; only at the start, when all of it is looked through once,
 * it is read instead. The file grows with use and has holes where memory was
 * given back.
 *
 * Opening takes an exclusive lock, which ends with the process: two nodes never
 * share a file. A file that is not empty and not ours is not touched, whatever
 * was meant.
 *
 * Reserving is what keeps a full file system from killing us: a page of a
 * mapped file that the system has no room for is a SIGBUS when it is touched.
 * Nothing protects from somebody who makes the file shorter while it is
 * mapped; it belongs to its node alone, which mode 0600 says.
 *
 * Threads: any, for reserving and giving back of different places. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_file;

/* Opens or makes it. NULL and a line in *error, to be freed, if it cannot be
 * had: it is in use, not ours, can be changed by others, or its file system
 * has neither reserving nor holes. */
struct memory_file *memory_file_open(const char *path, char **error);
/* Unlocks; the file stays. */
void memory_file_close(struct memory_file **f);

/* Address space over the file's first `bytes`, which may be far behind its end;
 * NULL if there is none. For munmap(). */
void *memory_file_map(struct memory_file *f, size_t bytes);

/* Bytes up to its end. */
uint64_t memory_file_bytes(const struct memory_file *f);

/* Copies what stands at that place. False if it is not all there. */
bool memory_file_read(const struct memory_file *f, uint64_t offset, void *out, size_t bytes);

/* Before a place is used for the first time, or again after it was given back.
 * False if there is no room for it. */
bool memory_file_reserve(struct memory_file *f, uint64_t offset, uint64_t bytes);
void memory_file_give_back(struct memory_file *f, uint64_t offset, uint64_t bytes);

/* Drops all that is in it. False if the system will not. */
bool memory_file_clear(struct memory_file *f);

/* To disk, if there is one under it. */
bool memory_file_sync(struct memory_file *f);
