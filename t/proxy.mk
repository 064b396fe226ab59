# Tests of the proxy: pure rooms one by one, then conversations.
PROXY_UNIT_LDADD = libmfproxy.a libmfroute.a $(NET_LIBS) $(FLEET_LIBS) \
	$(PROTO_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

PROXY_TESTS = \
	t/proxy/failures.t
TAP_TESTS += $(PROXY_TESTS)
EXTRA_DIST += t/lib/MockBackend.pm $(PROXY_TESTS)
