#include "control/etcd/txn.h"
#include "common/core/assert.h"
#include "common/core/mem.h"
#include "control/etcd/encode.h"

#include <stdlib.h>

struct compare {
    struct span key;
    enum etcd_target target;
    enum etcd_relation relation;
    int64_t number;
    struct span value; /* of ETCD_VALUE */
};

enum op_kind { OP_PUT, OP_GET, OP_DELETE };

struct op {
    enum op_kind kind;
    enum key_extent extent;
    struct span key;
    struct span value;
    int64_t lease;
};

struct ops {
    struct op *items;
    size_t count;
};

struct etcd_txn {
    struct compare *compares;
    size_t compare_count;
    struct ops branches[2]; /* by enum etcd_branch */
    size_t bytes;
};

struct etcd_txn *
etcd_txn_create(void)
{
    return mem_zalloc(sizeof(struct etcd_txn));
}

static void
free_span(struct span s)
{
    free((void *)(uintptr_t)s.ptr);
}

void
etcd_txn_destroy(struct etcd_txn **txn)
{
    struct etcd_txn *t = *txn;
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->compare_count; i++) {
        free_span(t->compares[i].key);
        free_span(t->compares[i].value);
    }
    free(t->compares);
    for (size_t b = 0; b < 2; b++) {
        for (size_t i = 0; i < t->branches[b].count; i++) {
            free_span(t->branches[b].items[i].key);
            free_span(t->branches[b].items[i].value);
        }
        free(t->branches[b].items);
    }
    free(t);
    *txn = NULL;
}

static struct span
keep(struct etcd_txn *txn, struct span s)
{
    txn->bytes += s.len;
    return span_make(mem_dup(s.ptr, s.len), s.len);
}

static struct compare *
add_compare(struct etcd_txn *txn, struct span key, enum etcd_target target,
            enum etcd_relation relation)
{
    size_t n = txn->compare_count++;
    txn->compares = mem_realloc(txn->compares, (n + 1) * sizeof(txn->compares[0]));
    txn->compares[n] =
        (struct compare){.key = keep(txn, key), .target = target, .relation = relation};
    return &txn->compares[n];
}

void
etcd_txn_if(struct etcd_txn *txn, struct span key, enum etcd_target target,
            enum etcd_relation relation, int64_t number)
{
    ASSERT(target != ETCD_VALUE);
    add_compare(txn, key, target, relation)->number = number;
}

void
etcd_txn_if_value(struct etcd_txn *txn, struct span key, enum etcd_relation relation,
                  struct span value)
{
    struct compare *c = add_compare(txn, key, ETCD_VALUE, relation);
    c->value = keep(txn, value);
}

void
etcd_txn_if_unchanged(struct etcd_txn *txn, struct span key, int64_t mod_revision)
{
    etcd_txn_if(txn, key, ETCD_MOD_REVISION, ETCD_EQUAL, mod_revision);
}

static struct op *
add_op(struct etcd_txn *txn, enum etcd_branch branch, enum op_kind kind, enum key_extent extent,
       struct span key)
{
    struct ops *ops = &txn->branches[branch];
    size_t n = ops->count++;
    ops->items = mem_realloc(ops->items, (n + 1) * sizeof(ops->items[0]));
    ops->items[n] = (struct op){.kind = kind, .extent = extent, .key = keep(txn, key)};
    return &ops->items[n];
}

void
etcd_txn_put(struct etcd_txn *txn, enum etcd_branch branch, struct span key, struct span value,
             int64_t lease)
{
    struct op *op = add_op(txn, branch, OP_PUT, KEY_EXACT, key);
    op->value = keep(txn, value);
    op->lease = lease;
}

void
etcd_txn_get(struct etcd_txn *txn, enum etcd_branch branch, struct span key)
{
    add_op(txn, branch, OP_GET, KEY_EXACT, key);
}

