#include "t/unit/unit.h"

#include "common/core/clock.h"

START_TEST(the_system_s_clocks_run)
{
    uint64_t before = clock_mono_ns(), cpu = clock_thread_cpu_ns();
    while (clock_thread_cpu_ns() == cpu) {
    }
    ck_assert_uint_gt(clock_mono_ns(), before);
    ck_assert_uint_gt(clock_wall_ms(), 1700000000000ull);
}
END_TEST

START_TEST(a_test_s_clocks_stand_still)
{
    clock_test_begin(1000, 1700000000000ull);
    ck_assert_uint_eq(clock_mono_ms(), 1000);
    ck_assert_uint_eq(clock_wall_ms(), 1700000000000ull);
    clock_test_advance_ms(1500);
    ck_assert_uint_eq(clock_mono_ns(), 2500000000ull);
    ck_assert_uint_eq(clock_mono_us(), 2500000);
    ck_assert_uint_eq(clock_wall_ms(), 1700000001500ull);
    clock_test_end();
    ck_assert_uint_ne(clock_wall_ms(), 1700000001500ull);
}
END_TEST

UNIT_MAIN("clock", the_system_s_clocks_run, a_test_s_clocks_stand_still)
