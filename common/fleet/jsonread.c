#include "common/fleet/jsonread.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define DEPTH_MAX 32

void
jsonread_fail(struct jsonread *r, struct jsonread_at at, const char *member, const char *message,
              ...)
{
    if (r->failed) {
        return;
    }
    r->failed = true;
    const char *dot = at.place[0] != '\0' && member != NULL ? "." : "";
    member = member != NULL ? member : "";
    const char *colon = at.place[0] != '\0' || member[0] != '\0' ? ": " : "";
    int n = snprintf(r->error, sizeof(r->error), "%s%s%s%s", at.place, dot, member, colon);
    if (n < 0 || (size_t)n >= sizeof(r->error)) {
        return;
    }
    va_list args;
    va_start(args, message);
    vsnprintf(r->error + n, sizeof(r->error) - (size_t)n, message, args);
    va_end(args);
}

/* The library would recurse two thousand levels deep before it objects. */
static bool
is_shallow(struct span text)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX) {
                return false;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

json_t *
jsonread_document(struct jsonread *r, struct span text)
{
    struct jsonread_at top = {.place = ""};
    if (!is_shallow(text)) {
        jsonread_fail(r, top, NULL, "nested deeper than %d levels", DEPTH_MAX);
        return NULL;
    }
    json_error_t where;
    json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL) {
        jsonread_fail(r, top, NULL, "not JSON: line %d, column %d: %s", where.line, where.column,
                      where.text);
        return NULL;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        jsonread_fail(r, top, NULL, "expected an object");
        return NULL;
    }
    return json;
}

/* NULL if there is nothing to read. */
static const json_t *
member_of(struct jsonread *r, struct jsonread_at at, const char *member, enum jsonread_need need)
{
    if (r->failed) {
        return NULL;
    }
    const json_t *value = json_object_get(at.object, member);
    if (value == NULL && need == JSONREAD_REQUIRED) {
        jsonread_fail(r, at, member, "missing");
    }
    return value;
}

const json_t *
jsonread_object(struct jsonread *r, struct jsonread_at at, const char *member)
{
    const json_t *value = member_of(r, at, member, JSONREAD_REQUIRED);
    if (value != NULL && !json_is_object(value)) {
        jsonread_fail(r, at, member, "expected an object");
        return NULL;
    }
    return value;
}

const json_t *
jsonread_array(struct jsonread *r, struct jsonread_at at, const char *member)
{
    const json_t *value = member_of(r, at, member, JSONREAD_REQUIRED);
    if (value != NULL && !json_is_array(value)) {
        jsonread_fail(r, at, member, "expected an array");
        return NULL;
    }
    return value;
}

static bool
has_control(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

const char *
jsonread_string(struct jsonread *r, struct jsonread_at at, const char *member,
                enum jsonread_need need, size_t max_bytes)
{
    const json_t *value = member_of(r, at, member, need);
    if (value == NULL) {
        return NULL;
    }
    struct span s = span_make(json_string_value(value), json_string_length(value));
    if (!json_is_string(value) || s.len > max_bytes || has_control(s)) {
        jsonread_fail(r, at, member,
                      "expected a string of at most %zu bytes without control characters",
                      max_bytes);
        return NULL;
    }
    if (s.len == 0 && need == JSONREAD_REQUIRED) {
        jsonread_fail(r, at, member, "is empty");
        return NULL;
    }
    return s.ptr;
}

uint64_t
jsonread_u64(struct jsonread *r, struct jsonread_at at, const char *member, enum jsonread_need need,
             uint64_t min, uint64_t max, uint64_t fallback)
{
    const json_t *value = member_of(r, at, member, need);
    if (value == NULL) {
        return fallback;
    }
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < min || (uint64_t)number > max) {
        jsonread_fail(r, at, member, "expected a whole number from %" PRIu64 " to %" PRIu64, min,
                      max);
        return fallback;
    }
    return (uint64_t)number;
}

bool
jsonread_bool(struct jsonread *r, struct jsonread_at at, const char *member, bool fallback)
{
    const json_t *value = member_of(r, at, member, JSONREAD_OPTIONAL);
    if (value == NULL) {
        return fallback;
    }
    if (!json_is_boolean(value)) {
        jsonread_fail(r, at, member, "expected true or false");
        return fallback;
    }
    return json_is_true(value);
}

unsigned
jsonread_word(struct jsonread *r, struct jsonread_at at, const char *member,
              const char *const *words, unsigned count, unsigned fallback)
{
    const json_t *value = member_of(r, at, member, JSONREAD_OPTIONAL);
    if (value == NULL) {
        return fallback;
    }
    const char *text = json_string_value(value);
    char known[256] = "";
    for (unsigned i = 0; i < count; i++) {
        if (text != NULL && strcmp(text, words[i]) == 0) {
            return i;
        }
        size_t n = strlen(known);
        snprintf(known + n, sizeof(known) - n, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    jsonread_fail(r, at, member, "expected one of %s", known);
    return fallback;
}
