# tests of the proto room
PROTO_TEST_LIBS = $(PROTO_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_command t/unit/check_exptime t/unit/check_bad_inputs
t_unit_check_command_SOURCES = t/unit/check_command.c t/unit/unit.h
t_unit_check_command_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_command_LDADD = $(PROTO_TEST_LIBS)
t_unit_check_exptime_SOURCES = t/unit/check_exptime.c t/unit/unit.h
t_unit_check_exptime_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_exptime_LDADD = $(PROTO_TEST_LIBS)
t_unit_check_bad_inputs_SOURCES = t/unit/check_bad_inputs.c t/unit/parse_steps.h t/unit/unit.h
t_unit_check_bad_inputs_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_bad_inputs_LDADD = $(PROTO_LIBS) $(CORE_LIBS) $(JANSSON_LIBS) $(UNIT_LIBS) \
	$(SYSTEM_LIBS)

EXTRA_DIST += t/data/bad_inputs.jsonl t/data/bad_inputs_differences.json
