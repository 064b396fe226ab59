#include "t/chaos/chaoscall.h"
#include "common/core/assert.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"
#include "t/chaos/chaosvalue.h"

#include <inttypes.h>

static unsigned
pick(struct chaos_client *c, unsigned of)
{
    return (unsigned)(random_next(&c->rng) % of);
}

static bool
chance(struct chaos_client *c, unsigned percent)
{
    return pick(c, 100) < percent;
}

/* A few keys are used much more than the others. */
static unsigned
pick_key(struct chaos_client *c)
{
    unsigned keys = c->run->keys;
    return chance(c, 40) ? pick(c, keys < 6 ? keys : 6) : pick(c, keys);
}

static uint32_t
pick_bytes(struct chaos_client *c)
{
    switch (pick(c, 12)) {
    case 0: return 32 + pick(c, c->run->value_max);
    case 1:
    case 2: return 32 + pick(c, 4000);
    default: return 32 + pick(c, 100);
    }
}

static const struct chaos_token *
token_of(const struct chaos_client *c, unsigned key)
{
    const struct chaos_token *t = &c->tokens[key % CHAOS_TOKENS];
    return t->key == key && t->cas != 0 ? t : NULL;
}

/* --- what it says ------------------------------------------------------------------------- */

static struct chaos_call *
add_call(struct chaos_client *c, enum chaos_verb verb)
{
    ASSERT(c->count < CHAOS_BATCH_MAX);
    struct chaos_call *call = &c->calls[c->count++];
    *call = (struct chaos_call){.verb = verb, .opaque = ++c->opaque};
    return call;
}

static void
add_key(struct chaos_client *c, struct chaos_call *call, unsigned key)
{
    call->keys[call->count] = key;
    call->views[call->count++] = chaos_view(c->run->model, key, c->proxy, clock_mono_us());
}

static void
put_get(struct chaos_client *c, struct chaos_call *call)
{
    char name[CHAOS_KEY_MAX];
    buf_printf(&c->conn.out, "%s", call->with_cas ? "gets" : "get");
    for (unsigned i = 0; i < call->count; i++) {
        struct span key = chaos_key_name(call->keys[i], name);
        buf_printf(&c->conn.out, " %.*s", SPAN_FMT(key));
    }
    buf_printf(&c->conn.out, "\r\n");
}

static void
put_store(struct chaos_client *c, struct chaos_call *call, uint32_t bytes, uint64_t cas)
{
    struct buf value = BUF_EMPTY;
    char name[CHAOS_KEY_MAX];
    struct span key = chaos_key_name(call->keys[0], name);
    bool append = call->write == CHAOS_APPEND;
    chaos_value_put(&value, call->keys[0], call->seq, bytes);
    if (call->verb == VERB_MS) {
        buf_printf(&c->conn.out, "ms %.*s %zu F%u O%u%s%s\r\n", SPAN_FMT(key), buf_len(&value),
                   call->seq, call->opaque, append ? " MA" : "", call->silent ? " q" : "");
    } else {
        buf_printf(&c->conn.out, "%s %.*s %u 0 %zu",
                   cas != 0 ? "cas"
                   : append ? "append"
                            : "set",
                   SPAN_FMT(key), call->seq, buf_len(&value));
        if (cas != 0) {
            buf_printf(&c->conn.out, " %" PRIu64, cas);
        }
        buf_printf(&c->conn.out, "%s\r\n", call->noreply ? " noreply" : "");
    }
    buf_append_span(&c->conn.out, buf_span(&value));
    buf_printf(&c->conn.out, "\r\n");
    buf_deinit(&value);
}

static void
put_plain(struct chaos_client *c, const struct chaos_call *call)
{
    char name[CHAOS_KEY_MAX];
    struct span key = chaos_key_name(call->keys[0], name);
    struct buf *out = &c->conn.out;
    const char *noreply = call->noreply ? " noreply" : "", *quiet = call->silent ? " q" : "";
    switch (call->verb) {
    case VERB_MG:
        buf_printf(out, "mg %.*s f k O%u v s%s%s\r\n", SPAN_FMT(key), call->opaque,
                   call->with_cas ? " c" : "", quiet);
        break;
    case VERB_DELETE: buf_printf(out, "delete %.*s%s\r\n", SPAN_FMT(key), noreply); break;
    case VERB_INCR: buf_printf(out, "incr %.*s 1%s\r\n", SPAN_FMT(key), noreply); break;
    case VERB_MD: buf_printf(out, "md %.*s O%u%s\r\n", SPAN_FMT(key), call->opaque, quiet); break;
    case VERB_MA: buf_printf(out, "ma %.*s O%u v%s\r\n", SPAN_FMT(key), call->opaque, quiet); break;
    case VERB_GET:
    case VERB_SET:
    case VERB_APPEND:
    case VERB_CAS:
    case VERB_MS:
    case VERB_MN:
    case CHAOS_VERBS: UNREACHABLE();
    }
}

