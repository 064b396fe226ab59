/* top_json.h - what mfctl top shows, as JSON. Pure. */
#pragma once
#include "control/top_poll.h"

#include <jansson.h>

/* The caller's to release. What is not known is not there. */
json_t *top_json(const struct top_fleet *fleet, uint64_t wall_ms);
