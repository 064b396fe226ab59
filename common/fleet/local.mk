noinst_LIBRARIES += libmffleet.a
libmffleet_a_SOURCES = \
	common/fleet/continuum.c common/fleet/continuum.h \
	common/fleet/dalli.c common/fleet/dalli.h \
	common/fleet/fence_token.c common/fleet/fence_token.h \
	common/fleet/hotset.c common/fleet/hotset.h \
	common/fleet/furc.c common/fleet/furc.h \
	common/fleet/jsonread.c common/fleet/jsonread.h \
	common/fleet/ketama.c common/fleet/ketama.h \
	common/fleet/keyhash.c common/fleet/keyhash.h \
	common/fleet/keytag.c common/fleet/keytag.h \
	common/fleet/modula.c common/fleet/modula.h \
	common/fleet/prefixmap.c common/fleet/prefixmap.h \
	common/fleet/rendezvous.c common/fleet/rendezvous.h \
	common/fleet/ring.c common/fleet/ring.h \
	common/fleet/ringcheck.c common/fleet/ringcheck.h \
	common/fleet/ringscheme.c common/fleet/ringscheme.h \
	common/fleet/table.c common/fleet/table.h \
	common/fleet/table_build.c common/fleet/table_build.h \
	common/fleet/table_cluster.c common/fleet/table_cluster.h \
	common/fleet/table_json.c \
	common/fleet/table_judge.c \
	common/fleet/table_nodes.c common/fleet/table_read.h \
	common/fleet/table_ring.c common/fleet/table_ring.h \
	common/fleet/table_servers.c \
	common/fleet/table_settings.c \
	common/fleet/table_steps.c \
	common/fleet/table_words.h
