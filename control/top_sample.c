#include "control/top_sample.h"
#include "common/core/mem.h"
#include "common/core/num.h"

#include <stdlib.h>

_Static_assert(TOP_STAT_COUNT <= 32, "a bit for each");

static const struct {
    const char *name;
    enum top_stat stat;
} stats[] = {
#define X(id, name) {name, TOP_##id},
    TOP_STATS(X)
#undef X
};
#define STAT_NAMES (sizeof(stats) / sizeof(stats[0]))

static const char *const commands[] = {
#define X(id, name) name,
    TOP_COMMANDS(X)
#undef X
};

/* --- words -------------------------------------------------------------------------- */

/* What a server says is shown to a terminal, so nothing but visible ASCII stays. */
static void
copy_text(struct span from, char *to, size_t room)
{
    size_t n = from.len < room - 1 ? from.len : room - 1;
    for (size_t i = 0; i < n; i++) {
        to[i] = from.ptr[i] > ' ' && from.ptr[i] <= '~' ? from.ptr[i] : '?';
    }
    to[n] = '\0';
}

static uint64_t
number(struct span text)
{
    uint64_t n = 0;
    return num_parse_u64(text, &n) ? n : 0;
}

/* "12.345678" seconds. */
static uint64_t
microseconds(struct span text)
{
    const char *dot = memchr(text.ptr, '.', text.len);
    size_t whole = dot != NULL ? (size_t)(dot - text.ptr) : text.len;
    struct span rest = span_skip(text, dot != NULL ? whole + 1 : whole);
    uint64_t us = 0;
    for (size_t i = 0; i < 6; i++) {
        bool digit = i < rest.len && rest.ptr[i] >= '0' && rest.ptr[i] <= '9';
        us = us * 10 + (digit ? (uint64_t)(rest.ptr[i] - '0') : 0);
    }
    return number(span_make(text.ptr, whole)) * 1000000 + us;
}

/* Cuts at the last `mark`: "a:b:key" -> "a:b", "key". */
static bool
cut_last(struct span *text, char mark, struct span *rest)
{
    for (size_t i = text->len; i > 0; i--) {
        if (text->ptr[i - 1] == mark) {
            *rest = span_skip(*text, i);
            *text = span_make(text->ptr, i - 1);
            return true;
        }
    }
    return false;
}

/* --- rows ----------------------------------------------------------------------------- */

static void
take_general(struct top_sample *s, struct span name, struct span value)
{
    if (span_eq(name, SPAN_LIT("version"))) {
        copy_text(value, s->version, sizeof(s->version));
    }
    s->is_proxy |= span_eq(name, SPAN_LIT("backend_requests_total"));
    for (size_t i = 0; i < STAT_NAMES; i++) {
        if (span_eq_cstr(name, stats[i].name)) {
            enum top_stat stat = stats[i].stat;
            s->values[stat] += stat == TOP_CPU_US ? microseconds(value) : number(value);
            s->known |= 1u << stat;
        }
    }
}

static void
take_latency(struct top_sample *s, struct span name, struct span value)
{
    struct span what;
    if (!cut_last(&name, ':', &what)) {
        return;
    }
    for (unsigned i = 0; i < TOP_COMMAND_COUNT; i++) {
        struct top_latency *l = &s->latency[i];
        uint64_t *to = span_eq(what, SPAN_LIT("count"))     ? &l->count
                       : span_eq(what, SPAN_LIT("p50_us"))  ? &l->p50_us
                       : span_eq(what, SPAN_LIT("p99_us"))  ? &l->p99_us
                       : span_eq(what, SPAN_LIT("p999_us")) ? &l->p999_us
                                                            : NULL;
        if (to != NULL && span_eq_cstr(name, commands[i])) {
            *to = number(value);
        }
    }
}

static void
mark_promoted(struct top_sample *s, struct span key)
{
    char text[TOP_KEY_MAX];
    copy_text(key, text, sizeof(text));
    for (unsigned i = 0; i < TOP_KEYS; i++) {
        s->keys[i].promoted |= strcmp(s->keys[i].key, text) == 0;
    }
}

