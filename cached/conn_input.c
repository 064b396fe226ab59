#include "cached/conn_input.h"
#include "cached/dump.h"
#include "cached/watch.h"
#include "common/core/assert.h"
#include "common/core/clock.h"

#include <stdlib.h>

#define CONN_TURN_US 250

/* The bytes of a value that are in `input`; the rest comes with later reads. */
static size_t
take_value(struct conn *c, struct ingest *in, struct span input)
{
    struct iovec iov[INGEST_ROOMS];
    int rooms = ingest_rooms(in, iov);
    size_t taken = 0;
    ingest_grows(c, in, &iov[0], input.len);
    for (int i = 0; i < rooms && taken < input.len; i++) {
        size_t left = input.len - taken;
        size_t n = left < iov[i].iov_len ? left : iov[i].iov_len;
        memcpy(iov[i].iov_base, input.ptr + taken, n);
        taken += n;
    }
    in->got += taken;
    if (in->got == in->total) {
        ingest_finish(c, in);
    }
    return taken;
}

static size_t
begin_value(struct conn *c, const struct request *r, struct span behind_line)
{
    struct ingest in;
    if (!ingest_begin(c, r, &in)) {
        return 0;
    }
    size_t n = take_value(c, &in, behind_line);
    if (!in.done) {
        c->ingest = malloc(sizeof(in));
        if (c->ingest == NULL) {
            ingest_abandon(c, &in);
            c->out.out_of_memory = true;
            return n;
        }
        *c->ingest = in;
    }
    return n;
}

/* Returns how much of `input`, which begins with the line, is done with. */
static size_t
begin_get(struct conn *c, const struct request *r, struct span input)
{
    c->get = (struct get_rest){.cmd = r->cmd, .keys_bytes = r->keys.len};
    if (r->cmd == CMD_GAT || r->cmd == CMD_GATS) {
        c->get.expiry_ms = node_expiry_ms(c->worker->node, r->exptime, c->worker->now_ms);
    }
    exec_get(c, r->keys);
    size_t done = r->line_bytes;
    if (c->get.keys_bytes > 0) {
        done = (size_t)(r->keys.ptr + r->keys.len - c->get.keys_bytes - input.ptr);
        c->get.line_bytes = r->line_bytes - done;
    }
    return done;
}

static size_t
resume_get(struct conn *c, struct span input)
{
    size_t before = c->get.keys_bytes;
    ASSERT(c->get.line_bytes <= input.len);
    exec_get(c, span_make(input.ptr, before));
    size_t done = c->get.keys_bytes == 0 ? c->get.line_bytes : before - c->get.keys_bytes;
    c->get.line_bytes -= done;
    return done;
}

static void
execute_meta(struct conn *c, const struct request *r)
{
    if (r->cmd == CMD_MG) {
        exec_meta_get(c, r);
    } else if (r->cmd == CMD_MD) {
        exec_meta_delete(c, r);
    } else if (r->cmd == CMD_MA) {
        exec_meta_arith(c, r);
    } else {
        ASSERT(r->cmd == CMD_ME); /* ms has a value and was taken before */
        exec_meta_debug(c, r);
    }
}

static size_t
execute(struct conn *c, const struct request *r, struct span input)
{
    if (c->fenced && fencing_covers(r->cmd)) {
        fencing_refuse(c, r);
        return r->line_bytes;
    }
    if (command_has_value(r->cmd)) {
        if (!ingest_has_room(c, r)) {
            return 0;
        }
        return r->line_bytes + begin_value(c, r, span_skip(input, r->line_bytes));
    }
    switch (command_shape(r->cmd)) {
    case SHAPE_GET: return begin_get(c, r, input);
    case SHAPE_STORE: UNREACHABLE();
    case SHAPE_DELETE: exec_delete(c, r); break;
    case SHAPE_ARITH: exec_arith(c, r); break;
    case SHAPE_TOUCH: exec_touch(c, r); break;
    case SHAPE_META: execute_meta(c, r); break;
    case SHAPE_META_NOOP: exec_meta_noop(c); break;
    case SHAPE_ADMIN: exec_admin(c, r); break;
    }
    return r->line_bytes;
}

