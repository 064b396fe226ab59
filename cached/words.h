/* words.h - the words of an administrative command. */
#pragma once
#include "common/core/num.h"
#include "common/proto/request.h"

#define WORDS_MAX 12

struct words {
    struct span at[WORDS_MAX]; /* the first of them */
    unsigned count;            /* of all, behind the verb; noreply not counted */
};

static inline struct words
words_of(const struct request *r)
{
    struct words w = {0};
    w.count = request_admin_words(r, w.at, WORDS_MAX);
    w.count -= r->noreply && w.count > 0;
    return w;
}

static inline bool
word_is(const struct words *w, unsigned i, const char *text)
{
    return i < w->count && i < WORDS_MAX && span_eq_cstr(w->at[i], text);
}

static inline bool
word_number(const struct words *w, unsigned i, uint64_t *n)
{
    return i < w->count && i < WORDS_MAX && num_parse_u64(w->at[i], n);
}
