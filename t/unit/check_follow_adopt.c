#include "common/core/statefile.h"
#include "common/push/follow_adopt.h"
#include "common/push/follow_metric.h"
#include "t/unit/follow_host.h"

static struct metric_set *metrics;

static struct follow_adopt
adopter(const char *state_dir)
{
    static const struct metric_desc descs[] = {FOLLOW_METRICS(METRIC_DESC)};
    metric_set_destroy(&metrics);
    metrics = metric_set_create("t", descs, METRIC_ID_FOLLOW_COUNT);
    struct follow_adopt a = {.adopt = host_adopt, .counts = metric_set_block(metrics)};
    if (state_dir != NULL) {
        char *error = NULL;
        a.state = follow_state_create(state_dir, &error);
        ck_assert_msg(a.state != NULL, "%s", error);
        follow_adopt_load_state(&a);
    }
    return a;
}

/* NULL code: taken. */
static void
assert_outcome(struct follow_adopt *a, const char *text, const char *code)
{
    struct adopt_result result = follow_adopt_document(a, span_cstr(text), "test");
    ck_assert_msg(result.taken == (code == NULL), "%s: %s", text, result.taken ? "taken" : "not");
    if (code != NULL) {
        ck_assert_str_eq(result.code, code);
        ck_assert_str_ne(result.reason, "");
    }
}

static void
assert_epoch_outcome(struct follow_adopt *a, uint64_t epoch, const char *more, const char *code)
{
    char *text = document(epoch, more);
    assert_outcome(a, text, code);
    free(text);
}

START_TEST(epochs_go_forward)
{
    struct follow_adopt a = adopter(NULL);
    assert_epoch_outcome(&a, 5, "", NULL);
    ck_assert_uint_eq(host.epoch, 5);
    assert_epoch_outcome(&a, 5, "", NULL);
    ck_assert_uint_eq(host.adoptions, 1);
    assert_epoch_outcome(&a, 4, "", "older");
    assert_epoch_outcome(&a, 5, ",\"by\":\"x\"", "conflict");
    assert_epoch_outcome(&a, 6, ",\"cluster\":\"d\"", "parse");
    assert_outcome(&a, "{\"memfleet_table\":1", "parse");
    assert_epoch_outcome(&a, 6, "", NULL);
    ck_assert_uint_eq(host.epoch, 6);
    ck_assert_uint_eq(metric_sum(metrics, METRIC_ID_ADOPTED), 2);
    ck_assert_uint_eq(metric_sum(metrics, METRIC_ID_REJECTED), 4);
    ck_assert_uint_eq(metric_sum(metrics, METRIC_ID_EPOCH), 6);
    follow_adopt_deinit(&a);
}
END_TEST

START_TEST(what_the_program_refuses_changes_nothing)
{
    struct follow_adopt a = adopter(NULL);
    assert_epoch_outcome(&a, 5, "", NULL);
    host.refuses = true;
    assert_epoch_outcome(&a, 6, "", "adopt");
    ck_assert_uint_eq(a.adopted->epoch, 5);
    ck_assert_uint_eq(a.known->epoch, 5);
    ck_assert(!follow_adopt_retry(&a));
    ck_assert_uint_eq(metric_sum(metrics, METRIC_ID_REJECTED), 1);
    host.refuses = false;
    assert_epoch_outcome(&a, 6, "", NULL);
    ck_assert_ptr_null(a.pending);
    follow_adopt_deinit(&a);
}
END_TEST

START_TEST(what_the_program_refused_may_be_offered_again)
{
    make_folder();
    struct follow_adopt a = adopter(folder);
    host.refuses = true;
    assert_epoch_outcome(&a, 6, "", "adopt");
    host.refuses = false;
    ck_assert(follow_adopt_retry(&a));
    ck_assert_uint_eq(host.epoch, 6);
    ck_assert_ptr_null(a.pending);
    follow_adopt_deinit(&a);
    a = adopter(folder);
    ck_assert_uint_eq(a.known->epoch, 6);
    remove_folder();
    follow_adopt_deinit(&a);
}
END_TEST

START_TEST(held_is_what_the_workers_use)
{
    struct follow_adopt a = adopter(NULL);
    ck_assert(!follow_adopt_acked(&a, 5));
    assert_epoch_outcome(&a, 5, "", NULL);
    ck_assert_ptr_null(a.held);
    ck_assert(!follow_adopt_acked(&a, 4));
    ck_assert(follow_adopt_acked(&a, 5));
    ck_assert(!follow_adopt_acked(&a, 5));
    assert_epoch_outcome(&a, 6, "", NULL);
    ck_assert_uint_eq(a.held->epoch, 5);
    ck_assert(follow_adopt_acked(&a, 6));
    ck_assert_uint_eq(a.held->epoch, 6);
    follow_adopt_deinit(&a);
}
END_TEST

