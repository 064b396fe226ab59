/* journal.h - the invalidations that one node has not had: keys whose delete, or
 * write of unknown outcome, could not be delivered.
 *
 *     put -> waiting -> taken by its worker -> delivered: forgotten
 *               ^--------- put back ----------'
 *
 * While a key is here the node's value of it must not be read, whoever asks:
 * journal_blocks(). A key is kept once for each worker that puts it, whatever often it
 * does. One that is put again while its delivery is under way is delivered again,
 * because somebody else may have stored an old value in between.
 *
 * Each entry belongs to the worker that put it, and that worker delivers it: by its
 * own connection, behind the very request whose outcome is unknown. What another
 * worker delivers may arrive before that request.
 *
 * Bounded by a budget that all journals share. Over it the journal forgets its
 * keys and remembers that it did: the node needs a flush, from every worker, and
 * until it has had that blocks all keys. Nothing is forgotten silently.
 *
 * Any thread; one lock a journal. Times are those of clock_mono_us().
 *
 * It may have a file (journal_file.h), which is told of every change, and an heir
 * (journal_heir.h), which is told of what is put. */
#pragma once
#include "common/core/span.h"
#include "proxy/journal_record.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct journal;
struct journal_entry;
struct journal_file;
struct journal_heir;

struct journal_budget {
    uint64_t max_entries, max_bytes;
    _Atomic uint64_t entries, bytes; /* of all journals */
};

/* For `workers` workers, numbered from 0. One reference is the caller's. The
 * budget outlives the journal. */
struct journal *journal_create(struct journal_budget *budget, unsigned workers);
struct journal *journal_ref(struct journal *j);
/* Not if the last reference is just given back. For who knows of the journal
 * without a reference, through its file. */
bool journal_try_ref(struct journal *j);
/* The last one forgets what is left. Nothing may be taken. */
void journal_unref(struct journal **j);

enum journal_result {
    JOURNAL_KEPT,
    JOURNAL_KNOWN, /* it waits for this worker already, or a flush does that includes it */
    JOURNAL_LOSSY, /* over the budget: all keys were given up for a flush */
};
/* `key` has at most 250 bytes, any. */
enum journal_result journal_put(struct journal *j, struct span key, unsigned worker,
                                uint64_t now_us);

/* The node shall be flushed by every worker; the keys are included and forgotten. */
void journal_want_flush(struct journal *j, uint64_t now_us);
/* Or by this one, before it delivers its keys. */
void journal_want_flush_by(struct journal *j, unsigned worker, uint64_t now_us);

/* What a journal begins with: entries in its table, and workers that owe a flush. */
struct journal_front {
    _Atomic uint64_t count;
};

/* Cheap: nothing waits, nothing is under way. */
static inline bool
journal_is_empty(const struct journal *j)
{
    const struct journal_front *front = (const struct journal_front *)(const void *)j;
    return atomic_load_explicit(&front->count, memory_order_acquire) == 0;
}

/* May the key not be read? */
bool journal_blocks(struct journal *j, struct span key);

/* Keys that wait or are under way; a flush counts as one. */
uint64_t journal_count(struct journal *j);

/* Is something left for this worker to deliver, or on its way by it? */
bool journal_owes(struct journal *j, unsigned worker);

enum journal_task {
    JOURNAL_NOTHING, /* nothing waits for this worker now */
    JOURNAL_DELETE,  /* *entry, until it is delivered or put back */
    JOURNAL_FLUSH,   /* until journal_flushed() or journal_not_flushed() */
};
/* The next thing for `worker` to deliver. A flush goes alone: before it ends, no
 * key is given out. */
enum journal_task journal_take(struct journal *j, unsigned worker, struct journal_entry **entry);
struct span journal_key(const struct journal_entry *entry);

/* The node has confirmed it; or nobody knows whether it has it. */
void journal_delivered(struct journal *j, struct journal_entry **entry);
void journal_put_back(struct journal *j, struct journal_entry **entry);
void journal_flushed(struct journal *j, unsigned worker);
void journal_not_flushed(struct journal *j, unsigned worker);

/* The node's memory began empty no earlier than `began_us`: what was put before
 * that is about values that are gone. Returns how many were forgotten. */
uint64_t journal_forget_before(struct journal *j, uint64_t began_us);

/* --- its file ------------------------------------------------------------------------ */

/* As it was before the proxy ended: one record after another, before any worker
 * knows of the journal. JOURNAL_LOSSY as with journal_put(). */
enum journal_result journal_restore(struct journal *j, const struct journal_record *record,
                                    uint64_t now_us);

/* When something was last put that another process has left to us, 0 if never: that
 * process may have sent the node requests that it has not looked at yet. */
uint64_t journal_left_us(const struct journal *j);

/* From now on the file is told of what changes, and ends with the journal. */
void journal_keep_in(struct journal *j, struct journal_file *file);

/* All that this thread has put before is in the file when it returns, and has been
 * sent to the heir, if the kernel has room for it. Without either nothing happens. */
void journal_write(struct journal *j);

/* No table names the node any more: the file goes at once. */
void journal_drop_file(struct journal *j);

/* Bytes of the records that the journal as it is would need. */
uint64_t journal_record_total(struct journal *j);

/* Tells once more of some keys, and at first of flushes: `tell` gets PUT and
 * FLUSH_SOME, under the journal's lock. `*cursor` is 0 at first; false when all were
 * told. What changes meanwhile may be told or not. */
typedef void journal_tell_fn(void *arg, enum journal_record_type type, struct span key);
bool journal_tell_again(struct journal *j, uint64_t *cursor, journal_tell_fn *tell, void *arg);

/* --- the process after this one ------------------------------------------------------- */

/* How a node is called in what outlives a process. The caller's to free. */
char *journal_owner(const char *id, const char *addr);

/* From now on the heir is told of what is put; of what is here already in
 * journal_tell_heir(), step by step as with journal_tell_again(). Once a journal. */
void journal_bequeath(struct journal *j, struct journal_heir *heir, struct span owner);
bool journal_tell_heir(struct journal *j, uint64_t *cursor);
bool journal_is_bequeathed(const struct journal *j);

/* What the process before this one had in its journal of the node; workers may know
 * of the journal already, and have to be told (worker_look_at_journals()). */
enum journal_result journal_inherit(struct journal *j, const struct journal_record *record,
                                    uint64_t now_us);
