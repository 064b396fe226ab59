#include "proxy/failure.h"
#include "common/core/assert.h"
#include "common/proto/errorline.h"

static const enum failure_manner manners[CMD_COUNT] = {
    [CMD_GET] = FAILS_AS_END,
    [CMD_GETS] = FAILS_AS_END,
    [CMD_GAT] = FAILS_AS_END,
    [CMD_GATS] = FAILS_AS_END,
    [CMD_SET] = FAILS_AS_STORE,
    [CMD_ADD] = FAILS_AS_STORE,
    [CMD_REPLACE] = FAILS_AS_STORE,
    [CMD_APPEND] = FAILS_AS_STORE,
    [CMD_PREPEND] = FAILS_AS_STORE,
    [CMD_CAS] = FAILS_AS_STORE,
    /* Never NOT_FOUND: the client would start its counter anew. */
    [CMD_INCR] = FAILS_AS_ERROR,
    [CMD_DECR] = FAILS_AS_ERROR,
    [CMD_TOUCH] = FAILS_AS_NOT_FOUND,
    [CMD_DELETE] = FAILS_AS_DELETE,
    [CMD_MG] = FAILS_AS_EN,
    [CMD_MS] = FAILS_AS_META,
    [CMD_MD] = FAILS_AS_MD,
    [CMD_MA] = FAILS_AS_META,
    [CMD_ME] = FAILS_AS_ERROR,
    [CMD_FLUSH_ALL] = FAILS_AS_ERROR,
};

enum failure_manner
failure_manner(enum proto_command cmd)
{
    ASSERT(cmd < CMD_COUNT);
    return manners[cmd];
}

static enum failure_duty
ms_duty(const struct meta_args *m)
{
    switch (m->mode) {
    case MODE_DEFAULT:
    case MODE_SET: return meta_has(m, 'C') ? DUTY_IF_SENT : DUTY_IF_LOST;
    case MODE_ADD: return DUTY_NONE;
    case MODE_REPLACE:
    case MODE_APPEND:
    case MODE_PREPEND: return DUTY_IF_SENT;
    case MODE_INCR:
    case MODE_DECR: break; /* of ma */
    }
    UNREACHABLE();
}

enum failure_duty
failure_duty(const struct request *r)
{
    static const enum failure_duty duties[CMD_COUNT] = {
        [CMD_SET] = DUTY_IF_LOST,     [CMD_REPLACE] = DUTY_IF_SENT, [CMD_APPEND] = DUTY_IF_SENT,
        [CMD_PREPEND] = DUTY_IF_SENT, [CMD_CAS] = DUTY_IF_SENT,     [CMD_INCR] = DUTY_IF_SENT,
        [CMD_DECR] = DUTY_IF_SENT,    [CMD_DELETE] = DUTY_ALWAYS,   [CMD_MA] = DUTY_IF_SENT,
        [CMD_MD] = DUTY_ALWAYS,
    };
    return r->cmd == CMD_MS ? ms_duty(&r->meta) : duties[r->cmd];
}

bool
failure_duty_applies(enum failure_duty duty, enum failure failure)
{
    switch (duty) {
    case DUTY_NONE: return false;
    case DUTY_IF_SENT: return failure == FAILURE_TIMEOUT;
    case DUTY_IF_LOST: return failure == FAILURE_TIMEOUT || failure == FAILURE_DOWN;
    case DUTY_ALWAYS: return failure != FAILURE_NO_ROUTE && failure != FAILURE_STALE;
    }
    return false;
}

static struct failure_reply
error_reply(enum failure failure)
{
    static const enum proto_error errors[] = {
#define X(id, error) PROTO_ERR_##error,
        FAILURES(X)
#undef X
    };
    struct span line = error_line(errors[failure]);
    return (struct failure_reply){{line.ptr, line.len - 2}, false};
}

static struct failure_reply
meta_reply(const struct failure_request *request, const struct failure_policy *policy,
           enum failure failure)
{
    bool as_ns = request->quiet && policy->meta_errors == META_ERRORS_NS;
    bool not_stored = request->cmd == CMD_MS && policy->on_write_error == WRITE_ERROR_NOT_STORED;
    if (as_ns || not_stored) {
        return (struct failure_reply){SPAN_LIT("NS"), true};
    }
    return error_reply(failure);
}

struct failure_reply
failure_answer(const struct failure_request *request, const struct failure_policy *policy,
               enum failure failure)
{
    static const struct failure_reply nothing = {{"", 0}, false};
    bool miss = policy->on_read_error == READ_ERROR_MISS;

    if (request->noreply) {
        return nothing;
    }
    switch (failure_manner(request->cmd)) {
    case FAILS_AS_END:
        return miss ? (struct failure_reply){SPAN_LIT("END"), false} : error_reply(failure);
    case FAILS_AS_EN:
        if (!miss) {
            return error_reply(failure);
        }
        return request->quiet ? nothing : (struct failure_reply){SPAN_LIT("EN"), true};
    case FAILS_AS_NOT_FOUND: return (struct failure_reply){SPAN_LIT("NOT_FOUND"), false};
    case FAILS_AS_DELETE:
        return request->journaled ? (struct failure_reply){SPAN_LIT("NOT_FOUND"), false}
                                  : error_reply(failure);
    case FAILS_AS_MD:
        return request->journaled ? (struct failure_reply){SPAN_LIT("NF"), true}
                                  : meta_reply(request, policy, failure);
    case FAILS_AS_STORE:
        if (policy->on_write_error == WRITE_ERROR_NOT_STORED) {
            return (struct failure_reply){SPAN_LIT("NOT_STORED"), false};
        }
        return error_reply(failure);
    case FAILS_AS_ERROR: return error_reply(failure);
    case FAILS_AS_META: return meta_reply(request, policy, failure);
    }
    return nothing;
}
