/* mfctl.c - main(): global options, then the words of a command, found in the
 * table of ctl.h. */
#include "common/core/buf.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/version.h"
#include "control/ctl.h"

#include <stdio.h>
#include <stdlib.h>

struct command {
    const char *words;
    const char *arguments;
    bool needs_etcd, has_json;
    ctl_fn *fn;
    const char *help;
};

static const struct command commands[] = {
#define X(words, args, etcd, json, fn, help) {words, args, etcd, json, fn, help},
    CTL_COMMANDS(X)
#undef X
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

#define OPTIONS_STRUCT struct ctl_options
static const struct option_row rows[] = {CTL_OPTIONS(OPTION_ROW)};

static const char epilog[] = "Commands:\n"
#define X(words, args, etcd, json, fn, help) "  " words args "\n      " help "\n"
    CTL_COMMANDS(X)
#undef X
        "\nEnvironment:\n"
        "  MEMFLEET_ETCD      stands for --etcd\n"
        "  MEMFLEET_CLUSTER   stands for --cluster\n"
        "\nExit status:\n"
#define X(id, number, meaning) "  " #number "\t" meaning "\n"
    CTL_EXITS(X)
#undef X
        "\nmfctl help COMMAND prints a command's options.";

static const struct option_table table = {
    .program = "mfctl",
    .usage = "[OPTION]... COMMAND [ARGUMENT]...",
    .summary = "The operators' command: see the fleet, order pools, explain where keys live.",
    .epilog = epilog,
    .version = MEMFLEET_VERSION,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

/* How many of the words in argv are the command's; 0 if it is another. */
static int
words_matched(const struct command *c, int argc, char **argv)
{
    struct span words = span_cstr(c->words);
    int n = 0;
    while (words.len > 0) {
        const char *blank = memchr(words.ptr, ' ', words.len);
        size_t len = blank != NULL ? (size_t)(blank - words.ptr) : words.len;
        if (n == argc || !span_eq_cstr(span_make(words.ptr, len), argv[n])) {
            return 0;
        }
        n++;
        words = span_skip(words, blank != NULL ? len + 1 : len);
    }
    return n;
}

static const struct command *
find_command(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        *words = words_matched(&commands[i], argc, argv);
        if (*words > 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* The first word of several commands: they are named. */
static void
complain_of_command(const struct ctl *ctl, const char *word)
{
    struct buf found = BUF_EMPTY;
    size_t n = strlen(word);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strncmp(commands[i].words, word, n) == 0 && commands[i].words[n] == ' ') {
            buf_printf(&found, "%s%s", buf_len(&found) > 0 ? ", " : "", commands[i].words);
        }
    }
    if (buf_len(&found) > 0) {
        ctl_complain(ctl, "there is no command '%s' alone, only %.*s", word,
                     SPAN_FMT(buf_span(&found)));
    } else {
        ctl_complain(ctl, "there is no command '%s' (see mfctl --help)", word);
    }
    buf_deinit(&found);
}

enum ctl_exit
ctl_help(struct ctl *ctl, int argc, char **argv)
{
    int words;
    if (argc == 0) {
        options_print_help(&table, stdout);
        return CTL_OK;
    }
    const struct command *c = find_command(argc, argv, &words);
    if (c == NULL || words != argc) {
        complain_of_command(ctl, argv[0]);
        return CTL_USAGE;
    }
    printf("mfctl %s%s\n%s\n\n", c->words, c->arguments, c->help);
    if (c->fn == ctl_help) {
        return CTL_OK;
    }
    char last[] = "", help[] = "--help";
    char *arguments[] = {last, help, NULL};
    struct ctl asked = {.command = c->words, .arguments = c->arguments};
    c->fn(&asked, 1, arguments + 1);
    return CTL_OK;
}

static void
use_environment(struct ctl_options *o)
{
    const char *etcd = getenv("MEMFLEET_ETCD");
    const char *cluster = getenv("MEMFLEET_CLUSTER");
    for (size_t i = 0; i < table.count; i++) {
        if (etcd != NULL && o->etcd.count == 0 && strcmp(rows[i].name, "etcd") == 0) {
            option_set(&rows[i], span_cstr(etcd), o);
        }
        if (cluster != NULL && o->cluster == NULL && strcmp(rows[i].name, "cluster") == 0) {
            option_set(&rows[i], span_cstr(cluster), o);
        }
    }
}

/* --json is of nearly all commands, so it may stand behind their words, too. Returns how many
 * are left of argv. */
static int
take_json(struct ctl *ctl, int argc, char **argv)
{
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            ctl->options.json = true;
        } else {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    return kept;
}

static enum ctl_exit
run(struct ctl *ctl, int argc, char **argv)
{
    int words;
    const struct command *c = find_command(argc, argv, &words);
    if (c == NULL) {
        if (argc > 0) {
            complain_of_command(ctl, argv[0]);
        } else {
            ctl_complain(ctl, "expected a command (see mfctl --help)");
        }
        return CTL_USAGE;
    }
    ctl->command = c->words;
    ctl->arguments = c->arguments;
    ctl->needs_etcd = c->needs_etcd;
    argc = take_json(ctl, argc - words, argv + words);
    if (ctl->options.json && !c->has_json) {
        ctl_complain(ctl, "option --json: this command answers in text only");
        return CTL_USAGE;
    }
    enum ctl_exit status = c->fn(ctl, argc, argv + words);
    etcd_sync_close(&ctl->etcd);
    return ctl->helped ? CTL_OK : status;
}

int
main(int argc, char **argv)
{
    struct ctl ctl = {0};
    int rest;
    log_set_level(LOG_ERROR); /* answers and complaints are enough */
    switch (options_parse(&table, argc, argv, &ctl.options, &rest)) {
    case OPTIONS_OK: break;
    case OPTIONS_EXIT: return CTL_OK;
    case OPTIONS_BAD: return CTL_USAGE;
    }
    use_environment(&ctl.options);
    enum ctl_exit status = run(&ctl, argc - rest, argv + rest);
    options_deinit(&table, &ctl.options);
    return status;
}