/* --- what it is ---------------------------------------------------------------------------- */

static void
begin_write(struct chaos_client *c, struct chaos_call *call, uint32_t base)
{
    call->seq = chaos_write_begin(c->run->model, call->keys[0], call->write, &call->views[0], base);
}

static void
add_get(struct chaos_client *c, unsigned key, unsigned more)
{
    struct chaos_call *call = add_call(c, VERB_GET);
    call->with_cas = chance(c, 30);
    add_key(c, call, key);
    while (more-- > 0) {
        add_key(c, call, pick_key(c));
    }
    put_get(c, call);
}

static void
add_mg(struct chaos_client *c, unsigned key)
{
    struct chaos_call *call = add_call(c, VERB_MG);
    call->with_cas = chance(c, 30);
    call->silent = chance(c, 30);
    add_key(c, call, key);
    put_plain(c, call);
}

static void
add_store(struct chaos_client *c, enum chaos_verb verb, enum chaos_write write, unsigned key,
          bool silent)
{
    struct chaos_call *call = add_call(c, verb);
    call->write = write;
    call->silent = silent;
    call->noreply = silent && verb != VERB_MS;
    add_key(c, call, key);
    begin_write(c, call, 0);
    put_store(c, call, pick_bytes(c), 0);
}

static void
add_cas(struct chaos_client *c, unsigned key)
{
    const struct chaos_token *token = token_of(c, key);
    if (token == NULL) {
        add_get(c, key, 0);
        return;
    }
    struct chaos_call *call = add_call(c, VERB_CAS);
    call->write = CHAOS_CAS;
    add_key(c, call, key);
    begin_write(c, call, token->last);
    put_store(c, call, pick_bytes(c), token->cas);
}

static void
add_change(struct chaos_client *c, enum chaos_verb verb, enum chaos_write write, unsigned key,
           bool silent)
{
    struct chaos_call *call = add_call(c, verb);
    call->write = write;
    call->silent = silent;
    call->noreply = silent && (verb == VERB_DELETE || verb == VERB_INCR);
    add_key(c, call, key);
    begin_write(c, call, 0);
    put_plain(c, call);
}

static void
add_mn(struct chaos_client *c)
{
    add_call(c, VERB_MN);
    buf_printf(&c->conn.out, "mn\r\n");
}

static void
add_any_write(struct chaos_client *c, unsigned key)
{
    bool number = chaos_is_number(key), silent = chance(c, 20);
    switch (pick(c, 10)) {
    case 0:
    case 1: add_store(c, VERB_SET, CHAOS_SET, key, silent); break;
    case 2: add_store(c, VERB_MS, CHAOS_SET, key, silent); break;
    case 3:
    case 4: add_change(c, VERB_DELETE, CHAOS_DELETE, key, silent); break;
    case 5: add_change(c, VERB_MD, CHAOS_DELETE, key, silent); break;
    case 6: add_cas(c, key); break;
    case 7:
        if (number) {
            add_change(c, VERB_MA, CHAOS_INCR, key, silent);
        } else {
            add_store(c, VERB_MS, CHAOS_APPEND, key, silent);
        }
        break;
    default:
        if (number) {
            add_change(c, VERB_INCR, CHAOS_INCR, key, silent);
        } else {
            add_store(c, VERB_APPEND, CHAOS_APPEND, key, silent);
        }
        break;
    }
}

void
chaos_call_put(struct chaos_client *c, enum chaos_verb verb, unsigned key)
{
    switch (verb) {
    case VERB_GET: add_get(c, key, 0); break;
    case VERB_SET: add_store(c, VERB_SET, CHAOS_SET, key, false); break;
    case VERB_MN: add_mn(c); break;
    case VERB_MG:
    case VERB_DELETE:
    case VERB_APPEND:
    case VERB_CAS:
    case VERB_INCR:
    case VERB_MS:
    case VERB_MD:
    case VERB_MA:
    case CHAOS_VERBS: UNREACHABLE();
    }
}

void
chaos_batch_begin(struct chaos_client *c)
{
    unsigned n = chance(c, 50) ? 1 : 1 + pick(c, CHAOS_BATCH_MAX - 2);
    c->count = c->first = 0;
    bool reads = c->run->second_reads && c->proxy == 1;
    while (c->count < n) {
        unsigned key = pick_key(c);
        switch (pick(c, reads ? 5 : 8)) {
        case 0:
        case 1: add_get(c, key, 0); break;
        case 2: add_get(c, key, 1 + pick(c, CHAOS_CALL_KEYS - 1)); break;
        case 3:
        case 4: add_mg(c, key); break;
        default: add_any_write(c, key); break;
        }
    }
    add_mn(c);
}
