# The proxy: routes clients' commands to nodes.
noinst_LIBRARIES += libmfproxy.a
libmfproxy_a_SOURCES = \
	proxy/admission.c proxy/admission.h \
	proxy/answer.c proxy/answer.h \
	proxy/backend.c proxy/backend.h \
	proxy/bufpool.c proxy/bufpool.h \
	proxy/client.c proxy/client.h \
	proxy/coalesce.c proxy/coalesce.h \
	proxy/coalesce_copies.c proxy/coalesce_copies.h \
	proxy/config_cluster.c proxy/config_cluster.h \
	proxy/copies.c proxy/copies.h \
	proxy/copy_name.c proxy/copy_name.h \
	proxy/dispatch.c proxy/dispatch.h \
	proxy/failure.c proxy/failure.h \
	proxy/fanout.c proxy/fanout.h \
	proxy/fill.c proxy/fill.h \
	proxy/flight.c proxy/flight.h \
	proxy/form.c proxy/form.h \
	proxy/frontend.c proxy/frontend.h \
	proxy/gutter.c proxy/gutter.h \
	proxy/health.c proxy/health.h \
	proxy/herald.c proxy/herald.h \
	proxy/hedge.c proxy/hedge.h \
	proxy/journal.c proxy/journal.h \
	proxy/journal_dir.c proxy/journal_dir.h \
	proxy/journal_file.c proxy/journal_file.h \
	proxy/health_heir.c proxy/health_heir.h \
	proxy/journal_heir.c proxy/journal_heir.h \
	proxy/journal_keys.c proxy/journal_keys.h \
	proxy/journal_record.c proxy/journal_record.h \
	proxy/leg_queue.c proxy/leg_queue.h \
	proxy/local_command.c proxy/local_command.h \
	proxy/lookup_key.c proxy/lookup_key.h \
	proxy/move.c proxy/move.h \
	proxy/moving.c proxy/moving.h \
	proxy/moving_act.c proxy/moving_act.h \
	proxy/moving_build.c proxy/moving_build.h \
	proxy/moving_request.c proxy/moving_request.h \
	proxy/moving_tell.c proxy/moving_tell.h \
	proxy/multiget.c proxy/multiget.h \
	proxy/near.c proxy/near.h \
	proxy/near_cache.c proxy/near_cache.h \
	proxy/objpool.h \
	proxy/own_stall.h \
	proxy/owner_cache.c proxy/owner_cache.h \
	proxy/pending.c proxy/pending.h \
	proxy/plain.c proxy/plain.h \
	proxy/plain_answer.c proxy/plain_answer.h \
	proxy/placement.c proxy/placement.h \
	proxy/predecessor.c proxy/predecessor.h \
	proxy/prober.c \
	proxy/promotion.c proxy/promotion.h \
	proxy/promoter.c proxy/promoter.h \
	proxy/proxy.c proxy/proxy.h \
	proxy/proxy_frontends.c \
	proxy/proxy_http.c \
	proxy/proxy_health.c \
	proxy/proxy_journals.c \
	proxy/proxy_listen.c \
	proxy/proxy_metrics.h \
	proxy/proxy_options.c proxy/proxy_options.h \
	proxy/proxy_page.c \
	proxy/proxy_stats.c \
	proxy/proxy_takeover.c \
	proxy/proxy_watch.c \
	proxy/proxy_worker.c proxy/proxy_worker.h \
	proxy/rename.c proxy/rename.h \
	proxy/gather.h \
	proxy/retry_budget.h \
	proxy/queues.h \
	proxy/rejoin.c proxy/rejoin.h \
	proxy/roster.c proxy/roster.h \
	proxy/shadow.c proxy/shadow.h \
	proxy/shadow_counts.c proxy/shadow_counts.h \
	proxy/split.c proxy/split.h \
	proxy/successor.c proxy/successor.h \
	proxy/tail_estimate.h \
	proxy/tell.c proxy/tell.h \
	proxy/watcher.c proxy/watcher.h \
	proxy/way.c proxy/way.h \
	proxy/write_marks.h

bin_PROGRAMS += mfproxy
mfproxy_SOURCES = proxy/mfproxy.c
mfproxy_LDADD = libmfproxy.a libmfroute.a $(PUSH_LIBS) $(NET_LIBS) $(FLEET_LIBS) \
	$(PROTO_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
