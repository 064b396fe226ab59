# Unit tests are programs that print TAP (t/unit/unit.h); conversation and
# fleet tests are Perl (t/lib). Every case counts once in the sum that `make
# check` prints. Each room adds its own files in t/<room>.mk.
TEST_EXTENSIONS = .t
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
	TSAN_OPTIONS='halt_on_error=1 exitcode=66' \
	ASAN_OPTIONS='detect_leaks=1' \
	UBSAN_OPTIONS='print_stacktrace=1'; \
	export top_srcdir top_builddir TSAN_OPTIONS ASAN_OPTIONS UBSAN_OPTIONS;
TAP_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh --merge
LOG_DRIVER = $(TAP_DRIVER)
T_LOG_DRIVER = $(TAP_DRIVER)
T_LOG_COMPILER = $(PERL) -I$(top_srcdir)/t/lib
UNIT_LIBS = $(CHECK_LIBS)

include t/core.mk
include t/net.mk
include t/proto.mk
include t/fleet.mk
include t/node.mk
include t/proxy.mk
include t/control.mk
include t/etcd.mk
include t/system.mk
include t/soak.mk
include t/chaos.mk
include t/bench.mk

if HAVE_CHECK
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
check_PROGRAMS += $(FUZZ_TARGETS)
EXTRA_DIST += t/unit/unit.h t/fuzz/fuzz.h t/fuzz/replay.c
TESTS += $(FUZZ_TARGETS) $(TAP_TESTS)

# For scripts/test --only: the tests, and the programs that they start.
.PHONY: list-tests list-test-tools
list-tests:
	@for t in $(TESTS); do echo $$t; done
list-test-tools:
	@for t in $(check_PROGRAMS); do \
		case ' $(TESTS) ' in *" $$t "*) ;; *) echo $$t ;; esac; \
	done
