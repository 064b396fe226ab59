/* soakmodel.h - what one writer knows about one key, and whether an answer can
 * be true.
 *
 * Only one connection changes a key, so its commands have an order. Between any
 * two of them the item may vanish (evicted); a command without a reply may have
 * been carried out or not. So the state is a set: what the key may hold now,
 * and always possibly nothing. Each answered command removes what contradicts
 * the answer and turns the rest into what the command makes of it. An answer
 * that contradicts everything is wrong.
 *
 * A value is certainly gone once its TTL is over or a flush came behind it. It
 * is certainly there (`sure`) after an answer said so, until something may have
 * taken it: a miss then is an eviction, which the server must have counted.
 *
 * Pure. Times are of one monotonic clock in microseconds; a command was carried
 * out somewhere between sending and its answer, hence `lo` and `hi`. */
#pragma once
#include "t/soak/soakvalue.h"

#define SOAK_NEVER   UINT64_MAX
#define SOAK_MAY_MAX 4

enum soak_mark { MARK_NONE, MARK_STALE, MARK_UNKNOWN };

struct soak_item {
    struct soak_content content;
    uint64_t cas; /* 0: not known */
    uint64_t stored_lo_us, stored_hi_us;
    uint64_t expiry_lo_us, expiry_hi_us; /* SOAK_NEVER: none */
    enum soak_mark stale;
};

struct soak_state {
    unsigned count;
    bool sure; /* one of `may`, not nothing */
    bool lost; /* an answer was wrong, or too much is possible: anything is believed until
                  the key is set or seen to miss */
    struct soak_item may[SOAK_MAY_MAX];
};

enum soak_effect {
    EFFECT_READ,
    EFFECT_SET,
    EFFECT_ADD,
    EFFECT_REPLACE,
    EFFECT_APPEND,
    EFFECT_PREPEND,
    EFFECT_INCR,
    EFFECT_DECR,
    EFFECT_DELETE,
    EFFECT_MARK_STALE,
    EFFECT_DROP_VALUE,
    EFFECT_TOUCH,
};

/* A command, as far as it matters here. */
struct soak_deed {
    enum soak_effect effect;
    uint32_t id;
    struct soak_piece piece; /* what is stored; .seq also for numbers */
    bool compare;
    uint64_t compare_cas;
    uint64_t delta;
    bool touch;      /* sets the expiry, too, of what is there; storing always does */
    bool touch_last; /* the TTL that is shown is the one before */
    bool vivify;
    int64_t ttl_s; /* 0 never, below 0 at once */
    uint64_t sent_us;
};

enum soak_answer_kind {
    ANSWER_UNKNOWN, /* none was asked for, or it did not come */
    ANSWER_HIT,     /* with a value, or a meta HD that stands for one */
    ANSWER_MISS,    /* also NOT_FOUND */
    ANSWER_DONE,
    ANSWER_NOT_STORED,
    ANSWER_EXISTS,
    ANSWER_NUMBER,
    ANSWER_REFUSED, /* no memory */
};

struct soak_answer {
    enum soak_answer_kind kind;
    bool cut; /* UNKNOWN: the connection ended, perhaps before the command was carried out */
    bool has_value, has_flags, has_cas, has_ttl, has_size, meta;
    struct span value;
    uint64_t flags, cas, number, size;
    int64_t ttl_s; /* -1 never */
    bool stale;    /* X, of a meta read */
    uint64_t at_us;
};

/* When the whole cache was emptied, and how far clocks may be apart. */
struct soak_weather {
    uint64_t flushed_lo_us; /* what was stored before is gone for this command */
    uint64_t flushed_hi_us; /* what was stored before may be gone */
    uint64_t slack_us;      /* SOAK_NEVER: nothing can be said about time */
};

enum soak_verdict {
    SOAK_RIGHT,
    SOAK_VANISHED, /* right, if an eviction took it */
    SOAK_WRONG,
};

/* Judges the answer and follows it. After SOAK_WRONG the key is `lost` for a
 * while: one bug is told once. */
enum soak_verdict soak_judge(struct soak_state *state, const struct soak_deed *deed,
                             const struct soak_answer *answer, const struct soak_weather *weather);

/* For a report: what was possible, in one line, into `out`. */
void soak_state_print(const struct soak_state *state, char *out, size_t room);
