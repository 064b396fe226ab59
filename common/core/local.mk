noinst_LIBRARIES += libmfcore.a
libmfcore_a_SOURCES = \
	common/core/addrname.c common/core/addrname.h \
	common/core/assert.c common/core/assert.h \
	common/core/backoff.c common/core/backoff.h \
	common/core/base64.c common/core/base64.h \
	common/core/buf.c common/core/buf.h \
	common/core/clock.c common/core/clock.h \
	common/core/copy.h \
	common/core/hash.h \
	common/core/histogram.c common/core/histogram.h \
	common/core/hotkeys.c common/core/hotkeys.h \
	common/core/hotkeys_text.c \
	common/core/hotkeys_watch.c common/core/hotkeys_watch.h \
	common/core/list.h \
	common/core/lock.c common/core/lock.h \
	common/core/log.c common/core/log.h \
	common/core/mem.c common/core/mem.h \
	common/core/metric.c common/core/metric.h \
	common/core/name.c common/core/name.h \
	common/core/num.c common/core/num.h \
	common/core/option.c common/core/option.h \
	common/core/span.h \
	common/core/statefile.c common/core/statefile.h \
	common/core/token_bucket.c common/core/token_bucket.h \
	common/core/uri.c common/core/uri.h \
	common/core/version.h
