# What scripts/bench measures with.
BENCH_WORK = t/bench/loadwork.c t/bench/loadwork.h

noinst_PROGRAMS += mfload mffloor
mfload_SOURCES = \
	t/bench/keychoice.c t/bench/keychoice.h \
	t/bench/latency.c t/bench/latency.h \
	t/bench/loadconn.c t/bench/loadconn.h \
	t/bench/mfload.c \
	$(BENCH_WORK)
mfload_LDADD = $(NET_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)
mffloor_SOURCES = t/bench/mffloor.c $(BENCH_WORK)
mffloor_LDADD = $(CORE_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_latency
t_unit_check_latency_SOURCES = t/unit/check_latency.c t/unit/unit.h \
	t/bench/keychoice.c t/bench/keychoice.h \
	t/bench/latency.c t/bench/latency.h
t_unit_check_latency_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_latency_LDADD = $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

TAP_TESTS += t/fleet/bench.t
EXTRA_DIST += \
	t/fleet/bench.t \
	t/bench/Bench/Counts.pm \
	t/bench/Bench/Cpu.pm \
	t/bench/Bench/Main.pm \
	t/bench/Bench/Memory.pm \
	t/bench/Bench/Proxy.pm \
	t/bench/Bench/Report.pm \
	t/bench/Bench/Server.pm \
	t/bench/Bench/Times.pm \
	t/bench/node.pl \
	t/bench/proxy.pl
