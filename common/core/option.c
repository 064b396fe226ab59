#include "common/core/option.h"
#include "common/core/mem.h"
#include "common/core/num.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS_MAX   256
#define LONG_BASE     1000 /* getopt values of rows: LONG_BASE + index */
#define HELP_COLUMN   30
#define HELP_WIDTH    80
#define HELP_TEXT_MAX 1024

static const char *
expected(enum option_type type)
{
    switch (type) {
    case OPTION_BOOL:
    case OPTION_COUNT: return "no value";
    case OPTION_IGNORED: return "any value or none";
    case OPTION_NUMBER: return "a whole number";
    case OPTION_SIZE: return "a size such as 4096, 64k, 10m or 1g";
    case OPTION_MEGABYTES: return "a number of megabytes";
    case OPTION_DURATION: return "a duration such as 250ms, 10s, 5m or 1h";
    case OPTION_STRING:
    case OPTION_STRINGS: return "a value";
    }
    return "";
}

static bool
takes_value(const struct option_row *row)
{
    return row->arg[0] != '\0';
}

static bool
parse_duration(struct span s, uint64_t *ms)
{
    uint64_t unit = 1;
    if (s.len > 2 && memcmp(s.ptr + s.len - 2, "ms", 2) == 0) {
        s.len -= 2;
    } else if (s.len > 1) {
        char c = s.ptr[s.len - 1];
        unit = c == 's' ? 1000 : c == 'm' ? 60000 : c == 'h' ? 3600000 : 1;
        s.len -= unit != 1;
    }
    uint64_t n;
    return num_parse_u64(s, &n) && !__builtin_mul_overflow(n, unit, ms);
}

static void
strings_add(struct option_strings *list, struct span s)
{
    list->items = mem_realloc(list->items, (list->count + 1) * sizeof(char *));
    list->items[list->count++] = mem_strndup(s.ptr, s.len);
}

static bool
strings_split(struct option_strings *list, struct span s)
{
    while (s.len > 0) {
        const char *comma = memchr(s.ptr, ',', s.len);
        size_t n = comma != NULL ? (size_t)(comma - s.ptr) : s.len;
        if (n > 0) {
            strings_add(list, span_make(s.ptr, n));
        }
        s = span_skip(s, comma != NULL ? n + 1 : n);
    }
    return true;
}

bool
option_set(const struct option_row *row, struct span value, void *into)
{
    void *field = (char *)into + row->offset;
    switch (row->type) {
    case OPTION_BOOL: *(bool *)field = true; return value.len == 0;
    case OPTION_COUNT: ++*(uint64_t *)field; return value.len == 0;
    case OPTION_IGNORED: *(bool *)field = true; return true;
    case OPTION_NUMBER: return num_parse_u64(value, field);
    case OPTION_SIZE: return num_parse_size(value, field);
    case OPTION_MEGABYTES: {
        uint64_t mb;
        if (!num_parse_u64(value, &mb) || mb > UINT64_MAX >> 20) {
            return false;
        }
        *(uint64_t *)field = mb << 20;
        return true;
    }
    case OPTION_DURATION: return parse_duration(value, field);
    case OPTION_STRING:
        free(*(char **)field);
        *(char **)field = mem_strndup(value.ptr, value.len);
        return true;
    case OPTION_STRINGS: return strings_split(field, value);
    }
    return false;
}

static void
row_clear(const struct option_row *row, void *into)
{
    void *field = (char *)into + row->offset;
    if (row->type == OPTION_STRING) {
        free(*(char **)field);
        *(char **)field = NULL;
    } else if (row->type == OPTION_STRINGS) {
        struct option_strings *list = field;
        for (size_t i = 0; i < list->count; i++) {
            free(list->items[i]);
        }
        free(list->items);
        *list = (struct option_strings){0};
    }
}

static bool
is_empty(const char *fallback)
{
    return fallback != NULL && fallback[0] == '\0';
}

static void
row_default(const struct option_row *row, void *into)
{
    void *field = (char *)into + row->offset;
    switch (row->type) {
    case OPTION_BOOL:
    case OPTION_IGNORED: *(bool *)field = false; break;
    case OPTION_COUNT:
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_MEGABYTES:
    case OPTION_DURATION:
        *(uint64_t *)field = is_empty(row->fallback) ? OPTION_NOT_GIVEN : 0;
        break;
    case OPTION_STRING: *(char **)field = NULL; break;
    case OPTION_STRINGS: *(struct option_strings *)field = (struct option_strings){0}; break;
    }
    if (row->fallback != NULL) {
        option_set(row, span_cstr(row->fallback), into);
    }
}

