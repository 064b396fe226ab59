/* The file under the items' memory: who gets it, what it refuses, and that its
 * memory comes and goes. */
#include "cached/store/memory_file.h"
#include "t/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MB (1024u * 1024u)

static char path[] = "/tmp/memfleet-memory-XXXXXX";

static void
begin(void)
{
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void
write_text(const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static struct memory_file *
open_file(void)
{
    char *error = NULL;
    struct memory_file *f = memory_file_open(path, &error);
    ck_assert_msg(f != NULL, "%s", error);
    return f;
}

static void
refused(const char *why)
{
    char *error = NULL;
    ck_assert_ptr_null(memory_file_open(path, &error));
    ck_assert_msg(strstr(error, why) != NULL, "%s", error);
    ck_assert_ptr_nonnull(strstr(error, path));
    free(error);
}

static uint64_t
disk_bytes(void)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

START_TEST(keeps_what_was_written)
{
    begin();
    struct memory_file *f = open_file();
    char *memory = memory_file_map(f, 1024 * (size_t)MB);
    ck_assert_ptr_nonnull(memory);
    ck_assert(memory_file_reserve(f, MB, MB));
    ck_assert_uint_eq(memory_file_bytes(f), 2 * MB);
    strcpy(memory + MB, "still here");
    ck_assert(memory_file_sync(f));
    munmap(memory, 1024 * (size_t)MB);
    memory_file_close(&f);
    ck_assert_ptr_null(f);
    f = open_file();
    memory = memory_file_map(f, 2 * MB);
    ck_assert_str_eq(memory + MB, "still here");
    ck_assert(memory_file_clear(f));
    ck_assert(memory_file_reserve(f, MB, MB));
    ck_assert_int_eq(memory[MB], 0);
    munmap(memory, 2 * MB);
    memory_file_close(&f);
    unlink(path);
}
END_TEST

START_TEST(takes_and_gives_back)
{
    begin();
    struct memory_file *f = open_file();
    uint64_t before = disk_bytes();
    ck_assert(memory_file_reserve(f, MB, 4 * MB));
    ck_assert_uint_ge(disk_bytes(), before + 4 * MB);
    memory_file_give_back(f, 2 * MB, 2 * MB);
    ck_assert_uint_le(disk_bytes(), before + 2 * MB + MB / 2);
    ck_assert(!memory_file_reserve(f, UINT64_C(1) << 62, MB));
    memory_file_close(&f);
    memory_file_close(&f);
    unlink(path);
}
END_TEST

START_TEST(is_one_nodes_alone)
{
    begin();
    struct memory_file *f = open_file();
    refused("another process uses it");
    memory_file_close(&f);
    f = open_file();
    memory_file_close(&f);
    chmod(path, 0660);
    refused("others own it or may write to it");
    unlink(path);
}
END_TEST

START_TEST(leaves_alone_what_is_not_ours)
{
    begin();
    const char *text = "root:x:0:0:root:/root:/bin/bash and so on\n";
    write_text(text);
    refused("it is no memory file of mfcached, and is left as it is");
    ck_assert_uint_eq(disk_bytes() > 0, 1);
    char read_back[64] = "";
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(fgets(read_back, sizeof(read_back), file));
    fclose(file);
    ck_assert_str_eq(read_back, text);
    unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    refused("Is a directory");
    rmdir(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    refused("it is no regular file");
    unlink(path);
}
END_TEST

START_TEST(says_when_the_file_system_cannot)
{
    snprintf(path, sizeof(path), "/proc/memfleet");
    char *error = NULL;
    ck_assert_ptr_null(memory_file_open(path, &error));
    ck_assert_ptr_nonnull(strstr(error, "cannot use the memory file /proc/memfleet: "));
    free(error);
}
END_TEST

UNIT_MAIN("memory_file", keeps_what_was_written, takes_and_gives_back, is_one_nodes_alone,
          leaves_alone_what_is_not_ours, says_when_the_file_system_cannot)