static void
refuse_and_close(struct conn *c, const struct request *r, struct span input)
{
    if (r->binary_reply) {
        char refusal[64];
        outbox_put(&c->out, refusal, binary_refusal(input, refusal));
    } else {
        conn_put_error(c, r->error);
    }
    c->closing = c->refused = true;
}

/* Reads one command line from the head of `input` and executes it. Returns the
 * bytes done with; 0 if the line is not whole, or waits for room. */
static size_t
take_command(struct conn *c, struct span input)
{
    struct request *r = &c->worker->request;
    switch (request_parse(&c->parser, input, r)) {
    case PARSE_NEED_MORE: return 0;
    case PARSE_OK: return execute(c, r, input);
    case PARSE_ERROR:
        conn_swallow(c, r->block_bytes, r->noreply ? PROTO_OK : r->error);
        return r->line_bytes;
    case PARSE_CLOSE: refuse_and_close(c, r, input); return input.len;
    }
    UNREACHABLE();
}

static size_t
take_requests(struct conn *c, struct span input, uint64_t *requests)
{
    uint64_t effort = c->room_effort;
    size_t n = c->fenced ? 0 : conn_take_plain(c, input, requests);
    if (n > 0) {
        c->parser = REQUEST_PARSER_INIT;
    }
    if (n > 0 || c->room_effort != effort) {
        return n;
    }
    n = take_command(c, input);
    *requests -= n > 0;
    return n;
}

static size_t
swallow(struct conn *c, struct span input)
{
    size_t n = input.len < c->swallow_bytes ? input.len : (size_t)c->swallow_bytes;
    c->swallow_bytes -= n;
    if (c->swallow_bytes == 0) {
        conn_put_error(c, c->swallow_error);
    }
    return n;
}

static size_t
take_held_value(struct conn *c, struct span input)
{
    size_t n = take_value(c, c->ingest, input);
    if (c->ingest->done) {
        free(c->ingest);
        c->ingest = NULL;
    }
    return n;
}

/* For the value of the command that `input` begins with. */
static bool
waits_for_room(const struct conn *c)
{
    return c->room_effort > 0;
}

/* A turn's share of requests may be a millisecond of work, and of some only a few are. */
static bool
has_taken_long(const struct conn *c, uint64_t begun_us, uint64_t effort)
{
    return store_effort(c->worker->store) - effort > STORE_EFFORT_TURN ||
           clock_read().system_us - begun_us > CONN_TURN_US;
}

size_t
conn_consume(struct conn *c, struct span input, uint64_t requests, bool *stopped)
{
    size_t used = 0;
    uint64_t effort = store_effort(c->worker->store), begun_us = clock_read().system_us;
    *loop_work_note(c->worker->loop) = true;
    *stopped = false;
    while ((used < input.len || conn_goes_on(c)) && c->watch == NULL && !c->closing &&
           !c->out.out_of_memory) {
        struct span rest = span_skip(input, used);
        if (conn_blocked(c) || requests == 0) {
            *stopped = true;
            break;
        }
        if (c->dump != NULL) {
            dump_step(c);
            requests = 0;
        } else if (c->swallow_bytes > 0) {
            used += swallow(c, rest);
        } else if (c->ingest != NULL) {
            used += take_held_value(c, rest);
            if (ingest_goes_on(c->ingest)) {
                requests = 0;
            }
        } else if (c->get.keys_bytes > 0) {
            used += resume_get(c, rest);
            if (has_taken_long(c, begun_us, effort)) {
                requests = 0;
            }
        } else {
            size_t n = take_requests(c, rest, &requests);
            used += n;
            if (n == 0 || waits_for_room(c)) {
                *stopped = waits_for_room(c);
                break;
            }
            if (has_taken_long(c, begun_us, effort)) {
                requests = 0;
            }
        }
    }
    if (c->watch != NULL && !c->closing) {
        watch_step(c);
        return input.len;
    }
    return c->closing ? input.len : used;
}

size_t
conn_finish_held_value(struct conn *c, size_t n)
{
    struct ingest *in = c->ingest;
    uint64_t missing = in->total - in->got;
    size_t taken = n < missing ? n : (size_t)missing;
    in->got += taken;
    if (in->got == in->total) {
        ingest_finish(c, in);
    }
    if (in->done) {
        free(in);
        c->ingest = NULL;
    }
    return n - taken;
}
