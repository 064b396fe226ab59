#include "control/etcd/decode.h"
#include "common/core/base64.h"
#include "common/core/mem.h"
#include "common/core/num.h"

#include <stdlib.h>

/* What a decoding carries along; `error` set means stop. */
struct decoder {
    struct answer *a;
    struct span prefix;
    const char *error;
};

static bool
fail(struct decoder *d, const char *error)
{
    if (d->error == NULL) {
        d->error = error;
    }
    return false;
}

/* --- scalars: absent is zero --------------------------------------------- */
static int64_t
get_i64(struct decoder *d, const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    int64_t n = 0;
    if (v == NULL || json_is_null(v)) {
        return 0;
    }
    if (json_is_integer(v)) {
        return json_integer_value(v);
    }
    if (!json_is_string(v) ||
        !num_parse_i64(span_make(json_string_value(v), json_string_length(v)), &n)) {
        fail(d, "a number is not one");
    }
    return n;
}

static uint64_t
get_u64(struct decoder *d, const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    uint64_t n = 0;
    if (v == NULL || json_is_null(v)) {
        return 0;
    }
    if (json_is_integer(v) && json_integer_value(v) >= 0) {
        return (uint64_t)json_integer_value(v);
    }
    if (!json_is_string(v) ||
        !num_parse_u64(span_make(json_string_value(v), json_string_length(v)), &n)) {
        fail(d, "a number is not one");
    }
    return n;
}

static bool
get_bool(struct decoder *d, const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    if (v == NULL || json_is_null(v)) {
        return false;
    }
    if (!json_is_boolean(v)) {
        return fail(d, "a truth value is not one");
    }
    return json_is_true(v);
}

static const char *
get_text(struct decoder *d, const json_t *object, const char *name, const char *fallback)
{
    const json_t *v = json_object_get(object, name);
    if (v == NULL || json_is_null(v)) {
        return fallback;
    }
    if (!json_is_string(v)) {
        fail(d, "a text is not one");
        return fallback;
    }
    return json_string_value(v);
}

/* Decoded bytes go into one block as large as the message, which is always
 * enough, so spans into it never move. */
static struct span
get_bytes(struct decoder *d, const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    if (v == NULL || json_is_null(v)) {
        return SPAN_LIT("");
    }
    if (!json_is_string(v)) {
        fail(d, "bytes are not a string");
        return SPAN_LIT("");
    }
    struct span text = span_make(json_string_value(v), json_string_length(v));
    char *to = d->a->bytes + d->a->bytes_used;
    if (BASE64_DECODED_BYTES(text.len) > d->a->bytes_cap - d->a->bytes_used) {
        fail(d, "more bytes than the message has");
        return SPAN_LIT("");
    }
    ssize_t n = base64_decode(text, to);
    if (n < 0) {
        fail(d, "bytes are not base64");
        return SPAN_LIT("");
    }
    d->a->bytes_used += (size_t)n;
    return span_make(to, (size_t)n);
}

/* NULL if absent; anything but an object is an error. */
static const json_t *
get_object(struct decoder *d, const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    if (v == NULL || json_is_null(v)) {
        return NULL;
    }
    if (!json_is_object(v)) {
        fail(d, "an object is not one");
        return NULL;
    }
    return v;
}

/* The array's elements, all of which are objects; 0 if absent. */
static size_t
get_array(struct decoder *d, const json_t *object, const char *name, const json_t **array)
{
    *array = json_object_get(object, name);
    if (*array == NULL || json_is_null(*array)) {
        return 0;
    }
    if (!json_is_array(*array)) {
        fail(d, "a list is not one");
        return 0;
    }
    for (size_t i = 0; i < json_array_size(*array); i++) {
        if (!json_is_object(json_array_get(*array, i))) {
            fail(d, "a list holds something else than objects");
            return 0;
        }
    }
    return json_array_size(*array);
}

/* --- parts ------------------------------------------------------------------ */
static void
decode_header(struct decoder *d, const json_t *object)
{
    const json_t *h = get_object(d, object, "header");
    if (h == NULL) {
        return;
    }
    d->a->header = (struct etcd_header){
        .cluster_id = get_u64(d, h, "cluster_id"),
        .member_id = get_u64(d, h, "member_id"),
        .revision = get_i64(d, h, "revision"),
        .raft_term = get_u64(d, h, "raft_term"),
    };
}

static void
decode_kv(struct decoder *d, const json_t *object, struct etcd_kv *kv)
{
    *kv = (struct etcd_kv){
        .key = get_bytes(d, object, "key"),
        .value = get_bytes(d, object, "value"),
        .create_revision = get_i64(d, object, "create_revision"),
        .mod_revision = get_i64(d, object, "mod_revision"),
        .version = get_i64(d, object, "version"),
        .lease = get_i64(d, object, "lease"),
    };
    if (!span_starts_with(kv->key, d->prefix)) {
        fail(d, "a key is outside the prefix");
        return;
    }
    kv->key = span_skip(kv->key, d->prefix.len);
}

static struct etcd_kv *
decode_kvs(struct decoder *d, const json_t *object, size_t *count)
{
    const json_t *array;
    *count = get_array(d, object, "kvs", &array);
    if (*count == 0) {
        return NULL;
    }
    struct etcd_kv *kvs = mem_zalloc(*count * sizeof(kvs[0]));
    for (size_t i = 0; i < *count; i++) {
        decode_kv(d, json_array_get(array, i), &kvs[i]);
    }
    return kvs;
}

