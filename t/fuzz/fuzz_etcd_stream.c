/* A stream of the gateway, cut anywhere: the splitter must cut where it would
 * on the whole, and whatever it cuts must decode or be refused. */
#include "common/core/assert.h"
#include "control/etcd/decode.h"
#include "control/etcd/json_split.h"
#include "t/fuzz/fuzz.h"

#define MAX 4096

static void
take(struct span message)
{
    struct answer a;
    const char *error = NULL;
    if (answer_decode(message, SPAN_LIT("/mf/"), &a, &error)) {
        ASSERT(a.kv_count == 0 || a.kvs != NULL);
        answer_deinit(&a);
    } else {
        ASSERT(error != NULL);
    }
}

/* How many messages come out when the bytes arrive `step` at a time; `end` is
 * what the splitter said last. */
static size_t
run(struct span all, size_t step, bool decode, enum split_result *end)
{
    struct json_split s = {0};
    size_t start = 0;
    size_t count = 0;
    *end = SPLIT_MORE;
    for (size_t have = 0; have < all.len && (*end == SPLIT_MORE || *end == SPLIT_MESSAGE);) {
        have = all.len - have < step ? all.len : have + step;
        do {
            struct span message;
            size_t consumed;
            *end = json_split_next(&s, span_make(all.ptr + start, have - start), MAX, &message,
                                   &consumed);
            ASSERT(consumed <= have - start);
            start += consumed;
            if (*end == SPLIT_MESSAGE) {
                count++;
                if (decode) {
                    take(message);
                }
            }
        } while (*end == SPLIT_MESSAGE);
    }
    return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span all = span_make(data, size);
    enum split_result whole_end;
    enum split_result parts_end;
    size_t whole = run(all, size + 1, true, &whole_end);
    size_t parts = run(all, size > 0 ? 1 + data[0] % 7 : 1, false, &parts_end);
    ASSERT(whole == parts && whole_end == parts_end);
    return 0;
}