void
etcd_txn_get_prefix(struct etcd_txn *txn, enum etcd_branch branch, struct span prefix)
{
    add_op(txn, branch, OP_GET, KEY_PREFIX, prefix);
}

void
etcd_txn_delete(struct etcd_txn *txn, enum etcd_branch branch, struct span key)
{
    add_op(txn, branch, OP_DELETE, KEY_EXACT, key);
}

void
etcd_txn_delete_prefix(struct etcd_txn *txn, enum etcd_branch branch, struct span prefix)
{
    add_op(txn, branch, OP_DELETE, KEY_PREFIX, prefix);
}

size_t
etcd_txn_ops(const struct etcd_txn *txn)
{
    size_t then_ops = txn->branches[ETCD_THEN].count;
    size_t else_ops = txn->branches[ETCD_ELSE].count;
    return then_ops > else_ops ? then_ops : else_ops;
}

size_t
etcd_txn_bytes(const struct etcd_txn *txn)
{
    return txn->bytes;
}

/* Enums go out by name; target and relation both, though etcd has defaults. */
static const char *const TARGETS[][2] = {
    [ETCD_VERSION] = {"VERSION", "version"},
    [ETCD_CREATE_REVISION] = {"CREATE", "create_revision"},
    [ETCD_MOD_REVISION] = {"MOD", "mod_revision"},
    [ETCD_VALUE] = {"VALUE", "value"},
    [ETCD_LEASE] = {"LEASE", "lease"},
};
static const char *const RELATIONS[] = {
    [ETCD_EQUAL] = "EQUAL",
    [ETCD_GREATER] = "GREATER",
    [ETCD_LESS] = "LESS",
    [ETCD_NOT_EQUAL] = "NOT_EQUAL",
};

static void
encode_compare(struct buf *out, struct span prefix, const struct compare *c)
{
    encode_text(out, "{");
    encode_keys(out, prefix, c->key, KEY_EXACT);
    ASSERT(buf_printf(out, ",\"target\":\"%s\",\"result\":\"%s\",", TARGETS[c->target][0],
                      RELATIONS[c->relation]));
    if (c->target == ETCD_VALUE) {
        encode_bytes(out, TARGETS[c->target][1], c->value);
    } else {
        encode_number(out, TARGETS[c->target][1], c->number);
    }
    encode_text(out, "}");
}

static void
encode_op(struct buf *out, struct span prefix, const struct op *op)
{
    static const struct encode_page whole = {0};
    switch (op->kind) {
    case OP_PUT:
        encode_text(out, "{\"request_put\":");
        encode_put(out, prefix, op->key, op->value, op->lease);
        break;
    case OP_GET:
        encode_text(out, "{\"request_range\":");
        encode_range(out, prefix, op->key, op->extent, &whole);
        break;
    case OP_DELETE:
        encode_text(out, "{\"request_delete_range\":");
        encode_delete(out, prefix, op->key, op->extent);
        break;
    }
    encode_text(out, "}");
}

static void
encode_branch(struct buf *out, const char *name, struct span prefix, const struct ops *ops)
{
    ASSERT(buf_printf(out, ",\"%s\":[", name));
    for (size_t i = 0; i < ops->count; i++) {
        encode_text(out, i == 0 ? "" : ",");
        encode_op(out, prefix, &ops->items[i]);
    }
    encode_text(out, "]");
}

void
etcd_txn_encode(const struct etcd_txn *txn, struct span prefix, struct buf *out)
{
    encode_text(out, "{\"compare\":[");
    for (size_t i = 0; i < txn->compare_count; i++) {
        encode_text(out, i == 0 ? "" : ",");
        encode_compare(out, prefix, &txn->compares[i]);
    }
    encode_text(out, "]");
    encode_branch(out, "success", prefix, &txn->branches[ETCD_THEN]);
    encode_branch(out, "failure", prefix, &txn->branches[ETCD_ELSE]);
    encode_text(out, "}");
}