static bool
strings_equal(const struct option_strings *a, const struct option_strings *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = strcmp(a->items[i], b->items[i]) == 0;
    }
    return equal;
}

bool
option_is_default(const struct option_row *row, const void *options)
{
    union {
        bool flag;
        uint64_t number;
        char *text;
        struct option_strings list;
    } fresh;
    struct option_row alone = *row;
    alone.offset = 0;
    row_default(&alone, &fresh);
    const void *field = (const char *)options + row->offset;
    bool same = false;
    switch (row->type) {
    case OPTION_BOOL:
    case OPTION_IGNORED: same = *(const bool *)field == fresh.flag; break;
    case OPTION_COUNT:
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_MEGABYTES:
    case OPTION_DURATION: same = *(const uint64_t *)field == fresh.number; break;
    case OPTION_STRING: {
        const char *text = *(char *const *)field;
        same = text == NULL || fresh.text == NULL ? text == fresh.text : !strcmp(text, fresh.text);
        break;
    }
    case OPTION_STRINGS: same = strings_equal(field, &fresh.list); break;
    }
    row_clear(&alone, &fresh);
    return same;
}

void
options_deinit(const struct option_table *table, void *into)
{
    for (size_t i = 0; i < table->count; i++) {
        row_clear(&table->rows[i], into);
    }
    for (size_t i = 0; i < table->extended_count; i++) {
        row_clear(&table->extended[i], into);
    }
}

/* How much of `text` stands in one line. A line that began with an option would be
 * taken for the next row, by readers and by docs/manpage.awk. */
static size_t
line_of(const char *text)
{
    size_t len = strlen(text), n = HELP_WIDTH - HELP_COLUMN;
    if (len <= n) {
        return len;
    }
    while (n > 0 && (text[n] != ' ' || text[n + 1] == '-')) {
        n--;
    }
    return n > 0 ? n : strcspn(text, " ");
}

static void
print_wrapped(const char *text, FILE *out)
{
    size_t n = line_of(text);
    fprintf(out, "%.*s\n", (int)n, text);
    for (text += n; *text != '\0'; text += n) {
        text += strspn(text, " ");
        n = line_of(text);
        fprintf(out, "%*s%.*s\n", HELP_COLUMN, "", (int)n, text);
    }
}

static void
print_row(const struct option_row *row, const char *lead, FILE *out)
{
    char left[160];
    int n;
    bool has_arg = takes_value(row);
    const char *sep = has_arg ? (row->name != NULL ? "=" : " ") : "";
    if (lead[0] != '\0') {
        n = snprintf(left, sizeof(left), "  %s%s%s%s", lead, row->name, sep, row->arg);
    } else if (row->letter != 0 && row->name != NULL) {
        n = snprintf(left, sizeof(left), "  -%c, --%s%s%s", row->letter, row->name, sep, row->arg);
    } else if (row->letter != 0) {
        n = snprintf(left, sizeof(left), "  -%c%s%s", row->letter, sep, row->arg);
    } else {
        n = snprintf(left, sizeof(left), "      --%s%s%s", row->name, sep, row->arg);
    }
    fprintf(out, "%s", left);
    if (n >= HELP_COLUMN - 1) {
        fputc('\n', out);
        n = 0;
    }
    char text[HELP_TEXT_MAX];
    bool has_default = has_arg && row->fallback != NULL && row->fallback[0] != '\0';
    snprintf(text, sizeof(text), "%s%s%s%s", row->help, has_default ? " (default: " : "",
             has_default ? row->fallback : "", has_default ? ")" : "");
    fprintf(out, "%*s", HELP_COLUMN - n, "");
    print_wrapped(text, out);
}

/* All rows, but those without effect: they would hide the others. */
static void
print_rows(const struct option_row *rows, size_t count, const char *lead, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].type != OPTION_IGNORED) {
            print_row(&rows[i], lead, out);
        }
    }
}

/* A word of a paragraph whose line has come to `column`; returns where it has come to. */
static size_t
print_word(const char *word, size_t column, FILE *out)
{
    size_t n = strlen(word);
    if (column + 1 + n > HELP_WIDTH) {
        fputs("\n ", out);
        column = 1;
    }
    return column + (size_t)fprintf(out, " %s", word);
}

