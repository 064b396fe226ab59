# Everything fails, and no client may see it (t/chaos/mfchaos.c).
noinst_PROGRAMS += mfchaos
mfchaos_SOURCES = \
	t/chaos/mfchaos.c \
	t/chaos/chaosanswer.c \
	t/chaos/chaoscall.c t/chaos/chaoscall.h \
	t/chaos/chaosclient.c t/chaos/chaosclient.h \
	t/chaos/chaosfault.c t/chaos/chaosfault.h \
	t/chaos/chaosfleet.c t/chaos/chaosfleet.h \
	t/chaos/chaoslink.c t/chaos/chaoslink.h \
	t/chaos/chaosmodel.c t/chaos/chaosmodel.h \
	t/chaos/chaosmove.c t/chaos/chaosmove.h \
	t/chaos/chaosmover.c t/chaos/chaosmover.h \
	t/chaos/chaosnet.c t/chaos/chaosnet.h \
	t/chaos/chaosplan.c t/chaos/chaosplan.h \
	t/chaos/chaosrun.c t/chaos/chaosrun.h \
	t/chaos/chaostable.c t/chaos/chaostable.h \
	t/chaos/chaosvalue.c t/chaos/chaosvalue.h \
	t/soak/soakconn.c t/soak/soakconn.h \
	t/soak/soakvalue.c t/soak/soakvalue.h
mfchaos_LDADD = $(FLEET_LIBS) $(NET_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_chaos_model
t_unit_check_chaos_model_SOURCES = t/unit/check_chaos_model.c t/unit/unit.h \
	t/chaos/chaosmodel.c t/chaos/chaosmodel.h
t_unit_check_chaos_model_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_chaos_model_LDADD = $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_chaos_move
t_unit_check_chaos_move_SOURCES = t/unit/check_chaos_move.c t/unit/unit.h \
	t/chaos/chaosmove.c t/chaos/chaosmove.h
t_unit_check_chaos_move_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_chaos_move_LDADD = $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

TAP_TESTS += t/chaos/faults.t
EXTRA_DIST += t/lib/Memfleet/Chaos.pm t/chaos/faults.t

LONG_TESTS += t/long/chaos.t
