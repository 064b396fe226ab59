noinst_LIBRARIES += libmfcontrol.a
libmfcontrol_a_SOURCES = \
	control/deflate.c control/deflate.h \
	control/inventory.c control/inventory.h \
	control/keys.c control/keys.h \
	control/metrics.h \
	control/planner.c control/planner.h \
	control/pool_config.c control/pool_config.h \
	control/push_server.c control/push_server.h \
	control/registration.c control/registration.h \
	control/session.c control/session.h \
	control/sorted.c control/sorted.h
