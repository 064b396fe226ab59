#include "common/proto/command.h"

static const char *const names[] = {
#define X(id, wire, shape) wire,
    PROTO_COMMANDS(X)
#undef X
};

const unsigned char command_shapes[CMD_COUNT] = {
#define X(id, wire, shape) SHAPE_##shape,
    PROTO_COMMANDS(X)
#undef X
};

const char *
command_name(enum proto_command cmd)
{
    ASSERT(cmd < CMD_COUNT);
    return names[cmd];
}

/* `len` is a constant wherever this is inlined, so the compiler keeps only the
 * rows of that length and each comparison becomes one or two loads. */
static inline __attribute__((always_inline)) enum proto_command
find_of_length(const char *word, size_t len)
{
#define X(id, wire, shape)                                                                         \
    if (sizeof(wire) - 1 == len && memcmp(word, wire, sizeof(wire) - 1) == 0) {                    \
        return CMD_##id;                                                                           \
    }
    PROTO_COMMANDS(X)
#undef X
    return CMD_UNKNOWN;
}

enum proto_command
command_find(struct span word)
{
    switch (word.len) {
    case 2: return find_of_length(word.ptr, 2);
    case 3: return find_of_length(word.ptr, 3);
    case 4: return find_of_length(word.ptr, 4);
    case 5: return find_of_length(word.ptr, 5);
    case 6: return find_of_length(word.ptr, 6);
    case 7: return find_of_length(word.ptr, 7);
    case 8: return find_of_length(word.ptr, 8);
    case 9: return find_of_length(word.ptr, 9);
    case 11: return find_of_length(word.ptr, 11);
    case 13: return find_of_length(word.ptr, 13);
    case 14: return find_of_length(word.ptr, 14);
    default: return CMD_UNKNOWN;
    }
}
