#include "control/top_view.h"
#include "common/core/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* --- numbers ------------------------------------------------------------------------ */

static const char *
scaled(double n, double step, const char *units, char *out)
{
    unsigned unit = 0;
    if (n < 0) {
        return strcpy(out, "-");
    }
    /* What would be printed with four digits belongs to the next unit. */
    while (n >= step - 0.5 && units[unit] != '\0') {
        n /= step;
        unit++;
    }
    int digits = n < 9.95 && (unit > 0 || n != (double)(uint64_t)n) ? 1 : 0;
    digits = unit > 0 && n < 99.95 ? 1 : digits;
    if (unit == 0) {
        snprintf(out, TOP_NUMBER_MAX, "%.*f", digits, n);
    } else {
        snprintf(out, TOP_NUMBER_MAX, "%.*f%c", digits, n, units[unit - 1]);
    }
    return out;
}

const char *
top_number(double n, char *out)
{
    return scaled(n, 1000, "kMGT", out);
}

const char *
top_bytes(double n, char *out)
{
    return scaled(n, 1024, "KMGTP", out);
}

const char *
top_percent(double ratio, char *out)
{
    if (ratio < 0) {
        return strcpy(out, "-");
    }
    snprintf(out, TOP_NUMBER_MAX, "%.1f", ratio * 100);
    return out;
}

const char *
top_micros(uint64_t us, char *out)
{
    static const char *const units[] = {"us", "ms", "s"};
    double n = (double)us;
    unsigned unit = 0;
    if (us == 0) {
        return strcpy(out, "-");
    }
    while (n >= 1000 && unit < 2) {
        n /= 1000;
        unit++;
    }
    snprintf(out, TOP_NUMBER_MAX, "%.*f%s", n < 10 && n != (double)(uint64_t)n ? 1 : 0, n,
             units[unit]);
    return out;
}

/* --- sorting ---------------------------------------------------------------------------- */

static const char *const sort_names[] = {
#define X(id, name) name,
    TOP_SORTS(X)
#undef X
};

const char *
top_sort_name(enum top_sort sort)
{
    return sort_names[sort];
}

bool
top_sort_find(struct span name, enum top_sort *out)
{
    for (unsigned i = 0; i < TOP_SORT_COUNT; i++) {
        if (span_eq_cstr(name, sort_names[i])) {
            *out = (enum top_sort)i;
            return true;
        }
    }
    return false;
}

/* The most first; who does not answer, or does not know, last. */
static double
weight(const struct top_server *s, enum top_sort sort)
{
    bool rated = top_has_rates(s), up = s->state == TOP_UP;
    switch (sort) {
    case TOP_SORT_REQUESTS: return rated ? s->rates.requests : -1;
    case TOP_SORT_HITS: return rated && s->rates.hit_ratio >= 0 ? 1 - s->rates.hit_ratio : -1;
    case TOP_SORT_MEMORY: return up ? (double)s->now.values[TOP_BYTES] : -1;
    case TOP_SORT_EVICTIONS: return rated ? s->rates.per_second[TOP_EVICTIONS] : -1;
    case TOP_SORT_CPU: return rated ? s->rates.cpu : -1;
    case TOP_SORT_P99: return up ? (double)s->now.latency[TOP_CMD_GET].p99_us : -1;
    case TOP_SORT_LISTED:
    case TOP_SORT_NAME:
    case TOP_SORT_COUNT: break;
    }
    return 0;
}

static int
compare(const void *a, const void *b, void *arg)
{
    const struct top_server *x = *(const struct top_server *const *)a;
    const struct top_server *y = *(const struct top_server *const *)b;
    enum top_sort sort = *(const enum top_sort *)arg;
    double wx = weight(x, sort), wy = weight(y, sort);
    return wx > wy ? -1 : wx < wy ? 1 : strcmp(x->name, y->name);
}

const struct top_server **
top_sorted(const struct top_fleet *fleet, enum top_sort sort)
{
    const struct top_server **sorted = mem_alloc((fleet->count + 1) * sizeof(sorted[0]));
    for (unsigned i = 0; i < fleet->count; i++) {
        sorted[i] = fleet->servers[i];
    }
    if (sort != TOP_SORT_LISTED) {
        qsort_r(sorted, fleet->count, sizeof(sorted[0]), compare, &sort);
    }
    return sorted;
}

