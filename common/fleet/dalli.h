/* dalli.h - the points of Dalli, the Ruby client. Pure. */
#pragma once
#include "common/fleet/continuum.h"
#include "common/fleet/ring.h"

/* Fills and seals an uninitialised continuum. Its owner of a hash is at
 * continuum_at_or_before(). */
void dalli_build(struct continuum *c, const struct ring_server *servers, unsigned count);
