/* journal_record.h - a journal as bytes in a file. Pure.
 *
 *     "mfjournal 1\n" | length, 2 | whose journal it is | CRC-32, 4
 *     type | key length | both inverted, 2 | CRC-32, 4 | key
 *     ...
 *
 * Numbers are little-endian. A record whose length is whole and that ends behind
 * the file's end was cut off while it was written; any other that is not as it
 * should be says that the file was damaged. The inverted bytes are there so that
 * the two are not mixed up. */
#pragma once
#include "common/core/buf.h"

#define JOURNAL_KEY_MAX    250
#define JOURNAL_OWNER_MAX  4096
#define JOURNAL_RECORD_MAX (8 + JOURNAL_KEY_MAX)

enum journal_record_type {
    RECORD_PUT = 1,
    RECORD_FORGOTTEN,  /* delivered, or of no use any more */
    RECORD_FLUSH_ALL,  /* by every worker, and it includes the keys */
    RECORD_FLUSH_SOME, /* the keys are to be delivered as well */
    RECORD_FLUSHED,    /* no flush is wanted any more */
};

struct journal_record {
    enum journal_record_type type;
    struct span key; /* of the first two; lies in what was parsed */
    size_t bytes;    /* of the record */
};

enum journal_parse {
    JOURNAL_PARSED,
    JOURNAL_CUT, /* needs more bytes than there are */
    JOURNAL_DAMAGED,
};

/* False when the system has no memory; then nothing was appended. */
bool journal_header_put(struct buf *out, struct span owner);
bool journal_record_put(struct buf *out, enum journal_record_type type, struct span key);

/* Whose journal `in` is, if it begins with a whole header. */
enum journal_parse journal_owner_parse(struct span in, struct span *owner, size_t *bytes);

/* What `in` begins with. `*bytes` is the header's length. Of another owner it is
 * JOURNAL_DAMAGED, too. */
enum journal_parse journal_header_parse(struct span in, struct span owner, size_t *bytes);
enum journal_parse journal_record_parse(struct span in, struct journal_record *record);

/* Bytes of a record with such a key. */
static inline size_t
journal_record_bytes(size_t key_bytes)
{
    return 8 + key_bytes;
}