static void
add_server(struct top_sum *sum, const struct top_server *s)
{
    sum->items += s->now.values[TOP_ITEMS];
    sum->bytes += s->now.values[TOP_BYTES];
    sum->limit += s->now.values[TOP_LIMIT];
    if (top_has_rates(s)) {
        sum->requests += s->rates.requests;
        sum->gets += s->rates.per_second[TOP_GETS];
        sum->hits += s->rates.per_second[TOP_HITS];
        sum->evictions += s->rates.per_second[TOP_EVICTIONS];
    }
}

static bool
has_node(const struct top_fleet *fleet)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        if (fleet->servers[i]->state == TOP_UP && !fleet->servers[i]->now.is_proxy) {
            return true;
        }
    }
    return false;
}

struct top_sum
top_sum_of(const struct top_fleet *fleet)
{
    struct top_sum sum = {.servers = fleet->count};
    bool nodes_only = has_node(fleet);
    for (unsigned i = 0; i < fleet->count; i++) {
        const struct top_server *s = fleet->servers[i];
        sum.gone += s->state == TOP_GONE;
        if (s->state == TOP_UP && !(nodes_only && s->now.is_proxy)) {
            add_server(&sum, s);
        }
    }
    return sum;
}

/* --- lines -------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 3, 4)))
put(struct top_page *page, enum top_tone tone, const char *fmt, ...)
{
    va_list ap;
    page->lines = mem_realloc(page->lines, (page->count + 1) * sizeof(page->lines[0]));
    struct top_line *line = &page->lines[page->count++];
    line->tone = tone;
    va_start(ap, fmt);
    vsnprintf(line->text, sizeof(line->text), fmt, ap);
    va_end(ap);
    size_t n = strlen(line->text);
    while (n > 0 && line->text[n - 1] == ' ') {
        line->text[--n] = '\0';
    }
}

void
top_page_deinit(struct top_page *page)
{
    free(page->lines);
    *page = (struct top_page){.count = 0};
}

static const char *
clock_text(uint64_t wall_ms, char *out)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    localtime_r(&t, &tm);
    strftime(out, TOP_NUMBER_MAX, "%H:%M:%S", &tm);
    return out;
}

/* A value that the server tells, or "-". */
static const char *
known(const struct top_server *s, enum top_stat stat, const char *(*text)(double n, char *out),
      char *out)
{
    return text(top_knows(&s->now, stat) ? (double)s->now.values[stat] : -1, out);
}

static const char *
rate(const struct top_server *s, enum top_stat stat, const char *(*text)(double n, char *out),
     char *out)
{
    bool shown = top_has_rates(s) && top_knows(&s->now, stat);
    return text(shown ? s->rates.per_second[stat] : -1, out);
}

/* --- the table of servers ------------------------------------------------------------------- */

static void
put_sum(struct top_page *page, const struct top_fleet *fleet, const struct top_look *look)
{
    char n[7][TOP_NUMBER_MAX];
    struct top_sum sum = top_sum_of(fleet);
    double ratio = sum.gets > 0 ? sum.hits / sum.gets : -1;
    put(page, sum.gone > 0 ? TOP_TROUBLE : TOP_TITLE,
        "%s  %u servers, %u gone  %s requests/s  %s %% hits  %s items  %s of %s  %s evictions/s",
        clock_text(look->wall_ms, n[0]), sum.servers, sum.gone, top_number(sum.requests, n[1]),
        top_percent(ratio, n[2]), top_number((double)sum.items, n[3]),
        top_bytes((double)sum.bytes, n[4]), top_bytes((double)sum.limit, n[5]),
        top_number(sum.evictions, n[6]));
}

#define ROW "%-24.24s %-10.10s %8s %6s %7s %7s %8s %6s %6s %8s %8s"

