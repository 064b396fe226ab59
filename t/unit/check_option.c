#include "t/unit/unit.h"

#include "common/core/option.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROWS(X)                                                                                    \
    X('l', "listen", STRINGS, listen, "ADDR", "127.0.0.1:1,[::1]:1", "where to listen")            \
    X('m', "memory-limit", MEGABYTES, memory, "MB", "64", "item memory")                           \
    X('I', "max-item-size", SIZE, item, "BYTES", "1m", "largest item")                             \
    X('t', NULL, NUMBER, threads, "N", "4", "threads")                                             \
    X(0, "timeout", DURATION, timeout_ms, "TIME", "250ms", "how long to wait")                     \
    X('u', "user", STRING, user, "NAME", NULL,                                                     \
      "whom to run as, if that is not to be who starts it --listen")                               \
    X('d', "daemon", BOOL, daemon, "", NULL, "go to the background")                               \
    X(0, "share", SIZE, share, "BYTES", "", "its share")                                           \
    X('v', "verbose", COUNT, verbose, "", NULL, "say more")                                        \
    X('f', "growth", IGNORED, growth, "N", NULL, "ignored")

#define EXTENDED(X)                                                                                \
    X(0, "hash_power", NUMBER, hash_power, "N", "16", "size of the table")                         \
    X(0, "modern", BOOL, modern, "", NULL, "new ways")                                             \
    X(0, "old_name", IGNORED, old_name, "N", NULL, "ignored")

struct opts {
    ROWS(OPTION_FIELD)
    EXTENDED(OPTION_FIELD)
};
#define OPTIONS_STRUCT struct opts
static const struct option_row rows[] = {ROWS(OPTION_ROW)};
static const struct option_row extended[] = {EXTENDED(OPTION_ROW)};
static const struct option_table table = {
    .program = "prog",
    .usage = "[OPTION]...",
    .summary = "Does things.",
    .epilog = "The end.",
    .version = "1.2",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .extended = extended,
    .extended_count = sizeof(extended) / sizeof(extended[0]),
};

static struct opts opts;
static int rest;
static char said[8192]; /* on stdout and stderr */

/* Words of `line` between blanks; everything printed goes to `said`. */
static enum options_outcome
run(const char *line)
{
    static char copy[512];
    static char program[] = "prog";
    char *argv[32] = {program};
    int argc = 1;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    int fd = memfd_create("said", 0), out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    fflush(NULL);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    enum options_outcome outcome = options_parse(&table, argc, argv, &opts, &rest);
    fflush(NULL);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    ssize_t n = pread(fd, said, sizeof(said) - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(fd);
    close(out);
    close(err);
    return outcome;
}

START_TEST(defaults_hold_until_told_otherwise)
{
    ck_assert_int_eq(run(""), OPTIONS_OK);
    ck_assert_uint_eq(opts.listen.count, 2);
    ck_assert_str_eq(opts.listen.items[1], "[::1]:1");
    ck_assert_uint_eq(opts.memory, 64u << 20);
    ck_assert_uint_eq(opts.item, 1u << 20);
    ck_assert_uint_eq(opts.threads, 4);
    ck_assert_uint_eq(opts.timeout_ms, 250);
    ck_assert_ptr_null(opts.user);
    ck_assert(!opts.daemon && !opts.modern && !opts.old_name);
    ck_assert_uint_eq(opts.verbose, 0);
    ck_assert_uint_eq(opts.hash_power, 16);
    ck_assert_str_eq(said, "");
    options_deinit(&table, &opts);
    ck_assert_ptr_null(opts.listen.items);
}
END_TEST

START_TEST(short_long_and_extended_forms)
{
    ck_assert_int_eq(run("-l a,b --listen=c -m 1 -I 2k -t8 --timeout 3s -dvu me -v "
                         "-o hash_power=20,modern -o old_name=1 -vv x y"),
                     OPTIONS_OK);
    ck_assert_uint_eq(opts.listen.count, 3);
    ck_assert_str_eq(opts.listen.items[0], "a");
    ck_assert_str_eq(opts.listen.items[2], "c");
    ck_assert_uint_eq(opts.memory, 1u << 20);
    ck_assert_uint_eq(opts.item, 2048);
    ck_assert_uint_eq(opts.threads, 8);
    ck_assert_uint_eq(opts.timeout_ms, 3000);
    ck_assert(opts.daemon);
    ck_assert_uint_eq(opts.verbose, 4);
    ck_assert_str_eq(opts.user, "me");
    ck_assert_uint_eq(opts.hash_power, 20);
    ck_assert(opts.modern && opts.old_name);
    options_deinit(&table, &opts);
}
END_TEST

START_TEST(ignored_names_need_no_value)
{
    ck_assert_int_eq(run("-o old_name"), OPTIONS_OK);
    ck_assert(opts.old_name);
    options_deinit(&table, &opts);
}
END_TEST

START_TEST(the_first_word_that_is_no_option_ends_them)
{
    ck_assert_int_eq(run("-v get -t 9"), OPTIONS_OK);
    ck_assert_int_eq(rest, 2);
    ck_assert_uint_eq(opts.threads, 4);
    options_deinit(&table, &opts);
}
END_TEST

START_TEST(mistakes_are_named_in_one_line)
{
    static const struct {
        const char *line;
        const char *named;
    } mistakes[] = {
        {"-t x", "option -t: 'x' is not a whole number"},
        {"-t -1", "option -t: '-1' is not a whole number"},
        {"-m 1k", "option -m: '1k' is not a number of megabytes"},
        {"-m 17592186044416", "option -m"},
        {"--max-item-size=1t", "option --max-item-size: '1t' is not a size"},
        {"--timeout 5d", "option --timeout: '5d' is not a duration"},
        {"--timeout 18446744073709551615h", "option --timeout"},
        {"-x", "unknown option -x"},
        {"--nothing", "--nothing"},
        {"--verbose=1", "--verbose=1"},
        {"-t", "option -t needs a value"},
        {"--timeout", "option --timeout needs a value"},
        {"-o what", "no such name 'what'"},
        {"-o hash_power", "option -o hash_power: expected =N"},
        {"-o hash_power=", "option -o hash_power: '' is not a whole number"},
        {"-o modern=1", "option -o modern: '1' is not no value"},
        {"-u a -l b -u c -t x", "option -t"},
    };
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        ck_assert_msg(run(mistakes[i].line) == OPTIONS_BAD, "%s", mistakes[i].line);
        ck_assert_msg(strstr(said, mistakes[i].named) != NULL, "%s: %s", mistakes[i].line, said);
        ck_assert_msg(strncmp(said, "prog: ", 6) == 0, "%s", said);
        ck_assert_msg(strchr(said, '\n') == said + strlen(said) - 1, "%s", said);
    }
}
END_TEST

