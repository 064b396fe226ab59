# Tests of the proxy: pure rooms one by one, then conversations.
PROXY_UNIT_LDADD = libmfproxy.a libmfroute.a $(PUSH_LIBS) $(NET_LIBS) $(FLEET_LIBS) \
	$(PROTO_LIBS) $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

PROXY_TESTS = \
	t/proxy/bad_inputs.t \
	t/proxy/conversation.t \
	t/proxy/failures.t \
	t/proxy/memccapable.t
TAP_TESTS += $(PROXY_TESTS)
EXTRA_DIST += t/lib/BadInputs.pm t/lib/MockBackend.pm $(PROXY_TESTS)
