#include "cached/restart.h"
#include "cached/node.h"
#include "cached/store/memory_file.h"
#include "cached/store/store_image.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/mem.h"
#include "common/core/statefile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define IMAGE_KIND      "memory"
#define IMAGE_BYTES_MAX ((size_t)1 << 30)
#define CLOCK_FIRST_MS  2                   /* EXPIRES_AT_ONCE is before every moment */
#define CLOCK_LAST_MS   ((uint64_t)1 << 52) /* more is no time that ever was */

/* Stands before the store's image. */
struct restart_head {
    uint64_t node_ms; /* the node's clock when it was saved, */
    uint64_t wall_ms; /* and everybody's */
    struct {
        uint64_t min_epoch, cluster, incarnation;
    } fence;
    char boot_id[sizeof((struct node *)0)->boot_id];
    char unused[7];
};
_Static_assert(sizeof(struct restart_head) == 5 * 8 + 40, "a file must have no padding");

static void
make_boot_id(struct node *node)
{
    unsigned char random[NODE_BOOT_ID_BYTES];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        abort(); /* cannot happen once the system is up, for so few bytes */
    }
    for (size_t i = 0; i < sizeof(random); i++) {
        snprintf(node->boot_id + 2 * i, 3, "%02x", random[i]);
    }
}

static void
make_empty_store(struct node *node)
{
    const struct node_options *o = &node->options;
    struct store_options options = {
        .memory_bytes = o->memory_bytes,
        .item_max_bytes = o->item_max_bytes,
        .concurrency = (unsigned)o->threads,
        .evict = !o->no_evictions,
        .items_only = o->items_memory_only,
        .cas = !o->no_cas,
        .file = node->memory_file,
    };
    node->store = store_create(&options);
    node->clock_first_ms = CLOCK_FIRST_MS;
    make_boot_id(node);
}

/* --- loading ----------------------------------------------------------------- */

/* A clock of the machine that went back costs what expires so much more time,
 * and never lets the node's own go back. */
static const char *
adopt_head(struct node *node, const struct restart_head *head)
{
    if (head->node_ms < CLOCK_FIRST_MS || head->node_ms > CLOCK_LAST_MS ||
        head->wall_ms > CLOCK_LAST_MS ||
        strnlen(head->boot_id, sizeof(head->boot_id)) != sizeof(head->boot_id) - 1) {
        return "it is damaged";
    }
    uint64_t began_ms = node->started_wall_ms;
    uint64_t gone_ms = began_ms > head->wall_ms ? began_ms - head->wall_ms : 0;
    node->clock_first_ms = head->node_ms + gone_ms;
    memcpy(node->boot_id, head->boot_id, sizeof(node->boot_id));
    fencing_restore(&node->fencing, &(struct fence){
                                        .cluster = head->fence.cluster,
                                        .incarnation = head->fence.incarnation,
                                        .min_epoch = head->fence.min_epoch,
                                    });
    return NULL;
}

/* NULL, or why it is refused. */
static const char *
load(struct node *node, struct span image)
{
    struct restart_head head;
    if (image.len < sizeof(head)) {
        return "it is damaged";
    }
    memcpy(&head, image.ptr, sizeof(head));
    const char *why = store_image_load(node->store, span_skip(image, sizeof(head)));
    return why != NULL ? why : adopt_head(node, &head);
}

static char *
image_path(const struct node *node)
{
    return mem_printf("%s.meta", node->options.memory_file);
}

/* Reads FILE.meta, and removes it. NULL, or why there is nothing to load. */
static const char *
take_image(const struct node *node, struct buf *out)
{
    char *path = image_path(node);
    const char *why = NULL;
    switch (statefile_read(path, IMAGE_KIND, IMAGE_BYTES_MAX, out)) {
    case STATEFILE_OK: why = unlink(path) == 0 ? NULL : "it cannot be removed"; break;
    case STATEFILE_ABSENT: why = "there is none"; break;
    case STATEFILE_DAMAGED: why = "it is damaged"; break;
    case STATEFILE_FAILED: why = "it cannot be read"; break;
    }
    free(path);
    return why;
}

static bool
begin_cold(struct node *node, const char *why)
{
    log_info("started_cold", "memory_file=%s image=%s", LOG_STR(node->options.memory_file),
             LOG_STR(why));
    store_destroy(&node->store);
    if (!memory_file_clear(node->memory_file)) {
        fprintf(stderr, "mfcached: cannot empty the memory file %s: %s\n",
                node->options.memory_file, strerror(errno));
        return false;
    }
    make_empty_store(node);
    return true;
}

bool
restart_make_store(struct node *node)
{
    if (node->options.memory_file == NULL) {
        make_empty_store(node);
        return true;
    }
    char *error;
    node->memory_file = memory_file_open(node->options.memory_file, &error);
    if (node->memory_file == NULL) {
        fprintf(stderr, "mfcached: option -e: %s\n", error);
        free(error);
        return false;
    }
    uint64_t began_us = clock_mono_us();
    make_empty_store(node);
    struct buf image = BUF_EMPTY;
    const char *why = take_image(node, &image);
    why = why != NULL ? why : load(node, buf_span(&image));
    buf_deinit(&image);
    if (why != NULL) {
        return begin_cold(node, why);
    }
    log_info("started_warm", "memory_file=%s items=%" PRIu64 " took_us=%" PRIu64,
             LOG_STR(node->options.memory_file),
             metric_sum(store_metrics(node->store), METRIC_ID_STORE_ITEMS),
             clock_mono_us() - began_us);
    return true;
}

/* --- saving ------------------------------------------------------------------ */

/* The image first: with that and the kernel's copy of the pages the node is
 * warm again, even if somebody loses patience while they go to a disk. If the
 * power fails before they are there, the checksums tell. */
static bool
write_image(struct node *node, struct buf *image)
{
    char *path = image_path(node);
    bool done = statefile_write(path, IMAGE_KIND, buf_span(image)) == STATEFILE_OK &&
                memory_file_sync(node->memory_file);
    free(path);
    return done;
}

static void
save(struct node *node)
{
    uint64_t began_us = clock_mono_us();
    struct restart_head head = {.node_ms = node_now_ms(node), .wall_ms = clock_wall_ms()};
    struct fence fence = fencing_now(&node->fencing);
    head.fence.min_epoch = fence.min_epoch;
    head.fence.cluster = fence.cluster;
    head.fence.incarnation = fence.incarnation;
    memcpy(head.boot_id, node->boot_id, sizeof(head.boot_id));
    struct buf image = BUF_EMPTY;
    bool done = buf_append(&image, &head, sizeof(head)) &&
                store_image_save(node->store, head.node_ms, &image) && write_image(node, &image);
    int reason = errno;
    buf_deinit(&image);
    if (!done) {
        log_error("memory_not_saved", "memory_file=%s reason=%s",
                  LOG_STR(node->options.memory_file), LOG_STR(strerror(reason)));
        return;
    }
    log_info("memory_saved", "memory_file=%s items=%" PRIu64 " took_us=%" PRIu64,
             LOG_STR(node->options.memory_file),
             metric_sum(store_metrics(node->store), METRIC_ID_STORE_ITEMS),
             clock_mono_us() - began_us);
}

void
restart_end_store(struct node *node)
{
    if (node->memory_file != NULL && node->store != NULL) {
        save(node);
    }
    store_forget(&node->store);
    memory_file_close(&node->memory_file);
}
