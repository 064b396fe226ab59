# tests of control/etcd
check_PROGRAMS += t/etcd/etcd_probe
t_etcd_etcd_probe_SOURCES = t/etcd/etcd_probe.c
t_etcd_etcd_probe_LDADD = $(ETCD_LIBS) $(NET_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)

ETCD_TESTS = \
	t/etcd/calls.t \
	t/etcd/cluster.t \
	t/etcd/leases.t \
	t/etcd/real.t \
	t/etcd/watches.t
TAP_TESTS += $(ETCD_TESTS)
EXTRA_DIST += $(ETCD_TESTS) \
	t/lib/Memfleet/Etcd.pm \
	t/lib/Memfleet/EtcdProbe.pm \
	t/lib/Memfleet/FakeEtcd.pm \
	t/lib/Memfleet/FakeEtcd/Request.pm
