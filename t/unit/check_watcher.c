/* A watcher of hot keys that does not read: what is kept for it is bounded, and what
 * it was not told is counted and told as such. */
#include "proxy/client.h"
#include "proxy/proxy_worker.h"
#include "proxy/watcher.h"
#include "t/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEWS       400
#define NEWS_LINES 2
#define NEWS_BYTES 1000

static void
nothing(void *arg)
{
}

static const struct metric_desc descs[] = {PROXY_METRICS(METRIC_DESC)};
static struct frontends frontends;
static struct write_marks writes;
static struct watch_hub hub;
static const struct worker_limits limits = {
    .max_inflight = 1, .buffer_bytes = 1u << 30, .half_command_ms = 60000, .threads = 1};
static const struct worker_host host = {.frontends = &frontends,
                                        .writes = &writes,
                                        .watches = &hub,
                                        .watch_tick = nothing,
                                        .client_gone = nothing};

/* The worker has gone through all that it was given; returns the lines it skipped. */
static uint64_t
await(const struct metric_set *metrics, uint64_t lines)
{
    while (metric_sum(metrics, METRIC_ID_WATCH_LINES) +
               metric_sum(metrics, METRIC_ID_WATCH_SKIPPED) <
           lines) {
        usleep(1000);
    }
    return metric_sum(metrics, METRIC_ID_WATCH_SKIPPED);
}

/* The next line that is not of skipped ones; returns those. */
static uint64_t
next_line(FILE *in)
{
    char line[NEWS_BYTES];
    unsigned long skipped = 0;
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), in));
    if (sscanf(line, "skipped=%lu\n", &skipped) == 1) {
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), in));
    }
    ck_assert_int_eq(line[0], 'x');
    return skipped;
}

START_TEST(a_watcher_that_does_not_read)
{
    int pair[2], small = 4096;
    char text[NEWS_BYTES];
    frontends_init(&frontends);
    struct metric_set *metrics = metric_set_create("mfproxy", descs, PROXY_METRIC_COUNT);
    struct worker *w = worker_create(0, &limits, &host, metric_set_block(metrics));
    worker_start(w);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    worker_give_client(w, pair[0], FRONTEND_UNKNOWN);
    FILE *in = fdopen(pair[1], "r+");
    ck_assert_int_eq(write(pair[1], "watch hotkeys\r\n", 15), 15);
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), in));
    ck_assert_str_eq(text, "OK\r\n");

    memset(text, 'x', sizeof(text));
    text[NEWS_BYTES / 2 - 1] = text[NEWS_BYTES - 1] = '\n';
    for (unsigned i = 0; i < NEWS; i++) {
        watcher_tell(w, span_make(text, sizeof(text)), NEWS_LINES);
    }
    uint64_t skipped = await(metrics, NEWS * NEWS_LINES);
    uint64_t told = metric_sum(metrics, METRIC_ID_WATCH_LINES);
    ck_assert_uint_gt(skipped, NEWS * NEWS_LINES / 2);
    ck_assert_uint_le(metric_sum(metrics, METRIC_ID_HELD_BYTES), WATCHER_HELD_MAX);
    uint64_t known = 0; /* what it was told of the skipped ones */
    for (uint64_t i = 0; i < told; i++) {
        known += next_line(in);
    }

    /* It has read, so there is room. */
    watcher_tell(w, span_make(text, sizeof(text)), NEWS_LINES);
    known += next_line(in);
    ck_assert_uint_eq(known, skipped);
    ck_assert_uint_eq(next_line(in), 0);
    ck_assert_uint_eq(atomic_load(&hub.watchers), 1);
    worker_stop(w);
    worker_destroy(&w);
    ck_assert_uint_eq(atomic_load(&hub.watchers), 0);
    fclose(in);
    metric_set_destroy(&metrics);
}
END_TEST

UNIT_MAIN("watcher", a_watcher_that_does_not_read)
