#include "t/unit/unit.h"

#include "common/core/mem.h"
#include "common/core/statefile.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char *path;
static struct buf got;

static void
begin(void)
{
    snprintf(folder, sizeof(folder), "check_statefile.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    path = mem_printf("%s/table", folder);
}

static bool
exists(const char *suffix)
{
    char *name = mem_printf("%s%s", path, suffix);
    bool there = access(name, F_OK) == 0;
    free(name);
    return there;
}

static void
end(void)
{
    static const char *const suffixes[] = {"", ".tmp", ".damaged"};
    for (size_t i = 0; i < 3; i++) {
        char *name = mem_printf("%s%s", path, suffixes[i]);
        unlink(name);
        free(name);
    }
    ck_assert_int_eq(rmdir(folder), 0);
    free(path);
    buf_deinit(&got);
}

static enum statefile_result
read_table(size_t max)
{
    buf_clear(&got);
    return statefile_read(path, "table", max, &got);
}

START_TEST(what_is_written_is_read)
{
    begin();
    ck_assert_int_eq(read_table(100), STATEFILE_ABSENT);
    ck_assert_int_eq(statefile_write(path, "table", SPAN_LIT("one\n")), STATEFILE_OK);
    ck_assert_int_eq(statefile_write(path, "table", span_make("t\0o", 3)), STATEFILE_OK);
    ck_assert_int_eq(read_table(3), STATEFILE_OK);
    ck_assert(span_eq(buf_span(&got), span_make("t\0o", 3)));
    ck_assert(!exists(".tmp"));
    ck_assert_int_eq(statefile_write(path, "table", SPAN_LIT("")), STATEFILE_OK);
    ck_assert_int_eq(read_table(0), STATEFILE_OK);
    ck_assert_uint_eq(buf_len(&got), 0);
    end();
}
END_TEST

START_TEST(what_was_there_before_is_kept)
{
    begin();
    ck_assert_int_eq(statefile_write(path, "table", SPAN_LIT("new")), STATEFILE_OK);
    ck_assert(buf_append(&got, "old ", 4));
    ck_assert_int_eq(statefile_read(path, "table", 10, &got), STATEFILE_OK);
    ck_assert(span_eq_cstr(buf_span(&got), "old new"));
    end();
}
END_TEST

/* Every byte flipped and every length cut: never obeyed, always set aside. */
START_TEST(damage_is_noticed)
{
    begin();
    ck_assert_int_eq(statefile_write(path, "table", SPAN_LIT("{\"epoch\":7}")), STATEFILE_OK);
    char file[200];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, file, sizeof(file));
    close(fd);
    ck_assert_int_gt(len, 0);
    for (ssize_t i = 0; i < 2 * len; i++) {
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ssize_t keep = i < len ? len : i - len;
        file[i % len] ^= i < len ? 1 : 0;
        ck_assert_int_eq(write(fd, file, (size_t)keep), keep);
        file[i % len] ^= i < len ? 1 : 0;
        close(fd);
        ck_assert_msg(read_table(1000) == STATEFILE_DAMAGED, "%zd", i);
        ck_assert_uint_eq(buf_len(&got), 0);
        ck_assert(!exists("") && exists(".damaged"));
    }
    ck_assert_int_eq(read_table(1000), STATEFILE_ABSENT);
    end();
}
END_TEST

START_TEST(foreign_and_large_files_are_set_aside)
{
    begin();
    ck_assert_int_eq(statefile_write(path, "other", SPAN_LIT("x")), STATEFILE_OK);
    ck_assert_int_eq(read_table(100), STATEFILE_DAMAGED);
    ck_assert_int_eq(statefile_write(path, "table", SPAN_LIT("12345")), STATEFILE_OK);
    ck_assert_int_eq(read_table(4), STATEFILE_DAMAGED);
    end();
}
END_TEST

START_TEST(what_cannot_be_written_fails)
{
    begin();
    char *nowhere = mem_printf("%s/none/table", folder);
    ck_assert_int_eq(statefile_write(nowhere, "table", SPAN_LIT("x")), STATEFILE_FAILED);
    free(nowhere);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(statefile_write(path, "table", SPAN_LIT("x")), STATEFILE_FAILED);
    ck_assert_int_eq(read_table(10), STATEFILE_FAILED);
    ck_assert_int_eq(rmdir(path), 0);
    end();
}
END_TEST

UNIT_MAIN("statefile", what_is_written_is_read, what_was_there_before_is_kept, damage_is_noticed,
          foreign_and_large_files_are_set_aside, what_cannot_be_written_fails)
