/*
 * How many writes since the newest backup: each row a story of looks, saves and backups.
 */
#include "daemon/changes.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct redis_server_info look(const char *run_id, int64_t saves, int64_t changes)
{
    struct redis_server_info info = {.rdb_saves = saves, .rdb_changes_since_last_save = changes};

    (void)snprintf(info.run_id, sizeof(info.run_id), "%s", run_id);
    return info;
}

/* A backup of server "a" that was at `saves` saves, and the look behind it. */
static void back_up(struct changes *changes, int64_t saves, int64_t seen_after)
{
    struct redis_server_info before = look("a", saves, 7);
    struct redis_server_info after = look("a", saves + 1, seen_after);

    changes_look(changes, &before);
    changes_begin(changes, &before);
    changes_end(changes, true);
    changes_look(changes, &after);
}

START_TEST(nothing_is_known_before_the_first_backup)
{
    struct changes changes = {0};
    struct redis_server_info info = look("a", 3, 0);

    ck_assert_int_eq(changes_count(&changes), -1);
    changes_look(&changes, &info);
    changes_look(&changes, &info);
    ck_assert_int_eq(changes_count(&changes), -1);
}
END_TEST

START_TEST(behind_a_backup_the_servers_counter_counts)
{
    struct changes changes = {0};
    struct redis_server_info info;

    back_up(&changes, 3, 0);
    ck_assert_int_eq(changes_count(&changes), 0);
    info = look("a", 4, 0);
    changes_look(&changes, &info);
    ck_assert_int_eq(changes_count(&changes), 0);
    info = look("a", 4, 5);
    changes_look(&changes, &info);
    changes_look(&changes, &info);
    ck_assert_int_eq(changes_count(&changes), 5);
    info = look("a", 4, 9);
    changes_look(&changes, &info);
    ck_assert_int_eq(changes_count(&changes), 9);
}
END_TEST

START_TEST(writes_while_the_backup_ran_count)
{
    struct changes changes = {0};

    back_up(&changes, 3, 12);
    ck_assert_int_eq(changes_count(&changes), 12);
}
END_TEST

/* What comes behind a backup that was followed by a look with nothing changed: is it still none? */
static const struct {
    const char *name;
    struct redis_server_info look;
    int64_t least; /* -1: not known */
} uncertain[] = {
    {"another save", {.run_id = "a", .rdb_saves = 5, .rdb_changes_since_last_save = 0}, 1},
    {"another save, and writes",
     {.run_id = "a", .rdb_saves = 5, .rdb_changes_since_last_save = 4},
     5},
    {"many saves", {.run_id = "a", .rdb_saves = 500, .rdb_changes_since_last_save = 0}, 1},
    {"fewer saves", {.run_id = "a", .rdb_saves = 0, .rdb_changes_since_last_save = 0}, 1},
    {"another process", {.run_id = "b", .rdb_saves = 4, .rdb_changes_since_last_save = 0}, 1},
    {"no counter", {.run_id = "a", .rdb_saves = 4, .rdb_changes_since_last_save = -1}, -1},
    {"no saves", {.run_id = "a", .rdb_saves = -1, .rdb_changes_since_last_save = 0}, -1},
    {"no name", {.run_id = "", .rdb_saves = 4, .rdb_changes_since_last_save = 0}, -1},
};

START_TEST(none_is_never_said_by_mistake)
{
    struct changes changes = {0};
    struct redis_server_info info = look("a", 4, 0);

    back_up(&changes, 3, 0);
    changes_look(&changes, &uncertain[_i].look);
    ck_assert_msg(changes_count(&changes) == uncertain[_i].least, "%s", uncertain[_i].name);
    changes_look(&changes, &uncertain[_i].look);
    changes_look(&changes, &info); /* nor when it looks as before again */
    ck_assert_msg(changes_count(&changes) != 0, "%s", uncertain[_i].name);
}
END_TEST

