/*
 * What goes, what stays and why, over a repository in memory. (A store that fails:
 * test_prune_faults; the decision itself: test_retention.)
 */
#include "backup/prune.h"

#include <check.h>
#include <signal.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "support/backup_maker.h"
#include "support/leaks.h"
#include "support/pruning.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define A "20261116T120000Z-000000"
#define B "20261117T120000Z-000000"
#define C "20261118T120000Z-000000"
#define D "20261119T120000Z-000000"

static struct pruning run;
static struct leaks held;

static void begin(void)
{
    held = leaks_count();
    pruning_begin(&run);
}

static void end(void)
{
    pruning_end(&run);
    ck_assert(leaks_none(&held));
}

static void make_four(void)
{
    pruning_make(&run, A, NULL);
    pruning_make(&run, B, NULL);
    pruning_make(&run, C, NULL);
    pruning_make(&run, D, NULL);
}

static void must_succeed(void)
{
    ck_assert_msg(pruning_run(&run) == 0, "%s", run.err.msg);
    ck_assert_uint_eq(run.result.refused, 0);
}

static void unproven(struct manifest *to)
{
    to->proven = false;
    to->unproven_why = xstrdup("the server saves without a checksum");
}

START_TEST(what_no_rule_keeps_is_removed)
{
    uint64_t bytes;

    make_four();
    pruning_put(&run, A, "pinned.jsonx", 0); /* foreign */
    pruning_put(&run, B, "verified-20261118T120000Z-ok.json", 0);
    bytes = pruning_find(&run, A, "backup.json")->len + pruning_find(&run, A, "data.tar.zst")->len +
            pruning_find(&run, B, "backup.json")->len + pruning_find(&run, B, "data.tar.zst")->len +
            2;
    must_succeed();
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_REMOVED);
    ck_assert_int_eq(pruning_fate(&run, B), PRUNE_REMOVED);
    ck_assert_str_eq(pruning_because(&run, C), "last 2 of 2");
    ck_assert_str_eq(pruning_because(&run, D), "last 1 of 2; newest proven");
    ck_assert_uint_eq(run.result.freed_bytes, bytes);
    ck_assert_uint_eq(run.fake.count, 5);
    ck_assert_ptr_nonnull(pruning_find(&run, A, "pinned.jsonx"));
    ck_assert(!pruning_is_there(&run, B));
    ck_assert_uint_eq(pruning_check_all(&run), 2);

    /* and then no more goes; what is foreign is nobody's orphan */
    fake_store_arm(&run.fake, 0, FAKE_FAILS);
    must_succeed();
    ck_assert_str_eq(buf_text(&run.fake.log), "list " PRUNING_INSTANCE "/backups/\n"
                                              "list " PRUNING_INSTANCE "/restores/\n"
                                              "sweep " PRUNING_INSTANCE "/\n");
    ck_assert_uint_eq(run.result.count, 2);
}
END_TEST

START_TEST(the_manifest_goes_first)
{
    const char *log;
    const char *manifest;
    const char *data;

    make_four();
    must_succeed();
    log = buf_text(&run.fake.log);
    manifest = strstr(log, "remove " PRUNING_INSTANCE "/backups/" A "/backup.json");
    data = strstr(log, "remove " PRUNING_INSTANCE "/backups/" A "/data.tar.zst");
    ck_assert_ptr_nonnull(manifest);
    ck_assert_ptr_nonnull(data);
    ck_assert(manifest < data);
}
END_TEST

START_TEST(a_dry_run_says_the_same_and_changes_nothing)
{
    uint64_t freed;

    make_four();
    pruning_put(&run, "20261110T120000Z-000000", "data.tar.zst", 48);
    run.options.confirm = false;
    must_succeed();
    freed = run.result.freed_bytes;
    ck_assert_uint_gt(freed, 0);
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_PLANNED);
    ck_assert_int_eq(pruning_fate(&run, D), PRUNE_KEPT);
    ck_assert_int_eq(pruning_fate(&run, "20261110T120000Z-000000"), PRUNE_PLANNED);
    ck_assert_uint_eq(fake_store_asked(&run.fake, "remove"), 0);
    ck_assert_uint_eq(run.fake.count, 9);
    run.options.confirm = true;
    must_succeed();
    ck_assert_uint_eq(run.result.freed_bytes, freed);
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_REMOVED);
    ck_assert_int_eq(pruning_fate(&run, "20261110T120000Z-000000"), PRUNE_REMOVED);
    ck_assert_uint_eq(run.fake.count, 4);
}
END_TEST

