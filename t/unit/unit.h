/* unit.h - the frame of every unit test: a check suite that prints TAP.
 *
 *     START_TEST(adds) { ck_assert_int_eq(1 + 1, 2); } END_TEST
 *     UNIT_MAIN("num", adds, subtracts)
 */
#pragma once
#include "config.h"

#include <check.h>
#include <stdlib.h>

/* For what hangs. A sanitizer on a busy machine may be thirty times slower. */
#ifdef HAVE_SANITIZER
#define UNIT_TIMEOUT_S 300
#else
#define UNIT_TIMEOUT_S 60
#endif

static int
unit_main(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, UNIT_TIMEOUT_S);
    for (size_t i = 0; i < count; i++) {
        tcase_add_test(tcase, tests[i]);
    }
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define UNIT_MAIN(name, ...)                                                                       \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_main(name, tests, sizeof(tests) / sizeof(tests[0]));                           \
    }
