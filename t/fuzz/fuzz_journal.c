/* A file of --journal-dir with anything in it: it is obeyed as far as it is right,
 * or is a flush; and what comes of it is there again the next time. The first
 * byte of the input:
 *
 *     bit 0    a right header goes before the rest
 *     bit 1    the rest has its checksums made right, as far as it looks like
 *              records, to get behind them */
#include "common/core/assert.h"
#include "common/core/hash.h"
#include "common/core/log.h"
#include "proxy/journal.h"
#include "proxy/journal_dir.h"
#include "proxy/journal_file.h"
#include "t/fuzz/fuzz.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER "n\na"

static char path[] = "/tmp/fuzz_journal_XXXXXX";
static struct journal_budget budget = {.max_entries = 100, .max_bytes = 1 << 20};
static struct journal_dir *dir;
static char name[64];

static void
remove_dir(void)
{
    static const char *const suffixes[] = {"", ".lossy", ".next", ".damaged"};
    int at = journal_dir_fd(dir);
    for (unsigned i = 0; i < 4; i++) {
        char file[96];
        snprintf(file, sizeof(file), "%s%s", name, suffixes[i]);
        unlinkat(at, file, 0);
    }
    unlinkat(at, "lock", 0);
    journal_dir_close(&dir);
    rmdir(path);
}

static void
make_dir(void)
{
    char *error = NULL;
    ASSERT(mkdtemp(path) != NULL);
    dir = journal_dir_open(path, NULL, &error);
    ASSERT(dir != NULL);
    snprintf(name, sizeof(name), "%016" PRIx64 ".journal", hash_span(SPAN_LIT(OWNER)));
    log_set_level(LOG_ERROR);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    atexit(remove_dir);
}

/* Type and length count; the rest of the head is as it should be. */
static void
put_right(struct buf *out, const uint8_t *data, size_t size)
{
    while (size >= 2) {
        size_t key_bytes = data[1] % (JOURNAL_KEY_MAX + 1);
        key_bytes = key_bytes <= size - 2 ? key_bytes : size - 2;
        unsigned type = data[0] % (RECORD_FLUSHED + 1u);
        bool has_key = type == RECORD_PUT || type == RECORD_FORGOTTEN;
        journal_record_put(out, (enum journal_record_type)type,
                           span_make(data + 2, has_key ? key_bytes : 0));
        data += 2 + key_bytes;
        size -= 2 + key_bytes;
    }
}

static void
write_file(const uint8_t *data, size_t size)
{
    struct buf bytes = BUF_EMPTY;
    uint8_t how = size > 0 ? data[0] : 0;
    if (how & 1) {
        journal_header_put(&bytes, SPAN_LIT(OWNER));
    }
    if (how & 2) {
        put_right(&bytes, data + 1, size - 1);
    } else if (size > 1) {
        buf_append(&bytes, data + 1, size - 1);
    }
    int fd = openat(journal_dir_fd(dir), name, O_WRONLY | O_CREAT | O_TRUNC, S_IRUSR | S_IWUSR);
    ASSERT(fd >= 0);
    struct span all = buf_span(&bytes);
    ASSERT(all.len == 0 || write(fd, all.ptr, all.len) == (ssize_t)all.len);
    close(fd);
    buf_deinit(&bytes);
}

static struct journal *
read_file(void)
{
    struct journal *j = journal_create(&budget, 2);
    journal_file_open(dir, j, "n", "a");
    return j;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (dir == NULL) {
        make_dir();
    }
    write_file(data, size);
    struct journal *j = read_file();
    uint64_t count = journal_count(j);
    bool flush = journal_blocks(j, SPAN_LIT("\r\n"));
    journal_unref(&j);
    j = read_file();
    ASSERT(journal_count(j) == count);
    ASSERT(journal_blocks(j, SPAN_LIT("\r\n")) == flush);
    journal_put(j, SPAN_LIT("one more"), 0, 1);
    journal_dir_tidy(dir);
    ASSERT(journal_blocks(j, SPAN_LIT("one more")));
    journal_unref(&j);
    j = read_file();
    ASSERT(journal_blocks(j, SPAN_LIT("one more")));
    journal_drop_file(j);
    journal_unref(&j);
    ASSERT(atomic_load(&budget.entries) == 0);
    return 0;
}