START_TEST(without_rules_nothing_is_removed)
{
    make_four();
    run.options.rules = (struct retention_rules){0};
    must_succeed();
    ck_assert_uint_eq(run.fake.count, 8);
    ck_assert_str_eq(pruning_because(&run, A), "no rule is set, so all are kept");
    ck_assert_uint_eq(fake_store_asked(&run.fake, "get_small"), 0);
}
END_TEST

/* However many there are: what is only counted is not read. */
START_TEST(one_listing_is_all_that_counting_takes)
{
    for (unsigned i = 0; i < 300; i++) {
        auto_free char *id = xasprintf("20261101T120000Z-%06x", i);
        pruning_put(&run, id, "backup.json", 0);
        pruning_put(&run, id, "data.tar.zst", 0);
    }
    run.options.rules.keep[RETENTION_LAST] = 300;
    fake_store_arm(&run.fake, 0, FAKE_FAILS);
    must_succeed();
    ck_assert_uint_eq(run.fake.operations, 3); /* of backups, of restores, of uploads */
    pruning_make(&run, D,
                 NULL); /* one goes: the newest proven is looked for, and the one is read */
    fake_store_arm(&run.fake, 0, FAKE_FAILS);
    run.options.confirm = false;
    must_succeed();
    ck_assert_uint_eq(run.fake.operations, 5);
}
END_TEST

static void other_size(struct manifest *to)
{
    to->parts.size = 99;
}

/* ---- the newest proven ---- */

START_TEST(the_newest_proven_stays)
{
    pruning_make(&run, A, NULL);
    pruning_make(&run, B, NULL);
    pruning_make(&run, C, unproven);
    pruning_make(&run, D, unproven);
    must_succeed();
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_REMOVED);
    ck_assert_str_eq(pruning_because(&run, B), "newest proven");
    ck_assert(pruning_is_there(&run, B));
}
END_TEST

/* It is kept anyhow, and may be older than all of the others. */
START_TEST(one_from_the_future_is_not_the_newest_proven)
{
    pruning_make(&run, A, NULL);
    pruning_make(&run, B, unproven);
    pruning_make(&run, C, unproven);
    pruning_make(&run, D, unproven);
    pruning_make(&run, "20991231T120000Z-000000", NULL);
    must_succeed();
    ck_assert_str_eq(pruning_because(&run, A), "newest proven");
    ck_assert_int_eq(pruning_fate(&run, B), PRUNE_REMOVED);
}
END_TEST

/* What a manifest says is not enough: its data must be there. */
START_TEST(one_that_has_lost_its_data_is_not_the_newest_proven)
{
    make_four();
    switch (_i) {
    case 0:
        fake_store_drop(&run.fake, PRUNING_INSTANCE "/backups/" D "/data.tar.zst");
        break;
    case 1:
        pruning_make(&run, D, other_size);
        break;
    case 2:
        pruning_find(&run, D, "backup.json")->data[20] ^= 1;
        break;
    default:
        pruning_put(&run, D, "verified-20261120T120000Z-bad.json", 0);
        break;
    }
    run.options.rules.keep[RETENTION_LAST] = 1;
    must_succeed();
    ck_assert_str_eq(pruning_because(&run, C), "newest proven");
    ck_assert_str_eq(pruning_because(&run, D), "last 1 of 1");
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_REMOVED);
    ck_assert_int_eq(pruning_fate(&run, B), PRUNE_REMOVED);
}
END_TEST

START_TEST(one_found_bad_is_better_than_none)
{
    make_four();
    pruning_put(&run, A, "verified-20261120T120000Z-bad.json", 0);
    pruning_put(&run, B, "verified-20261120T120000Z-bad.json", 0);
    pruning_make(&run, C, unproven);
    pruning_make(&run, D, unproven);
    must_succeed();
    ck_assert_str_eq(pruning_because(&run, B), "newest proven");
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_REMOVED);
}
END_TEST

