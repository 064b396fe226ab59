# The node.
bin_PROGRAMS += mfcached
mfcached_SOURCES = \
	cached/announce.c cached/announce.h \
	cached/conn.c cached/conn.h \
	cached/conn_input.c cached/conn_input.h \
	cached/conn_memory.c cached/conn_memory.h \
	cached/crowd.h \
	cached/dump.c cached/dump.h \
	cached/event_ring.c cached/event_ring.h \
	cached/exec.h \
	cached/exec_admin.c \
	cached/exec_crawler.c \
	cached/exec_get.c \
	cached/exec_hotkeys.c \
	cached/exec_meta.c \
	cached/exec_mg.c \
	cached/exec_text.c \
	cached/fencing.c cached/fencing.h \
	cached/group.h \
	cached/pen.c cached/pen.h \
	cached/ingest.c cached/ingest.h \
	cached/ingest_plain.c \
	cached/main.c \
	cached/memory_report.c cached/memory_report.h \
	cached/meta_put.h \
	cached/metaline.c cached/metaline.h \
	cached/metrics_page.c cached/metrics_page.h \
	cached/node.c cached/node.h \
	cached/node_metrics.h \
	cached/node_options.c cached/node_options.h \
	cached/outbox.c cached/outbox.h \
	cached/prefixes.c cached/prefixes.h \
	cached/restart.c cached/restart.h \
	cached/sends.c cached/sends.h \
	cached/service_time.c cached/service_time.h \
	cached/sizes.c cached/sizes.h \
	cached/stats.c cached/stats.h \
	cached/stats_cachedump.c \
	cached/stats_classes.c \
	cached/stats_conns.c \
	cached/stats_latency.c \
	cached/stats_settings.c \
	cached/tuning.c cached/tuning.h \
	cached/watch.c cached/watch.h \
	cached/watch_line.c cached/watch_line.h \
	cached/words.h \
	cached/worker.c cached/worker.h
mfcached_LDADD = libmfstore.a $(PUSH_LIBS) $(FLEET_LIBS) $(NET_LIBS) $(PROTO_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
