/* decode.h - what the gateway sent, as structs. Pure; any bytes are safe input.
 *
 * The rules of proto3's JSON mapping as the gateway applies it: 64-bit numbers
 * are strings but integers are accepted too; what is absent is zero, false or
 * empty; unknown fields are ignored. A field of the wrong type makes the whole
 * message malformed, because acting on half of one is worse than asking again. */
#pragma once
#include "control/etcd/etcd.h"

#include <jansson.h>

#define MESSAGE_BYTES_MAX (64u * 1024 * 1024)

struct etcd_header {
    uint64_t cluster_id; /* 0: the message had no header */
    uint64_t member_id;
    int64_t revision;
    uint64_t raft_term;
};

struct watch_change {
    bool is_delete;
    bool has_prev;
    struct etcd_kv kv;
    struct etcd_kv prev;
};

/* One message of any kind: what it does not carry is zero. Spans and strings
 * live as long as the answer. */
struct answer {
    struct etcd_header header;

    bool is_error;
    int64_t code;        /* gRPC status */
    const char *message; /* "" if none */

    struct etcd_kv *kvs;
    size_t kv_count;
    bool more; /* the range has further keys */
    int64_t deleted;
    bool succeeded;
    struct etcd_result *results;
    size_t result_count;

    int64_t lease;
    int64_t ttl_s;
    const char *token; /* NULL if none */

    struct etcd_status status;
    struct etcd_member *members;
    size_t member_count;

    int64_t watch_id;
    bool created;
    bool canceled;
    bool fragment; /* more of the same answer follows */
    int64_t compact_revision;
    const char *cancel_reason; /* "" if none */
    struct watch_change *changes;
    size_t change_count;

    json_t *root; /* owns the strings */
    char *bytes;  /* owns decoded keys and values */
    size_t bytes_used;
    size_t bytes_cap;
};

/* Decodes one JSON object, in a "result" wrapper or not. Every key must begin
 * with `prefix`, which is taken off. False and *error (static text) if it is
 * malformed; nothing is held then. */
bool answer_decode(struct span json, struct span prefix, struct answer *out, const char **error);
void answer_deinit(struct answer *a);
