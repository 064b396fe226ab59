# The soak: a client that knows what every answer must be (t/soak/mfsoak.c).
noinst_PROGRAMS += mfsoak
mfsoak_SOURCES = \
	t/soak/mfsoak.c \
	t/soak/soakadmin.c t/soak/soakadmin.h \
	t/soak/soakboard.c t/soak/soakboard.h \
	t/soak/soakcall.c t/soak/soakcall.h \
	t/soak/soakchoice.c t/soak/soakchoice.h \
	t/soak/soakclient.c t/soak/soakclient.h \
	t/soak/soakconn.c t/soak/soakconn.h \
	t/soak/soakmodel.c t/soak/soakmodel.h \
	t/soak/soakreader.c \
	t/soak/soakreply.c t/soak/soakreply.h \
	t/soak/soaktrouble.c \
	t/soak/soakvalue.c t/soak/soakvalue.h \
	t/soak/soakwriter.c t/soak/soakwriter.h
mfsoak_LDADD = $(NET_LIBS) $(CORE_LIBS) $(SYSTEM_LIBS)

UNIT_TESTS += t/unit/check_soak_model
t_unit_check_soak_model_SOURCES = t/unit/check_soak_model.c t/unit/unit.h \
	t/soak/soakmodel.c t/soak/soakmodel.h \
	t/soak/soakvalue.c t/soak/soakvalue.h
t_unit_check_soak_model_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
t_unit_check_soak_model_LDADD = $(CORE_LIBS) $(UNIT_LIBS) $(SYSTEM_LIBS)

TAP_TESTS += t/node/soak.t
EXTRA_DIST += t/lib/Memfleet/Soak.pm t/node/soak.t

# What takes minutes: for the night, or before a release.
LONG_TESTS = t/long/connections.t t/long/soak.t
EXTRA_DIST += $(LONG_TESTS)
.PHONY: check-long
check-long: all
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(LONG_TESTS)'
