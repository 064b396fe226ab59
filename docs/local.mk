# Manual pages are made from --help, so that they list the options there are.
EXTRA_DIST += \
	docs/manpage.awk \
	docs/protocol.md \
	docs/architecture.md \
	docs/benchmarks.md \
	docs/compatibility.md \
	docs/control-plane.md \
	docs/etcd.md \
	docs/coalescing.md \
	docs/hot-keys.md \
	docs/moving-keys.md \
	docs/failure-modes.md \
	docs/store.md \
	docs/inspection.md \
	docs/rolling-restart.md \
	docs/routes.md \
	docs/testing.md \
	docs/warm-restart.md \
	docs/decisions/README.md \
	docs/decisions/0001-libraries.md \
	docs/decisions/0002-dead-node-keeps-its-keys.md \
	docs/decisions/0003-table-thread.md \
	docs/decisions/0004-requests-stay-on-a-thread.md \
	docs/decisions/0005-store-seam.md \
	docs/decisions/0006-dialect.md \
	docs/decisions/0007-rings-from-recordings.md \
	docs/decisions/0008-fenced-epochs.md \
	docs/decisions/0009-tap-everywhere.md \
	docs/decisions/0010-manual-from-help.md \
	docs/decisions/0011-unknown-outcomes.md \
	docs/decisions/0012-helpers-of-the-leader.md \
	docs/decisions/0013-whole-replies.md \
	docs/decisions/0013-crowded-nodes-slow-clients-down.md \
	docs/decisions/0014-a-log-instead-of-slab-classes.md \
	docs/decisions/0015-readers-without-locks.md \
	docs/decisions/0016-items-in-a-file-table-anew.md \
	docs/decisions/0017-the-loop-waits-by-itself.md \
	docs/decisions/0018-statistics-by-memcacheds-classes.md \
	docs/decisions/0019-a-turn-is-measured.md \
	docs/decisions/0020-items-have-what-they-need.md \
	docs/decisions/0021-journals-block-reads.md \
	docs/decisions/0022-marks-for-writes.md \
	docs/decisions/0024-journals-in-files.md \
	docs/decisions/0025-sockets-and-clients-are-handed-over.md \
	docs/decisions/0026-no-slow-start-yet.md \
	docs/decisions/0027-copies-are-claimed.md \
	docs/decisions/0028-near-values-end-by-marks.md \
	docs/decisions/0029-listeners-name-pools.md \
	docs/decisions/0030-local-copies-are-known-by-their-cas.md \
	docs/decisions/0031-changes-begin-at-the-old-owner.md \
	docs/decisions/0032-top-asks-servers-themselves.md \
	docs/decisions/0033-copies-have-their-own-connections.md \
	docs/decisions/0034-turns-wait-under-load.md \
	docs/decisions/0035-hedges-go-with-replicas.md \
	docs/decisions/0036-copies-have-their-own-names.md \
	docs/decisions/0037-stragglers-are-refused-whole.md \
	docs/decisions/0038-a-delete-that-the-old-owner-missed-is-an-error.md \
	docs/decisions/0039-calls-are-made-together.md

MANUAL_PAGES = docs/mfcached.1 docs/mfcontrol.1 docs/mfctl.1 docs/mfproxy.1
man1_MANS = $(MANUAL_PAGES)
CLEANFILES += $(MANUAL_PAGES)
MANUAL_PAGE = $(AM_V_GEN)$(MKDIR_P) docs && name=`basename $@ .1` && ./$$name --help >$@.help && \
	$(AWK) -v name=$$name -v version=$(VERSION) -f $(srcdir)/docs/manpage.awk $@.help >$@ && \
	rm -f $@.help

docs/mfcached.1: mfcached$(EXEEXT) docs/manpage.awk
	$(MANUAL_PAGE)
docs/mfcontrol.1: mfcontrol$(EXEEXT) docs/manpage.awk
	$(MANUAL_PAGE)
docs/mfctl.1: mfctl$(EXEEXT) docs/manpage.awk
	$(MANUAL_PAGE)
docs/mfproxy.1: mfproxy$(EXEEXT) docs/manpage.awk
	$(MANUAL_PAGE)
