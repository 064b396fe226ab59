#include "control/inventory.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "control/deflate.h"
#include "control/document.h"

#include <inttypes.h>
#include <stdlib.h>

#define VALUE_ERROR_MAX TABLE_ERROR_MAX

_Static_assert(VALUE_ERROR_MAX >= REGISTRATION_ERROR_MAX, "decoders write their sentence here");

void
inventory_init(struct inventory *inv)
{
    *inv = (struct inventory){0};
}

static void
item_destroy(struct inventory_item *item)
{
    if (item == NULL) {
        return;
    }
    json_decref(item->json);
    registration_destroy(&item->registration);
    pool_config_destroy(&item->pool);
    free(item->name);
    free(item);
}

void
inventory_deinit(struct inventory *inv)
{
    for (unsigned f = 0; f < KEY_FAMILY_COUNT; f++) {
        for (unsigned i = 0; i < inv->families[f].count; i++) {
            item_destroy(inv->families[f].items[i]);
        }
        sorted_deinit(&inv->families[f]);
    }
}

void
inventory_begin(struct inventory *inv)
{
    for (unsigned f = 0; f < KEY_FAMILY_COUNT; f++) {
        for (unsigned i = 0; i < inv->families[f].count; i++) {
            struct inventory_item *item = inv->families[f].items[i];
            item->swept_unless_seen = true;
        }
    }
}

static void
sweep(struct sorted *family)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < family->count; i++) {
        struct inventory_item *item = family->items[i];
        if (item->swept_unless_seen) {
            item_destroy(item);
        } else {
            family->items[kept++] = item;
        }
    }
    family->count = kept;
}

void
inventory_end(struct inventory *inv)
{
    for (unsigned f = 0; f < KEY_FAMILY_COUNT; f++) {
        sweep(&inv->families[f]);
    }
}

static json_t *
load_text(struct span text, char *error)
{
    json_error_t why;
    json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL) {
        snprintf(error, VALUE_ERROR_MAX, "%s", why.text);
    } else if (!json_is_object(json)) {
        json_decref(json);
        json = NULL;
        snprintf(error, VALUE_ERROR_MAX, "expected an object");
    }
    return json;
}

/* Parts of the table are packed, everything else is text. */
static json_t *
load_part(struct span value, struct inventory_item *item, char *error)
{
    struct buf text = BUF_EMPTY;
    json_t *json = NULL;
    if (inflate_span(value, TABLE_BYTES_MAX, &text)) {
        document_sha(buf_span(&text), item->sha);
        json = load_text(buf_span(&text), error);
    } else {
        snprintf(error, VALUE_ERROR_MAX, "not zlib data of at most %u bytes", TABLE_BYTES_MAX);
    }
    buf_deinit(&text);
    return json;
}

static bool
is_admission(const json_t *intent)
{
    const char *action = json_string_value(json_object_get(intent, "action"));
    return action != NULL && strcmp(action, "admit") == 0;
}

/* The typed form of what the planner acts on. */
static bool
decode_typed(enum key_family family, struct inventory_item *item, char *error)
{
    if (family == KEY_POOL) {
        item->pool = pool_config_decode(item->json, item->name, error);
        return item->pool != NULL;
    }
    if (family != KEY_NODE && !(family == KEY_INTENT && is_admission(item->json))) {
        return true;
    }
    item->registration = registration_decode(item->json, item->name, NULL, error);
    if (item->registration != NULL && strcmp(item->registration->id, item->name) != 0) {
        snprintf(error, VALUE_ERROR_MAX, "id: differs from the key's");
        return false;
    }
    return item->registration != NULL;
}

/* NULL and a sentence if the value is not what its family holds. */
static struct inventory_item *
decode(enum key_family family, struct span name, const struct inventory_kv *kv, char *error)
{
    struct inventory_item *item = mem_zalloc(sizeof(*item));
    item->name = mem_strndup(name.ptr, name.len);
    item->create_revision = kv->create_revision;
    item->mod_revision = kv->mod_revision;
    item->lease = kv->lease;
    item->bytes = kv->value.len;
    bool good = true;
    if (family != KEY_HIST) {
        item->json =
            family == KEY_PART ? load_part(kv->value, item, error) : load_text(kv->value, error);
        good = item->json != NULL && decode_typed(family, item, error);
    }
    if (!good) {
        item_destroy(item);
        return NULL;
    }
    return item;
}

bool
inventory_put(struct inventory *inv, const struct inventory_kv *kv, uint64_t now_ms)
{
    struct span name;
    enum key_family family = key_classify(kv->key, &name);
    if (family == KEY_FAMILY_COUNT || family == KEY_BEAT) {
        return false;
    }
    struct sorted *in = &inv->families[family];
    struct inventory_item *old = sorted_find(in, name);
    if (old != NULL) {
        old->swept_unless_seen = false;
        if (old->mod_revision == kv->mod_revision) {
            return false;
        }
    }
    char error[VALUE_ERROR_MAX];
    struct inventory_item *item = decode(family, name, kv, error);
    if (item == NULL) {
        inv->malformed++;
        log_warn("etcd_value_malformed", "key=%s revision=%" PRId64 " reason=%s", LOG_SPAN(kv->key),
                 kv->mod_revision, LOG_STR(error));
        return false;
    }
    item->since_ms = now_ms;
    item_destroy(sorted_remove(in, name));
    sorted_insert(in, item);
    return true;
}

bool
inventory_delete(struct inventory *inv, struct span key)
{
    struct span name;
    enum key_family family = key_classify(key, &name);
    if (family == KEY_FAMILY_COUNT) {
        return false;
    }
    struct inventory_item *item = sorted_remove(&inv->families[family], name);
    item_destroy(item);
    return item != NULL;
}

const struct inventory_item *
inventory_find(const struct inventory *inv, enum key_family family, struct span name)
{
    return sorted_find(&inv->families[family], name);
}

const struct inventory_item *
inventory_single(const struct inventory *inv, enum key_family family)
{
    return inventory_find(inv, family, SPAN_LIT(""));
}

unsigned
inventory_count(const struct inventory *inv, enum key_family family)
{
    return inv->families[family].count;
}

const struct inventory_item *
inventory_at(const struct inventory *inv, enum key_family family, unsigned i)
{
    return inv->families[family].items[i];
}

const char *
inventory_incarnation(const struct inventory *inv)
{
    const struct inventory_item *meta = inventory_single(inv, KEY_META);
    return meta != NULL ? json_string_value(json_object_get(meta->json, "incarnation")) : NULL;
}
