/* name.h - the names of clusters, nodes, proxies and mfcontrols: words that may
 * stand in a key of etcd, in a log and in a metric's label without quoting. */
#pragma once
#include "common/core/span.h"

#define NAME_MAX_BYTES 128
#define NAME_EXPECTED  "expected 1 to 128 letters, digits or ._:@-"

/* 1 to NAME_MAX_BYTES of letters, digits and ._:@-, not beginning with a dot? */
bool name_ok(struct span name);
