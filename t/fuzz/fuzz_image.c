/* A saved store whose image and memory were changed in any way: it is refused,
 * or it works and its accounts come out even. The input says what is changed:
 *
 *     byte 0    bit 0: checksums are made right again, to get behind them;
 *               bit 1: the second segment becomes a copy of the first
 *     4 bytes   where, as a number; its highest bit: in the memory, else in the
 *     each      image; then what is added to the byte there */
#include "cached/store/image_items.h"
#include "cached/store/store_image.h"
#include "common/core/assert.h"
#include "t/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_BYTES (1u << 20)
#define SMALL_ITEMS  60
#define NOW_MS       1000
#define IN_MEMORY    0x800000u

struct world {
    struct memory_file *file;
    struct store *st;
    struct store_thread *th;
    struct buf image;
};

static void
open_store(struct world *w, int fd)
{
    char path[32], *error;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    w->file = memory_file_open(path, &error);
    ASSERT(w->file != NULL);
    struct store_options options = {.memory_bytes = MEMORY_BYTES,
                                    .item_max_bytes = MEMORY_BYTES / 2,
                                    .concurrency = 1,
                                    .evict = true,
                                    .cas = true,
                                    .file = w->file};
    w->st = store_create(&options);
}

static void
close_store(struct world *w)
{
    store_destroy(&w->st);
    memory_file_close(&w->file);
}

static struct store_key
key_of(unsigned n, char name[16])
{
    return store_key(span_make(name, (size_t)snprintf(name, 16, "key%u", n)));
}

static void
set(struct world *w, unsigned n, size_t value_bytes)
{
    char name[16];
    struct store_key key = key_of(n, name);
    struct store_write write = {.flags = n % 3, .expiry_ms = n % 5 == 0 ? NOW_MS + n : 0};
    struct store_reservation r;
    struct store_written out;
    if (store_reserve(w->th, &key, value_bytes, &write, NOW_MS, &r) == STORE_OK) {
        memset(r.value, 'x', value_bytes);
        store_commit(w->th, &r, &write, NOW_MS, &out);
    }
}

static void
save(struct world *w, int fd)
{
    open_store(w, fd);
    w->th = store_join(w->st);
    for (unsigned n = 0; n < SMALL_ITEMS; n++) {
        set(w, n, n * 11 % 300);
        set(w, n / 2, n);
    }
    set(w, SMALL_ITEMS, 5000);
    set(w, SMALL_ITEMS + 1, 3000);
    ASSERT(store_image_save(w->st, NOW_MS, &w->image));
    close_store(w);
}

/* --- doing damage ------------------------------------------------------------ */

static char *
map(int fd, size_t *bytes)
{
    *bytes = (size_t)lseek(fd, 0, SEEK_END);
    char *memory = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ASSERT(memory != MAP_FAILED);
    return memory;
}

/* Large items stand far behind the others; few inputs would ever meet one. */
static size_t
place_in_memory(uint32_t where, size_t bytes)
{
    size_t at = where & 0xffff;
    return where & 0x10000 ? bytes - 1 - at % (bytes < 8192 ? bytes : 8192) : 4096 + at;
}

static void
damage(struct world *w, char *memory, size_t bytes, const uint8_t *data, size_t size)
{
    struct span image = buf_span(&w->image);
    for (; size >= 4; data += 4, size -= 4) {
        uint32_t where = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
        size_t at = place_in_memory(where, bytes);
        if (!(where & IN_MEMORY)) {
            ((char *)image.ptr)[where % image.len] += (char)data[3];
        } else if (at < bytes) {
            memory[at] += (char)data[3];
        }
    }
}

static void
copy_first_segment(struct world *w, char *memory)
{
    struct image_segment two[2];
    char *p = (char *)buf_span(&w->image).ptr + IMAGE_HEAD_BYTES;
    memcpy(two, p, sizeof(two));
    memcpy(memory + (size_t)two[1].number * 4096, memory + (size_t)two[0].number * 4096, 4096);
    two[1].end = two[0].end;
    memcpy(p, two, sizeof(two));
}

/* So that what is behind the checksums is reached at all. */
static void
make_checksums_right(struct world *w, const char *memory, size_t bytes)
{
    char *p = (char *)buf_span(&w->image).ptr;
    for (size_t at = IMAGE_HEAD_BYTES; at < buf_len(&w->image);
         at += sizeof(struct image_segment)) {
        struct image_segment is;
        memcpy(&is, p + at, sizeof(is));
        size_t offset = (size_t)is.number * 4096;
        if (offset < bytes && is.end <= bytes - offset) {
            is.checksum = image_segment_checksum(&is, memory + offset);
            memcpy(p + at, &is, sizeof(is));
        }
    }
}

/* --- using what has come of it ------------------------------------------------ */

static void
look(void *arg, const struct store_view *view)
{
    size_t *bytes = arg;
    *bytes += view->key.len + view->value.len;
    ASSERT(view->key.len >= 1 && view->key.len <= STORE_KEY_MAX);
}

static void
work_on(struct world *w)
{
    w->th = store_join(w->st);
    uint64_t cursor = 0;
    size_t bytes = 0;
    while (store_walk(w->th, &cursor, 10, NOW_MS, look, &bytes)) {
    }
    for (unsigned n = 0; n < SMALL_ITEMS + 2; n++) {
        char name[16];
        struct store_key key = key_of(n, name);
        struct store_view view;
        if (store_get(w->th, &key, NULL, NOW_MS, &view) == STORE_OK) {
            ASSERT(span_eq(view.key, key.key));
            store_release(w->th, &view.item);
        }
        set(w, n, 100);
    }
    for (unsigned n = 0; n < 300; n++) {
        set(w, n + 1000, 3000 + n);
    }
    store_flush(w->th, 0, NOW_MS);
    for (int i = 0; i < 1000 && store_info(w->st).memory_bytes > store_info(w->st).table_bytes;
         i++) {
        store_sweep(w->th, 0, 1, 1000, NOW_MS);
    }
    ASSERT(store_info(w->st).memory_bytes == store_info(w->st).table_bytes);
    ASSERT(metric_sum(store_metrics(w->st), METRIC_ID_STORE_ITEMS) == 0);
    ASSERT(metric_sum(store_metrics(w->st), METRIC_ID_STORE_ITEM_BYTES) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.image = BUF_EMPTY};
    int fd = memfd_create("image", MFD_CLOEXEC);
    ASSERT(fd >= 0);
    ASSERT(fchmod(fd, S_IRUSR | S_IWUSR) == 0);
    save(&w, fd);
    size_t bytes;
    char *memory = map(fd, &bytes);
    if (size > 0 && (data[0] & 2)) {
        copy_first_segment(&w, memory);
    }
    if (size > 0) {
        damage(&w, memory, bytes, data + 1, size - 1);
    }
    if (size > 0 && (data[0] & 1)) {
        make_checksums_right(&w, memory, bytes);
    }
    munmap(memory, bytes);
    open_store(&w, fd);
    const char *why = store_image_load(w.st, buf_span(&w.image));
    ASSERT(why == NULL || size > 1 || (size == 1 && data[0] > 1));
    ASSERT(why != NULL || size != 1 || !(data[0] & 2));
    if (why == NULL) {
        work_on(&w);
    }
    close_store(&w);
    close(fd);
    buf_deinit(&w.image);
    return 0;
}
