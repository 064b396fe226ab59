/* announce.h - the node's stream to the control plane: registration, the
 * routing table, renewal while the workers live.
 *
 * Nothing here is on a request's path: without it the node serves as before. */
#pragma once
#include "cached/node.h"

/* Begins to register with the mfcontrols of the options. False and a line on
 * stderr if the options make no sense. */
bool announce_start(struct node *node);
/* Says goodbye, coming back. Nothing to do if it was not started. */
void announce_stop(struct node *node);

/* What the node's own table of this epoch asks of it holds at all workers. Any thread,
 * while it is started. */
void announce_applied(struct node *node, uint64_t epoch);

/* The counters of the stream, or NULL without one. */
const struct metric_set *announce_metrics(const struct node *node);
