# tests of the fleet room
UNIT_TESTS += t/unit/check_ring
t_unit_check_ring_SOURCES = t/unit/check_ring.c t/unit/unit.h
t_unit_check_ring_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_ring_LDADD = $(FLEET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_keyhash
t_unit_check_keyhash_SOURCES = t/unit/check_keyhash.c t/unit/unit.h
t_unit_check_keyhash_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_keyhash_LDADD = $(FLEET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_keytag
t_unit_check_keytag_SOURCES = t/unit/check_keytag.c t/unit/unit.h
t_unit_check_keytag_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_keytag_LDADD = $(FLEET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_prefixmap
t_unit_check_prefixmap_SOURCES = t/unit/check_prefixmap.c t/unit/unit.h
t_unit_check_prefixmap_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_prefixmap_LDADD = $(FLEET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

EXTRA_DIST += t/data/README.md t/data/ring_vectors.csv.gz

UNIT_TESTS += t/unit/check_table
t_unit_check_table_SOURCES = t/unit/check_table.c t/unit/unit.h
t_unit_check_table_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_table_LDADD = $(FLEET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_fence_token
t_unit_check_fence_token_SOURCES = t/unit/check_fence_token.c t/unit/unit.h
t_unit_check_fence_token_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_fence_token_LDADD = $(FLEET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_table_moves
t_unit_check_table_moves_SOURCES = t/unit/check_table_moves.c t/unit/unit.h
t_unit_check_table_moves_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_table_moves_LDADD = $(FLEET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_table
t_fuzz_fuzz_table_SOURCES = t/fuzz/fuzz_table.c t/fuzz/fuzz.h
if !LIBFUZZER
t_fuzz_fuzz_table_SOURCES += t/fuzz/replay.c
endif
t_fuzz_fuzz_table_LDADD = $(FLEET_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
t_fuzz_fuzz_table_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += t/fuzz/corpus/table docs/routing-table.md

UNIT_TESTS += t/unit/check_frame
t_unit_check_frame_SOURCES = t/unit/check_frame.c t/unit/unit.h
t_unit_check_frame_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_frame_LDADD = $(PUSH_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_frame
t_fuzz_fuzz_frame_SOURCES = t/fuzz/fuzz_frame.c t/fuzz/fuzz.h
if !LIBFUZZER
t_fuzz_fuzz_frame_SOURCES += t/fuzz/replay.c
endif
t_fuzz_fuzz_frame_LDADD = $(PUSH_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
t_fuzz_fuzz_frame_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += t/fuzz/corpus/frame

FOLLOW_TEST_LIBS = $(PUSH_LIBS) $(NET_LIBS) $(FLEET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_follow_link
t_unit_check_follow_link_SOURCES = t/unit/check_follow_link.c t/unit/unit.h
t_unit_check_follow_link_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_follow_link_LDADD = $(FOLLOW_TEST_LIBS)

UNIT_TESTS += t/unit/check_follow_adopt
t_unit_check_follow_adopt_SOURCES = t/unit/check_follow_adopt.c t/unit/follow_host.h t/unit/unit.h
t_unit_check_follow_adopt_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_follow_adopt_LDADD = $(FOLLOW_TEST_LIBS)

UNIT_TESTS += t/unit/check_follow_file
t_unit_check_follow_file_SOURCES = t/unit/check_follow_file.c t/unit/follow_host.h t/unit/unit.h
t_unit_check_follow_file_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_follow_file_LDADD = $(FOLLOW_TEST_LIBS)

UNIT_TESTS += t/unit/check_follow_push
t_unit_check_follow_push_SOURCES = t/unit/check_follow_push.c t/unit/follow_host.h t/unit/unit.h
t_unit_check_follow_push_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_follow_push_LDADD = $(FOLLOW_TEST_LIBS)
