# tests of control/etcd
check_PROGRAMS += t/etcd/etcd_probe
t_etcd_etcd_probe_SOURCES = t/etcd/etcd_probe.c
t_etcd_etcd_probe_LDADD = $(ETCD_LIBS) $(NET_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
