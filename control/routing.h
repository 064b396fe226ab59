/* routing.h - operators' order of which key prefix leads to which pool, as kept
 * under config/routes: {"routes": {prefix: route}, "by": ..., "reason": ...}.
 * Written by mfctl, read by the planner. Pure. */
#pragma once
#include "common/fleet/table.h"

#include <jansson.h>

#define ROUTING_ERROR_MAX TABLE_ERROR_MAX

/* Fills draft->routes, whose pools are known: as ordered if all that is ordered
 * can be followed, else as they are in `current`, and a sentence in `why`
 * (ROUTING_ERROR_MAX bytes, else ""). `ordered` NULL: nothing ever was;
 * `current` NULL: no table is in use. True if the routes are not those of
 * `current`. */
bool routing_plan(const json_t *ordered, const struct table *current, struct table *draft,
                  char *why);
