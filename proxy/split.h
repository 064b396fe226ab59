/* split.h - a get, gets, gat or gats with several keys: each key to its owner,
 * one line per node. The worker has a roster. */
#pragma once
struct client;
struct request;
struct span;

void split_get(struct client *c, const struct request *request);

/* A plain one (request_plain_multiget()); `count` is at least 1. */
void split_plain_get(struct client *c, const struct span *keys, unsigned count);
