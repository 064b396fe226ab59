noinst_LIBRARIES += libmfcontrol.a
libmfcontrol_a_SOURCES = \
	control/deflate.c control/deflate.h \
	control/document.c control/document.h \
	control/inventory.c control/inventory.h \
	control/keys.c control/keys.h \
	control/leader.c control/leader.h \
	control/metrics.h \
	control/mirror.c control/mirror.h \
	control/planner.c control/planner.h \
	control/pool_config.c control/pool_config.h \
	control/publisher.c control/publisher.h \
	control/push_server.c control/push_server.h \
	control/registrar.c control/registrar.h \
	control/registration.c control/registration.h \
	control/session.c control/session.h \
	control/sorted.c control/sorted.h
