noinst_LIBRARIES += libmfnet.a
libmfnet_a_SOURCES = \
	common/net/addr.c common/net/addr.h \
	common/net/call_batch.c common/net/call_batch.h \
	common/net/calls.h \
	common/net/daemon.c common/net/daemon.h \
	common/net/handover.c common/net/handover.h \
	common/net/handover_link.c common/net/handover_link.h \
	common/net/http.c common/net/http.h \
	common/net/listener.c common/net/listener.h \
	common/net/loop.c common/net/loop.h \
	common/net/page.c common/net/page.h \
	common/net/read_ahead.c common/net/read_ahead.h \
	common/net/resolver.c common/net/resolver.h \
	common/net/sock.c common/net/sock.h \
	common/net/stream.c common/net/stream.h \
	common/net/timer_heap.c common/net/timer_heap.h
