/* Journals in files: what is read back is what was there, or a flush. */
#include "proxy/journal.h"
#include "proxy/journal_dir.h"
#include "proxy/journal_file.h"
#include "t/unit/unit.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKERS 2

static char path[] = "/tmp/check_journal_XXXXXX";
static struct journal_budget budget = {.max_entries = 10000, .max_bytes = 10 << 20};
static struct journal_dir *dir;
static struct journal *j;

static void
open_again(void)
{
    char *error = NULL;
    dir = journal_dir_open(path, NULL, &error);
    ck_assert_msg(dir != NULL, "%s", error);
    j = journal_create(&budget, WORKERS);
    journal_file_open(dir, j, "node", "10.0.0.1:1");
}

static void
close_all(void)
{
    journal_unref(&j);
    journal_dir_close(&dir);
}

/* What the next proxy finds. */
static void
restart(void)
{
    close_all();
    open_again();
}

static void
begin(void)
{
    ck_assert_ptr_nonnull(mkdtemp(path));
    open_again();
}

static char *
file_like(const char *pattern)
{
    static char found[4096];
    char *glob_for = NULL;
    ck_assert_int_gt(asprintf(&glob_for, "%s/%s", path, pattern), 0);
    glob_t g;
    bool there = glob(glob_for, 0, NULL, &g) == 0;
    if (there) {
        snprintf(found, sizeof(found), "%s", g.gl_pathv[0]);
        ck_assert_uint_eq(g.gl_pathc, 1);
        globfree(&g);
    }
    free(glob_for);
    return there ? found : NULL;
}

static off_t
file_bytes(void)
{
    struct stat st;
    char *name = file_like("*.journal");
    return name != NULL && stat(name, &st) == 0 ? st.st_size : -1;
}

static void
end(void)
{
    close_all();
    char *command = NULL;
    ck_assert_int_gt(asprintf(&command, "rm -r %s", path), 0);
    ck_assert_int_eq(system(command), 0); /* NOLINT: our own name */
    free(command);
}

static void
put(const char *key)
{
    journal_put(j, span_cstr(key), 0, 1);
    journal_write(j);
}

static bool
blocks(const char *key)
{
    return journal_blocks(j, span_cstr(key));
}

/* The next that is to be deleted there. */
static bool
deliver_one(unsigned worker)
{
    struct journal_entry *entry = NULL;
    if (journal_take(j, worker, &entry) != JOURNAL_DELETE) {
        return false;
    }
    journal_delivered(j, &entry);
    return true;
}

static void
flush_by(unsigned worker)
{
    struct journal_entry *entry = NULL;
    ck_assert_int_eq(journal_take(j, worker, &entry), JOURNAL_FLUSH);
    journal_flushed(j, worker);
}

START_TEST(what_was_not_delivered_is_there_again)
{
    begin();
    ck_assert_ptr_null(file_like("*.journal"));
    put("a");
    ck_assert(deliver_one(0));
    put("b");
    put("b c \n");
    restart();
    ck_assert(!blocks("a") && blocks("b") && blocks("b c \n") && !blocks("c"));
    ck_assert_uint_eq(journal_count(j), 2);
    ck_assert_uint_gt(journal_left_us(j), 0);
    while (deliver_one(0) || deliver_one(1)) {
    }
    restart();
    ck_assert(journal_is_empty(j) && journal_left_us(j) == 0);
    ck_assert_ptr_null(file_like("*.journal"));
    end();
}
END_TEST

START_TEST(a_flush_is_there_again)
{
    begin();
    put("a");
    journal_want_flush(j, 1);
    put("b"); /* included */
    journal_write(j);
    restart();
    ck_assert(blocks("anything") && journal_count(j) == 1);
    flush_by(0);
    put("c"); /* not included any more: one has flushed */
    ck_assert_uint_eq(journal_count(j), 2);
    restart();
    ck_assert_uint_eq(journal_count(j), 2);
    flush_by(0);
    flush_by(1);
    ck_assert(blocks("c") && !blocks("b") && !blocks("a"));
    restart();
    ck_assert(blocks("c") && !blocks("b") && journal_count(j) == 1);
    end();
}
END_TEST

