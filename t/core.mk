# tests of the core room
CORE_TEST_LIBS = $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_num t/unit/check_base64 t/unit/check_buf t/unit/check_option \
	t/unit/check_log t/unit/check_metric t/unit/check_backoff t/unit/check_statefile \
	t/unit/check_clock t/unit/check_histogram t/unit/check_hotkeys t/unit/check_lock \
	t/unit/check_token_bucket
t_unit_check_histogram_SOURCES = t/unit/check_histogram.c t/unit/unit.h
t_unit_check_histogram_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_histogram_LDADD = $(CORE_TEST_LIBS)
t_unit_check_hotkeys_SOURCES = t/unit/check_hotkeys.c t/unit/unit.h
t_unit_check_hotkeys_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_hotkeys_LDADD = $(CORE_TEST_LIBS)
t_unit_check_token_bucket_SOURCES = t/unit/check_token_bucket.c t/unit/unit.h
t_unit_check_token_bucket_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_token_bucket_LDADD = $(CORE_TEST_LIBS)
t_unit_check_lock_SOURCES = t/unit/check_lock.c t/unit/unit.h
t_unit_check_lock_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_lock_LDADD = $(CORE_TEST_LIBS)
t_unit_check_num_SOURCES = t/unit/check_num.c t/unit/unit.h
t_unit_check_num_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_num_LDADD = $(CORE_TEST_LIBS)
t_unit_check_base64_SOURCES = t/unit/check_base64.c t/unit/unit.h
t_unit_check_base64_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_base64_LDADD = $(CORE_TEST_LIBS)
t_unit_check_buf_SOURCES = t/unit/check_buf.c t/unit/unit.h
t_unit_check_buf_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_buf_LDADD = $(CORE_TEST_LIBS)
t_unit_check_option_SOURCES = t/unit/check_option.c t/unit/unit.h
t_unit_check_option_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_option_LDADD = $(CORE_TEST_LIBS)
t_unit_check_log_SOURCES = t/unit/check_log.c t/unit/unit.h
t_unit_check_log_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_log_LDADD = $(CORE_TEST_LIBS)
t_unit_check_metric_SOURCES = t/unit/check_metric.c t/unit/unit.h
t_unit_check_metric_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_metric_LDADD = $(CORE_TEST_LIBS)
t_unit_check_backoff_SOURCES = t/unit/check_backoff.c t/unit/unit.h
t_unit_check_backoff_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_backoff_LDADD = $(CORE_TEST_LIBS)
t_unit_check_statefile_SOURCES = t/unit/check_statefile.c t/unit/unit.h
t_unit_check_statefile_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_statefile_LDADD = $(CORE_TEST_LIBS)
t_unit_check_clock_SOURCES = t/unit/check_clock.c t/unit/unit.h
t_unit_check_clock_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_clock_LDADD = $(CORE_TEST_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_option
t_fuzz_fuzz_option_SOURCES = t/fuzz/fuzz_option.c t/fuzz/fuzz.h
t_fuzz_fuzz_option_LDADD = $(CORE_LIBS) $(SYSTEM_LIBS)
t_fuzz_fuzz_option_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
if !LIBFUZZER
t_fuzz_fuzz_option_SOURCES += t/fuzz/replay.c
endif

EXTRA_DIST += t/fuzz/corpus/option
