# tests of control/etcd
check_PROGRAMS += t/etcd/etcd_probe
t_etcd_etcd_probe_SOURCES = t/etcd/etcd_probe.c
t_etcd_etcd_probe_LDADD = $(ETCD_LIBS) $(NET_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)

ETCD_TESTS = \
	t/etcd/calls.t \
	t/etcd/cluster.t \
	t/etcd/leases.t \
	t/etcd/real.t \
	t/etcd/tls.t \
	t/etcd/watches.t
TAP_TESTS += $(ETCD_TESTS)
EXTRA_DIST += $(ETCD_TESTS) \
	t/lib/Memfleet/Etcd.pm \
	t/lib/Memfleet/EtcdProbe.pm \
	t/lib/Memfleet/FakeEtcd.pm \
	t/lib/Memfleet/FakeEtcd/Request.pm

UNIT_TESTS += t/unit/check_etcd_encode
t_unit_check_etcd_encode_SOURCES = t/unit/check_etcd_encode.c t/unit/unit.h
t_unit_check_etcd_encode_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_etcd_encode_LDADD = $(ETCD_LIBS) $(NET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_etcd_json
t_unit_check_etcd_json_SOURCES = t/unit/check_etcd_json.c t/unit/unit.h
t_unit_check_etcd_json_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_etcd_json_LDADD = $(ETCD_LIBS) $(NET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_etcd_judge
t_unit_check_etcd_judge_SOURCES = t/unit/check_etcd_judge.c t/unit/unit.h
t_unit_check_etcd_judge_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_etcd_judge_LDADD = $(ETCD_LIBS) $(NET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_etcd_watch_state
t_unit_check_etcd_watch_state_SOURCES = t/unit/check_etcd_watch_state.c t/unit/unit.h
t_unit_check_etcd_watch_state_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_etcd_watch_state_LDADD = $(ETCD_LIBS) $(NET_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

FUZZ_TARGETS += t/fuzz/fuzz_etcd_stream
t_fuzz_fuzz_etcd_stream_SOURCES = t/fuzz/fuzz_etcd_stream.c t/fuzz/fuzz.h
if !LIBFUZZER
t_fuzz_fuzz_etcd_stream_SOURCES += t/fuzz/replay.c
endif
t_fuzz_fuzz_etcd_stream_LDADD = $(ETCD_LIBS) $(NET_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
t_fuzz_fuzz_etcd_stream_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += t/fuzz/corpus/etcd_stream