static void
print_without_effect(const struct option_table *table, FILE *out)
{
    size_t column = 0;
    char word[96];
    for (size_t i = 0; i < table->count + table->extended_count; i++) {
        bool plain = i < table->count;
        const struct option_row *row = plain ? &table->rows[i] : &table->extended[i - table->count];
        if (row->type != OPTION_IGNORED) {
            continue;
        }
        if (column == 0) {
            fputs("\nAccepted without effect, for command lines written for other programs:\n",
                  out);
            column = (size_t)fprintf(out, " ");
        }
        if (row->letter != 0) {
            snprintf(word, sizeof(word), "-%c", row->letter);
            column = print_word(word, column, out);
        }
        if (row->name != NULL) {
            snprintf(word, sizeof(word), "%s%s", plain ? "--" : "-o ", row->name);
            column = print_word(word, column, out);
        }
    }
    if (column > 0) {
        fputc('\n', out);
    }
}

void
options_print_help(const struct option_table *table, FILE *out)
{
    fprintf(out, "Usage: %s%s%s\n%s\n\nOptions:\n", table->program,
            table->usage[0] != '\0' ? " " : "", table->usage, table->summary);
    print_rows(table->rows, table->count, "", out);
    struct option_row help = {'h', "help", OPTION_BOOL, 0, "", NULL, "print this and exit"};
    struct option_row version = {
        'V', "version", OPTION_BOOL, 0, "", NULL, "print the version and exit"};
    print_row(&help, "", out);
    print_row(&version, "", out);
    if (table->extended_count > 0) {
        fprintf(out, "\nNames for -o, --extended (separate with commas):\n");
        print_rows(table->extended, table->extended_count, "-o ", out);
    }
    print_without_effect(table, out);
    if (table->epilog != NULL) {
        fprintf(out, "\n%s\n", table->epilog);
    }
}

static const char *
row_title(const struct option_row *row, char *tmp, size_t room, bool long_form)
{
    if (long_form || row->letter == 0) {
        snprintf(tmp, room, "--%s", row->name);
    } else {
        snprintf(tmp, room, "-%c", row->letter);
    }
    return tmp;
}

static bool
set_or_complain(const struct option_table *table, const struct option_row *row, const char *title,
                struct span value, void *into)
{
    if (option_set(row, value, into)) {
        return true;
    }
    fprintf(stderr, "%s: option %s: '%.*s' is not %s\n", table->program, title, SPAN_FMT(value),
            expected(row->type));
    return false;
}

static const struct option_row *
find_extended(const struct option_table *table, struct span name)
{
    for (size_t i = 0; i < table->extended_count; i++) {
        if (span_eq_cstr(name, table->extended[i].name)) {
            return &table->extended[i];
        }
    }
    return NULL;
}

static bool
apply_extended_one(const struct option_table *table, struct span item, void *into)
{
    const char *eq = memchr(item.ptr, '=', item.len);
    struct span name = eq != NULL ? span_make(item.ptr, (size_t)(eq - item.ptr)) : item;
    const struct option_row *row = find_extended(table, name);
    if (row == NULL) {
        fprintf(stderr, "%s: option -o: no such name '%.*s' (see --help for the names)\n",
                table->program, SPAN_FMT(name));
        return false;
    }
    char title[96];
    snprintf(title, sizeof(title), "-o %s", row->name);
    if (takes_value(row) && row->type != OPTION_IGNORED && eq == NULL) {
        fprintf(stderr, "%s: option %s: expected =%s\n", table->program, title, row->arg);
        return false;
    }
    struct span value = eq != NULL ? span_skip(item, name.len + 1) : SPAN_LIT("");
    return set_or_complain(table, row, title, value, into);
}

static bool
apply_extended(const struct option_table *table, const char *text, void *into)
{
    struct span s = span_cstr(text);
    while (s.len > 0) {
        const char *comma = memchr(s.ptr, ',', s.len);
        size_t n = comma != NULL ? (size_t)(comma - s.ptr) : s.len;
        if (n > 0 && !apply_extended_one(table, span_make(s.ptr, n), into)) {
            return false;
        }
        s = span_skip(s, comma != NULL ? n + 1 : n);
    }
    return true;
}

struct getopt_tables {
    char letters[LETTERS_MAX];
    struct option *longs;
};