START_TEST(durations_have_units)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"0", 0}, {"7", 7}, {"7ms", 7}, {"7s", 7000}, {"7m", 420000}, {"7h", 25200000},
    };
    const struct option_row *timeout = &rows[4];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert(option_set(timeout, span_cstr(good[i].text), &opts));
        ck_assert_uint_eq(opts.timeout_ms, good[i].ms);
    }
    static const char *const bad[] = {"", "s", "ms", "m", "1 s", "-1s", "1.5s", "1d"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!option_set(timeout, span_cstr(bad[i]), &opts), "%s", bad[i]);
    }
}
END_TEST

START_TEST(help_and_version_end_the_program)
{
    ck_assert_int_eq(run("--version"), OPTIONS_EXIT);
    ck_assert_str_eq(said, "prog 1.2\n");
    ck_assert_int_eq(run("-V"), OPTIONS_EXIT);
    ck_assert_int_eq(run("-t 1 -h"), OPTIONS_EXIT);
    ck_assert_int_eq(run("--help"), OPTIONS_EXIT);
    static const char *const parts[] = {
        "Usage: prog [OPTION]...\nDoes things.\n",
        "  -l, --listen=ADDR           where to listen (default: 127.0.0.1:1,[::1]:1)\n",
        "  -t N                        threads (default: 4)\n",
        "      --timeout=TIME          how long to wait (default: 250ms)\n",
        "  -v, --verbose               say more\n",
        /* no line begins with an option but its own */
        "  -u, --user=NAME             whom to run as, if that is not to be who starts\n"
        "                              it --listen\n",
        "  -h, --help                  print this and exit\n",
        "  -o hash_power=N             size of the table (default: 16)\n",
        /* what means nothing to us hides no other row */
        "\nAccepted without effect, for command lines written for other programs:\n"
        "  -f --growth -o old_name\n"
        "\nThe end.\n",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        ck_assert_msg(strstr(said, parts[i]) != NULL, "%s is not in:\n%s", parts[i], said);
    }
}
END_TEST

START_TEST(a_number_that_was_not_given_is_not_0)
{
    ck_assert_int_eq(run(""), OPTIONS_OK);
    ck_assert_uint_eq(opts.share, OPTION_NOT_GIVEN);
    options_deinit(&table, &opts);
    ck_assert_int_eq(run("--share 0"), OPTIONS_OK);
    ck_assert_uint_eq(opts.share, 0);
    options_deinit(&table, &opts);
    ck_assert_int_eq(run("--help"), OPTIONS_EXIT);
    ck_assert_ptr_nonnull(strstr(said, "its share\n"));
}
END_TEST

static bool
is_default(const char *name)
{
    for (size_t i = 0; i < table.count; i++) {
        if (rows[i].name != NULL && strcmp(rows[i].name, name) == 0) {
            return option_is_default(&rows[i], &opts);
        }
    }
    ck_abort_msg("no option %s", name);
}

START_TEST(what_was_given_is_told_from_defaults)
{
    static const char *const names[] = {"listen", "max-item-size", "share", "user", "daemon"};
    ck_assert_int_eq(run("--max-item-size 1024k --listen 127.0.0.1:1 --listen [::1]:1"),
                     OPTIONS_OK);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ck_assert_msg(is_default(names[i]), "%s", names[i]);
    }
    options_deinit(&table, &opts);
    ck_assert_int_eq(run("--max-item-size 2m --listen :2 --share 0 --user me -d"), OPTIONS_OK);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ck_assert_msg(!is_default(names[i]), "%s", names[i]);
    }
    options_deinit(&table, &opts);
}
END_TEST

UNIT_MAIN("option", defaults_hold_until_told_otherwise, short_long_and_extended_forms,
          ignored_names_need_no_value, the_first_word_that_is_no_option_ends_them,
          mistakes_are_named_in_one_line, durations_have_units, help_and_version_end_the_program,
          a_number_that_was_not_given_is_not_0, what_was_given_is_told_from_defaults)
