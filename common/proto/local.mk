# The memcached protocol: what clients say and what servers answer.
noinst_LIBRARIES += libmfproto.a
libmfproto_a_SOURCES = \
	common/proto/command.c common/proto/command.h \
	common/proto/errorline.c common/proto/errorline.h \
	common/proto/exptime.c common/proto/exptime.h \
	common/proto/reply.c common/proto/reply.h \
	common/proto/reply_plain.h \
	common/proto/request.c common/proto/request.h \
	common/proto/request_meta.c \
	common/proto/request_plain.c common/proto/request_plain.h \
	common/proto/request_put.c \
	common/proto/request_shapes.h \
	common/proto/request_text.c \
	common/proto/scan.h \
	common/proto/watch_stream.c common/proto/watch_stream.h
