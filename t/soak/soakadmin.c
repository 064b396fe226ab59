#include "t/soak/soakadmin.h"
#include "common/core/backoff.h"
#include "common/core/clock.h"
#include "common/core/num.h"
#include "t/soak/soakconn.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define STEP_MS    50
#define SETTLE_MS  5000 /* after the limit was lowered, memory has so long to follow */
#define ANSWER_MS  30000
#define CONN_BYTES 1024
#define RSS_OVER   (8u << 20)

struct admin {
    const struct soak_admin_plan *plan;
    struct soak_admin_sums *sums;
    struct soak_conn conn;
    uint64_t rng;
    uint64_t began_ms;
    uint64_t next_flush_ms, next_pause_ms, next_limit_ms, next_chore_ms;
    /* A delayed flush is still to come: not another one before. */
    uint64_t flush_lo_us, flush_hi_us;
    uint64_t limit_bytes, former_limit_bytes;
    uint64_t limit_changed_ms;
};

/* --- asking --------------------------------------------------------------------- */

/* Sends the command and an mn, and gives all that comes before "MN". The
 * answer is valid until the next. */
static bool
ask(struct admin *a, const char *command, struct span *answer)
{
    uint64_t from_ms = clock_mono_ms(), end_ms = from_ms + ANSWER_MS, moved_ms = from_ms;
    size_t had = 0;
    struct span line;
    buf_clear(&a->conn.in);
    buf_printf(&a->conn.out, "%s\r\nmn\r\n", command);
    for (size_t at = 0, next; clock_mono_ms() < end_ms && !a->conn.ended;) {
        while (soak_conn_line(&a->conn, at, &line, &next)) {
            if (span_eq_cstr(line, "MN")) {
                *answer = span_make(buf_span(&a->conn.in).ptr, at);
                return true;
            }
            at = next;
        }
        if (buf_len(&a->conn.in) != had) {
            had = buf_len(&a->conn.in);
            moved_ms = clock_mono_ms();
        }
        if (!soak_conn_pump(&a->conn, 200)) {
            break;
        }
    }
    soak_board_wrong(a->plan->board,
                     "no answer to \"%s\": %s after %u ms and %zu bytes, the last %u ms ago",
                     command, clock_mono_ms() < end_ms ? "closed" : "no end",
                     (unsigned)(clock_mono_ms() - from_ms), buf_len(&a->conn.in),
                     (unsigned)(clock_mono_ms() - moved_ms));
    return false;
}

static bool
ask_for(struct admin *a, const char *command, const char *expected)
{
    struct span answer;
    if (!ask(a, command, &answer)) {
        return false;
    }
    if (!span_starts_with(answer, span_cstr(expected))) {
        answer.len = answer.len < 100 ? answer.len : 100;
        soak_board_wrong(a->plan->board, "\"%s\" is answered \"%.*s\"", command, SPAN_FMT(answer));
    }
    return true;
}

/* The number behind "STAT name ", or 0. */
static uint64_t
stat_of(struct span answer, const char *name)
{
    char row[64];
    uint64_t value = 0;
    int n = snprintf(row, sizeof(row), "STAT %s ", name);
    const char *p = memmem(answer.ptr, answer.len, row, (size_t)n);
    if (p != NULL) {
        struct span digits = span_make(p + n, 0);
        while (digits.ptr[digits.len] >= '0' && digits.ptr[digits.len] <= '9') {
            digits.len++;
        }
        num_parse_u64(digits, &value);
    }
    return value;
}

/* --- memory --------------------------------------------------------------------- */

