# Where a key goes: pure, above the routing table only.
noinst_LIBRARIES += libmfroute.a
libmfroute_a_SOURCES = \
	proxy/route/route.h \
	proxy/route/route_bound.c \
	proxy/route/route_pool.c \
	proxy/route/route_replicas.c \
	proxy/route/route_shadow.c \
	proxy/route/route_strip.c
