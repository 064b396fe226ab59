#include "common/net/addr.h"
#include "t/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

static struct addr
resolved(const char *text)
{
    struct addr_name name;
    struct addr addr;
    const char *error = NULL;
    ck_assert(addr_parse(span_cstr(text), 0, &name));
    ck_assert_msg(addr_resolve(&name, true, &addr, &error), "%s: %s", text, error);
    return addr;
}

START_TEST(an_address_is_written_as_it_was_read)
{
    static const char *const texts[] = {"127.0.0.1:11211", "[::1]:1", "0.0.0.0:65535",
                                        "unix:/tmp/x"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct addr addr = resolved(texts[i]);
        char text[ADDR_TEXT_MAX];
        ck_assert_str_eq(addr_format(&addr, text), texts[i]);
    }
}
END_TEST

/* Nobody elsewhere can connect to "every address". */
START_TEST(what_is_bound_everywhere_is_advertised_by_name)
{
    char host[256], expected[300], text[ADDR_TEXT_MAX];
    ck_assert_int_eq(gethostname(host, sizeof(host)), 0);
    static const char *const everywhere[] = {"0.0.0.0:11300", "[::]:11300"};
    snprintf(expected, sizeof(expected), "%s:11300", host);
    for (size_t i = 0; i < 2; i++) {
        struct addr addr = resolved(everywhere[i]);
        ck_assert_str_eq(addr_advertise(&addr, NULL, text), expected);
        ck_assert_str_eq(addr_advertise(&addr, "cache-1:11", text), "cache-1:11");
    }
    struct addr one = resolved("[::1]:11300"), local = resolved("unix:/tmp/x");
    ck_assert_str_eq(addr_advertise(&one, NULL, text), "[::1]:11300");
    ck_assert_str_eq(addr_advertise(&local, NULL, text), "unix:/tmp/x");
    ck_assert_str_eq(addr_advertise(&local, "[::]:1", text), "[::]:1");
}
END_TEST

UNIT_MAIN("addr", an_address_is_written_as_it_was_read,
          what_is_bound_everywhere_is_advertised_by_name)
