/* follow_metric.h - the indexes of FOLLOW_METRICS. Apart from follow.h, because
 * every room that includes that has METRIC_ID_ names of its own. */
#pragma once
#include "common/push/follow.h"

enum { FOLLOW_METRICS(METRIC_ENUM) METRIC_ID_FOLLOW_COUNT };
