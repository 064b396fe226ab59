#include "control/etcd/json_split.h"

static bool
is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Returns true when `c` closes the outermost object. */
static bool
step(struct json_split *s, char c)
{
    if (s->in_string) {
        if (s->escaped) {
            s->escaped = false;
        } else if (c == '\\') {
            s->escaped = true;
        } else if (c == '"') {
            s->in_string = false;
        }
        return false;
    }
    switch (c) {
    case '"': s->in_string = true; return false;
    case '{': s->depth++; return false;
    case '}': return --s->depth == 0;
    default: return false;
    }
}

enum split_result
json_split_next(struct json_split *s, struct span input, size_t max, struct span *message,
                size_t *consumed)
{
    *consumed = 0;
    if (s->depth == 0) {
        size_t blanks = 0;
        while (blanks < input.len && is_blank(input.ptr[blanks])) {
            blanks++;
        }
        *consumed = blanks;
        input = span_skip(input, blanks);
        if (input.len == 0) {
            return SPLIT_MORE;
        }
        if (input.ptr[0] != '{') {
            return SPLIT_BAD;
        }
        s->scanned = 0;
    }
    size_t end = input.len < max ? input.len : max;
    while (s->scanned < end) {
        if (step(s, input.ptr[s->scanned++])) {
            *message = span_make(input.ptr, s->scanned);
            *consumed += s->scanned;
            *s = (struct json_split){0};
            return SPLIT_MESSAGE;
        }
    }
    return s->scanned < max ? SPLIT_MORE : SPLIT_TOO_LARGE;
}