static void
append(const char *bytes, size_t n)
{
    int fd = open(file_like("*.journal"), O_WRONLY | O_APPEND);
    ck_assert(write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

START_TEST(a_torn_tail_is_cut_off)
{
    begin();
    put("a");
    struct buf record = BUF_EMPTY;
    journal_record_put(&record, RECORD_PUT, SPAN_LIT("torn"));
    for (size_t n = 0; n < buf_len(&record); n++) {
        close_all();
        off_t bytes = file_bytes();
        append(buf_span(&record).ptr, n);
        open_again();
        ck_assert(blocks("a") && !blocks("torn") && journal_count(j) == 1);
        ck_assert_int_eq(file_bytes(), bytes);
        put("b"); /* goes on where it was cut */
        restart();
        ck_assert(blocks("a") && blocks("b"));
        ck_assert_int_eq(journal_count(j), 2);
        close_all();
        ck_assert_int_eq(truncate(file_like("*.journal"), bytes), 0);
        open_again();
    }
    buf_deinit(&record);
    end();
}
END_TEST

START_TEST(a_header_cut_off_is_as_nothing)
{
    begin();
    put("a");
    close_all();
    ck_assert_int_eq(truncate(file_like("*.journal"), 9), 0);
    open_again();
    ck_assert(journal_is_empty(j));
    put("b");
    restart();
    ck_assert(!blocks("a") && blocks("b"));
    end();
}
END_TEST

/* Any byte: the node needs a flush, and goes on needing it. */
START_TEST(what_is_damaged_is_a_flush)
{
    begin();
    put("a");
    put("b");
    close_all();
    off_t bytes = file_bytes();
    ck_assert(bytes > 0 && bytes < 1000);
    char saved[1000];
    int fd = open(file_like("*.journal"), O_RDONLY);
    ck_assert(read(fd, saved, (size_t)bytes) == bytes);
    close(fd);
    for (off_t at = 0; at < bytes; at++) {
        saved[at] ^= 0x10;
        fd = open(file_like("*.journal"), O_WRONLY | O_TRUNC);
        ck_assert(write(fd, saved, (size_t)bytes) == bytes);
        close(fd);
        saved[at] ^= 0x10;
        open_again();
        ck_assert_msg(blocks("anything") && journal_count(j) == 1, "byte %d", (int)at);
        ck_assert_ptr_nonnull(file_like("*.damaged"));
        restart();
        ck_assert_msg(blocks("anything"), "byte %d, again", (int)at);
        close_all();
    }
    open_again();
    end();
}
END_TEST

START_TEST(a_file_of_another_node_is_damaged)
{
    begin();
    put("a");
    struct journal *other = journal_create(&budget, WORKERS);
    journal_file_open(dir, other, "node", "10.0.0.2:1");
    ck_assert(journal_is_empty(other)); /* has a name of its own */
    journal_unref(&other);
    end();
}
END_TEST

static void
limit_files(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(what_could_not_be_written_is_a_flush)
{
    begin();
    put("a");
    limit_files((rlim_t)file_bytes() + 5);
    put("b");
    put("c");
    ck_assert(blocks("b") && !blocks("d")); /* the memory is as good as ever */
    ck_assert_ptr_nonnull(file_like("*.lossy"));
    journal_dir_tidy(dir);
    ck_assert_ptr_nonnull(file_like("*.lossy"));
    limit_files(RLIM_INFINITY);
    restart();
    ck_assert(blocks("d"));
    ck_assert_ptr_null(file_like("*.lossy"));
    restart();
    ck_assert(blocks("d"));
    end();
}
END_TEST

START_TEST(what_could_not_be_written_is_written_later)
{
    begin();
    put("a");
    limit_files((rlim_t)file_bytes() + 5);
    put("b");
    limit_files(RLIM_INFINITY);
    put("c");
    journal_dir_tidy(dir);
    ck_assert_ptr_null(file_like("*.lossy"));
    restart();
    ck_assert(blocks("a") && blocks("b") && blocks("c") && !blocks("d"));
    end();
}
END_TEST

START_TEST(a_long_file_is_written_anew)
{
    begin();
    for (unsigned i = 0; i < 20; i++) {
        char key[32];
        snprintf(key, sizeof(key), "keep %u", i);
        journal_put(j, span_cstr(key), 1, 1);
    }
    for (unsigned i = 0; i < 5000; i++) {
        put("again");
        ck_assert(deliver_one(0));
    }
    journal_write(j);
    ck_assert_int_gt(file_bytes(), JOURNAL_FILE_SLACK);
    journal_dir_tidy(dir);
    ck_assert_int_lt(file_bytes(), 1000);
    put("more");
    restart();
    ck_assert_uint_eq(journal_count(j), 21);
    ck_assert(blocks("keep 0") && blocks("keep 19") && blocks("more") && !blocks("again"));
    end();
}
END_TEST

START_TEST(a_node_that_is_dropped_leaves_no_file)
{
    begin();
    put("a");
    journal_drop_file(j);
    ck_assert_ptr_null(file_like("*.journal"));
    put("b");
    ck_assert(blocks("b"));
    journal_dir_tidy(dir);
    ck_assert_ptr_null(file_like("*.journal"));
    restart();
    ck_assert(journal_is_empty(j));
    end();
}
END_TEST

START_TEST(more_than_the_budget_is_a_flush)
{
    begin();
    put("a");
    put("b");
    put("c");
    close_all();
    budget.max_entries = 2;
    open_again();
    ck_assert(blocks("anything"));
    budget.max_entries = 10;
    restart();
    ck_assert(blocks("anything") && journal_count(j) == 1);
    end();
}
END_TEST

START_TEST(a_directory_is_one_proxys)
{
    begin();
    char *error = NULL;
    ck_assert_ptr_null(journal_dir_open(path, NULL, &error));
    ck_assert_ptr_nonnull(strstr(error, "another mfproxy uses it"));
    free(error);
    ck_assert_ptr_null(journal_dir_open("/dev/null/x", NULL, &error));
    free(error);
    end();
}
END_TEST

/* Anything that may happen, restarts in between, against how often each key is kept:
 * once for each worker that put it, and once after a restart. */
#define KEYS 40
START_TEST(nothing_is_lost_whatever_happens)
{
    unsigned kept[KEYS] = {0};
    begin();
    srand(1);
    for (unsigned step = 0; step < 20000; step++) {
        char key[16];
        unsigned n = (unsigned)rand() % KEYS;
        snprintf(key, sizeof(key), "k%u", n);
        struct journal_entry *entry = NULL;
        unsigned what = (unsigned)rand() % 100;
        if (what < 50) {
            unsigned worker = (unsigned)rand() % WORKERS;
            kept[n] += journal_put(j, span_cstr(key), worker, 1) == JOURNAL_KEPT;
            ck_assert_uint_gt(kept[n], 0);
        } else if (what < 95) {
            if (journal_take(j, n % WORKERS, &entry) == JOURNAL_DELETE) {
                unsigned taken = (unsigned)atoi(journal_key(entry).ptr + 1);
                ck_assert_uint_gt(kept[taken], 0);
                kept[taken]--;
                journal_delivered(j, &entry);
            }
        } else if (what < 98) {
            journal_write(j);
        } else if (what < 99) {
            journal_dir_tidy(dir);
        } else {
            restart();
            for (unsigned i = 0; i < KEYS; i++) {
                kept[i] = kept[i] > 0;
            }
        }
        if (step % 100 == 0) {
            for (unsigned i = 0; i < KEYS; i++) {
                snprintf(key, sizeof(key), "k%u", i);
                ck_assert_int_eq(blocks(key), kept[i] > 0);
            }
        }
    }
    end();
}
END_TEST

UNIT_MAIN("journal_file", what_was_not_delivered_is_there_again, a_flush_is_there_again,
          a_torn_tail_is_cut_off, a_header_cut_off_is_as_nothing, what_is_damaged_is_a_flush,
          a_file_of_another_node_is_damaged, what_could_not_be_written_is_a_flush,
          what_could_not_be_written_is_written_later, a_long_file_is_written_anew,
          a_node_that_is_dropped_leaves_no_file, more_than_the_budget_is_a_flush,
          a_directory_is_one_proxys, nothing_is_lost_whatever_happens)