static uint64_t
rss_bytes(pid_t pid)
{
    char path[64];
    unsigned long long total, resident = 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        if (fscanf(f, "%llu %llu", &total, &resident) != 2) {
            resident = 0;
        }
        fclose(f);
    }
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t
rss_bound(const struct admin *a)
{
    uint64_t limit = a->limit_bytes;
    if (clock_mono_ms() - a->limit_changed_ms < SETTLE_MS && a->former_limit_bytes > limit) {
        limit = a->former_limit_bytes;
    }
    int connections = soak_board_connections(a->plan->board) + 2;
    return limit + limit / 100 * 8 + RSS_OVER + (uint64_t)connections * CONN_BYTES;
}

static void
watch_memory(struct admin *a)
{
    uint64_t rss = rss_bytes(a->plan->pid), bound = rss_bound(a);
    if (rss > a->sums->rss_max_bytes) {
        a->sums->rss_max_bytes = rss;
        a->sums->rss_bound_bytes = bound;
    }
    if (a->plan->check_rss && rss > bound) {
        soak_board_wrong(a->plan->board, "RSS is %" PRIu64 ", the bound %" PRIu64 ", -m %" PRIu64,
                         rss, bound, a->limit_bytes);
    }
}

static bool
change_limit(struct admin *a)
{
    char command[64];
    uint64_t low_mb = a->plan->limit_low_bytes >> 20, high_mb = a->plan->limit_bytes >> 20;
    uint64_t mb = low_mb + random_next(&a->rng) % (high_mb - low_mb + 1);
    snprintf(command, sizeof(command), "cache_memlimit %" PRIu64, mb);
    uint64_t now_ms = clock_mono_ms();
    uint64_t next = mb << 20;
    bool lower = next < a->limit_bytes;
    if (lower) {
        a->former_limit_bytes =
            now_ms - a->limit_changed_ms < SETTLE_MS && a->former_limit_bytes > a->limit_bytes
                ? a->former_limit_bytes
                : a->limit_bytes;
        a->limit_changed_ms = now_ms;
    }
    /* A higher limit counts from before, a lower one from now on. */
    a->limit_bytes = next;
    return ask_for(a, command, "OK\r\n");
}

/* --- flushes ---------------------------------------------------------------------- */

static bool
flush_now(struct admin *a)
{
    uint64_t lo_us = clock_mono_us();
    soak_board_flush_begins(a->plan->board);
    bool answered = ask_for(a, "flush_all", "OK\r\n");
    soak_board_flush_ends(a->plan->board, lo_us, clock_mono_us());
    return answered;
}

/* Clocks of the server's threads are a little apart. */
static bool
flush_later(struct admin *a)
{
    char command[32];
    uint64_t delay_s = 1 + random_next(&a->rng) % 2;
    uint64_t slack_us = soak_board_plan(a->plan->board)->slack_us;
    snprintf(command, sizeof(command), "flush_all %" PRIu64, delay_s);
    soak_board_flush_begins(a->plan->board);
    a->flush_lo_us = clock_mono_us() + delay_s * 1000000 - slack_us;
    bool answered = ask_for(a, command, "OK\r\n");
    a->flush_hi_us = clock_mono_us() + delay_s * 1000000 + slack_us;
    return answered;
}

static void
end_flush(struct admin *a)
{
    soak_board_flush_ends(a->plan->board, a->flush_lo_us, a->flush_hi_us);
    a->flush_hi_us = 0;
}

static bool
flush(struct admin *a)
{
    a->next_flush_ms = clock_mono_ms() + a->plan->flush_every_ms / 2 +
                       random_next(&a->rng) % a->plan->flush_every_ms;
    if (a->flush_hi_us != 0) {
        return true;
    }
    return random_next(&a->rng) % 3 == 0 ? flush_later(a) : flush_now(a);
}

/* --- the rest ----------------------------------------------------------------------- */

static void
pause_server(struct admin *a)
{
    a->next_pause_ms = clock_mono_ms() + a->plan->pause_every_ms;
    soak_board_pause(a->plan->board, true);
    kill(a->plan->pid, SIGSTOP);
    poll(NULL, 0, 100 + (int)(random_next(&a->rng) % 1500));
    kill(a->plan->pid, SIGCONT);
    soak_board_pause(a->plan->board, false);
    soak_board_count(a->plan->board, COUNT_PAUSES, 1);
}

