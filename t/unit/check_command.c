#include "t/unit/unit.h"

#include "common/proto/command.h"
#include "common/proto/errorline.h"

START_TEST(every_verb_is_found_by_its_word)
{
    for (int cmd = 0; cmd < CMD_COUNT; cmd++) {
        const char *name = command_name((enum proto_command)cmd);
        ck_assert_int_eq(command_find(span_cstr(name)), cmd);
    }
}
END_TEST

START_TEST(no_other_word_is_a_verb)
{
    static const char *const words[] = {
        "",
        "g",
        "ge",
        "geta",
        "getss",
        "Get",
        "GET",
        "mx",
        "mgx",
        "m",
        "flush_al",
        "flush_alls",
        "cache_memlimit_",
        "a word of more than fourteen bytes",
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        ck_assert_int_eq(command_find(span_cstr(words[i])), CMD_UNKNOWN);
    }
    /* One byte off in every verb. */
    for (int cmd = 0; cmd < CMD_COUNT; cmd++) {
        char word[32];
        size_t len = strlen(command_name((enum proto_command)cmd));
        for (size_t i = 0; i < len; i++) {
            memcpy(word, command_name((enum proto_command)cmd), len);
            word[i] ^= 0x20;
            ck_assert_int_eq(command_find(span_make(word, len)), CMD_UNKNOWN);
        }
    }
}
END_TEST

START_TEST(storage_commands_have_values)
{
    for (int i = 0; i < CMD_COUNT; i++) {
        enum proto_command cmd = (enum proto_command)i;
        bool stores = command_shape(cmd) == SHAPE_STORE || cmd == CMD_MS;
        ck_assert_int_eq(command_has_value(cmd), stores);
    }
}
END_TEST

START_TEST(error_lines_are_whole_lines)
{
    ck_assert_uint_eq(error_line(PROTO_OK).len, 0);
    static const enum proto_error all[] = {
#define X(id, text) PROTO_ERR_##id,
        PROTO_ERRORS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct span line = error_line(all[i]);
        ck_assert_uint_ge(line.len, strlen("ERROR\r\n"));
        ck_assert_mem_eq(line.ptr + line.len - 2, "\r\n", 2);
        ck_assert_ptr_eq(memchr(line.ptr, '\n', line.len), line.ptr + line.len - 1);
        /* Some of memcached's administrative errors have first words of their
         * own; none can be taken for a value or for data. */
        ck_assert_int_ge(line.ptr[0], 'A');
        ck_assert_int_le(line.ptr[0], 'Z');
    }
    ck_assert(span_eq_cstr(error_line(PROTO_ERR_UNKNOWN_COMMAND), "ERROR\r\n"));
}
END_TEST

UNIT_MAIN("command", every_verb_is_found_by_its_word, no_other_word_is_a_verb,
          storage_commands_have_values, error_lines_are_whole_lines)