static void
decode_results(struct decoder *d, const json_t *object)
{
    const json_t *array;
    size_t count = get_array(d, object, "responses", &array);
    if (count == 0) {
        return;
    }
    d->a->results = mem_zalloc(count * sizeof(d->a->results[0]));
    d->a->result_count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *each = json_array_get(array, i);
        struct etcd_result *r = &d->a->results[i];
        const json_t *range = get_object(d, each, "response_range");
        if (range != NULL) {
            r->kvs = decode_kvs(d, range, &r->kv_count);
        }
        const json_t *deleted = get_object(d, each, "response_delete_range");
        if (deleted != NULL) {
            r->deleted = get_i64(d, deleted, "deleted");
        }
    }
}

static void
decode_changes(struct decoder *d, const json_t *object)
{
    const json_t *array;
    size_t count = get_array(d, object, "events", &array);
    if (count == 0) {
        return;
    }
    d->a->changes = mem_zalloc(count * sizeof(d->a->changes[0]));
    d->a->change_count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *each = json_array_get(array, i);
        struct watch_change *c = &d->a->changes[i];
        const char *type = get_text(d, each, "type", "PUT");
        c->is_delete = strcmp(type, "DELETE") == 0;
        if (!c->is_delete && strcmp(type, "PUT") != 0) {
            fail(d, "an event is neither PUT nor DELETE");
        }
        const json_t *kv = get_object(d, each, "kv");
        if (kv == NULL) {
            fail(d, "an event has no key");
            return;
        }
        decode_kv(d, kv, &c->kv);
        const json_t *prev = get_object(d, each, "prev_kv");
        if (prev != NULL) {
            c->has_prev = true;
            decode_kv(d, prev, &c->prev);
        }
    }
}

static void
decode_members(struct decoder *d, const json_t *object)
{
    const json_t *array;
    size_t count = get_array(d, object, "members", &array);
    if (count == 0) {
        return;
    }
    d->a->members = mem_zalloc(count * sizeof(d->a->members[0]));
    d->a->member_count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *each = json_array_get(array, i);
        const json_t *url = json_array_get(json_object_get(each, "clientURLs"), 0);
        d->a->members[i] = (struct etcd_member){
            .id = get_u64(d, each, "ID"),
            .name = get_text(d, each, "name", ""),
            .client_url = json_is_string(url) ? json_string_value(url) : "",
        };
    }
}

static void
decode_watch_fields(struct decoder *d, const json_t *object)
{
    struct answer *a = d->a;
    a->watch_id = get_i64(d, object, "watch_id");
    a->created = get_bool(d, object, "created");
    a->canceled = get_bool(d, object, "canceled");
    a->fragment = get_bool(d, object, "fragment");
    a->compact_revision = get_i64(d, object, "compact_revision");
    a->cancel_reason = get_text(d, object, "cancel_reason", "");
    decode_changes(d, object);
}

static void
decode_body(struct decoder *d, const json_t *object)
{
    struct answer *a = d->a;
    decode_header(d, object);
    a->kvs = decode_kvs(d, object, &a->kv_count);
    a->more = get_bool(d, object, "more");
    a->deleted = get_i64(d, object, "deleted");
    a->succeeded = get_bool(d, object, "succeeded");
    decode_results(d, object);
    a->lease = get_i64(d, object, "ID");
    a->ttl_s = get_i64(d, object, "TTL");
    a->token = get_text(d, object, "token", NULL);
    decode_members(d, object);
    uint64_t leader = get_u64(d, object, "leader");
    a->status = (struct etcd_status){
        .version = get_text(d, object, "version", ""),
        .db_bytes = get_i64(d, object, "dbSize"),
        .is_leader = leader != 0 && leader == a->header.member_id,
        .has_leader = leader != 0,
    };
    decode_watch_fields(d, object);
}

/* Three shapes: {"error":"text","message":…,"code":N} from gateway v1,
 * {"code":N,"message":…} from v2, and {"error":{…}} inside streams, where v1
 * says grpc_code and v2 says code. */
static bool
decode_error(struct decoder *d, const json_t *object)
{
    const json_t *error = json_object_get(object, "error");
    const json_t *where = json_is_object(error) ? error : object;
    if (error == NULL && json_object_get(object, "code") == NULL) {
        return false;
    }
    struct answer *a = d->a;
    a->is_error = true;
    a->code = get_i64(d, where, "code");
    if (a->code == 0) {
        a->code = get_i64(d, where, "grpc_code");
    }
    const char *text = json_is_string(error) ? json_string_value(error) : "";
    a->message = get_text(d, where, "message", text);
    return true;
}

bool
answer_decode(struct span json, struct span prefix, struct answer *out, const char **error)
{
    *out = (struct answer){.message = "", .cancel_reason = "", .status.version = ""};
    json_error_t ignored;
    out->root = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &ignored);
    if (!json_is_object(out->root)) {
        *error = "not a JSON object";
        answer_deinit(out);
        return false;
    }
    out->bytes_cap = json.len;
    out->bytes = mem_alloc(json.len);
    struct decoder d = {out, prefix, NULL};
    if (!decode_error(&d, out->root)) {
        const json_t *result = get_object(&d, out->root, "result");
        decode_body(&d, result != NULL ? result : out->root);
    }
    if (d.error != NULL) {
        *error = d.error;
        answer_deinit(out);
        return false;
    }
    return true;
}

void
answer_deinit(struct answer *a)
{
    for (size_t i = 0; i < a->result_count; i++) {
        free((void *)(uintptr_t)a->results[i].kvs);
    }
    free(a->results);
    free(a->kvs);
    free(a->changes);
    free(a->members);
    free(a->bytes);
    json_decref(a->root);
    *a = (struct answer){.message = "", .cancel_reason = "", .status.version = ""};
}
