/* top_view.h - what mfctl top shows, as lines of text: a table of servers, or all
 * of one of them. The terminal's screen and the plain output show the same lines.
 * Pure. */
#pragma once
#include "control/top_poll.h"

/* clang-format off */
/*    id           name           what comes first */
#define TOP_SORTS(X)                                                                               \
    X(LISTED,      "listed")      /* as they were named, or as the table has them */               \
    X(NAME,        "name")                                                                         \
    X(REQUESTS,    "requests")    /* the most */                                                   \
    X(HITS,        "hits")        /* the worst ratio */                                            \
    X(MEMORY,      "memory")      /* the most bytes of items */                                    \
    X(EVICTIONS,   "evictions")   /* the most */                                                   \
    X(CPU,         "cpu")         /* the most */                                                   \
    X(P99,         "p99")         /* the slowest gets */
/* clang-format on */
enum top_sort {
#define X(id, name) TOP_SORT_##id,
    TOP_SORTS(X)
#undef X
        TOP_SORT_COUNT
};
/* Their names, each behind a blank; for help. */
#define TOP_SORT_WORD(id, name) " " name
#define TOP_SORTS_TEXT          TOP_SORTS(TOP_SORT_WORD)

const char *top_sort_name(enum top_sort sort);
bool top_sort_find(struct span name, enum top_sort *out);

#define TOP_LINE_MAX 256

enum top_tone { TOP_PLAIN, TOP_TITLE, TOP_HEADING, TOP_TROUBLE };

struct top_line {
    enum top_tone tone;
    char text[TOP_LINE_MAX];
};

struct top_page {
    struct top_line *lines;
    unsigned count;
    unsigned fixed;  /* of them, those at the top that do not scroll */
    unsigned chosen; /* the chosen server's line; 0: there is none */
};

/* What is to be shown. */
struct top_look {
    enum top_sort sort;
    unsigned chosen;                 /* a row of the sorted table; made to fit */
    const struct top_server *server; /* all of this one; NULL: the table */
    uint64_t wall_ms;
};

/* Replaces what the page had. */
void top_view(const struct top_fleet *fleet, struct top_look *look, struct top_page *page);
void top_page_deinit(struct top_page *page);

/* The servers in this order; the caller's to free. */
const struct top_server **top_sorted(const struct top_fleet *fleet, enum top_sort sort);

/* All of them together, of those who answer. What proxies pass on is done by nodes,
 * so they do not count where there are both. */
struct top_sum {
    unsigned servers, gone;
    double requests, gets, hits, evictions; /* a second */
    uint64_t items, bytes, limit;
};
struct top_sum top_sum_of(const struct top_fleet *fleet);

/* --- numbers for people, into `out` -------------------------------------------------- */
#define TOP_NUMBER_MAX 32
/* "9.5", "999", "12.3k", "4.5M"; "-" if it is negative. */
const char *top_number(double n, char *out);
/* The same in steps of 1,024: "512", "1.5K", "2.0G". */
const char *top_bytes(double n, char *out);
/* "98.3"; "-" if it is negative. */
const char *top_percent(double ratio, char *out);
/* "20u", "1.5m" (milliseconds), "2.0s"; "-" for 0. */
const char *top_micros(uint64_t us, char *out);
