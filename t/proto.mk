# tests of the proto room
PROTO_TEST_LIBS = $(PROTO_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_command t/unit/check_exptime t/unit/check_request \
	t/unit/check_request_plain t/unit/check_reply t/unit/check_bad_inputs
t_unit_check_command_SOURCES = t/unit/check_command.c t/unit/unit.h
t_unit_check_command_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_command_LDADD = $(PROTO_TEST_LIBS)
t_unit_check_exptime_SOURCES = t/unit/check_exptime.c t/unit/unit.h
t_unit_check_exptime_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_exptime_LDADD = $(PROTO_TEST_LIBS)
t_unit_check_request_SOURCES = t/unit/check_request.c t/unit/unit.h
t_unit_check_request_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_request_LDADD = $(PROTO_TEST_LIBS)
t_unit_check_request_plain_SOURCES = t/unit/check_request_plain.c t/unit/plain_steps.h \
	t/unit/unit.h
t_unit_check_request_plain_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_request_plain_LDADD = $(PROTO_TEST_LIBS)
t_unit_check_reply_SOURCES = t/unit/check_reply.c t/unit/unit.h
t_unit_check_reply_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_reply_LDADD = $(PROTO_TEST_LIBS)
t_unit_check_bad_inputs_SOURCES = t/unit/check_bad_inputs.c t/unit/parse_steps.h t/unit/unit.h
t_unit_check_bad_inputs_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_bad_inputs_LDADD = $(PROTO_LIBS) $(CORE_LIBS) $(JANSSON_LIBS) $(UNIT_LIBS) \
	$(SYSTEM_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_request t/fuzz/fuzz_reply
t_fuzz_fuzz_request_SOURCES = t/fuzz/fuzz_request.c t/fuzz/fuzz.h t/unit/parse_steps.h \
	t/unit/plain_steps.h
t_fuzz_fuzz_request_LDADD = $(PROTO_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
t_fuzz_fuzz_request_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
t_fuzz_fuzz_reply_SOURCES = t/fuzz/fuzz_reply.c t/fuzz/fuzz.h
t_fuzz_fuzz_reply_LDADD = libmfproxy.a $(PROTO_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
t_fuzz_fuzz_reply_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
if !LIBFUZZER
t_fuzz_fuzz_request_SOURCES += t/fuzz/replay.c
t_fuzz_fuzz_reply_SOURCES += t/fuzz/replay.c
endif

EXTRA_DIST += t/fuzz/corpus/request t/fuzz/corpus/reply
EXTRA_DIST += t/data/bad_inputs.jsonl t/data/bad_inputs_differences.json
