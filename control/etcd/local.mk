noinst_LIBRARIES += libmfetcd.a
libmfetcd_a_SOURCES = \
	control/etcd/auth.c control/etcd/auth.h \
	control/etcd/call.c control/etcd/etcd_client.h \
	control/etcd/decode.c control/etcd/decode.h \
	control/etcd/election.c control/etcd/election.h \
	control/etcd/encode.c control/etcd/encode.h \
	control/etcd/endpoint.c control/etcd/endpoint.h \
	control/etcd/etcd.c control/etcd/etcd.h \
	control/etcd/etcd_sync.c control/etcd/etcd_sync.h \
	control/etcd/json_split.c control/etcd/json_split.h \
	control/etcd/lease.c control/etcd/lease.h \
	control/etcd/replybox.c control/etcd/replybox.h \
	control/etcd/transport.c control/etcd/transport.h \
	control/etcd/txn.c control/etcd/txn.h \
	control/etcd/verdict.c control/etcd/verdict.h \
	control/etcd/etcd_watch.c control/etcd/etcd_watch.h \
	control/etcd/watch_state.c control/etcd/watch_state.h
