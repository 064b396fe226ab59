# Tests that span rooms, and the library that all Perl tests share.
EXTRA_DIST += \
	t/lib/Memfleet.pm \
	t/lib/Memfleet/Conn.pm \
	t/lib/Memfleet/Deadline.pm \
	t/lib/Memfleet/Program.pm
FLEET_TESTS = \
	t/fleet/dist.t
TAP_TESTS += $(FLEET_TESTS)
EXTRA_DIST += $(FLEET_TESTS)
