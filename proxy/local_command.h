/* local_command.h - the commands that the proxy answers by itself. */
#pragma once
#include "common/proto/request.h"

struct client;

/* `r` was PARSE_OK and is mn or of SHAPE_ADMIN, except flush_all. */
void local_command(struct client *c, const struct request *r);
