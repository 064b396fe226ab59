#include "common/push/follow_state.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/statefile.h"
#include "common/fleet/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_FILE "table"
#define STATE_KIND "table"

struct follow_state {
    char *path;
};

struct follow_state *
follow_state_create(const char *dir, char **error)
{
    const char *fault = statefile_folder_fault(dir);
    if (fault != NULL) {
        *error = mem_printf("state folder %s: %s", dir, fault);
        return NULL;
    }
    struct follow_state *s = mem_zalloc(sizeof(*s));
    s->path = mem_printf("%s/%s", dir, STATE_FILE);
    return s;
}

void
follow_state_destroy(struct follow_state **s)
{
    if (*s == NULL) {
        return;
    }
    free((*s)->path);
    free(*s);
    *s = NULL;
}

/* Whole, but no table to this build: perhaps a newer one wrote it. It stays. */
static enum state_outcome
parse_state(const struct follow_state *s, struct span content, struct table **out)
{
    char why[TABLE_ERROR_MAX];
    *out = table_parse(content, why);
    if (*out == NULL) {
        log_error("state_unusable", "file=%s reason=%s", LOG_STR(s->path), LOG_STR(why));
        return STATE_DAMAGED;
    }
    log_info("state_loaded", "file=%s epoch=%" PRIu64, LOG_STR(s->path), (*out)->epoch);
    return STATE_LOADED;
}

enum state_outcome
follow_state_load(struct follow_state *s, struct table **out)
{
    struct buf content = BUF_EMPTY;
    enum state_outcome outcome = STATE_DAMAGED;
    switch (statefile_read(s->path, STATE_KIND, TABLE_BYTES_MAX, &content)) {
    case STATEFILE_OK: outcome = parse_state(s, buf_span(&content), out); break;
    case STATEFILE_ABSENT: outcome = STATE_NONE; break;
    case STATEFILE_DAMAGED:
        log_error("state_damaged", "file=%s aside=%s.damaged", LOG_STR(s->path), s->path);
        break;
    case STATEFILE_FAILED:
        log_error("state_unreadable", "file=%s reason=%s", LOG_STR(s->path),
                  LOG_STR(strerror(errno)));
        break;
    }
    buf_deinit(&content);
    return outcome;
}

bool
follow_state_save(struct follow_state *s, const struct table *table)
{
    if (statefile_write(s->path, STATE_KIND, buf_span(&table->document)) == STATEFILE_OK) {
        return true;
    }
    log_error("state_not_written", "file=%s epoch=%" PRIu64 " reason=%s", LOG_STR(s->path),
              table->epoch, LOG_STR(strerror(errno)));
    return false;
}
