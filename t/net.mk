# tests of the net room
NET_TEST_LIBS = $(NET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_loop t/unit/check_loop_events t/unit/check_stream
t_unit_check_loop_SOURCES = t/unit/check_loop.c t/unit/loop_fixture.h t/unit/unit.h
t_unit_check_loop_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_loop_LDADD = $(NET_TEST_LIBS)

t_unit_check_loop_events_SOURCES = t/unit/check_loop_events.c t/unit/loop_fixture.h t/unit/unit.h
t_unit_check_loop_events_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_loop_events_LDADD = $(NET_TEST_LIBS)

t_unit_check_stream_SOURCES = t/unit/check_stream.c t/unit/unit.h
t_unit_check_stream_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_stream_LDADD = $(NET_TEST_LIBS)

UNIT_TESTS += t/unit/check_call_batch
t_unit_check_call_batch_SOURCES = t/unit/check_call_batch.c t/unit/unit.h
t_unit_check_call_batch_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_call_batch_LDADD = $(NET_TEST_LIBS)

UNIT_TESTS += t/unit/check_read_ahead
t_unit_check_read_ahead_SOURCES = t/unit/check_read_ahead.c t/unit/unit.h
t_unit_check_read_ahead_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_read_ahead_LDADD = $(NET_TEST_LIBS)

UNIT_TESTS += t/unit/check_addr
t_unit_check_addr_SOURCES = t/unit/check_addr.c t/unit/unit.h
t_unit_check_addr_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_addr_LDADD = $(NET_TEST_LIBS)

UNIT_TESTS += t/unit/check_sock
t_unit_check_sock_SOURCES = t/unit/check_sock.c t/unit/unit.h
t_unit_check_sock_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_sock_LDADD = $(NET_TEST_LIBS)

UNIT_TESTS += t/unit/check_page
t_unit_check_page_SOURCES = t/unit/check_page.c t/unit/unit.h
t_unit_check_page_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_page_LDADD = $(NET_TEST_LIBS)

UNIT_TESTS += t/unit/check_http
t_unit_check_http_SOURCES = t/unit/check_http.c t/unit/unit.h
t_unit_check_http_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_http_LDADD = $(NET_TEST_LIBS)

UNIT_TESTS += t/unit/check_listener
t_unit_check_listener_SOURCES = t/unit/check_listener.c t/unit/unit.h
t_unit_check_listener_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_listener_LDADD = $(NET_TEST_LIBS)

UNIT_TESTS += t/unit/check_resolver
t_unit_check_resolver_SOURCES = t/unit/check_resolver.c t/unit/unit.h
t_unit_check_resolver_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_resolver_LDADD = $(NET_TEST_LIBS)

UNIT_TESTS += t/unit/check_handover
t_unit_check_handover_SOURCES = t/unit/check_handover.c t/unit/unit.h
t_unit_check_handover_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_handover_LDADD = $(NET_TEST_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_handover
t_fuzz_fuzz_handover_SOURCES = t/fuzz/fuzz_handover.c t/fuzz/fuzz.h
if !LIBFUZZER
t_fuzz_fuzz_handover_SOURCES += t/fuzz/replay.c
endif
t_fuzz_fuzz_handover_LDADD = $(NET_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
t_fuzz_fuzz_handover_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += t/fuzz/corpus/handover
