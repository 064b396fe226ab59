# Tests that span rooms, and the library that all Perl tests share.
EXTRA_DIST += \
	t/data/cache2k_web12.trace.xz \
	t/lib/Memfleet.pm \
	t/lib/Memfleet/Conn.pm \
	t/lib/Memfleet/Deadline.pm \
	t/lib/Memfleet/Program.pm
FLEET_TESTS = \
	t/fleet/dist.t \
	t/fleet/replay.t
TAP_TESTS += $(FLEET_TESTS)
EXTRA_DIST += $(FLEET_TESTS)

# The load and the judge of the fleet tests; `make` builds it, nothing installs it.
noinst_PROGRAMS += mfreplay
mfreplay_SOURCES = \
	t/tools/mfreplay.c \
	t/tools/replayconn.c t/tools/replayconn.h \
	t/tools/selfvalue.c t/tools/selfvalue.h
mfreplay_LDADD = $(NET_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
