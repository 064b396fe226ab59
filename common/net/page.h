/* page.h - status pages: plain tables in HTML that need no script and no second request.
 *
 *     page_begin(&reply, "mfcontrol", cluster);
 *     page_table(out, "Nodes", (const char *const[]){"node", "address", NULL});
 *     page_row(out, false);
 *     page_cell(out, node->id);
 *     page_cellf(out, "%u", n);
 *     page_end_table(out);
 *
 * Text is others' words and is escaped everywhere. Rows and cells end where the next
 * begins, as HTML allows. */
#pragma once
#include "common/net/http.h"

/* `title` is the program's name, `heading` stands above all. */
void page_begin(struct http_reply *reply, const char *title, const char *heading);

/* With a heading of its own; `heads` ends with NULL and may be NULL, for rows that are a
 * name and a value each (page_fact). */
void page_table(struct buf *out, const char *heading, const char *const *heads);
void page_end_table(struct buf *out);

/* `trouble` marks a row that somebody should look at. */
void page_row(struct buf *out, bool trouble);
void page_cell(struct buf *out, const char *text);
/* At most PAGE_CELL_MAX - 1 bytes; the rest is cut. */
#define PAGE_CELL_MAX 512
void page_cellf(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A row of a name and a value. */
void page_fact(struct buf *out, const char *name, const char *text);
void page_factf(struct buf *out, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A paragraph. */
void page_text(struct buf *out, const char *text);
