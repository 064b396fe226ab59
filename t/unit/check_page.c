/* Status pages: what stands on them is what was said, whatever it is. */
#include "common/net/page.h"
#include "t/unit/unit.h"

START_TEST(others_words_are_text)
{
    static const char *const heads[] = {"a<b", "c", NULL};
    struct http_reply reply = {.status = 200, .body = BUF_EMPTY};
    struct buf *out = &reply.body;
    page_begin(&reply, "t&t", "<script>");
    page_table(out, "\"nodes\"", heads);
    page_row(out, false);
    page_cell(out, "<b>&\"x");
    page_cellf(out, "%s-%d", "<i>", 7);
    page_row(out, true);
    page_end_table(out);
    page_table(out, NULL, NULL);
    page_fact(out, "n", "<v>");
    page_factf(out, "m", "%u<", 3u);
    page_end_table(out);
    page_text(out, "1 < 2");
    buf_append(out, "", 1);
    const char *text = buf_span(out).ptr;
    ck_assert_str_eq(reply.content_type, "text/html; charset=utf-8");
    ck_assert_ptr_nonnull(strstr(text, "<title>t&amp;t</title>"));
    ck_assert_ptr_nonnull(strstr(text, "<h1>&lt;script&gt;</h1>\n"
                                       "<h2>&quot;nodes&quot;</h2>\n"
                                       "<table>\n<tr><th>a&lt;b<th>c"
                                       "\n<tr><td>&lt;b&gt;&amp;&quot;x<td>&lt;i&gt;-7"
                                       "\n<tr class=trouble>\n</table>\n"
                                       "<table>\n<tr><td>n<td>&lt;v&gt;\n<tr><td>m<td>3&lt;"
                                       "\n</table>\n<p>1 &lt; 2</p>\n"));
    buf_deinit(out);
}
END_TEST

START_TEST(cells_have_an_end)
{
    struct buf out = BUF_EMPTY;
    char text[2 * PAGE_CELL_MAX];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    page_cellf(&out, "%s", text);
    ck_assert_uint_eq(buf_len(&out), strlen("<td>") + PAGE_CELL_MAX - 1);
    buf_deinit(&out);
    out = BUF_EMPTY;
    page_cell(&out, text);
    ck_assert_uint_eq(buf_len(&out), strlen("<td>") + sizeof(text) - 1);
    buf_deinit(&out);
}
END_TEST

UNIT_MAIN("page", others_words_are_text, cells_have_an_end)
