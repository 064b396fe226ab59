/* exec_crawler.c - the lru_crawler command.
 *
 * What memcached's crawler does for memory, the store's sweep does here without
 * being told, and cannot be turned off. So enable and disable say only whether
 * dumps are served, crawl is answered for a sweep that is always under way, and
 * sleep and tocrawl are kept for `stats settings`. */
#include "cached/dump.h"
#include "cached/exec.h"
#include "cached/words.h"

#define CLASSES      64 /* memcached may have so many */
#define SLEEP_MAX_US 1000000

/* "all", "hash", or class numbers with commas, as bits. */
static bool
parse_classes(struct span text, uint64_t *classes)
{
    if (span_eq_cstr(text, "all") || span_eq_cstr(text, "hash")) {
        *classes = UINT64_MAX;
        return true;
    }
    *classes = 0;
    for (size_t at = 0; at <= text.len;) {
        const char *from = text.ptr + at;
        const char *comma = memchr(from, ',', text.len - at);
        size_t len = comma != NULL ? (size_t)(comma - from) : text.len - at;
        uint64_t class;
        if (!num_parse_u64(span_make(from, len), &class) || class < 1 || class >= CLASSES) {
            return false;
        }
        *classes |= (uint64_t)1 << class;
        at += len + 1;
    }
    return true;
}

static enum proto_error
begin_dump(struct conn *c, const struct words *w, enum dump_kind kind)
{
    struct node *node = c->worker->node;
    uint64_t classes;
    if (!atomic_load(&node->crawler.enabled)) {
        return PROTO_ERR_CRAWLER_DISABLED;
    }
    if (node->options.no_dumping) {
        return kind == DUMP_MGDUMP ? PROTO_ERR_MGDUMP_NOT_ALLOWED : PROTO_ERR_METADUMP_NOT_ALLOWED;
    }
    if (outbox_unsent(&c->out) > 0) {
        return kind == DUMP_MGDUMP ? PROTO_ERR_PIPELINED_MGDUMP : PROTO_ERR_PIPELINED_METADUMP;
    }
    if (!parse_classes(w->at[1], &classes)) {
        return PROTO_ERR_BAD_CLASS;
    }
    dump_begin(c, kind, classes);
    return PROTO_OK;
}

static enum proto_error
crawl(struct conn *c, const struct words *w)
{
    uint64_t classes;
    if (!atomic_load(&c->worker->node->crawler.enabled)) {
        return PROTO_ERR_CRAWLER_DISABLED;
    }
    return parse_classes(w->at[1], &classes) ? PROTO_OK : PROTO_ERR_BAD_CLASS;
}

static enum proto_error
keep_number(const struct words *w, _Atomic uint64_t *to, uint64_t most)
{
    uint64_t n;
    if (!word_number(w, 1, &n) || n > UINT32_MAX) {
        return PROTO_ERR_BAD_FORMAT;
    }
    if (n > most) {
        return PROTO_ERR_CRAWLER_SLEEP;
    }
    atomic_store(to, n);
    return PROTO_OK;
}

static enum proto_error
toggle(struct conn *c, const struct words *w)
{
    bool enable = word_is(w, 0, "enable");
    if (!enable && !word_is(w, 0, "disable")) {
        return PROTO_ERR_UNKNOWN_COMMAND;
    }
    atomic_store(&c->worker->node->crawler.enabled, enable);
    return PROTO_OK;
}

static enum proto_error
run(struct conn *c, const struct words *w)
{
    struct crawler_settings *settings = &c->worker->node->crawler;
    if (w->count == 1) {
        return toggle(c, w);
    }
    if (w->count != 2) {
        return PROTO_ERR_UNKNOWN_COMMAND;
    }
    if (word_is(w, 0, "metadump")) {
        return begin_dump(c, w, DUMP_METADUMP);
    }
    if (word_is(w, 0, "mgdump")) {
        return begin_dump(c, w, DUMP_MGDUMP);
    }
    if (word_is(w, 0, "crawl")) {
        return crawl(c, w);
    }
    if (word_is(w, 0, "tocrawl")) {
        return keep_number(w, &settings->tocrawl, UINT32_MAX);
    }
    if (word_is(w, 0, "sleep")) {
        return keep_number(w, &settings->sleep_us, SLEEP_MAX_US);
    }
    return PROTO_ERR_UNKNOWN_COMMAND;
}

void
exec_lru_crawler(struct conn *c, const struct request *r)
{
    struct words w = words_of(r);
    enum proto_error error = run(c, &w);
    if (c->dump == NULL && !r->noreply) {
        outbox_put_span(&c->out, error == PROTO_OK ? SPAN_LIT("OK\r\n") : error_line(error));
    }
}
