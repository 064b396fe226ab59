/* Values of options, as any file or command line may hold them: the first byte
 * chooses the type, the rest is the value. */
#include "t/fuzz/fuzz.h"

#include "common/core/assert.h"
#include "common/core/option.h"

#define ROWS(X)                                                                                    \
    X(0, "flag", BOOL, flag, "", NULL, "")                                                         \
    X(0, "count", COUNT, count, "", NULL, "")                                                      \
    X(0, "ignored", IGNORED, ignored, "S", NULL, "")                                               \
    X(0, "number", NUMBER, number, "N", NULL, "")                                                  \
    X(0, "size", SIZE, size, "N", NULL, "")                                                        \
    X(0, "megabytes", MEGABYTES, megabytes, "N", NULL, "")                                         \
    X(0, "duration", DURATION, duration, "N", NULL, "")                                            \
    X(0, "string", STRING, string, "S", NULL, "")                                                  \
    X(0, "strings", STRINGS, strings, "S", NULL, "")

struct values {
    ROWS(OPTION_FIELD)
};
#define OPTIONS_STRUCT struct values
static const struct option_row rows[] = {ROWS(OPTION_ROW)};
static const struct option_table table = {
    .program = "fuzz_option",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void
check(const struct option_row *row, struct span value, const struct values *v)
{
    switch (row->type) {
    case OPTION_BOOL: ASSERT(v->flag && value.len == 0); break;
    case OPTION_COUNT: ASSERT(v->count == 1 && value.len == 0); break;
    case OPTION_IGNORED: ASSERT(v->ignored); break;
    case OPTION_NUMBER:
    case OPTION_MEGABYTES:
        ASSERT(value.len > 0 && is_digit(value.ptr[0]) && is_digit(value.ptr[value.len - 1]));
        ASSERT(v->megabytes % (1 << 20) == 0);
        break;
    case OPTION_SIZE:
    case OPTION_DURATION: ASSERT(value.len > 0 && is_digit(value.ptr[0])); break;
    case OPTION_STRING: ASSERT(strlen(v->string) <= value.len); break;
    case OPTION_STRINGS:
        ASSERT(v->strings.count <= value.len);
        for (size_t i = 0; i < v->strings.count; i++) {
            ASSERT(strchr(v->strings.items[i], ',') == NULL);
        }
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct values v = {0};
    const struct option_row *row = &rows[data[0] % table.count];
    struct span value = {(const char *)data + 1, size - 1};
    if (option_set(row, value, &v)) {
        check(row, value, &v);
    }
    option_set(row, value, &v); /* a second time replaces or adds */
    options_deinit(&table, &v);
    return 0;
}
