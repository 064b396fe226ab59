/* follow_state.h - the last good table on disk, so that a program starts while
 * its source is away, and never goes back to an epoch below it.
 *
 * One file, `table`, in the state folder (common/core/statefile.h). Blocking:
 * follower's thread, or the main thread before it starts. */
#pragma once
#include "common/core/span.h"

struct follow_state;
struct table;

/* Makes the folder (one level) if it is not there. NULL and a line in *error,
 * the caller's to free, if it cannot be used. */
struct follow_state *follow_state_create(const char *dir, char **error);
void follow_state_destroy(struct follow_state **s);

enum state_outcome {
    STATE_LOADED,
    STATE_NONE,
    STATE_DAMAGED, /* set aside as table.damaged, and logged */
};

/* STATE_LOADED: *out has one reference, the caller's. */
enum state_outcome follow_state_load(struct follow_state *s, struct table **out);

/* False, and a line in the log, if the system refuses. The file from before is
 * then still whole. */
bool follow_state_save(struct follow_state *s, const struct table *table);
