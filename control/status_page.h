/* status_page.h - mfcontrol over HTTP: /metrics for Prometheus, /healthz (the
 * loop turns), /readyz (there is something to serve), and a page for people.
 * Loop's thread only. */
#pragma once
#include "common/net/http.h"
#include "control/leader.h"
#include "control/mirror.h"
#include "control/push_server.h"

struct status_page;

/* All outlive the page. */
struct status_sources {
    const char *cluster, *id;
    const struct mirror *mirror;
    const struct leader *leader;
    const struct push_server *push;
    const struct metric_set *metrics, *etcd_metrics;
};

/* NULL and *error (the caller's to free) if the address cannot be bound. */
struct status_page *status_page_create(struct loop *loop, const struct addr *addr,
                                       const struct status_sources *sources, char **error);
void status_page_destroy(struct status_page **page);
const struct addr *status_page_addr(const struct status_page *page);
