#include "common/net/page.h"

#include <stdarg.h>
#include <stdio.h>

static void
put_escaped(struct buf *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        switch (*c) {
        case '<': buf_append_span(out, SPAN_LIT("&lt;")); break;
        case '>': buf_append_span(out, SPAN_LIT("&gt;")); break;
        case '&': buf_append_span(out, SPAN_LIT("&amp;")); break;
        case '"': buf_append_span(out, SPAN_LIT("&quot;")); break;
        default: buf_append(out, c, 1); break;
        }
    }
}

static void
put_element(struct buf *out, const char *open, const char *text, const char *close)
{
    buf_append_span(out, span_cstr(open));
    put_escaped(out, text);
    buf_append_span(out, span_cstr(close));
}

void
page_begin(struct http_reply *reply, const char *title, const char *heading)
{
    struct buf *out = &reply->body;
    reply->content_type = "text/html; charset=utf-8";
    put_element(out, "<!doctype html><meta charset=utf-8><title>", title, "</title>\n");
    buf_append_span(out, SPAN_LIT("<style>body{font:14px sans-serif;margin:2em}"
                                  "table{border-collapse:collapse}"
                                  "td,th{padding:2px 10px;text-align:left;"
                                  "border-bottom:1px solid #ddd}"
                                  "td{font-variant-numeric:tabular-nums}"
                                  ".trouble td{background:#fdd}</style>\n"));
    put_element(out, "<h1>", heading, "</h1>\n");
}

void
page_table(struct buf *out, const char *heading, const char *const *heads)
{
    if (heading != NULL) {
        put_element(out, "<h2>", heading, "</h2>\n");
    }
    buf_append_span(out, SPAN_LIT("<table>"));
    if (heads != NULL) {
        page_row(out, false);
    }
    for (; heads != NULL && *heads != NULL; heads++) {
        put_element(out, "<th>", *heads, "");
    }
}

void
page_end_table(struct buf *out)
{
    buf_append_span(out, SPAN_LIT("\n</table>\n"));
}

void
page_row(struct buf *out, bool trouble)
{
    buf_append_span(out, trouble ? SPAN_LIT("\n<tr class=trouble>") : SPAN_LIT("\n<tr>"));
}

void
page_cell(struct buf *out, const char *text)
{
    put_element(out, "<td>", text, "");
}

static void
format_cell(struct buf *out, const char *format, va_list args)
{
    char text[PAGE_CELL_MAX];
    vsnprintf(text, sizeof(text), format, args);
    page_cell(out, text);
}

void
page_cellf(struct buf *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    format_cell(out, format, args);
    va_end(args);
}

void
page_fact(struct buf *out, const char *name, const char *text)
{
    page_row(out, false);
    page_cell(out, name);
    page_cell(out, text);
}

void
page_factf(struct buf *out, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    page_row(out, false);
    page_cell(out, name);
    format_cell(out, format, args);
    va_end(args);
}

void
page_text(struct buf *out, const char *text)
{
    put_element(out, "<p>", text, "</p>\n");
}
