/* split.h - a get of several keys, one line to each node that owns some. */
#pragma once
#include "common/proto/request.h"

struct client;

/* `r` is of SHAPE_GET; the client's worker has a roster. */
void split_get(struct client *c, const struct request *r);