static void
put_server(struct top_page *page, const struct top_server *s)
{
    char n[9][TOP_NUMBER_MAX];
    bool rated = top_has_rates(s);
    switch (s->state) {
    case TOP_CONNECTING: put(page, TOP_PLAIN, "%-24.24s %-10.10s ...", s->name, s->pool); return;
    case TOP_GONE:
        put(page, TOP_TROUBLE, "%-24.24s %-10.10s gone: %s", s->name, s->pool, s->reason);
        return;
    case TOP_UP: break;
    }
    put(page, TOP_PLAIN, ROW, s->name, s->pool, top_number(rated ? s->rates.requests : -1, n[0]),
        top_percent(rated ? s->rates.hit_ratio : -1, n[1]), known(s, TOP_ITEMS, top_number, n[2]),
        known(s, TOP_BYTES, top_bytes, n[3]), rate(s, TOP_EVICTIONS, top_number, n[4]),
        known(s, TOP_CONNECTIONS, top_number, n[5]), top_percent(rated ? s->rates.cpu : -1, n[6]),
        top_micros(s->now.latency[TOP_CMD_GET].p99_us, n[7]),
        top_micros(s->now.latency[TOP_CMD_SET].p99_us, n[8]));
}

static void
view_fleet(const struct top_server *const *sorted, const struct top_fleet *fleet,
           const struct top_look *look, struct top_page *page)
{
    put_sum(page, fleet, look);
    put(page, TOP_PLAIN, "%s", "");
    put(page, TOP_HEADING, ROW, "SERVER", "POOL", "REQ/S", "HIT%", "ITEMS", "MEMORY", "EVICT/S",
        "CONNS", "CPU%", "P99 GET", "P99 SET");
    page->fixed = page->count;
    for (unsigned i = 0; i < fleet->count; i++) {
        if (i == look->chosen) {
            page->chosen = page->count;
        }
        put_server(page, sorted[i]);
    }
}

/* --- all of one server ------------------------------------------------------------------------ */

static void
put_process(struct top_page *page, const struct top_server *s, const struct top_look *look)
{
    char n[2][TOP_NUMBER_MAX];
    uint64_t up = s->now.values[TOP_UPTIME_S];
    put(page, TOP_TITLE,
        "%s  %s  %s %s  up %" PRIu64 "d %02u:%02u:%02u  %" PRIu64 " threads  CPU %s %%%s",
        clock_text(look->wall_ms, n[0]), s->name, s->now.is_proxy ? "proxy" : "node",
        s->now.version, up / 86400, (unsigned)(up / 3600 % 24), (unsigned)(up / 60 % 60),
        (unsigned)(up % 60), s->now.values[TOP_THREADS],
        top_percent(top_has_rates(s) ? s->rates.cpu : -1, n[1]),
        s->rates.restarted && top_has_rates(s) ? "  RESTARTED" : "");
}

static void
put_requests(struct top_page *page, const struct top_server *s)
{
    char n[7][TOP_NUMBER_MAX];
    put(page, TOP_PLAIN,
        "requests/s %s: %s get, %s set, %s delete, %s incr and decr, %s touch, %s meta",
        top_number(top_has_rates(s) ? s->rates.requests : -1, n[0]),
        rate(s, TOP_GETS, top_number, n[1]), rate(s, TOP_SETS, top_number, n[2]),
        rate(s, TOP_DELETES, top_number, n[3]), rate(s, TOP_ARITH, top_number, n[4]),
        rate(s, TOP_TOUCHES, top_number, n[5]), rate(s, TOP_META, top_number, n[6]));
}

static void
put_traffic(struct top_page *page, const struct top_server *s)
{
    char n[5][TOP_NUMBER_MAX];
    put(page, TOP_PLAIN, "hits %s %%   connections %s   in %s/s, out %s/s   failed/s %s",
        top_percent(top_has_rates(s) ? s->rates.hit_ratio : -1, n[0]),
        known(s, TOP_CONNECTIONS, top_number, n[1]), rate(s, TOP_READ, top_bytes, n[2]),
        rate(s, TOP_WRITTEN, top_bytes, n[3]), rate(s, TOP_FAILED, top_number, n[4]));
    if (top_knows(&s->now, TOP_ITEMS)) {
        put(page, TOP_PLAIN, "items %s   memory %s of %s   evictions/s %s",
            known(s, TOP_ITEMS, top_number, n[0]), known(s, TOP_BYTES, top_bytes, n[1]),
            known(s, TOP_LIMIT, top_bytes, n[2]), rate(s, TOP_EVICTIONS, top_number, n[3]));
    }
}

