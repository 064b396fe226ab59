/* metaline.h - one reply line of the meta protocol while it is composed:
 * status, then the returned flags. Pure. */
#pragma once
#include "cached/outbox.h"
#include "common/proto/request.h"

/* No flag can be given twice, so the longest line is a base64 key, an opaque
 * and a number for each other letter. */
#define METALINE_BYTES 1024

struct metaline {
    char text[METALINE_BYTES];
    size_t len;
};

void metaline_begin(struct metaline *l, const char *status);
void metaline_begin_debug(struct metaline *l, struct span key, bool binary_key);

void metaline_size(struct metaline *l, uint64_t n);                /* " 123" */
void metaline_number(struct metaline *l, char letter, uint64_t n); /* " c123" */
void metaline_opaque(struct metaline *l, struct span opaque);      /* " Oabc" */
void metaline_mark(struct metaline *l, char letter);               /* " W" */
/* " kfoo", or " kZm9v b" */
void metaline_key(struct metaline *l, struct span key, bool binary_key);
/* Seconds until the expiry, begun ones included; " t-1" for never. */
void metaline_ttl(struct metaline *l, uint64_t expiry_ms, uint64_t now_ms);
long long metaline_ttl_of(uint64_t expiry_ms, uint64_t now_ms);
void metaline_printf(struct metaline *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The flags that come back whatever happened, O and k, in the order given. */
void metaline_echo(struct metaline *l, const struct request *r);

/* Ends the line. */
void metaline_put(struct metaline *l, struct outbox *out);
