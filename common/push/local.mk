noinst_LIBRARIES += libmfpush.a
libmfpush_a_SOURCES = \
	common/push/frame.c common/push/frame.h
