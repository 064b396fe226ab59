# tests of the control room
CONTROL_TESTS = \
	t/control/etcd_gone.t \
	t/control/fence.t \
	t/control/followers.t \
	t/control/leader.t \
	t/control/leases.t \
	t/control/mfctl.t \
	t/control/publish.t \
	t/control/starts.t \
	t/control/top.t \
	t/control/top_screen.t
TAP_TESTS += $(CONTROL_TESTS)
EXTRA_DIST += $(CONTROL_TESTS) t/lib/Memfleet/Hold.pm t/lib/Memfleet/Plane.pm

CONTROL_UNIT_LIBS = $(CONTROL_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_inventory
t_unit_check_inventory_SOURCES = t/unit/check_inventory.c t/unit/inventory_fixture.h t/unit/unit.h
t_unit_check_inventory_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_inventory_LDADD = $(CONTROL_UNIT_LIBS)

UNIT_TESTS += t/unit/check_planner
t_unit_check_planner_SOURCES = t/unit/check_planner.c t/unit/inventory_fixture.h t/unit/unit.h
t_unit_check_planner_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_planner_LDADD = $(CONTROL_UNIT_LIBS)

UNIT_TESTS += t/unit/check_offload
t_unit_check_offload_SOURCES = t/unit/check_offload.c t/unit/unit.h
t_unit_check_offload_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_offload_LDADD = $(CONTROL_UNIT_LIBS)

UNIT_TESTS += t/unit/check_document
t_unit_check_document_SOURCES = t/unit/check_document.c t/unit/inventory_fixture.h t/unit/unit.h
t_unit_check_document_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_document_LDADD = $(CONTROL_UNIT_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_inventory
t_fuzz_fuzz_inventory_SOURCES = t/fuzz/fuzz_inventory.c t/fuzz/fuzz.h
if !LIBFUZZER
t_fuzz_fuzz_inventory_SOURCES += t/fuzz/replay.c
endif
t_fuzz_fuzz_inventory_LDADD = $(CONTROL_LIBS) $(SYSTEM_LIBS)
t_fuzz_fuzz_inventory_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += t/fuzz/corpus/inventory

UNIT_TESTS += t/unit/check_session
t_unit_check_session_SOURCES = t/unit/check_session.c t/unit/unit.h
t_unit_check_session_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_session_LDADD = $(CONTROL_UNIT_LIBS)

UNIT_TESTS += t/unit/check_top
t_unit_check_top_SOURCES = t/unit/check_top.c t/unit/unit.h
t_unit_check_top_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_top_LDADD = $(CONTROL_UNIT_LIBS)
