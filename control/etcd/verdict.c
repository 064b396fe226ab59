#include "control/etcd/verdict.h"

/* gRPC's status codes, as far as they mean something to us. */
enum {
    CODE_INVALID_ARGUMENT = 3,
    CODE_NOT_FOUND = 5,
    CODE_ALREADY_EXISTS = 6,
    CODE_PERMISSION_DENIED = 7,
    CODE_RESOURCE_EXHAUSTED = 8,
    CODE_FAILED_PRECONDITION = 9,
    CODE_OUT_OF_RANGE = 11,
    CODE_UNIMPLEMENTED = 12,
    CODE_UNAUTHENTICATED = 16,
};

static struct verdict
refused(enum etcd_outcome outcome)
{
    return (struct verdict){.outcome = outcome};
}

/* Nobody knows what became of it: for a read that is harmless. */
struct verdict
verdict_unclear(bool is_write)
{
    return (struct verdict){
        .outcome = is_write ? ETCD_AMBIGUOUS : ETCD_UNAVAILABLE,
        .try_elsewhere = !is_write,
    };
}

bool
verdict_is_auth_text(const char *reason)
{
    static const char *const SIGNS[] = {
        "user name is empty", "invalid auth token", "Unauthenticated",
        "permission denied",  "PermissionDenied",   "revision of auth store is old",
    };
    for (size_t i = 0; i < sizeof(SIGNS) / sizeof(SIGNS[0]); i++) {
        if (strstr(reason, SIGNS[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* Without a token etcd says 3 "user name is empty"; with an old one 16, or 3
 * "revision of auth store is old" after somebody changed users. */
static bool
wants_token(const struct answer *a)
{
    return a->code == CODE_UNAUTHENTICATED ||
           (a->code == CODE_INVALID_ARGUMENT &&
            (strstr(a->message, "user name is empty") != NULL ||
             strstr(a->message, "revision of auth store is old") != NULL));
}

static struct verdict
judge_error(const struct answer *a, bool is_write)
{
    if (wants_token(a)) {
        return (struct verdict){.outcome = ETCD_AUTH, .wants_token = true};
    }
    switch (a->code) {
    case CODE_NOT_FOUND: return refused(ETCD_NOT_FOUND);
    case CODE_PERMISSION_DENIED: return refused(ETCD_AUTH);
    case CODE_OUT_OF_RANGE: return refused(ETCD_COMPACTED);
    case CODE_INVALID_ARGUMENT:
    case CODE_ALREADY_EXISTS:
    case CODE_FAILED_PRECONDITION:
    case CODE_UNIMPLEMENTED: return refused(ETCD_REFUSED);
    case CODE_RESOURCE_EXHAUSTED:
        if (strstr(a->message, "space") != NULL) {
            return refused(ETCD_NO_SPACE);
        }
        /* "too many requests": turned away before it was proposed. */
        return (struct verdict){.outcome = ETCD_UNAVAILABLE, .try_elsewhere = true};
    default: return verdict_unclear(is_write);
    }
}

/* 404 with text is an etcd without gateway (or something that is no etcd); 400
 * with text is the gateway's complaint about a client certificate's CN. */
static struct verdict
judge_foreign(int status, bool is_write)
{
    if (status == 401 || status == 403) {
        return refused(ETCD_AUTH);
    }
    if (status >= 300 && status < 500) {
        return (struct verdict){.outcome = ETCD_REFUSED, .try_elsewhere = true};
    }
    return verdict_unclear(is_write);
}

struct verdict
verdict_reach(const struct exchange *x)
{
    switch (x->end) {
    case TRANSFER_NOT_SENT:
        return (struct verdict){.outcome = ETCD_UNAVAILABLE, .try_elsewhere = true};
    case TRANSFER_BROKEN:
    case TRANSFER_TIMED_OUT:
    case TRANSFER_TOO_LARGE: return verdict_unclear(x->is_write);
    case TRANSFER_DONE: break;
    }
    if (x->answer == NULL) {
        return judge_foreign(x->status, x->is_write);
    }
    if (x->answer->is_error) {
        return judge_error(x->answer, x->is_write);
    }
    if (x->status != 200) {
        return verdict_unclear(x->is_write);
    }
    return refused(ETCD_OK);
}
