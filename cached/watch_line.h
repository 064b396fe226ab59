/* watch_line.h - an event as a line of the log, in memcached's words. Pure. */
#pragma once
#include "cached/event_ring.h"
#include "common/core/uri.h"

#define WATCH_LINE_MAX (URI_ENCODED_BYTES(STORE_KEY_MAX) + 400)

/* Writes a line of at most WATCH_LINE_MAX bytes; returns its length. */
size_t watch_line(const struct event *event, char *out);
