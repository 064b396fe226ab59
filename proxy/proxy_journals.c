/* proxy_journals.c - the journals of all nodes as a whole: their folder, and how they
 * go from one process to the next.
 *
 *     old: READY -> each journal has a stream to the new one -> all that it holds
 *          ... drains: what is put is sent at the end of the turn ...
 *     new: each record -> the journal of its node -> a worker delivers it
 *
 * The old process goes on delivering, too, as long as it drains: by the connections
 * that may still carry the requests whose outcome it does not know. */
#include "common/core/clock.h"
#include "common/core/hash.h"
#include "common/core/log.h"
#include "proxy/journal_dir.h"
#include "proxy/journal_heir.h"
#include "proxy/proxy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SEND_WAIT_MS   5000 /* for what the journals hold; the rest goes when there is room */
#define LINES_A_SECOND 10

/* --- their folder ----------------------------------------------------------------- */

bool
proxy_keep_journals(struct proxy *proxy)
{
    const char *path = proxy->options->journal_dir;
    if (path == NULL) {
        return true;
    }
    char *error = NULL;
    proxy->journals = journal_dir_open(path, metric_set_block(proxy->metrics), &error);
    if (proxy->journals == NULL) {
        fprintf(stderr, "mfproxy: option --journal-dir: %s\n", error);
        free(error);
        return false;
    }
    journal_dir_start(proxy->journals);
    return true;
}

/* --- the old process ---------------------------------------------------------------- */

/* False when the time is over. */
static bool
push(struct proxy *proxy, uint64_t until_ms)
{
    while (!journal_heir_send(proxy->heir)) {
        uint64_t now = clock_mono_ms();
        if (now >= until_ms) {
            return false;
        }
        successor_await_room(proxy->successor, (unsigned)(until_ms - now));
    }
    return true;
}

static void
bequeath(struct proxy *proxy, const struct place_node *node, uint64_t until_ms)
{
    char *owner = journal_owner(node->node->id, node->node->addr);
    uint64_t cursor = 0;
    journal_bequeath(node->journal, proxy->heir, span_cstr(owner));
    while (journal_tell_heir(node->journal, &cursor)) {
        (void)push(proxy, until_ms); /* so that not all of it is in memory at once */
    }
    free(owner);
}

static void
bequeath_all(struct proxy *proxy, uint64_t until_ms)
{
    struct placement *p = proxy_placement(proxy);
    for (unsigned i = 0; p != NULL && i < p->node_count; i++) {
        if (!journal_is_bequeathed(p->nodes[i].journal)) {
            bequeath(proxy, &p->nodes[i], until_ms);
        }
    }
    placement_unref(&p);
}

void
proxy_bequeath_journals(struct proxy *proxy)
{
    uint64_t until_ms = clock_mono_ms() + SEND_WAIT_MS;
    proxy->heir = journal_heir_create(successor_give_journal, proxy->successor);
    bequeath_all(proxy, until_ms);
    if (!push(proxy, until_ms)) {
        log_warn("journals_late", "reason=\"the new process does not read\"");
    }
}

/* Also those of nodes that a table has brought since. */
bool
proxy_heir_has_all(struct proxy *proxy)
{
    if (proxy->heir == NULL || successor_is_gone(proxy->successor)) {
        return false;
    }
    bequeath_all(proxy, 0);
    return journal_heir_send(proxy->heir) && journal_heir_has_all(proxy->heir);
}

/* What the heir has must not be done once more, and late, by whoever uses the folder next. */
void
proxy_end_journals(struct proxy *proxy)
{
    struct placement *p = proxy->placement;
    if (proxy_heir_has_all(proxy)) {
        for (unsigned i = 0; p != NULL && i < p->node_count; i++) {
            journal_drop_file(p->nodes[i].journal);
        }
    }
    placement_unref(&proxy->placement);
    journal_heir_destroy(&proxy->heir);
    journal_dir_close(&proxy->journals);
}

/* --- the new process ------------------------------------------------------------------ */

/* As journal_owner() has it. */
static bool
is_owner(const struct table_node *node, struct span owner)
{
    size_t n = strlen(node->id);
    return owner.len > n && memcmp(owner.ptr, node->id, n) == 0 && owner.ptr[n] == '\n' &&
           span_eq_cstr(span_skip(owner, n + 1), node->addr);
}

const struct place_node *
proxy_node_of(const struct placement *p, struct span owner)
{
    for (unsigned i = 0; p != NULL && i < p->node_count; i++) {
        if (is_owner(p->nodes[i].node, owner)) {
            return &p->nodes[i];
        }
    }
    return NULL;
}

/* Reads of the key that are on their way may bring the old value. */
static void
outdate(struct proxy *proxy, const struct journal_record *record)
{
    if (record->type == RECORD_PUT) {
        write_marks_move(&proxy->writes, hash_span_seeded(record->key, proxy->limits.hash_seed));
    } else {
        write_marks_move_all(&proxy->writes);
    }
}

/* Returns how many; what is no record ends it. */
static unsigned
inherit(struct proxy *proxy, const struct place_node *node, struct span records)
{
    struct journal_record record;
    unsigned count = 0;
    while (journal_record_parse(records, &record) == JOURNAL_PARSED) {
        journal_inherit(node->journal, &record, clock_mono_us());
        outdate(proxy, &record);
        records = span_skip(records, record.bytes);
        count++;
    }
    if (records.len > 0) {
        journal_want_flush(node->journal, clock_mono_us());
        write_marks_move_all(&proxy->writes);
        log_error("journal_unreadable", "node=%s then=flush_all", LOG_STR(node->node->id));
    }
    return count;
}

/* It may be in a table that comes later, but what it has missed is not kept until then,
 * as it is not when a table takes a node out. */
static void
say_unknown(struct span owner)
{
    const char *end = memchr(owner.ptr, '\n', owner.len);
    size_t id_bytes = end != NULL ? (size_t)(end - owner.ptr) : owner.len;
    LOG_LIMITED(LINES_A_SECOND, LOG_WARN, "journal_not_inherited",
                "node=%.*s reason=\"not in the table\"", (int)id_bytes, owner.ptr);
}

void
proxy_inherit_journal(struct proxy *proxy, struct span message)
{
    struct span owner;
    size_t bytes;
    if (journal_owner_parse(message, &owner, &bytes) != JOURNAL_PARSED) {
        log_error("journal_unreadable", "effect=\"what a node has missed is not known\"");
        return;
    }
    struct placement *p = proxy_placement(proxy);
    const struct place_node *node = proxy_node_of(p, owner);
    if (node == NULL) {
        say_unknown(owner);
    } else {
        unsigned count = inherit(proxy, node, span_skip(message, bytes));
        atomic_store(&node->stats->journal, journal_count(node->journal));
        metric_add(proxy->accept_metrics, METRIC_ID_JOURNAL_INHERITED, count);
        journal_write(node->journal);
        for (unsigned i = 0; i < proxy->worker_count; i++) {
            worker_look_at_journals(proxy->workers[i]);
        }
    }
    placement_unref(&p);
}
