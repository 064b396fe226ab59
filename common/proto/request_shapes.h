/* request_shapes.h - between the files of the request parser; nobody else's.
 *
 * Each parses the line of one command shape. The cursor stands behind the verb;
 * request_parse() has filled cmd, line, bare and line_bytes and cleared the rest
 * up to `keys`. */
#pragma once
#include "common/proto/request.h"
#include "common/proto/scan.h"

enum parse_status request_parse_get(struct request *r, struct cursor c);
enum parse_status request_parse_store(struct request *r, struct cursor c);
enum parse_status request_parse_delete(struct request *r, struct cursor c);
enum parse_status request_parse_arith(struct request *r, struct cursor c);
enum parse_status request_parse_touch(struct request *r, struct cursor c);
enum parse_status request_parse_admin(struct request *r, struct cursor c);
enum parse_status request_parse_meta(struct request *r, struct cursor c);

static inline enum parse_status
request_refuse(struct request *r, enum proto_error error)
{
    r->error = error;
    return PARSE_ERROR;
}

/* Where the next command begins is unknown. */
static inline enum parse_status
request_close(struct request *r, enum proto_error error)
{
    r->error = r->noreply ? PROTO_OK : error;
    return PARSE_CLOSE;
}