START_TEST(where_none_is_proven_the_rules_alone_decide)
{
    pruning_make(&run, A, unproven);
    pruning_make(&run, B, unproven);
    pruning_make(&run, C, unproven);
    must_succeed();
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_REMOVED);
    ck_assert_str_eq(pruning_because(&run, B), "last 2 of 2");
}
END_TEST

/* ---- pins ---- */

START_TEST(what_is_pinned_stays_until_the_shrink_is_accepted)
{
    make_four();
    pruning_put(&run, A, "pinned.json", 0);
    must_succeed();
    ck_assert_str_eq(pruning_because(&run, A), "pinned: the data shrank after it");
    ck_assert(!pruning_is_there(&run, B));

    run.options.accept_shrink = true;
    run.options.confirm = false;
    must_succeed();
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_PLANNED);
    ck_assert(run.result.rows[0].is_released);
    ck_assert_ptr_nonnull(pruning_find(&run, A, "pinned.json"));

    pruning_put(&run, D, "pinned.json", 0); /* released, and kept by a rule */
    run.options.confirm = true;
    must_succeed();
    ck_assert(!pruning_is_there(&run, A));
    ck_assert_str_eq(pruning_because(&run, D), "last 1 of 2; newest proven");
    ck_assert_ptr_null(pruning_find(&run, D, "pinned.json"));
    ck_assert_ptr_nonnull(pruning_find(&run, D, "backup.json"));
}
END_TEST

static void pin_late(struct fake_store *fake, const char *operation, const char *key)
{
    if (strcmp(operation, "get_small") == 0 && strstr(key, "/" B "/") != NULL)
        fake_store_set(fake, PRUNING_INSTANCE "/backups/" B "/pinned.json", "{}", 2);
}

START_TEST(what_is_pinned_meanwhile_stays)
{
    make_four();
    run.fake.hook = pin_late;
    must_succeed();
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_REMOVED);
    ck_assert_int_eq(pruning_fate(&run, B), PRUNE_KEPT);
    ck_assert_str_eq(pruning_because(&run, B), "pinned: the data shrank after it");
    ck_assert_ptr_nonnull(pruning_find(&run, B, "data.tar.zst"));
}
END_TEST

/* ---- what nobody can read, and clocks ---- */

START_TEST(what_cannot_be_read_stays)
{
    const char *text;

    make_four();
    pruning_find(&run, A, "backup.json")->data[20] ^= 1;
    text = buf_text(pruning_find(&run, B, "backup.json"));
    auto_free char *newer = made_edit(text, "\"format\": 1,", "\"format\": 2,");
    fake_store_set(&run.fake, PRUNING_INSTANCE "/backups/" B "/backup.json", newer, strlen(newer));
    must_succeed();
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_KEPT);
    ck_assert_ptr_nonnull(strstr(pruning_because(&run, A), "digest"));
    ck_assert_int_eq(pruning_fate(&run, B), PRUNE_KEPT);
    ck_assert_str_ne(pruning_because(&run, B), "");
    ck_assert_uint_eq(fake_store_asked(&run.fake, "remove"), 0);
    ck_assert_uint_eq(run.fake.count, 8);
}
END_TEST

static void vanish(struct fake_store *fake, const char *operation, const char *key)
{
    if (strcmp(operation, "get_small") == 0 && strstr(key, "/" A "/backup.json") != NULL)
        fake_store_drop(fake, key);
}

START_TEST(what_is_gone_already_is_nobodys_failure)
{
    make_four();
    run.fake.hook = vanish;
    must_succeed();
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_GONE);
    ck_assert_int_eq(pruning_fate(&run, B), PRUNE_REMOVED);
}
END_TEST

