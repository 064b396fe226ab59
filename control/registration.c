#include "control/registration.h"
#include "common/core/mem.h"
#include "common/net/addr.h"
#include "control/keys.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX_BYTES 256

/* Goes into ring points and logs: printable, no blanks. */
static bool
word_ok(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false;
        }
    }
    return n <= TEXT_MAX_BYTES;
}

static bool
addr_ok(const char *text)
{
    struct addr_name name;
    return word_ok(text) && addr_parse(span_cstr(text), 0, &name) && name.host[0] != '\0' &&
           strcmp(name.host, "*") != 0;
}

static const char *
complaint(const struct registration *r)
{
    if (!name_ok(span_cstr(r->id))) {
        return "id: " NAME_EXPECTED;
    }
    if (!name_ok(span_cstr(r->pool))) {
        return "pool: " NAME_EXPECTED;
    }
    if (!addr_ok(r->addr)) {
        return "addr: expected HOST:PORT, [IPV6]:PORT or unix:/PATH";
    }
    if (r->ring_name != NULL && (r->ring_name[0] == '\0' || !word_ok(r->ring_name))) {
        return "ring_name: expected a word of at most 256 printable characters";
    }
    if (!word_ok(r->zone) || !word_ok(r->boot_id) || !word_ok(r->build)) {
        return "zone, boot_id, build: expected words of at most 256 printable characters";
    }
    if (r->weight < 1 || r->weight > RING_WEIGHT_MAX) {
        return "weight: expected 1 to 1000";
    }
    return NULL;
}

/* What json_unpack fills; the strings belong to the object. */
struct fields {
    const char *id, *pool, *addr, *ring_name, *zone, *boot_id, *build, *kind;
    json_int_t weight, generation, memory_bytes;
};

static struct registration *
copy_fields(const struct fields *f)
{
    struct registration *r = mem_zalloc(sizeof(*r));
    r->id = mem_strdup(f->id);
    r->pool = mem_strdup(f->pool);
    r->addr = mem_strdup(f->addr);
    r->ring_name = f->ring_name != NULL ? mem_strdup(f->ring_name) : NULL;
    r->zone = mem_strdup(f->zone);
    r->boot_id = mem_strdup(f->boot_id);
    r->build = mem_strdup(f->build);
    r->weight = (uint64_t)f->weight;
    r->generation = (uint64_t)f->generation;
    r->memory_bytes = (uint64_t)f->memory_bytes;
    r->kind = strcmp(f->kind, "memcached") == 0 ? NODE_KIND_MEMCACHED : NODE_KIND_MFCACHED;
    return r;
}

struct registration *
registration_decode(const json_t *object, const char *id, const char *pool, char *error)
{
    struct fields f = {.id = id != NULL ? id : "",
                       .pool = pool != NULL ? pool : "",
                       .addr = "",
                       .zone = "",
                       .boot_id = "",
                       .build = "",
                       .kind = "mfcached",
                       .weight = 1};
    json_error_t why;
    if (json_unpack_ex((json_t *)object, &why, 0, "{s?s s?s s?s s?s s?s s?s s?s s?s s?I s?I s?I}",
                       "id", &f.id, "pool", &f.pool, "addr", &f.addr, "ring_name", &f.ring_name,
                       "zone", &f.zone, "boot_id", &f.boot_id, "build", &f.build, "kind", &f.kind,
                       "weight", &f.weight, "generation", &f.generation, "memory_bytes",
                       &f.memory_bytes) != 0) {
        snprintf(error, REGISTRATION_ERROR_MAX, "%s", why.text);
        return NULL;
    }
    if (f.generation < 0 || f.memory_bytes < 0) {
        snprintf(error, REGISTRATION_ERROR_MAX, "generation, memory_bytes: expected from 0");
        return NULL;
    }
    struct registration *r = copy_fields(&f);
    const char *bad = complaint(r);
    if (bad != NULL) {
        snprintf(error, REGISTRATION_ERROR_MAX, "%s", bad);
        registration_destroy(&r);
    }
    return r;
}

void
registration_destroy(struct registration **r)
{
    struct registration *it = *r;
    if (it == NULL) {
        return;
    }
    free(it->id);
    free(it->pool);
    free(it->addr);
    free(it->ring_name);
    free(it->zone);
    free(it->boot_id);
    free(it->build);
    free(it);
    *r = NULL;
}

json_t *
registration_encode(const struct registration *r)
{
    json_t *object = json_pack(
        "{s:s s:s s:s s:s s:s s:s s:s s:I s:I s:I}", "id", r->id, "pool", r->pool, "addr", r->addr,
        "zone", r->zone, "boot_id", r->boot_id, "build", r->build, "kind",
        r->kind == NODE_KIND_MEMCACHED ? "memcached" : "mfcached", "weight", (json_int_t)r->weight,
        "generation", (json_int_t)r->generation, "memory_bytes", (json_int_t)r->memory_bytes);
    if (r->ring_name != NULL) {
        json_object_set_new(object, "ring_name", json_string(r->ring_name));
    }
    return object;
}
