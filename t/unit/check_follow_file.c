/* The whole follower on a watched file, and the file watcher's ways. */
#include "t/unit/follow_host.h"

#include <semaphore.h>

static char *table_path;

static struct follower_options
file_options(const char *state_dir)
{
    return (struct follower_options){
        .table_file = table_path,
        .state_dir = state_dir,
        .identity = {.role = FOLLOWER_PROXY, .id = "p"},
        .adopt = host_adopt,
    };
}

static void
begin(void)
{
    make_folder();
    table_path = in_folder("table.json");
    catch_log();
}

static void
end(struct follower **f)
{
    follower_destroy(f, false);
    ck_assert_ptr_null(*f);
    free(table_path);
    remove_folder();
}

static void
write_table(uint64_t epoch)
{
    char *text = document(epoch, "");
    write_file(table_path, text);
    free(text);
}

static void
rename_table(uint64_t epoch)
{
    char *other = in_folder("next"), *text = document(epoch, "");
    write_file(other, text);
    ck_assert_int_eq(rename(other, table_path), 0);
    free(text);
    free(other);
}

static struct follower *
start(const struct follower_options *options)
{
    char *error = NULL;
    struct follower *f = follower_create(options, &error);
    ck_assert_msg(f != NULL, "%s", error);
    follower_start(f);
    return f;
}

START_TEST(a_file_is_followed)
{
    begin();
    write_table(1);
    struct follower_options options = file_options(NULL);
    struct follower *f = start(&options);
    ck_assert_uint_eq(host_epoch(), 1);
    ck_assert_str_eq(follower_source(f), "file");
    write_table(2);
    host_wait_epoch(2);
    rename_table(3);
    host_wait_epoch(3);
    write_table(4);
    host_wait_epoch(4);
    ck_assert_uint_lt(follower_table_age_ms(f), 10000);
    end(&f);
}
END_TEST

START_TEST(a_bad_file_leaves_the_old_table)
{
    begin();
    write_table(5);
    struct follower_options options = file_options(NULL);
    struct follower *f = start(&options);
    write_file(table_path, "{\"memfleet_table\":");
    wait_log("event=table_refused code=parse");
    write_table(4);
    wait_log("event=table_refused code=older");
    ck_assert_int_eq(unlink(table_path), 0);
    wait_log("event=table_file_missing");
    ck_assert_uint_eq(host_epoch(), 5);
    ck_assert_uint_eq(metric_named(f, "tables_rejected_total"), 2);
    ck_assert_uint_eq(metric_named(f, "table_epoch"), 5);
    rename_table(6);
    host_wait_epoch(6);
    end(&f);
}
END_TEST

/* As a mounted configuration does it: the file is a link into a folder behind a
 * link, and that second link is what changes. */
START_TEST(a_turned_symlink_is_noticed)
{
    begin();
    char *one = in_folder("v1"), *two = in_folder("v2"), *data = in_folder("data");
    char *next = in_folder("data.next");
    for (unsigned i = 1; i <= 2; i++) {
        char *version = i == 1 ? one : two;
        ck_assert_int_eq(mkdir(version, 0700), 0);
        char *path = mem_printf("%s/table.json", version), *text = document(i, "");
        write_file(path, text);
        free(text);
        free(path);
    }
    ck_assert_int_eq(symlink("v1", data), 0);
    ck_assert_int_eq(symlink("data/table.json", table_path), 0);
    struct follower_options options = file_options(NULL);
    struct follower *f = start(&options);
    ck_assert_uint_eq(host_epoch(), 1);
    ck_assert_int_eq(symlink("v2", next), 0);
    ck_assert_int_eq(rename(next, data), 0);
    host_wait_epoch(2);
    end(&f);
    free(one);
    free(two);
    free(data);
    free(next);
}
END_TEST

/* No event of the watched folder tells of this one. */
START_TEST(the_slow_check_finds_what_inotify_misses)
{
    begin();
    char *away = in_folder("away"), *target = in_folder("away/real.json");
    ck_assert_int_eq(mkdir(away, 0700), 0);
    char *text = document(1, "");
    write_file(target, text);
    free(text);
    ck_assert_int_eq(symlink("away/real.json", table_path), 0);
    struct follower_options options = file_options(NULL);
    struct follower *f = start(&options);
    text = document(2, "");
    write_file(target, text);
    host_wait_epoch(2);
    end(&f);
    free(text);
    free(target);
    free(away);
}
END_TEST

