noinst_LIBRARIES += libmfcontrol.a
libmfcontrol_a_SOURCES = \
	control/control.c control/control.h \
	control/control_options.c control/control_options.h \
	control/deflate.c control/deflate.h \
	control/document.c control/document.h \
	control/etcd_arguments.h \
	control/fence_order.c control/fence_order.h \
	control/inventory.c control/inventory.h \
	control/keys.c control/keys.h \
	control/leader.c control/leader.h \
	control/metrics.h \
	control/mirror.c control/mirror.h \
	control/offload.c control/offload.h \
	control/planner.c control/planner.h \
	control/pool_config.c control/pool_config.h \
	control/presence.c control/presence.h \
	control/publisher.c control/publisher.h \
	control/push_server.c control/push_server.h \
	control/registrar.c control/registrar.h \
	control/registration.c control/registration.h \
	control/routing.c control/routing.h \
	control/session.c control/session.h \
	control/sorted.c control/sorted.h \
	control/status_page.c control/status_page.h \
	control/table_txn.c control/table_txn.h \
	control/top_json.c control/top_json.h \
	control/top_poll.c control/top_poll.h \
	control/top_sample.c control/top_sample.h \
	control/top_view.c control/top_view.h

CONTROL_LIBS = libmfcontrol.a $(ETCD_LIBS) $(PUSH_LIBS) $(NET_LIBS) $(FLEET_LIBS) $(CORE_LIBS)

bin_PROGRAMS += mfcontrol
mfcontrol_SOURCES = control/mfcontrol.c
mfcontrol_LDADD = $(CONTROL_LIBS) $(SYSTEM_LIBS)

bin_PROGRAMS += mfctl
mfctl_SOURCES = control/mfctl.c control/ctl.h control/ctl_common.c \
	control/ctl_fence.c control/ctl_fleet.c control/ctl_freeze.c control/ctl_init.c \
	control/ctl_node.c control/ctl_pool.c \
	control/ctl_recover.c control/ctl_ring.c control/ctl_route.c control/ctl_table.c control/ctl_table.h \
	control/ctl_top.c control/top_screen.c control/top_screen.h
mfctl_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS)
mfctl_LDADD = $(CONTROL_LIBS) $(NCURSES_LIBS) $(SYSTEM_LIBS)
