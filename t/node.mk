# tests of the node room
STORE_TEST_LIBS = libmfstore.a $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_assoc
t_unit_check_assoc_SOURCES = t/unit/check_assoc.c t/unit/unit.h
t_unit_check_assoc_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_assoc_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_bands
t_unit_check_bands_SOURCES = t/unit/check_bands.c t/unit/unit.h
t_unit_check_bands_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_bands_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_epoch
t_unit_check_epoch_SOURCES = t/unit/check_epoch.c t/unit/unit.h
t_unit_check_epoch_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_epoch_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_heat
t_unit_check_heat_SOURCES = t/unit/check_heat.c t/unit/unit.h
t_unit_check_heat_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_heat_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_memory_file
t_unit_check_memory_file_SOURCES = t/unit/check_memory_file.c t/unit/unit.h
t_unit_check_memory_file_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_memory_file_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_places
t_unit_check_places_SOURCES = t/unit/check_places.c t/unit/unit.h
t_unit_check_places_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_places_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_segments
t_unit_check_segments_SOURCES = t/unit/check_segments.c t/unit/unit.h
t_unit_check_segments_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_segments_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_store_flush
t_unit_check_store_flush_SOURCES = t/unit/check_store_flush.c t/unit/unit.h
t_unit_check_store_flush_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_store_flush_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_store_image
t_unit_check_store_image_SOURCES = t/unit/check_store_image.c t/unit/unit.h
t_unit_check_store_image_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_store_image_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_store_threads
t_unit_check_store_threads_SOURCES = t/unit/check_store_threads.c t/unit/unit.h
t_unit_check_store_threads_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_store_threads_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_item
t_unit_check_item_SOURCES = t/unit/check_item.c t/unit/unit.h
t_unit_check_item_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_item_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_store_change
t_unit_check_store_change_SOURCES = t/unit/check_store_change.c t/unit/store_steps.h t/unit/unit.h
t_unit_check_store_change_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_store_change_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_store_join
t_unit_check_store_join_SOURCES = t/unit/check_store_join.c t/unit/store_steps.h t/unit/unit.h
t_unit_check_store_join_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_store_join_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_store_memory
t_unit_check_store_memory_SOURCES = t/unit/check_store_memory.c t/unit/store_steps.h t/unit/unit.h
t_unit_check_store_memory_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_store_memory_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_store_width
t_unit_check_store_width_SOURCES = t/unit/check_store_width.c t/unit/store_steps.h t/unit/unit.h
t_unit_check_store_width_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_store_width_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_store
t_unit_check_store_SOURCES = t/unit/check_store.c t/unit/store_steps.h t/unit/unit.h
t_unit_check_store_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_store_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_store_group
t_unit_check_store_group_SOURCES = t/unit/check_store_group.c t/unit/store_steps.h t/unit/unit.h
t_unit_check_store_group_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_store_group_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_outbox
t_unit_check_outbox_SOURCES = t/unit/check_outbox.c t/unit/unit.h cached/outbox.c cached/outbox.h
t_unit_check_outbox_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_outbox_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_event_ring
t_unit_check_event_ring_SOURCES = t/unit/check_event_ring.c t/unit/unit.h cached/event_ring.c \
	cached/event_ring.h
t_unit_check_event_ring_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_event_ring_LDADD = $(STORE_TEST_LIBS)

UNIT_TESTS += t/unit/check_crowd
t_unit_check_crowd_SOURCES = t/unit/check_crowd.c t/unit/unit.h cached/crowd.h
t_unit_check_crowd_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_crowd_LDADD = $(UNIT_LIBS)

UNIT_TESTS += t/unit/check_service_time
t_unit_check_service_time_SOURCES = t/unit/check_service_time.c t/unit/unit.h cached/service_time.c cached/service_time.h
t_unit_check_service_time_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_service_time_LDADD = $(STORE_TEST_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_store
t_fuzz_fuzz_store_SOURCES = t/fuzz/fuzz_store.c t/fuzz/fuzz.h
t_fuzz_fuzz_store_LDADD = libmfstore.a $(CORE_LIBS) $(SYSTEM_LIBS)
t_fuzz_fuzz_store_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
if !LIBFUZZER
t_fuzz_fuzz_store_SOURCES += t/fuzz/replay.c
endif
EXTRA_DIST += t/fuzz/corpus/store

FUZZ_TARGETS += t/fuzz/fuzz_image
t_fuzz_fuzz_image_SOURCES = t/fuzz/fuzz_image.c t/fuzz/fuzz.h
t_fuzz_fuzz_image_LDADD = libmfstore.a $(CORE_LIBS) $(SYSTEM_LIBS)
t_fuzz_fuzz_image_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
if !LIBFUZZER
t_fuzz_fuzz_image_SOURCES += t/fuzz/replay.c
endif
EXTRA_DIST += t/fuzz/corpus/image

NODE_TESTS = \
	t/node/admin.t \
	t/node/bad_inputs.t \
	t/node/classes.t \
	t/node/connection_memory.t \
	t/node/dump.t \
	t/node/expiry.t \
	t/node/given_up_unread.t \
	t/node/get_groups.t \
	t/node/hotkeys.t \
	t/node/lifecycle.t \
	t/node/limits.t \
	t/node/memory.t \
	t/node/meta.t \
	t/node/meta_groups.t \
	t/node/meta_marks.t \
	t/node/options.t \
	t/node/pipeline.t \
	t/node/room_in_turns.t \
	t/node/rss.t \
	t/node/set_groups.t \
	t/node/slow_readers.t \
	t/node/stats.t \
	t/node/stragglers.t \
	t/node/text.t \
	t/node/together.t \
	t/node/warm_restart.t \
	t/node/watch.t
TAP_TESTS += $(NODE_TESTS)
EXTRA_DIST += $(NODE_TESTS)
