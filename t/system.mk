# Tests that span rooms, and the library that all Perl tests share.
FLEET_TESTS = \
	t/fleet/client_matrix.t \
	t/fleet/clients.t \
	t/fleet/control_lost.t \
	t/fleet/dist.t \
	t/fleet/help.t \
	t/fleet/hot_key.t \
	t/fleet/replicas_agree.t \
	t/fleet/leaders_die.t \
	t/fleet/node_dies.t \
	t/fleet/moves_load.t \
	t/fleet/node_returns.t \
	t/fleet/proxy_killed.t \
	t/fleet/quickstart.t \
	t/fleet/replay.t \
	t/fleet/random_commands.t \
	t/fleet/same_as_memcached.t \
	t/fleet/stale.t \
	t/fleet/stragglers.t \
	t/fleet/table_load.t \
	t/fleet/trace.t
TAP_TESTS += $(FLEET_TESTS)
EXTRA_DIST += \
	$(FLEET_TESTS) \
	t/data/cache2k_web12.trace.xz \
	t/lib/Memfleet.pm \
	t/lib/Memfleet/Conn.pm \
	t/lib/Memfleet/Deadline.pm \
	t/lib/Memfleet/Differences.pm \
	t/lib/Memfleet/Fleet.pm \
	t/lib/Memfleet/Follower.pm \
	t/lib/Memfleet/MemcachedRules.pm \
	t/lib/Memfleet/RandomCommands.pm \
	t/lib/Memfleet/Program.pm \
	t/clients/Matrix.java \
	t/clients/matrix.go \
	t/clients/matrix.js \
	t/clients/matrix.php \
	t/clients/matrix.pl \
	t/clients/matrix.py \
	t/tools/client_commands.py \
	t/tools/client_replay.py

# The load and the judge of the fleet tests; `make` builds it, nothing installs it.
noinst_PROGRAMS += mfreplay
mfreplay_SOURCES = \
	t/tools/mfreplay.c \
	t/tools/replayconn.c t/tools/replayconn.h \
	t/tools/selfvalue.c t/tools/selfvalue.h
mfreplay_LDADD = $(NET_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
