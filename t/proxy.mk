# Tests of the proxy: pure rooms one by one, then conversations.
PROXY_UNIT_LIBS = libmfproxy.a libmfroute.a $(PUSH_LIBS) $(NET_LIBS) $(FLEET_LIBS) \
	$(PROTO_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_failure
t_unit_check_failure_SOURCES = t/unit/check_failure.c t/unit/unit.h
t_unit_check_failure_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_failure_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_flight
t_unit_check_flight_SOURCES = t/unit/check_flight.c t/unit/unit.h
t_unit_check_flight_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_flight_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_gather
t_unit_check_gather_SOURCES = t/unit/check_gather.c t/unit/unit.h
t_unit_check_gather_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_gather_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_form
t_unit_check_form_SOURCES = t/unit/check_form.c t/unit/unit.h
t_unit_check_form_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_form_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_frontend
t_unit_check_frontend_SOURCES = t/unit/check_frontend.c t/unit/unit.h
t_unit_check_frontend_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_frontend_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_health
t_unit_check_health_SOURCES = t/unit/check_health.c t/unit/unit.h
t_unit_check_health_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_health_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_tail_estimate
t_unit_check_tail_estimate_SOURCES = t/unit/check_tail_estimate.c t/unit/unit.h
t_unit_check_tail_estimate_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_tail_estimate_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_gutter
t_unit_check_gutter_SOURCES = t/unit/check_gutter.c t/unit/unit.h
t_unit_check_gutter_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_gutter_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_rename
t_unit_check_rename_SOURCES = t/unit/check_rename.c t/unit/unit.h
t_unit_check_rename_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_rename_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_journal
t_unit_check_journal_SOURCES = t/unit/check_journal.c t/unit/unit.h
t_unit_check_journal_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_journal_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_journal_keys
t_unit_check_journal_keys_SOURCES = t/unit/check_journal_keys.c t/unit/unit.h
t_unit_check_journal_keys_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_journal_keys_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_journal_file
t_unit_check_journal_file_SOURCES = t/unit/check_journal_file.c t/unit/unit.h
t_unit_check_journal_file_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_journal_file_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_health_heir
t_unit_check_health_heir_SOURCES = t/unit/check_health_heir.c t/unit/unit.h
t_unit_check_health_heir_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_health_heir_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_journal_heir
t_unit_check_journal_heir_SOURCES = t/unit/check_journal_heir.c t/unit/unit.h
t_unit_check_journal_heir_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_journal_heir_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_move
t_unit_check_move_SOURCES = t/unit/check_move.c t/unit/unit.h
t_unit_check_move_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_move_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_multiget
t_unit_check_multiget_SOURCES = t/unit/check_multiget.c t/unit/unit.h
t_unit_check_multiget_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_multiget_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_copies
t_unit_check_copies_SOURCES = t/unit/check_copies.c t/unit/unit.h
t_unit_check_copies_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_copies_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_copy_name
t_unit_check_copy_name_SOURCES = t/unit/check_copy_name.c t/unit/unit.h
t_unit_check_copy_name_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_copy_name_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_near_cache
t_unit_check_near_cache_SOURCES = t/unit/check_near_cache.c t/unit/unit.h
t_unit_check_near_cache_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_near_cache_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_owner_cache
t_unit_check_owner_cache_SOURCES = t/unit/check_owner_cache.c t/unit/unit.h
t_unit_check_owner_cache_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_owner_cache_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_placement
t_unit_check_placement_SOURCES = t/unit/check_placement.c t/unit/unit.h
t_unit_check_placement_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_placement_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_promotion
t_unit_check_promotion_SOURCES = t/unit/check_promotion.c t/unit/unit.h
t_unit_check_promotion_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_promotion_LDADD = $(PROXY_UNIT_LIBS)

UNIT_TESTS += t/unit/check_watcher
t_unit_check_watcher_SOURCES = t/unit/check_watcher.c t/unit/unit.h
t_unit_check_watcher_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_watcher_LDADD = $(PROXY_UNIT_LIBS)

PROXY_TESTS = \
	t/proxy/admin.t \
	t/proxy/bad_inputs.t \
	t/proxy/coalescing.t \
	t/proxy/config_cluster.t \
	t/proxy/conversation.t \
	t/proxy/copy_names.t \
	t/proxy/descriptors.t \
	t/proxy/failures.t \
	t/proxy/given_up.t \
	t/proxy/gutter.t \
	t/proxy/hedge.t \
	t/proxy/hotkeys.t \
	t/proxy/journal.t \
	t/proxy/journal_dir.t \
	t/proxy/latency.t \
	t/proxy/listen_pool.t \
	t/proxy/limits.t \
	t/proxy/memccapable.t \
	t/proxy/moves.t \
	t/proxy/moves_nodes.t \
	t/proxy/names.t \
	t/proxy/near_cache.t \
	t/proxy/order.t \
	t/proxy/page.t \
	t/proxy/plain.t \
	t/proxy/pressure.t \
	t/proxy/promotion.t \
	t/proxy/replicas.t \
	t/proxy/routes.t \
	t/proxy/shadow.t \
	t/proxy/stragglers.t \
	t/proxy/strip_prefix.t \
	t/proxy/table.t \
	t/proxy/takeover.t \
	t/proxy/takeover_journal.t \
	t/proxy/together.t \
	t/proxy/torture.t \
	t/proxy/watch_hotkeys.t \
	t/proxy/zones.t
TAP_TESTS += $(PROXY_TESTS)
EXTRA_DIST += t/lib/AskTogether.pm t/lib/BadInputs.pm t/lib/MockBackend.pm $(PROXY_TESTS)

FUZZ_TARGETS += t/fuzz/fuzz_journal
t_fuzz_fuzz_journal_SOURCES = t/fuzz/fuzz_journal.c t/fuzz/fuzz.h
if !LIBFUZZER
t_fuzz_fuzz_journal_SOURCES += t/fuzz/replay.c
endif
t_fuzz_fuzz_journal_LDADD = libmfproxy.a libmfroute.a $(PUSH_LIBS) $(NET_LIBS) $(FLEET_LIBS) \
	$(PROTO_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
t_fuzz_fuzz_journal_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += t/fuzz/corpus/journal