START_TEST(a_restart_goes_on_from_disk_and_never_back)
{
    make_folder();
    struct follow_adopt a = adopter(folder);
    ck_assert_ptr_null(a.known);
    assert_epoch_outcome(&a, 7, "", NULL);
    follow_adopt_deinit(&a);

    a = adopter(folder);
    ck_assert_uint_eq(a.known->epoch, 7);
    ck_assert_ptr_null(a.adopted);
    assert_epoch_outcome(&a, 6, "", "older");
    ck_assert_ptr_null(a.adopted);
    assert_epoch_outcome(&a, 7, "", NULL);
    ck_assert_uint_eq(a.adopted->epoch, 7);
    follow_adopt_deinit(&a);
    remove_folder();
}
END_TEST

START_TEST(a_damaged_state_is_set_aside)
{
    make_folder();
    struct follow_adopt a = adopter(folder);
    assert_epoch_outcome(&a, 7, "", NULL);
    follow_adopt_deinit(&a);
    char *path = in_folder("table"), *aside = in_folder("table.damaged");
    FILE *file = fopen(path, "r+e");
    ck_assert_int_eq(fseek(file, -3, SEEK_END), 0);
    ck_assert_int_eq(fputc('#', file), '#');
    fclose(file);

    a = adopter(folder);
    ck_assert_ptr_null(a.known);
    ck_assert_uint_eq(metric_sum(metrics, METRIC_ID_STATE_ERRORS), 1);
    ck_assert_int_eq(access(aside, F_OK), 0);
    ck_assert_int_ne(access(path, F_OK), 0);
    assert_epoch_outcome(&a, 3, "", NULL);
    follow_adopt_deinit(&a);
    free(path);
    free(aside);
    remove_folder();
}
END_TEST

START_TEST(a_whole_state_that_is_no_table_is_not_obeyed)
{
    make_folder();
    char *path = in_folder("table");
    ck_assert_int_eq(statefile_write(path, "table", SPAN_LIT("{\"memfleet_table\":9}")),
                     STATEFILE_OK);
    struct follow_adopt a = adopter(folder);
    ck_assert_ptr_null(a.known);
    ck_assert_uint_eq(metric_sum(metrics, METRIC_ID_STATE_ERRORS), 1);
    follow_adopt_deinit(&a);
    free(path);
    remove_folder();
}
END_TEST

START_TEST(a_disk_that_refuses_costs_no_table)
{
    make_folder();
    struct follow_adopt a = adopter(folder);
    /* What the new file would be called is a folder. */
    char *blocker = in_folder("table.tmp");
    ck_assert_int_eq(mkdir(blocker, 0700), 0);
    assert_epoch_outcome(&a, 7, "", NULL);
    ck_assert_uint_eq(metric_sum(metrics, METRIC_ID_STATE_ERRORS), 1);
    ck_assert(a.unsaved);
    /* The source says it again, and by then there is room. */
    ck_assert_int_eq(rmdir(blocker), 0);
    assert_epoch_outcome(&a, 7, "", NULL);
    ck_assert(!a.unsaved);
    follow_adopt_deinit(&a);
    a = adopter(folder);
    ck_assert_uint_eq(a.known->epoch, 7);
    follow_adopt_deinit(&a);
    free(blocker);
    remove_folder();
}
END_TEST

/* Epoch 6, by force without that node, came while the follower was away. */
START_TEST(only_published_tables_may_skip_a_forced_step)
{
    static const char after[] =
        "{\"memfleet_table\":1,\"cluster\":\"c\",\"incarnation\":\"i\",\"epoch\":7,"
        "\"pools\":{\"main\":{\"nodes\":[{\"id\":\"b\",\"addr\":\"b:1\"}]}}}";
    struct follow_adopt a = adopter(NULL);
    assert_epoch_outcome(&a, 5, "", NULL);
    assert_outcome(&a, after, "shrink");
    a.published = true;
    assert_outcome(&a, after, NULL);
    follow_adopt_deinit(&a);
}
END_TEST

START_TEST(a_folder_that_is_none_is_an_error)
{
    make_folder();
    char *path = in_folder("file");
    write_file(path, "");
    char *error = NULL;
    ck_assert_ptr_null(follow_state_create(path, &error));
    ck_assert_ptr_nonnull(strstr(error, "not a folder"));
    free(error);
    char *deep = mem_printf("%s/a/b", folder);
    ck_assert_ptr_null(follow_state_create(deep, &error));
    free(error);
    free(deep);
    free(path);
    remove_folder();
}
END_TEST

UNIT_MAIN("follow_adopt", epochs_go_forward, what_the_program_refuses_changes_nothing,
          what_the_program_refused_may_be_offered_again, held_is_what_the_workers_use,
          a_restart_goes_on_from_disk_and_never_back, a_damaged_state_is_set_aside,
          a_whole_state_that_is_no_table_is_not_obeyed, a_disk_that_refuses_costs_no_table,
          only_published_tables_may_skip_a_forced_step, a_folder_that_is_none_is_an_error)
