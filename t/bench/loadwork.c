#include "t/bench/loadwork.h"
#include "common/core/assert.h"

#include <stdio.h>
#include <string.h>

bool
load_kind_parse(const char *name, enum load_kind *kind)
{
    static const struct {
        const char *name;
        enum load_kind kind;
    } rows[] = {
#define X(kind, name, help) {name, kind},
        LOAD_KINDS(X)
#undef X
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *kind = rows[i].kind;
            return true;
        }
    }
    return false;
}

unsigned
load_work_keys(const struct load_work *w)
{
    return w->kind == LOAD_MGET ? w->keys_each : 1;
}

static char *
room_for(struct buf *out, size_t bytes)
{
    char *room = buf_room(out, bytes);
    ASSERT(room != NULL);
    return room;
}

static void
put_text(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    memcpy(room_for(out, len), text, len);
    buf_grew(out, len);
}

/* "k", zeros, and the number. Written by hand: this is most of what the load does. */
static void
put_key(const struct load_work *w, uint32_t id, struct buf *out)
{
    char *p = room_for(out, w->key_bytes);
    memset(p, '0', w->key_bytes);
    p[0] = 'k';
    for (char *digit = p + w->key_bytes; id > 0; id /= 10) {
        *--digit = (char)('0' + id % 10);
    }
    buf_grew(out, w->key_bytes);
}

static void
put_value(const struct load_work *w, struct buf *out)
{
    char *p = room_for(out, w->value_bytes + 2);
    memset(p, 'v', w->value_bytes);
    memcpy(p + w->value_bytes, "\r\n", 2);
    buf_grew(out, w->value_bytes + 2);
}

void
load_work_put(const struct load_work *w, uint32_t (*next)(void *arg), void *arg, struct buf *out)
{
    char length[32];
    switch (w->kind) {
    case LOAD_GET:
    case LOAD_MGET:
        put_text(out, "get");
        for (unsigned i = 0; i < load_work_keys(w); i++) {
            put_text(out, " ");
            put_key(w, next(arg), out);
        }
        put_text(out, "\r\n");
        return;
    case LOAD_MG:
        put_text(out, "mg ");
        put_key(w, next(arg), out);
        put_text(out, " v\r\n");
        return;
    case LOAD_SET:
        put_text(out, "set ");
        put_key(w, next(arg), out);
        snprintf(length, sizeof(length), " 0 0 %u\r\n", w->value_bytes);
        put_text(out, length);
        put_value(w, out);
        return;
    }
    UNREACHABLE();
}

void
load_work_put_reply(const struct load_work *w, struct buf *out)
{
    char length[32];
    snprintf(length, sizeof(length), w->kind == LOAD_MG ? "VA %u\r\n" : " 0 %u\r\n",
             w->value_bytes);
    switch (w->kind) {
    case LOAD_GET:
    case LOAD_MGET:
        for (unsigned i = 0; i < load_work_keys(w); i++) {
            put_text(out, "VALUE ");
            put_key(w, 0, out);
            put_text(out, length);
            put_value(w, out);
        }
        put_text(out, "END\r\n");
        return;
    case LOAD_MG:
        put_text(out, length);
        put_value(w, out);
        return;
    case LOAD_SET: put_text(out, "STORED\r\n"); return;
    }
    UNREACHABLE();
}

static uint32_t
no_key(void *arg)
{
    (void)arg;
    return 0;
}

size_t
load_work_request_bytes(const struct load_work *w)
{
    struct buf b = BUF_EMPTY;
    load_work_put(w, no_key, NULL, &b);
    size_t bytes = buf_len(&b);
    buf_deinit(&b);
    return bytes;
}

size_t
load_work_reply_bytes(const struct load_work *w)
{
    struct buf b = BUF_EMPTY;
    load_work_put_reply(w, &b);
    size_t bytes = buf_len(&b);
    buf_deinit(&b);
    return bytes;
}