START_TEST(a_restart_without_the_file_uses_the_state)
{
    begin();
    char *state = in_folder("state");
    write_table(7);
    struct follower_options options = file_options(state);
    struct follower *f = start(&options);
    follower_destroy(&f, false);
    host.epoch = 0;

    ck_assert_int_eq(unlink(table_path), 0);
    f = start(&options);
    ck_assert_uint_eq(host_epoch(), 7);
    ck_assert_str_eq(follower_source(f), "state");
    wait_log("event=table_refused code=read");

    write_table(6);
    wait_log("event=table_refused code=older");
    ck_assert_uint_eq(host_epoch(), 7);
    write_table(8);
    host_wait_epoch(8);
    end(&f);
    free(state);
}
END_TEST

static void
assert_no_start(const struct follower_options *options, const char *expect)
{
    char *error = NULL;
    ck_assert_ptr_null(follower_create(options, &error));
    ck_assert_msg(strstr(error, expect) != NULL, "%s", error);
    free(error);
}

START_TEST(a_bad_first_start_says_why)
{
    begin();
    struct follower_options options = file_options(NULL);
    assert_no_start(&options, "No such file");
    write_file(table_path, "{}");
    assert_no_start(&options, "memfleet_table: missing");
    ck_assert_int_eq(unlink(table_path), 0);
    ck_assert_int_eq(mkfifo(table_path, 0600), 0);
    assert_no_start(&options, "Invalid argument");
    ck_assert_int_eq(unlink(table_path), 0);

    char *more = mem_zalloc(TABLE_BYTES_MAX + 2);
    memset(more, ' ', TABLE_BYTES_MAX + 1);
    write_file(table_path, more);
    free(more);
    assert_no_start(&options, "File too large");

    options = file_options(table_path);
    assert_no_start(&options, "not a folder");
    options.table_file = NULL;
    assert_no_start(&options, "exactly one source");
    struct follower *none = NULL;
    end(&none);
}
END_TEST

START_TEST(a_fixed_table_is_taken_when_it_can_be)
{
    char name[] = "a:1", *servers[] = {name};
    char why[TABLE_ERROR_MAX];
    struct follower_options options = {
        .fixed = table_from_servers(&(struct table_servers){.servers = servers, .count = 1}, why),
        .identity = {.role = FOLLOWER_PROXY},
        .adopt = host_adopt,
    };
    host.refuses = true;
    struct follower *f = start(&options);
    ck_assert_uint_eq(host_epoch(), 0);
    ck_assert_str_eq(follower_source(f), "none");
    pthread_mutex_lock(&host.lock);
    host.refuses = false;
    pthread_mutex_unlock(&host.lock);
    host_wait_epoch(1);
    follower_ack(f, 1);
    ck_assert_uint_eq(follower_table_age_ms(f), 0);
    follower_destroy(&f, false);
}
END_TEST

/* A program that acknowledges what it adopts, as a node does. */
struct acker {
    struct follower *f;
    sem_t inside; /* posted when the second table is being adopted */
    bool had_follower;
};

static bool
adopt_and_ack(void *arg, struct table *table, char *why)
{
    struct acker *acker = arg;
    acker->had_follower = acker->f != NULL;
    if (table->epoch == 2) {
        sem_post(&acker->inside);
        struct timespec pause = {.tv_nsec = 1000000};
        for (unsigned i = 0; i < 50 && acker->had_follower; i++) {
            nanosleep(&pause, NULL);
            acker->had_follower = *(struct follower *volatile *)&acker->f != NULL;
        }
    }
    if (acker->had_follower) {
        follower_ack(acker->f, table->epoch);
    }
    return true;
}

START_TEST(a_callback_has_its_follower_until_the_end)
{
    begin();
    write_table(1);
    struct acker acker = {0};
    ck_assert_int_eq(sem_init(&acker.inside, 0, 0), 0);
    struct follower_options options = file_options(NULL);
    options.adopt = adopt_and_ack;
    options.arg = &acker;
    char *error = NULL;
    acker.f = follower_create(&options, &error);
    ck_assert_msg(acker.f != NULL, "%s", error);
    follower_start(acker.f);
    write_table(2);
    ck_assert_int_eq(sem_wait(&acker.inside), 0);
    follower_destroy(&acker.f, false);
    ck_assert(acker.had_follower);
    sem_destroy(&acker.inside);
    end(&acker.f);
}
END_TEST

UNIT_MAIN("follow_file", a_file_is_followed, a_bad_file_leaves_the_old_table,
          a_turned_symlink_is_noticed, the_slow_check_finds_what_inotify_misses,
          a_restart_without_the_file_uses_the_state, a_bad_first_start_says_why,
          a_fixed_table_is_taken_when_it_can_be, a_callback_has_its_follower_until_the_end)