/* "requests:<rank>:key", ":count"; "requests:total"; "promoted:<n>:key". */
static void
take_hotkey(struct top_sample *s, struct span name, struct span value)
{
    struct span what, rank;
    if (span_eq(name, SPAN_LIT("requests:total"))) {
        s->key_total = number(value);
        return;
    }
    if (!cut_last(&name, ':', &what) || !cut_last(&name, ':', &rank)) {
        return;
    }
    uint64_t n = number(rank);
    if (span_eq(name, SPAN_LIT("promoted")) && span_eq(what, SPAN_LIT("key"))) {
        mark_promoted(s, value);
    } else if (span_eq(name, SPAN_LIT("requests")) && n >= 1 && n <= TOP_KEYS) {
        struct top_key *key = &s->keys[n - 1];
        if (span_eq(what, SPAN_LIT("key"))) {
            copy_text(value, key->key, sizeof(key->key));
        } else if (span_eq(what, SPAN_LIT("count"))) {
            key->count = number(value);
        }
    }
}

/* The rows of one stand together, beginning with its address. */
static struct top_backend *
backend_of(struct top_sample *s, struct span id)
{
    char text[TOP_TEXT_MAX];
    copy_text(id, text, sizeof(text));
    if (s->backend_count > 0 && strcmp(s->backends[s->backend_count - 1].id, text) == 0) {
        return &s->backends[s->backend_count - 1];
    }
    if (s->backend_count == TOP_BACKENDS_MAX) {
        return NULL;
    }
    s->backends = mem_realloc(s->backends, (s->backend_count + 1) * sizeof(s->backends[0]));
    struct top_backend *b = &s->backends[s->backend_count++];
    *b = (struct top_backend){.requests = 0};
    strcpy(b->id, text);
    return b;
}

static void
take_backend(struct top_sample *s, struct span name, struct span value)
{
    struct span what;
    struct top_backend *b = cut_last(&name, ':', &what) ? backend_of(s, name) : NULL;
    if (b == NULL) {
        return;
    }
    if (span_eq(what, SPAN_LIT("state"))) {
        copy_text(value, b->state, sizeof(b->state));
    } else if (span_eq(what, SPAN_LIT("down_workers"))) {
        b->down_workers = number(value);
    } else if (span_eq(what, SPAN_LIT("requests"))) {
        b->requests = number(value);
    } else if (span_eq(what, SPAN_LIT("timeouts")) || span_eq(what, SPAN_LIT("broken"))) {
        b->failed += number(value);
    } else if (span_eq(what, SPAN_LIT("journal"))) {
        b->journal = number(value);
    } else if (span_eq(what, SPAN_LIT("p50_us"))) {
        b->p50_us = number(value);
    } else if (span_eq(what, SPAN_LIT("p99_us"))) {
        b->p99_us = number(value);
    }
}

typedef void take_fn(struct top_sample *s, struct span name, struct span value);
static take_fn *const takes[TOP_REPLIES] = {take_general, take_latency, take_hotkey, take_backend};

/* --- replies -------------------------------------------------------------------------- */

/* The next line without its end; false if it is not whole. */
static bool
next_line(struct span *text, struct span *line)
{
    const char *end = text->len > 0 ? memchr(text->ptr, '\n', text->len) : NULL;
    if (end == NULL) {
        return false;
    }
    size_t n = (size_t)(end - text->ptr);
    *line = span_make(text->ptr, n > 0 && text->ptr[n - 1] == '\r' ? n - 1 : n);
    *text = span_skip(*text, n + 1);
    return true;
}

static bool
starts_with(struct span line, const char *with)
{
    return line.len >= strlen(with) && memcmp(line.ptr, with, strlen(with)) == 0;
}

