/* option.h - command lines from one table.
 *
 * A program lists its options once:
 *
 *     #define MFPROXY_OPTIONS(X)                                                        \
 *         X('l', "listen", STRINGS, listen, "ADDR", "127.0.0.1:11211", "address to ...")
 *
 * The row makes the struct field (OPTION_FIELD), the description (OPTION_ROW),
 * parsing, its errors, `--help` and the manual's list. Columns: short letter or
 * 0; long name or NULL; type; field; argument name ("" for none); default as one
 * would type it, or NULL for none; one sentence.
 *
 * Types: BOOL (no argument); COUNT (uint64_t, no argument: how often it was
 * given); IGNORED (bool: given, with or without a value; for names that another
 * program knows and that mean nothing to us: help only names them); NUMBER
 * (uint64_t); SIZE (uint64_t, k/m/g suffix); MEGABYTES (uint64_t bytes from a
 * number of MiB, as memcached's -m); DURATION (uint64_t ms; suffix ms, s, m, h; a
 * bare number is ms); STRING (char *); STRINGS (struct option_strings; may be
 * repeated, and commas separate). A number whose default is "" is
 * OPTION_NOT_GIVEN until it is given, for where 0 means something. */
#pragma once
#include "common/core/span.h"

#include <stdint.h>
#include <stdio.h>

enum option_type {
    OPTION_BOOL,
    OPTION_COUNT,
    OPTION_IGNORED,
    OPTION_NUMBER,
    OPTION_SIZE,
    OPTION_MEGABYTES,
    OPTION_DURATION,
    OPTION_STRING,
    OPTION_STRINGS,
};

struct option_strings {
    char **items;
    size_t count;
};

#define OPTION_CTYPE_BOOL      bool
#define OPTION_CTYPE_COUNT     uint64_t
#define OPTION_CTYPE_IGNORED   bool
#define OPTION_CTYPE_NUMBER    uint64_t
#define OPTION_CTYPE_SIZE      uint64_t
#define OPTION_CTYPE_MEGABYTES uint64_t
#define OPTION_CTYPE_DURATION  uint64_t
#define OPTION_CTYPE_STRING    char *
#define OPTION_CTYPE_STRINGS   struct option_strings

#define OPTION_FIELD(s, l, type, field, arg, fallback, help) OPTION_CTYPE_##type field;
/* OPTIONS_STRUCT must be defined to the options' struct where this is used. */
#define OPTION_ROW(s, l, type, field, arg, fallback, help)                                         \
    {s, l, OPTION_##type, offsetof(OPTIONS_STRUCT, field), arg, fallback, help},

struct option_row {
    int letter;
    const char *name;
    enum option_type type;
    size_t offset;
    const char *arg;
    const char *fallback;
    const char *help;
};

struct option_table {
    const char *program;
    const char *usage;   /* behind the program's name, e.g. "[OPTION]..." */
    const char *summary; /* one or two sentences, printed by --help */
    const char *epilog;  /* printed last by --help, or NULL */
    const char *version; /* printed by --version */
    const struct option_row *rows;
    size_t count;
    /* Further names under `-o name[=value],...` as memcached has; NULL if the
     * program has no -o. Same types. */
    const struct option_row *extended;
    size_t extended_count;
};

enum options_outcome {
    OPTIONS_OK,
    OPTIONS_EXIT, /* --help or --version was printed to stdout; exit 0 */
    OPTIONS_BAD,  /* one line that names the option and what was expected is on stderr; exit 64 */
};

#define OPTIONS_EXIT_BAD 64 /* EX_USAGE */
#define OPTION_NOT_GIVEN UINT64_MAX

/* Fills the defaults and then what argv says into `into`. `-h`/`--help` and
 * `-V`/`--version` are understood everywhere. On return *rest is the index of
 * the first argument that is no option. With OPTIONS_BAD nothing is kept. */
enum options_outcome options_parse(const struct option_table *table, int argc, char **argv,
                                   void *into, int *rest);

/* The same for a program that takes nothing but options. `fault` looks at what
 * one row alone cannot tell, and returns NULL or a sentence, which is printed. */
enum options_outcome options_parse_only(const struct option_table *table, int argc, char **argv,
                                        void *into, const char *(*fault)(const void *options));

/* Frees strings inside `into`. */
void options_deinit(const struct option_table *table, void *into);

void options_print_help(const struct option_table *table, FILE *out);

/* One value as option_type says; false if it does not fit. For STRING(S) the
 * field must be initialised. Used for `-o` and by tests and fuzzers. */
bool option_set(const struct option_row *row, struct span value, void *into);

/* Does the row's field hold what it would if nothing had been given? */
bool option_is_default(const struct option_row *row, const void *options);
