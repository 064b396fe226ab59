/* stats_settings.c - `stats settings`: memcached's names, all of them, because
 * scripts and panels look for them. What tunes an engine that is not here shows
 * what memcached shows by default, or what the lru and slabs commands have set. */
#include "cached/stats.h"
#include "common/net/call_batch.h"

#include <inttypes.h>

/* clang-format off */
/*    name                     option */
#define NUMBER_ROWS(X)                                   \
    X("maxconns",              connections_max)          \
    X("udpport",               udp_port)                 \
    X("num_threads",           threads)                  \
    X("num_threads_per_udp",   threads)                  \
    X("reqs_per_event",        requests_per_turn)        \
    X("tcp_backlog",           backlog)                  \
    X("item_size_max",         item_max_bytes)           \
    X("idle_timeout",          idle_timeout_s)           \
    X("gather_us",             gather_us)

/*    name                     is it so? */
#define FACT_ROWS(X)                                                             \
    X("shutdown_command",      o->shutdown_enabled)                              \
    X("detail_enabled",        atomic_load(&node->detail.enabled))               \
    X("cas_enabled",           !o->no_cas)                                       \
    X("maxconns_fast",         !o->no_maxconns_fast)                             \
    X("items_memory_only",     o->items_memory_only)                             \
    X("lru_crawler",           atomic_load(&node->crawler.enabled))              \
    X("flush_enabled",         !o->no_flush)                                     \
    X("dump_enabled",          !o->no_dumping)                                   \
    X("watch_enabled",         !o->no_watch)                                     \
    X("track_sizes",           atomic_load(&node->sizes_enabled))

/*    name                     always */
#define CONSTANT_ROWS(X)                        \
    X("oldest",                "0")             \
    X("growth_factor",         "1.25")          \
    X("chunk_size",            "48")            \
    X("auth_enabled_sasl",     "no")            \
    X("auth_enabled_ascii",    "no")            \
    X("hashpower_init",        "0")             \
    X("slab_reassign",         "yes")           \
    X("slab_automove_window",  "30")            \
    X("slab_chunk_max",        "524288")        \
    X("tail_repair_time",      "0")             \
    X("hash_algorithm",        "xxh3")          \
    X("lru_maintainer_thread", "yes")           \
    X("watcher_logbuf_size",   "262144")        \
    X("worker_logbuf_size",    "65536")         \
    X("read_buf_mem_limit",    "0")             \
    X("inline_ascii_response", "no")            \
    X("ssl_enabled",           "no")            \
    X("num_napi_ids",          "(null)")
/* clang-format on */

static void
put_text(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "STAT %s %s\r\n", name, value);
}

static void
put_number(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "STAT %s %" PRIu64 "\r\n", name, value);
}

static void
put_fact(struct buf *out, const char *name, bool fact)
{
    put_text(out, name, fact ? "yes" : "no");
}

void
stats_put_settings(struct node *node, struct buf *out)
{
    const struct node_options *o = &node->options;
    put_number(out, "maxbytes", store_info(node->store).memory_limit);
#define X(name, option) put_number(out, name, o->option);
    NUMBER_ROWS(X)
#undef X
    put_text(out, "tcpport", o->port);
    put_text(out, "inter", o->listen.count > 0 ? o->listen.items[0] : "NULL");
    put_number(out, "verbosity", atomic_load(&node->verbosity));
    put_text(out, "evictions", o->no_evictions ? "off" : "on");
    put_text(out, "domain_socket", o->unix_socket != NULL ? o->unix_socket : "NULL");
    buf_printf(out, "STAT umask %o\r\n", o->unix_mode);
    buf_printf(out, "STAT stat_key_prefix %c\r\n", node->detail.delimiter);
    bool ascii = strcmp(o->protocol, "ascii") == 0;
    put_text(out, "binding_protocol", ascii ? "ascii" : "auto-negotiate");
    put_number(out, "lru_crawler_sleep", atomic_load(&node->crawler.sleep_us));
    put_number(out, "lru_crawler_tocrawl", atomic_load(&node->crawler.tocrawl));
#define X(name, fact) put_fact(out, name, fact);
    FACT_ROWS(X)
#undef X
    put_text(out, "io_uring", call_ring_use());
    put_text(out, "memory_file", o->memory_file != NULL ? o->memory_file : "(null)");
    tuning_put(&node->tuning, out);
#define X(name, value) put_text(out, name, value);
    CONSTANT_ROWS(X)
#undef X
}
