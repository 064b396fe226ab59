#include "control/document.h"
#include "common/core/mem.h"
#include "control/deflate.h"
#include "control/inventory.h"

#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>

#define CANONICAL (JSON_SORT_KEYS | JSON_COMPACT)

void
document_sha(struct span bytes, char out[TABLE_SHA_CHARS + 1])
{
    SHA256Data((const uint8_t *)bytes.ptr, bytes.len, out);
}

/* --- apart ---------------------------------------------------------------- */

static bool
split_pool(const char *name, const json_t *pool, struct document_part *part)
{
    char *text = json_dumps(pool, CANONICAL);
    if (text == NULL) {
        return false;
    }
    part->pool = mem_strdup(name);
    document_sha(span_cstr(text), part->sha);
    bool ok = deflate_span(span_cstr(text), &part->packed);
    free(text);
    return ok;
}

/* Takes the pools off `table` into d->parts and returns their shas. */
static json_t *
split_pools(json_t *table, struct document *d)
{
    json_t *pools = json_object_get(table, "pools");
    json_t *shas = json_object();
    const char *name;
    json_t *pool;
    d->parts = mem_zalloc((json_object_size(pools) + 1) * sizeof(*d->parts));
    json_object_foreach (pools, name, pool) {
        struct document_part *part = &d->parts[d->part_count++];
        if (!split_pool(name, pool, part)) {
            json_decref(shas);
            return NULL;
        }
        json_object_set_new(shas, name, json_string(part->sha));
    }
    json_object_del(table, "pools");
    return shas;
}

/* Would document_join() give these bytes back? */
static bool
is_canonical(const json_t *table, struct span text)
{
    char *again = json_dumps(table, CANONICAL);
    bool same = again != NULL && span_eq(span_cstr(again), text);
    free(again);
    return same;
}

bool
document_split(struct span text, struct document *out, char *error)
{
    *out = (struct document){0};
    json_t *table = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json_object_get(table, "pools")) || !is_canonical(table, text)) {
        snprintf(error, DOCUMENT_ERROR_MAX, "not a canonical table document");
        json_decref(table);
        return false;
    }
    document_sha(text, out->sha);
    json_t *shas = split_pools(table, out);
    bool ok = shas != NULL && deflate_span(text, &out->packed);
    if (ok) {
        json_t *head = json_pack("{s:i s:s s:O s:O}", "schema", DOCUMENT_SCHEMA, "sha256", out->sha,
                                 "table", table, "parts", shas);
        out->head = json_dumps(head, CANONICAL);
        json_decref(head);
    } else {
        snprintf(error, DOCUMENT_ERROR_MAX, "out of memory");
        document_deinit(out);
    }
    json_decref(shas);
    json_decref(table);
    return ok;
}

void
document_deinit(struct document *d)
{
    free(d->head);
    for (unsigned i = 0; i < d->part_count; i++) {
        free(d->parts[i].pool);
        buf_deinit(&d->parts[i].packed);
    }
    free(d->parts);
    buf_deinit(&d->packed);
    *d = (struct document){0};
}

/* --- together ------------------------------------------------------------- */

bool
document_read_head(const json_t *head, struct document_head *out)
{
    int schema;
    json_int_t epoch;
    if (json_unpack((json_t *)head, "{s:i s:s s:{s:s s:I}}", "schema", &schema, "sha256", &out->sha,
                    "table", "incarnation", &out->incarnation, "epoch", &epoch) != 0 ||
        schema != DOCUMENT_SCHEMA || epoch < 1) {
        return false;
    }
    out->epoch = (uint64_t)epoch;
    return true;
}

/* The pools as the head names them; NULL if one is not there. */
static json_t *
join_pools(const struct inventory *inv, const json_t *shas, char *error)
{
    json_t *pools = json_object();
    const char *name;
    json_t *sha;
    json_object_foreach ((json_t *)shas, name, sha) {
        const struct inventory_item *part = inventory_find(inv, KEY_PART, span_cstr(name));
        const char *wanted = json_string_value(sha);
        if (part == NULL || wanted == NULL || strcmp(part->sha, wanted) != 0) {
            snprintf(error, DOCUMENT_ERROR_MAX, "table/part/%s is %s", name,
                     part == NULL ? "missing" : "not the one that the head names");
            json_decref(pools);
            return NULL;
        }
        json_object_set(pools, name, part->json);
    }
    return pools;
}

enum document_result
document_join(const struct inventory *inv, struct buf *out, char *error)
{
    const struct inventory_item *item = inventory_single(inv, KEY_HEAD);
    if (item == NULL) {
        return DOCUMENT_NONE;
    }
    struct document_head head;
    const json_t *shas = json_object_get(item->json, "parts");
    if (!document_read_head(item->json, &head) || !json_is_object(shas)) {
        snprintf(error, DOCUMENT_ERROR_MAX,
                 "table/head: expected schema %d with sha256, table "
                 "and parts",
                 DOCUMENT_SCHEMA);
        return DOCUMENT_DAMAGED;
    }
    json_t *pools = join_pools(inv, shas, error);
    if (pools == NULL) {
        return DOCUMENT_INCOMPLETE;
    }
    json_t *table = json_copy(json_object_get(item->json, "table"));
    json_object_set_new(table, "pools", pools);
    char *text = json_dumps(table, CANONICAL);
    json_decref(table);
    char sha[TABLE_SHA_CHARS + 1];
    document_sha(span_cstr(text), sha);
    bool whole = strcmp(sha, head.sha) == 0 && buf_append_span(out, span_cstr(text));
    free(text);
    if (!whole) {
        snprintf(error, DOCUMENT_ERROR_MAX, "the joined table has another sha256 than the head");
        return DOCUMENT_DAMAGED;
    }
    return DOCUMENT_JOINED;
}
