/* metrics_page.h - /metrics, /healthz and /readyz over HTTP, on the main loop.
 *
 * The names are those of the Prometheus memcached exporter, so that dashboards
 * made for it work; what has no name there is memfleet_node_* and
 * memfleet_store_*. */
#pragma once
#include "cached/node.h"

/* False and a line on stderr if the address cannot be had. */
bool metrics_page_start(struct node *node);
void metrics_page_stop(struct node *node);
