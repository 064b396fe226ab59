#include "control/table_txn.h"
#include "control/etcd/etcd.h"

#include <stdio.h>

#define HISTORY_DELETES_MAX 16 /* in one txn; the rest goes with the next */
#define TXN_BYTES_MAX       (ETCD_REQUEST_BYTES_MAX / 10 * 9)

static int64_t
revision_of(const struct inventory *inv, enum key_family family)
{
    const struct inventory_item *item = inventory_single(inv, family);
    return item != NULL ? item->mod_revision : 0;
}

static void
put(struct etcd_txn *txn, const char *key, struct span value)
{
    etcd_txn_put(txn, ETCD_THEN, span_cstr(key), value, 0);
}

static void
put_parts(struct etcd_txn *txn, const struct inventory *inv, const struct document *d)
{
    for (unsigned i = 0; i < d->part_count; i++) {
        const struct document_part *part = &d->parts[i];
        const struct inventory_item *old = inventory_find(inv, KEY_PART, span_cstr(part->pool));
        if (old == NULL || strcmp(old->sha, part->sha) != 0) {
            put(txn, key_make(KEY_PART, span_cstr(part->pool)).text, buf_span(&part->packed));
        }
    }
}

/* Keys sort by epoch: the oldest stand first. */
static void
trim_history(struct etcd_txn *txn, const struct inventory *inv, uint64_t epoch, size_t bytes)
{
    unsigned count = inventory_count(inv, KEY_HIST);
    size_t held = bytes;
    unsigned keep = 1;
    while (keep < HISTORY_KEEP && keep <= count) {
        held += inventory_at(inv, KEY_HIST, count - keep)->bytes;
        if (held > HISTORY_BYTES_KEEP) {
            break;
        }
        keep++;
    }
    struct key ours = key_hist(epoch);
    unsigned over = count + 1 - keep;
    for (unsigned i = 0; i < over && i < HISTORY_DELETES_MAX; i++) {
        struct key old = key_make(KEY_HIST, span_cstr(inventory_at(inv, KEY_HIST, i)->name));
        if (strcmp(old.text, ours.text) != 0) { /* no key may be written twice in a txn */
            etcd_txn_delete(txn, ETCD_THEN, span_cstr(old.text));
        }
    }
}

void
table_txn_put(struct etcd_txn *txn, const struct inventory *inv, const struct document *d,
              uint64_t epoch)
{
    etcd_txn_if_unchanged(txn, span_cstr(key_path(KEY_HEAD)), revision_of(inv, KEY_HEAD));
    etcd_txn_if_unchanged(txn, span_cstr(key_path(KEY_META)), revision_of(inv, KEY_META));
    put(txn, key_path(KEY_HEAD), span_cstr(d->head));
    put_parts(txn, inv, d);
    put(txn, key_hist(epoch).text, buf_span(&d->packed));
    trim_history(txn, inv, epoch, buf_len(&d->packed));
}

bool
table_txn_fits(const struct etcd_txn *txn, char *error)
{
    if (etcd_txn_ops(txn) <= ETCD_TXN_OPS_MAX && etcd_txn_bytes(txn) <= TXN_BYTES_MAX) {
        return true;
    }
    snprintf(error, DOCUMENT_ERROR_MAX,
             "%zu operations with %zu bytes are more than etcd takes at once", etcd_txn_ops(txn),
             etcd_txn_bytes(txn));
    return false;
}
