# Scripts run from the source tree, so they travel with it.
EXTRA_DIST += \
	.ci/run \
	LICENSE \
	README.md \
	scripts/bench \
	scripts/common.sh \
	scripts/memcached-suite \
	scripts/packages \
	scripts/processes.sh \
	scripts/quickstart \
	scripts/test \
	scripts/trace-replay