/* memcached answers RESET, or nothing of interest, to groups it has otherwise. */
static bool
ends_reply(struct span line)
{
    return span_eq(line, SPAN_LIT("END")) || starts_with(line, "ERROR") ||
           starts_with(line, "CLIENT_ERROR") || starts_with(line, "SERVER_ERROR");
}

static void
take_row(struct top_sample *s, unsigned reply, struct span line)
{
    struct span rest = span_skip(line, strlen("STAT "));
    const char *blank = rest.len > 0 ? memchr(rest.ptr, ' ', rest.len) : NULL;
    if (blank != NULL) {
        size_t n = (size_t)(blank - rest.ptr);
        takes[reply](s, span_make(rest.ptr, n), span_skip(rest, n + 1));
    }
}

static enum top_reading
read_rows(struct span *text, struct top_sample *s)
{
    unsigned reply = 0;
    struct span line;
    while (reply < TOP_REPLIES) {
        if (!next_line(text, &line)) {
            return TOP_READING_MORE;
        }
        if (ends_reply(line)) {
            reply++;
        } else if (starts_with(line, "STAT ")) {
            take_row(s, reply, line);
        } else {
            return TOP_READING_BAD;
        }
    }
    return top_knows(s, TOP_PID) ? TOP_READING_WHOLE : TOP_READING_BAD;
}

enum top_reading
top_sample_read(struct span replies, uint64_t now_us, struct top_sample *out, size_t *used)
{
    struct top_sample s = {.at_us = now_us};
    struct span rest = replies;
    enum top_reading reading = read_rows(&rest, &s);
    if (reading == TOP_READING_WHOLE) {
        *used = replies.len - rest.len;
        *out = s;
    } else {
        top_sample_deinit(&s);
    }
    return reading;
}

void
top_sample_deinit(struct top_sample *s)
{
    free(s->backends);
    *s = (struct top_sample){.at_us = 0};
}

/* --- between two ------------------------------------------------------------------------ */

static double
grown(uint64_t before, uint64_t after, bool restarted)
{
    return (double)(restarted || after < before ? after : after - before);
}

static bool
is_another(const struct top_sample *before, const struct top_sample *after)
{
    return before->values[TOP_PID] != after->values[TOP_PID] ||
           before->values[TOP_UPTIME_S] > after->values[TOP_UPTIME_S];
}

static uint64_t
backend_requests(const struct top_sample *s, const char *id)
{
    for (unsigned i = 0; i < s->backend_count; i++) {
        if (strcmp(s->backends[i].id, id) == 0) {
            return s->backends[i].requests;
        }
    }
    return 0;
}

void
top_rates_between(const struct top_sample *before, const struct top_sample *after,
                  struct top_rates *out)
{
    *out = (struct top_rates){.restarted = is_another(before, after), .hit_ratio = -1};
    if (after->at_us <= before->at_us) {
        return;
    }
    out->seconds = (double)(after->at_us - before->at_us) / 1e6;
    for (unsigned i = 0; i < TOP_COUNTERS; i++) {
        out->per_second[i] =
            grown(before->values[i], after->values[i], out->restarted) / out->seconds;
    }
    static const enum top_stat requests[] = {TOP_GETS,    TOP_SETS,  TOP_TOUCHES,
                                             TOP_DELETES, TOP_ARITH, TOP_META};
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        out->requests += out->per_second[requests[i]];
    }
    double gets = out->per_second[TOP_GETS], hits = out->per_second[TOP_HITS];
    if (gets > 0) {
        out->hit_ratio = hits < gets ? hits / gets : 1;
    }
    out->cpu = out->per_second[TOP_CPU_US] / 1e6;
    for (unsigned i = 0; i < after->backend_count; i++) {
        const struct top_backend *b = &after->backends[i];
        out->backends[i] =
            grown(backend_requests(before, b->id), b->requests, out->restarted) / out->seconds;
    }
}

double
top_key_share(const struct top_sample *s, const struct top_key *key)
{
    if (s->key_total == 0) {
        return -1;
    }
    double share = (double)key->count / (double)s->key_total;
    return share < 1 ? share : 1;
}