START_TEST(clocks_that_were_wrong_remove_nothing_good)
{
    static const char *const strange[] = {"20261120T120001Z-000000", "29991231T235959Z-000000",
                                          "20261231T246060Z-000000"};

    make_four();
    for (size_t i = 0; i < COUNT(strange); i++) {
        pruning_put(&run, strange[i], "backup.json", 0);
        pruning_put(&run, strange[i], "data.tar.zst", 0);
    }
    must_succeed();
    for (size_t i = 0; i < COUNT(strange); i++)
        ck_assert_int_eq(pruning_fate(&run, strange[i]), PRUNE_KEPT);
    ck_assert_str_eq(pruning_because(&run, strange[1]),
                     "from the future: the clock was wrong, then or now");
    ck_assert_str_eq(pruning_because(&run, C), "last 2 of 2");
    ck_assert_int_eq(pruning_fate(&run, B), PRUNE_REMOVED);

    /* and with our own in 1970, all are from the future, orphans too */
    pruning_put(&run, A, "data.tar.zst", 1000);
    run.clock.wall_ms = 1000;
    must_succeed();
    ck_assert_uint_eq(fake_store_asked(&run.fake, "remove"), 4);
    ck_assert_int_eq(pruning_fate(&run, C), PRUNE_KEPT);
}
END_TEST

/* ---- the rest ---- */

START_TEST(other_instances_are_not_touched)
{
    make_four();
    fake_store_set(&run.fake, "cache-01/backups/" A "/data.tar.zst", "x", 1);
    fake_store_set(&run.fake, "cache/backups/" A "/data.tar.zst", "x", 1);
    fake_store_set(&run.fake, PRUNING_INSTANCE "/restores/" A ".json", "x", 1);
    fake_store_set(&run.fake, PRUNING_INSTANCE "/backups/readme", "x", 1);
    for (size_t i = 0; i < run.fake.count; i++)
        run.fake.objects[i].modified_ms = 0;
    must_succeed();
    ck_assert_uint_eq(run.fake.count, 4 + 4);
}
END_TEST

static void stop_at_removal(struct fake_store *fake, const char *operation, const char *key)
{
    (void)fake;
    (void)key;
    if (strcmp(operation, "remove") == 0)
        (void)raise(SIGTERM); /* blocked, so pending from now on */
}

START_TEST(a_signal_ends_it_between_two_backups)
{
    sigset_t set;
    int signal_number = 0;

    cancel_init();
    make_four();
    run.fake.hook = stop_at_removal;
    ck_assert_int_eq(pruning_run(&run), -1);
    ck_assert_int_eq(err_problem(&run.err), PROBLEM_INTERRUPTED);
    ck_assert_int_eq(pruning_fate(&run, A), PRUNE_REMOVED);
    ck_assert_int_eq(pruning_fate(&run, B), PRUNE_PLANNED);
    ck_assert_uint_eq(run.fake.count, 6);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    ck_assert_int_eq(sigwait(&set, &signal_number), 0);
}
END_TEST

START_TEST(an_instance_that_is_none_is_refused)
{
    run.options.instance = "a/b";
    ck_assert_int_eq(pruning_run(&run), -1);
    ck_assert_int_eq(run.err.kind, ERR_CONFIG);
    ck_assert_uint_eq(run.fake.operations, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prune");
    TCase *tcase = tcase_create("prune");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, what_no_rule_keeps_is_removed);
    tcase_add_test(tcase, the_manifest_goes_first);
    tcase_add_test(tcase, a_dry_run_says_the_same_and_changes_nothing);
    tcase_add_test(tcase, without_rules_nothing_is_removed);
    tcase_add_test(tcase, one_listing_is_all_that_counting_takes);
    tcase_add_test(tcase, the_newest_proven_stays);
    tcase_add_test(tcase, one_from_the_future_is_not_the_newest_proven);
    tcase_add_loop_test(tcase, one_that_has_lost_its_data_is_not_the_newest_proven, 0, 4);
    tcase_add_test(tcase, one_found_bad_is_better_than_none);
    tcase_add_test(tcase, where_none_is_proven_the_rules_alone_decide);
    tcase_add_test(tcase, what_is_pinned_stays_until_the_shrink_is_accepted);
    tcase_add_test(tcase, what_is_pinned_meanwhile_stays);
    tcase_add_test(tcase, what_cannot_be_read_stays);
    tcase_add_test(tcase, what_is_gone_already_is_nobodys_failure);
    tcase_add_test(tcase, clocks_that_were_wrong_remove_nothing_good);
    tcase_add_test(tcase, other_instances_are_not_touched);
    tcase_add_test(tcase, a_signal_ends_it_between_two_backups);
    tcase_add_test(tcase, an_instance_that_is_none_is_refused);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
