/* hotkeys.h - which keys are asked for most, and which move the most bytes.
 *
 * About one request in HOTKEYS_EVERY is looked at, at random distances, and
 * counts for that many. A sketch keeps HOTKEYS_KEPT keys by the space-saving
 * rule: a key that is not among them takes the place of the one with the least
 * count and inherits that count, as its possible error. So a key whose share of
 * all is more than 1 / HOTKEYS_KEPT is always there, its count never too low but
 * for the sampling, and too high by at most its error. (Metwally, Agrawal, El
 * Abbadi: Efficient Computation of Frequent and Top-k Elements, 2005.) Counts
 * are halved every HOTKEYS_HALF_LIFE_MS, so what is told is of the last minutes.
 *
 * Each worker has two sketches, by requests and by bytes, of fixed memory and
 * under a lock that only a report contends for; the request that is not looked
 * at costs one decrement. A report adds the workers' sketches up.
 *
 * While somebody watches, two further sketches of each worker count the interval
 * that goes on, from nothing and without halving.
 *
 * Node and proxy both have it, the proxy without bytes.
 *
 * Threads: hotkeys_count() the worker; everything else any. */
#pragma once
#include "common/core/buf.h"

#define HOTKEYS_EVERY        64
#define HOTKEYS_KEPT         128
#define HOTKEYS_HALF_LIFE_MS 60000
#define HOTKEYS_KEY_MAX      250

enum hotkeys_order { HOTKEYS_REQUESTS, HOTKEYS_BYTES, HOTKEYS_ORDERS };

struct hotkeys;

/* Static text, also the word of the command. */
const char *hotkeys_order_name(enum hotkeys_order order);

struct hotkeys *hotkeys_create(uint64_t seed);
void hotkeys_destroy(struct hotkeys **h);

/* Counts a request that was chosen; returns the distance to the next one. `hash`
 * is the key's, by any function that all sketches of a report share. */
uint32_t hotkeys_count(struct hotkeys *h, struct span key, uint64_t hash, uint64_t bytes,
                       uint64_t now_ms);

/* The same where the value's bytes are not known: counts among requests only. */
uint32_t hotkeys_count_request(struct hotkeys *h, struct span key, uint64_t hash, uint64_t now_ms);

/* What is certain of the key's requests in the last minutes, and all there were. */
struct hotkeys_weight {
    uint64_t requests;
    uint64_t total;
};
struct hotkeys_weight hotkeys_weigh(struct hotkeys *h, struct span key, uint64_t hash);

/* Begins to count an interval from nothing, or ends the one that goes on. */
void hotkeys_interval(struct hotkeys *h, bool counts);

/* What is reported: the last minutes, or the interval. */
enum hotkeys_span { HOTKEYS_RECENT, HOTKEYS_INTERVAL };

/* One key of a report. */
struct hotkey {
    struct span key;
    uint64_t count; /* requests, or bytes of keys and values */
    uint64_t error; /* so much of it may be another's */
};

/* Calls `fn` for the top `n` keys of all these sketches, the first first; the
 * view is valid during the call. */
void hotkeys_report(struct hotkeys *const *sketches, unsigned count, enum hotkeys_span span,
                    enum hotkeys_order order, unsigned n, uint64_t now_ms,
                    void (*fn)(void *arg, const struct hotkey *key), void *arg);

/* All requests, of the same last minutes as the counts. */
uint64_t hotkeys_total(struct hotkeys *const *sketches, unsigned count, uint64_t now_ms);

/* --- as text (hotkeys_text.c), of the last minutes ------------------------------- */
#define HOTKEYS_TOP_DEFAULT 10
#define HOTKEYS_TOP_MAX     1000

/* The words behind `hotkeys`: "[requests|bytes] [<number>]". False if they are
 * not. */
bool hotkeys_parse(const struct span *words, unsigned count, enum hotkeys_order *order,
                   uint64_t *top);

/* "HOTKEY <key, URI encoded> <count> <error>" lines. */
void hotkeys_put_lines(struct hotkeys *const *sketches, unsigned count, enum hotkeys_order order,
                       unsigned top, uint64_t now_ms, struct buf *out);

/* "STAT <order>:<rank>:key", ":count" and ":error" of the first ten; before them
 * "STAT requests:total", of the same time, so that shares can be reckoned. */
void hotkeys_put_stats(struct hotkeys *const *sketches, unsigned count, enum hotkeys_order order,
                       uint64_t now_ms, struct buf *out);