START_TEST(a_backup_that_failed_forgets_nothing)
{
    for (int64_t saves = 4; saves <= 5; saves++) { /* with and without its save */
        struct changes changes = {0};
        struct redis_server_info info = look("a", 4, 20);

        back_up(&changes, 3, 0);
        changes_look(&changes, &info);
        changes_begin(&changes, &info);
        changes_end(&changes, false);
        info = look("a", saves, saves == 4 ? 20 : 0);
        changes_look(&changes, &info);
        ck_assert_int_ge(changes_count(&changes), 20);
    }
}
END_TEST

/* What came between our begin and the first look behind the end. */
START_TEST(saves_of_others_around_ours_are_noticed)
{
    static const struct {
        const char *begin_id; /* NULL: there was no look */
        int64_t begin_saves;
        const char *end_id;
        int64_t end_saves;
        int64_t count;
    } rows[] = {
        {"a", 4, "a", 5, 0}, /* ours alone */
        {"a", 4, "a", 6, 1}, /* and another's */
        {"a", 4, "a", 4, 1}, /* none at all: a backup of the append-only file */
        {"a", 4, "b", 5, 1}, /* another process */
        {"a", 4, "a", 3, 1}, /* it counts anew */
        {"b", 4, "b", 5, 1}, /* begun at a process that was not looked at before */
        {NULL, 4, "a", 5, 1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct changes changes = {0};
        struct redis_server_info info = look("a", 4, 2);

        changes_look(&changes, &info);
        info = look(rows[i].begin_id != NULL ? rows[i].begin_id : "", rows[i].begin_saves, 2);
        changes_begin(&changes, rows[i].begin_id != NULL ? &info : NULL);
        changes_end(&changes, true);
        info = look(rows[i].end_id, rows[i].end_saves, 0);
        changes_look(&changes, &info);
        ck_assert_msg(changes_count(&changes) == rows[i].count, "row %zu", i);
    }
}
END_TEST

START_TEST(looks_while_a_backup_runs_do_not_confuse_it)
{
    struct changes changes = {0};
    struct redis_server_info info = look("a", 4, 9);

    changes_look(&changes, &info);
    changes_begin(&changes, &info);
    changes_look(&changes, &info);
    info = look("a", 5, 2); /* its save is done, it uploads */
    changes_look(&changes, &info);
    info = look("a", 5, 3);
    changes_look(&changes, &info);
    changes_end(&changes, true);
    changes_look(&changes, &info);
    ck_assert_int_eq(changes_count(&changes), 3);
}
END_TEST

/* A save of another's while ours uploads: what it took is not in our backup. */
START_TEST(a_save_behind_ours_is_noticed)
{
    struct changes changes = {0};
    struct redis_server_info info = look("a", 4, 9);

    changes_look(&changes, &info);
    changes_begin(&changes, &info);
    info = look("a", 6, 0);
    changes_look(&changes, &info);
    changes_end(&changes, true);
    changes_look(&changes, &info);
    ck_assert_int_ge(changes_count(&changes), 1);
}
END_TEST

START_TEST(the_next_backup_makes_all_certain_again)
{
    struct changes changes = {0};

    back_up(&changes, 3, 0);
    for (size_t i = 0; i < sizeof(uncertain) / sizeof(uncertain[0]); i++) {
        changes_look(&changes, &uncertain[i].look);
        back_up(&changes, 10, 0);
        ck_assert_int_eq(changes_count(&changes), 0);
    }
}
END_TEST

static Suite *changes_suite(void)
{
    Suite *suite = suite_create("changes");
    TCase *tc = tcase_create("count");

    tcase_add_test(tc, nothing_is_known_before_the_first_backup);
    tcase_add_test(tc, behind_a_backup_the_servers_counter_counts);
    tcase_add_test(tc, writes_while_the_backup_ran_count);
    tcase_add_loop_test(tc, none_is_never_said_by_mistake, 0,
                        sizeof(uncertain) / sizeof(uncertain[0]));
    tcase_add_test(tc, a_backup_that_failed_forgets_nothing);
    tcase_add_test(tc, saves_of_others_around_ours_are_noticed);
    tcase_add_test(tc, looks_while_a_backup_runs_do_not_confuse_it);
    tcase_add_test(tc, a_save_behind_ours_is_noticed);
    tcase_add_test(tc, the_next_backup_makes_all_certain_again);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(changes_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
