/* token_bucket.h - so many a second, and for a moment more. Pure: the caller has
 * the clock.
 *
 * One number is kept: until when what was taken so far has used the rate up (the
 * "theoretical arrival time" of ITU-T I.371's cell rate algorithm). An idle bucket
 * is full; what may be taken at once is what the rate brings in `burst_ns`. Who
 * does not know yet what he will take asks for 0 and takes it later, and then the
 * bucket may owe; the next wait until that is paid, at most TOKEN_BUCKET_DEBT_NS.
 *
 * Threads: any, without a lock; limits as given by each caller. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TOKEN_BUCKET_DEBT_NS 60000000000u

struct token_bucket {
    _Atomic uint64_t used_until_ns;
};

struct token_rate {
    uint64_t per_second; /* 0: no limit */
    uint64_t burst_ns;   /* at least as long as one takes */
};

/* May `n` be taken now? Then they are. Whoever comes while anything is left gets
 * all he asks for. */
bool token_bucket_take(struct token_bucket *b, const struct token_rate *rate, uint64_t n,
                       uint64_t now_ns);

/* Takes them in any case. */
void token_bucket_owe(struct token_bucket *b, const struct token_rate *rate, uint64_t n,
                      uint64_t now_ns);