static void
put_latency(struct top_page *page, const struct top_server *s)
{
    static const char *const names[] = {
#define X(id, name) name,
        TOP_COMMANDS(X)
#undef X
    };
    bool headed = false;
    for (unsigned i = 0; i < TOP_COMMAND_COUNT; i++) {
        char n[4][TOP_NUMBER_MAX];
        const struct top_latency *l = &s->now.latency[i];
        if (l->count > 0 && !headed) {
            put(page, TOP_PLAIN, "%s", "");
            put(page, TOP_HEADING, "%-10s %8s %8s %8s %8s", "COMMAND", "COUNT", "P50", "P99",
                "P99.9");
            headed = true;
        }
        if (l->count > 0) {
            put(page, TOP_PLAIN, "%-10s %8s %8s %8s %8s", names[i],
                top_number((double)l->count, n[0]), top_micros(l->p50_us, n[1]),
                top_micros(l->p99_us, n[2]), top_micros(l->p999_us, n[3]));
        }
    }
}

static void
put_keys(struct top_page *page, const struct top_server *s)
{
    for (unsigned i = 0; i < TOP_KEYS && s->now.keys[i].key[0] != '\0'; i++) {
        char n[2][TOP_NUMBER_MAX];
        const struct top_key *key = &s->now.keys[i];
        if (i == 0) {
            put(page, TOP_PLAIN, "%s", "");
            put(page, TOP_HEADING, "%-7s %8s  %s", "SHARE %", "COUNT", "HOTTEST KEYS");
        }
        put(page, TOP_PLAIN, "%7s %8s  %s%s", top_percent(top_key_share(&s->now, key), n[0]),
            top_number((double)key->count, n[1]), key->key, key->promoted ? "  (promoted)" : "");
    }
}

static void
put_backends(struct top_page *page, const struct top_server *s)
{
    for (unsigned i = 0; i < s->now.backend_count; i++) {
        char n[5][TOP_NUMBER_MAX];
        const struct top_backend *b = &s->now.backends[i];
        bool down = b->down_workers > 0;
        if (i == 0) {
            put(page, TOP_PLAIN, "%s", "");
            put(page, TOP_HEADING, "%-28s %-9s %7s %7s %7s %7s %7s", "BACKEND", "STATE", "REQ/S",
                "P99", "FAILED", "JOURNAL", "DOWN AT");
        }
        put(page, down ? TOP_TROUBLE : TOP_PLAIN, "%-28.28s %-9.9s %7s %7s %7s %7s %7s", b->id,
            down ? "DOWN" : b->state,
            top_number(top_has_rates(s) ? s->rates.backends[i] : -1, n[0]),
            b->p99_us > 0 ? top_micros(b->p99_us, n[1]) : "-", top_number((double)b->failed, n[2]),
            top_number((double)b->journal, n[3]), top_number((double)b->down_workers, n[4]));
    }
}

static void
view_server(const struct top_server *s, const struct top_look *look, struct top_page *page)
{
    char n[TOP_NUMBER_MAX];
    if (s->state != TOP_UP) {
        put(page, TOP_TROUBLE, "%s  %s  %s%s", clock_text(look->wall_ms, n), s->name,
            s->state == TOP_GONE ? "gone: " : "...", s->reason);
        page->fixed = page->count;
        return;
    }
    put_process(page, s, look);
    put_requests(page, s);
    put_traffic(page, s);
    page->fixed = page->count;
    put_latency(page, s);
    put_keys(page, s);
    put_backends(page, s);
}

void
top_view(const struct top_fleet *fleet, struct top_look *look, struct top_page *page)
{
    top_page_deinit(page);
    if (look->chosen >= fleet->count) {
        look->chosen = fleet->count > 0 ? fleet->count - 1 : 0;
    }
    const struct top_server **sorted = top_sorted(fleet, look->sort);
    if (look->server != NULL) {
        view_server(look->server, look, page);
    } else {
        view_fleet(sorted, fleet, look, page);
    }
    free(sorted);
}