static struct getopt_tables
make_getopt_tables(const struct option_table *table)
{
    struct getopt_tables g;
    size_t n = 0, longs = 0;
    g.longs = mem_zalloc((table->count + 4) * sizeof(struct option));
    g.letters[n++] = '+';
    g.letters[n++] = ':';
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        bool has_arg = takes_value(row);
        if (row->letter != 0) {
            g.letters[n++] = (char)row->letter;
            if (has_arg) {
                g.letters[n++] = ':';
            }
        }
        if (row->name != NULL) {
            g.longs[longs++] = (struct option){row->name, has_arg ? required_argument : no_argument,
                                               NULL, LONG_BASE + (int)i};
        }
    }
    g.letters[n++] = 'h';
    g.letters[n++] = 'V';
    g.longs[longs++] = (struct option){"help", no_argument, NULL, 'h'};
    g.longs[longs++] = (struct option){"version", no_argument, NULL, 'V'};
    if (table->extended != NULL) {
        g.letters[n++] = 'o';
        g.letters[n++] = ':';
        g.longs[longs++] = (struct option){"extended", required_argument, NULL, 'o'};
    }
    g.letters[n] = '\0';
    return g;
}

static const struct option_row *
row_of(const struct option_table *table, int c)
{
    if (c >= LONG_BASE) {
        return &table->rows[c - LONG_BASE];
    }
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].letter == c) {
            return &table->rows[i];
        }
    }
    return NULL;
}

static enum options_outcome
apply_one(const struct option_table *table, int c, char **argv, void *into)
{
    const struct option_row *row = row_of(table, c);
    char title[96];
    if (row != NULL) {
        row_title(row, title, sizeof(title), c >= LONG_BASE);
        struct span value = takes_value(row) ? span_cstr(optarg) : SPAN_LIT("");
        return set_or_complain(table, row, title, value, into) ? OPTIONS_OK : OPTIONS_BAD;
    }
    if (c == 'h') {
        options_print_help(table, stdout);
        return OPTIONS_EXIT;
    }
    if (c == 'V') {
        printf("%s %s\n", table->program, table->version);
        return OPTIONS_EXIT;
    }
    if (c == 'o') {
        return apply_extended(table, optarg, into) ? OPTIONS_OK : OPTIONS_BAD;
    }
    if (c == ':') {
        fprintf(stderr, "%s: option %s needs a value\n", table->program, argv[optind - 1]);
    } else if (optopt > 0 && optopt < LONG_BASE) {
        fprintf(stderr, "%s: unknown option -%c (see --help)\n", table->program, optopt);
    } else {
        fprintf(stderr, "%s: unknown or misused option %s (see --help)\n", table->program,
                argv[optind - 1]);
    }
    return OPTIONS_BAD;
}

enum options_outcome
options_parse(const struct option_table *table, int argc, char **argv, void *into, int *rest)
{
    for (size_t i = 0; i < table->count; i++) {
        row_default(&table->rows[i], into);
    }
    for (size_t i = 0; i < table->extended_count; i++) {
        row_default(&table->extended[i], into);
    }
    /* The first STRINGS value given replaces the default list. */
    bool *replaced = mem_zalloc(table->count + 1);
    struct getopt_tables g = make_getopt_tables(table);
    enum options_outcome outcome = OPTIONS_OK;
    optind = 0;
    opterr = 0;
    int c;
    while (outcome == OPTIONS_OK && (c = getopt_long(argc, argv, g.letters, g.longs, NULL)) != -1) {
        const struct option_row *row = row_of(table, c);
        if (row != NULL && row->type == OPTION_STRINGS && !replaced[row - table->rows]) {
            replaced[row - table->rows] = true;
            row_clear(row, into);
        }
        outcome = apply_one(table, c, argv, into);
    }
    free(replaced);
    free(g.longs);
    if (rest != NULL) {
        *rest = optind;
    }
    if (outcome != OPTIONS_OK) {
        options_deinit(table, into);
    }
    return outcome;
}

enum options_outcome
options_parse_only(const struct option_table *table, int argc, char **argv, void *into,
                   const char *(*fault)(const void *options))
{
    int rest;
    enum options_outcome outcome = options_parse(table, argc, argv, into, &rest);
    if (outcome != OPTIONS_OK) {
        return outcome;
    }
    const char *sentence = rest < argc ? "no arguments are taken, only options" : fault(into);
    if (sentence != NULL) {
        fprintf(stderr, "%s: %s (see --help)\n", table->program, sentence);
        options_deinit(table, into);
        return OPTIONS_BAD;
    }
    return OPTIONS_OK;
}
