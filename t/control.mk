# tests of the control room
CONTROL_TESTS = \
	t/control/etcd_gone.t \
	t/control/followers.t \
	t/control/leader.t \
	t/control/leases.t \
	t/control/publish.t
TAP_TESTS += $(CONTROL_TESTS)
EXTRA_DIST += $(CONTROL_TESTS) t/lib/Memfleet/Follower.pm t/lib/Memfleet/Plane.pm
