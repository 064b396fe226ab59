#include "cached/tuning.h"
#include "cached/exec.h"
#include "cached/words.h"

#include <inttypes.h>
#include <stdlib.h>

#define SEGMENTS_PCT_MAX 80
#define NUMBER_TEXT_MAX  32

void
tuning_init(struct tuning *t)
{
    *t = (struct tuning){
        .hot_pct = 20,
        .warm_pct = 40,
        .hot_factor = 0.2,
        .warm_factor = 2,
        .segmented = true,
        .temporary_ttl_s = 61,
        .automove = 1,
        .automove_ratio = 0.8,
    };
    pthread_mutex_init(&t->lock, NULL);
}

void
tuning_deinit(struct tuning *t)
{
    pthread_mutex_destroy(&t->lock);
}

void
tuning_put(struct tuning *t, struct buf *out)
{
    pthread_mutex_lock(&t->lock);
    buf_printf(out, "STAT slab_automove %" PRIu64 "\r\nSTAT slab_automove_ratio %.2f\r\n",
               t->automove, t->automove_ratio);
    buf_printf(out, "STAT lru_segmented %s\r\n", t->segmented ? "yes" : "no");
    buf_printf(out, "STAT hot_lru_pct %" PRIu64 "\r\nSTAT warm_lru_pct %" PRIu64 "\r\n", t->hot_pct,
               t->warm_pct);
    buf_printf(out, "STAT hot_max_factor %.2f\r\nSTAT warm_max_factor %.2f\r\n", t->hot_factor,
               t->warm_factor);
    buf_printf(out, "STAT temp_lru %s\r\nSTAT temporary_ttl %" PRIu64 "\r\n",
               t->temporary ? "yes" : "no", t->temporary_ttl_s);
    pthread_mutex_unlock(&t->lock);
}

static bool
word_real(const struct words *w, unsigned i, double *value)
{
    char text[NUMBER_TEXT_MAX], *end;
    if (i >= w->count || i >= WORDS_MAX || w->at[i].len >= sizeof(text)) {
        return false;
    }
    memcpy(text, w->at[i].ptr, w->at[i].len);
    text[w->at[i].len] = '\0';
    *value = strtod(text, &end);
    return end != text && *end == '\0';
}

/* --- lru ----------------------------------------------------------------------- */

static enum proto_error
tune(struct tuning *t, const struct words *w)
{
    uint64_t hot, warm;
    double hot_factor, warm_factor;
    if (!word_number(w, 1, &hot) || !word_number(w, 2, &warm) || !word_real(w, 3, &hot_factor) ||
        !word_real(w, 4, &warm_factor)) {
        return PROTO_ERR_UNKNOWN_COMMAND;
    }
    if (hot > SEGMENTS_PCT_MAX || warm > SEGMENTS_PCT_MAX || hot + warm > SEGMENTS_PCT_MAX) {
        return PROTO_ERR_LRU_PERCENT;
    }
    if (!(hot_factor > 0) || !(warm_factor > 0)) {
        return PROTO_ERR_LRU_FACTOR;
    }
    pthread_mutex_lock(&t->lock);
    t->hot_pct = hot;
    t->warm_pct = warm;
    t->hot_factor = hot_factor;
    t->warm_factor = warm_factor;
    pthread_mutex_unlock(&t->lock);
    return PROTO_OK;
}

static enum proto_error
set_mode(struct tuning *t, const struct words *w)
{
    bool segmented = word_is(w, 1, "segmented");
    if (!segmented && !word_is(w, 1, "flat")) {
        return PROTO_ERR_UNKNOWN_COMMAND;
    }
    pthread_mutex_lock(&t->lock);
    t->segmented = segmented;
    pthread_mutex_unlock(&t->lock);
    return PROTO_OK;
}

static enum proto_error
set_temporary(struct tuning *t, const struct words *w)
{
    int64_t ttl_s;
    if (w->count < 2 || !num_parse_i64(w->at[1], &ttl_s)) {
        return PROTO_ERR_UNKNOWN_COMMAND;
    }
    pthread_mutex_lock(&t->lock);
    t->temporary = ttl_s >= 0;
    if (ttl_s >= 0) {
        t->temporary_ttl_s = (uint64_t)ttl_s;
    }
    pthread_mutex_unlock(&t->lock);
    return PROTO_OK;
}

enum proto_error
exec_lru(struct tuning *t, const struct words *w)
{
    if (word_is(w, 0, "tune")) {
        return tune(t, w);
    }
    if (word_is(w, 0, "mode")) {
        return set_mode(t, w);
    }
    return word_is(w, 0, "temp_ttl") ? set_temporary(t, w) : PROTO_ERR_UNKNOWN_COMMAND;
}

/* --- slabs --------------------------------------------------------------------- */

static enum proto_error
set_automove(struct tuning *t, const struct words *w)
{
    uint64_t level = 0;
    double ratio = 0;
    bool is_ratio = word_is(w, 1, "ratio");
    if (is_ratio && !word_real(w, 2, &ratio)) {
        return PROTO_ERR_UNKNOWN_COMMAND;
    }
    if (!is_ratio && (!word_number(w, 1, &level) || level > UINT32_MAX)) {
        return PROTO_ERR_BAD_FORMAT;
    }
    if (level > 2) {
        return PROTO_ERR_UNKNOWN_COMMAND;
    }
    pthread_mutex_lock(&t->lock);
    if (is_ratio) {
        t->automove_ratio = ratio;
    } else {
        t->automove = level;
    }
    pthread_mutex_unlock(&t->lock);
    return PROTO_OK;
}

/* Pages are moved where they are wanted without being told, so none is spare. */
static enum proto_error
reassign(const struct words *w)
{
    int64_t from, to;
    if (!num_parse_i64(w->at[1], &from) || !num_parse_i64(w->at[2], &to)) {
        return PROTO_ERR_BAD_FORMAT;
    }
    if (from == to) {
        return PROTO_ERR_SAME_CLASS;
    }
    if (from < -1 || from >= STORE_BANDS || to < 0 || to >= STORE_BANDS) {
        return PROTO_ERR_BAD_CLASSES;
    }
    return PROTO_ERR_NO_SPARE_PAGES;
}

enum proto_error
exec_slabs(struct tuning *t, const struct words *w)
{
    if (w->count == 3 && word_is(w, 0, "reassign")) {
        return reassign(w);
    }
    if (w->count >= 2 && word_is(w, 0, "automove")) {
        return set_automove(t, w);
    }
    return PROTO_ERR_UNKNOWN_COMMAND;
}
