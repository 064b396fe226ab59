/* document.h - how a table lies in etcd: a head, and a packed part per pool.
 *
 *     table/head         {"schema": 1, "sha256": of the document,
 *                         "table": the document without its pools,
 *                         "parts": {pool: sha256 of its part's text}}
 *     table/part/<pool>  zlib of the pool's JSON
 *     table/hist/<epoch> zlib of the document
 *
 * Documents are canonical JSON, so the joined parts have the very bytes, and so
 * the SHA-256, of what was split. A publication writes only parts that changed.
 * Pure. */
#pragma once
#include "common/fleet/table.h"

#include <jansson.h>

#define DOCUMENT_SCHEMA    1
#define DOCUMENT_ERROR_MAX 256

struct document_part {
    char *pool;
    char sha[TABLE_SHA_CHARS + 1];
    struct buf packed;
};

struct document {
    char sha[TABLE_SHA_CHARS + 1];
    char *head; /* JSON text */
    struct document_part *parts;
    unsigned part_count;
    struct buf packed; /* the whole, for the history */
};

/* False and a sentence in `error` (DOCUMENT_ERROR_MAX bytes) if `text` is not a
 * canonical table document or memory is out. */
bool document_split(struct span text, struct document *out, char *error);
void document_deinit(struct document *d);

struct inventory;
enum document_result {
    DOCUMENT_NONE,       /* there is no head */
    DOCUMENT_JOINED,     /* the bytes are in `out` */
    DOCUMENT_INCOMPLETE, /* a part is missing or is not the one that the head names */
    DOCUMENT_DAMAGED,    /* the head is not ours to read, or the whole has another sha */
};

/* What `error` says, but for NONE and JOINED, names the place. */
enum document_result document_join(const struct inventory *inv, struct buf *out, char *error);

/* What a head says without its parts; false if it is none. The spans belong to
 * `head`. */
struct document_head {
    const char *incarnation, *sha;
    uint64_t epoch;
};
bool document_read_head(const json_t *head, struct document_head *out);

/* SHA-256 in hex, terminated. */
void document_sha(struct span bytes, char out[TABLE_SHA_CHARS + 1]);
