noinst_LIBRARIES += libmfpush.a
libmfpush_a_SOURCES = \
	common/push/follow.c common/push/follow.h \
	common/push/follow_adopt.c common/push/follow_adopt.h \
	common/push/follow_file.c common/push/follow_file.h \
	common/push/follow_link.c common/push/follow_link.h \
	common/push/follow_metric.h \
	common/push/follow_push.c common/push/follow_push.h \
	common/push/follow_state.c common/push/follow_state.h \
	common/push/frame.c common/push/frame.h