/* What operators and their tools ask, while everything else goes on. */
static bool
do_chore(struct admin *a)
{
    static const struct {
        const char *command, *answer;
    } chores[] = {
        {"stats", "STAT "},
        {"stats items", ""},
        {"stats slabs", "STAT "},
        {"stats settings", "STAT "},
        {"stats sizes", ""},
        {"stats conns", "STAT "},
        {"lru_crawler enable", "OK\r\n"},
        {"lru_crawler crawl all", ""},
        {"lru_crawler metadump all", ""},
        {"slabs automove 1", "OK\r\n"},
        {"version", "VERSION "},
    };
    uint64_t dice = random_next(&a->rng) % (sizeof(chores) / sizeof(chores[0]));
    a->next_chore_ms = clock_mono_ms() + 300;
    return ask_for(a, chores[dice].command, chores[dice].answer);
}

static bool
step(struct admin *a)
{
    const struct soak_admin_plan *p = a->plan;
    uint64_t now_ms = clock_mono_ms();
    bool answered = true;
    if (p->pid != 0) {
        watch_memory(a);
    }
    if (a->flush_hi_us != 0 && clock_mono_us() > a->flush_hi_us) {
        end_flush(a);
    }
    if (p->flush_every_ms != 0 && now_ms > a->next_flush_ms) {
        answered = flush(a);
    }
    if (answered && p->limit_low_bytes != 0 && now_ms > a->next_limit_ms) {
        a->next_limit_ms = now_ms + 3 * SETTLE_MS / 2;
        answered = change_limit(a);
    }
    /* A pause moves the time of a flush that is still to come. */
    if (p->pause_every_ms != 0 && p->pid != 0 && now_ms > a->next_pause_ms && a->flush_hi_us == 0) {
        pause_server(a);
    }
    return answered && (now_ms < a->next_chore_ms || do_chore(a));
}

static bool
open_admin(struct admin *a, const struct soak_admin_plan *plan, struct soak_admin_sums *sums)
{
    uint64_t now_ms = clock_mono_ms();
    *a =
        (struct admin){.plan = plan,
                       .sums = sums,
                       .rng = (soak_board_plan(plan->board)->seed + 4000) * 0x9e3779b97f4a7c15u | 1,
                       .began_ms = now_ms,
                       .next_flush_ms = now_ms, /* a short run may have time for no other */
                       .next_pause_ms = now_ms + plan->pause_every_ms,
                       .next_limit_ms = now_ms + 2000,
                       .limit_bytes = plan->limit_bytes};
    if (!soak_conn_open(&a->conn, plan->addr)) {
        soak_board_wrong(plan->board, "the administrator cannot connect");
        return false;
    }
    return true;
}

bool
soak_admin_run(const struct soak_admin_plan *plan, struct soak_admin_sums *sums)
{
    struct admin a;
    bool answered = open_admin(&a, plan, sums);
    while (answered && !soak_board_ending(plan->board) &&
           clock_mono_ms() - a.began_ms < plan->duration_ms) {
        answered = step(&a);
        poll(NULL, 0, STEP_MS);
    }
    if (a.flush_hi_us != 0) {
        end_flush(&a);
    }
    soak_board_end(plan->board);
    soak_conn_close(&a.conn, false);
    return answered;
}

bool
soak_admin_ask(const struct soak_admin_plan *plan, struct soak_admin_sums *sums)
{
    struct admin a;
    struct span answer;
    bool answered = open_admin(&a, plan, sums) && ask(&a, "stats", &answer);
    if (answered) {
        sums->evictions = stat_of(answer, "evictions");
        sums->items = stat_of(answer, "curr_items");
    }
    soak_conn_close(&a.conn, false);
    return answered;
}
