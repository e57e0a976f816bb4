/*
 * The proven save against a scripted peer: every reply and every event that ends it, and the
 * preflight that does not let it begin.
 */
#include "redis/redis_save.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support/save_script.h"

START_TEST(a_save_that_is_always_refused_fails_with_the_reason)
{
#define REFUSED INFO(IDLE), BGSAVE("-ERR some new reason\r\n"), INFO(IDLE)
    const struct redis_peer_step steps[] = {
        HELLO, INFO(IDLE), REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, END,
    };

    ck_assert_int_eq(save_script_fails(steps, ERR_SERVER, "some new reason"),
                     PROBLEM_SERVER_FAILED);
}
END_TEST

START_TEST(a_save_that_is_always_dropped_fails)
{
#define TRY INFO(DROPPED), FORKS, INFO(DROPPED)
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        TRY,
        TRY,
        TRY,
        {.expect = "CONFIG GET dir", .reply = "*2\r\n$3\r\ndir\r\n$6\r\n/there\r\n"},
        {.expect = "CONFIG GET dbfilename", .reply = "*2\r\n$10\r\ndbfilename\r\n$5\r\nx.rdb\r\n"},
        END,
    };

    ck_assert_int_eq(
        save_script_fails(
            steps, ERR_SERVER,
            "3 saves, and no new /our/data/dump.rdb, though the server names no error. "
            "HINT: data-dir and the dbfilename must name the server's own directory and "
            "file, as redkeep sees them. The server says that it saves to /there/x.rdb. "
            "Or something runs FLUSHALL"),
        PROBLEM_DATA_DIR);
}
END_TEST

START_TEST(data_that_is_always_flushed_fails)
{
#define FLUSH INFO(DROPPED), FORKS, INFO_AND(DROPPED, empty_save_appears)
    const struct redis_peer_step steps[] = {HELLO, INFO(IDLE), FLUSH, FLUSH, FLUSH, END};

    ck_assert_int_eq(save_script_fails(steps, ERR_SERVER, "flushed during each of 3 saves"),
                     PROBLEM_SERVER_FAILED);
}
END_TEST

START_TEST(a_killed_child_is_not_tried_again)
{
    const struct redis_peer_step steps[] = {IDLE_SERVER, FORKS, INFO(DIED), END};

    ck_assert_int_eq(
        save_script_fails(steps, ERR_SERVER, "the server's save failed. HINT: its log says why"),
        PROBLEM_BGSAVE_ERR);
}
END_TEST

START_TEST(another_directory_is_named)
{
    const struct redis_peer_step steps[] = {
        IDLE_SERVER,
        FORKS,
        INFO(SAVED),
        {.expect = "CONFIG GET dir", .reply = "*2\r\n$3\r\ndir\r\n$6\r\n/there\r\n"},
        {.expect = "CONFIG GET dbfilename", .reply = "*2\r\n$10\r\ndbfilename\r\n$5\r\nx.rdb\r\n"},
        END,
    };

    ck_assert_int_eq(
        save_script_fails(
            steps, ERR_SERVER,
            "/our/data/dump.rdb is unchanged. HINT: data-dir and the dbfilename must name the "
            "server's own directory and file, as redkeep sees them. The server says that it "
            "saves to /there/x.rdb."),
        PROBLEM_DATA_DIR);
}
END_TEST

START_TEST(another_directory_is_guessed_where_config_is_forbidden)
{
    const struct redis_peer_step steps[] = {
        IDLE_SERVER,
        FORKS,
        INFO_AND(SAVED, older_save_appears),
        {.expect = "CONFIG GET dir", .reply = "-NOPERM no\r\n"},
        {.expect = "CONFIG GET dbfilename", .reply = "-NOPERM no\r\n"},
        END,
    };

    ck_assert_int_eq(save_script_fails(steps, ERR_SERVER, "as redkeep sees them."),
                     PROBLEM_DATA_DIR);
}
END_TEST

START_TEST(a_failed_fork_is_explained)
{
    const struct redis_peer_step steps[] = {IDLE_SERVER, BGSAVE("-ERR\r\n"), INFO(DIED), END};

    ck_assert_int_eq(
        save_script_fails(steps, ERR_SERVER,
                          "HINT: it lacks memory or processes: set vm.overcommit_memory=1"),
        PROBLEM_FORK_FAILED);
}
END_TEST

START_TEST(replies_that_end_the_attempt_do)
{
    static const struct {
        const char *reply;
        const char *says;
        enum problem problem;
    } rows[] = {
        {"-NOPERM this user has no permissions to run the 'bgsave' command\r\n", "+bgsave",
         PROBLEM_SERVER_DENIED},
        {"-LOADING x\r\n", "LOADING", PROBLEM_SERVER_LOADING},
        {"-MISCONF x\r\n", "MISCONF", PROBLEM_BGSAVE_ERR},
        {"-NOAUTH x\r\n", "NOAUTH", PROBLEM_SERVER_AUTH},
        {"-MASTERDOWN x\r\n", "replica", PROBLEM_SERVER_FAILED},
        {"-ERR unknown command 'BGSAVE', with args beginning with: \r\n", "renamed",
         PROBLEM_SERVER_DENIED},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_peer_step steps[] = {IDLE_SERVER, BGSAVE(rows[i].reply), INFO(IDLE),
                                                END};

        ck_assert_int_eq(save_script_fails(steps, ERR_SERVER, rows[i].says), rows[i].problem);
    }
}
END_TEST

START_TEST(a_loading_server_is_left_alone)
{
    const struct redis_peer_step loading[] = {HELLO, INFO(IDLE "loading:1\r\n"), END};
    const struct redis_peer_step replica[] = {HELLO, INFO(IDLE "async_loading:1\r\n"), END};

    ck_assert_int_eq(save_script_fails(loading, ERR_SERVER, "still loading"),
                     PROBLEM_SERVER_LOADING);
    ck_assert_int_eq(save_script_fails(replica, ERR_SERVER, "still loading"),
                     PROBLEM_SERVER_LOADING);
}
END_TEST

START_TEST(info_without_the_needed_fields_proves_nothing)
{
    const struct redis_peer_step steps[] = {HELLO, INFO("redis_version:7.0.15\r\n"), END};

    save_script_fails(steps, ERR_SERVER, "no save can be proven");
}
END_TEST

START_TEST(a_restart_during_the_save_is_noticed)
{
    const struct redis_peer_step steps[] =
        ONE_SAVE("run_id:OTHER\r\nrdb_saves:9\r\n", save_appears);

    save_script_fails(steps, ERR_SERVER, "restarted meanwhile");
}
END_TEST

START_TEST(a_server_that_is_gone_at_any_step_is_given_up_after_a_minute)
{
    const struct redis_peer_step whole[] = {
        IDLE_SERVER,
        FORKS,
        INFO(SAVING),
        END,
    };

    for (size_t cut = 1; cut < 6; cut++) {
        struct redis_peer_step steps[7];
        struct save_script fixture;
        struct redis_saved saved = REDIS_SAVED_INIT;
        struct err err;

        memcpy(steps, whole, sizeof(whole));
        steps[cut].hang_up = 1;
        steps[cut + 1] = (struct redis_peer_step)END;
        save_script_init(&fixture);
        ck_assert_int_eq(save_script_run(&fixture, steps, 0, &saved, &err), -1);
        ck_assert_int_eq(err.kind, ERR_SERVER);
        ck_assert_msg(strstr(err.msg, "cannot be reached for 60 s") != NULL, "%s", err.msg);
        ck_assert_int_eq(err_problem(&err), PROBLEM_SERVER_UNREACHABLE);
        ck_assert_int_ge(fixture.clock.slept_ms, 60000);
        ck_assert_int_lt(fixture.clock.slept_ms, 62000);
        save_script_release(&fixture);
    }
}
END_TEST

START_TEST(a_script_that_never_ends_is_waited_for_as_long_as_a_save_may_take)
{
    struct redis_peer_step steps[100] = {IDLE_SERVER, FORKS};
    struct save_script fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    for (size_t i = 5; i < 5 + 23; i++) /* as in a_timeout_ends_the_waiting */
        steps[i] = (struct redis_peer_step)SCRIPT_RUNS;
    save_script_init(&fixture);
    ck_assert_int_eq(save_script_run(&fixture, steps, 5000, &saved, &err), -1);
    ck_assert_msg(strstr(err.msg, "not done within 5 s") != NULL, "%s", err.msg);
    ck_assert_int_eq(err_problem(&err), PROBLEM_SAVE_BUSY);
    save_script_release(&fixture);
}
END_TEST

START_TEST(another_server_behind_the_same_address_is_noticed)
{
    const struct redis_peer_step steps[] = {
        IDLE_SERVER, FORKS, HANGS_UP("INFO"), HELLO, INFO("run_id:OTHER\r\nrdb_saves:9\r\n"), END,
    };

    save_script_fails(steps, ERR_SERVER, "restarted meanwhile");
}
END_TEST

START_TEST(a_server_that_refuses_who_comes_back_is_not_asked_again)
{
    const struct redis_peer_step steps[] = {
        IDLE_SERVER,
        FORKS,
        HANGS_UP("INFO"),
        {.expect = "CLIENT SETNAME", .reply = "-NOAUTH x\r\n"},
        END,
    };

    ck_assert_int_eq(save_script_fails(steps, ERR_SERVER, "NOAUTH"), PROBLEM_SERVER_AUTH);
}
END_TEST

START_TEST(a_broken_new_file_is_corrupt)
{
    const struct redis_peer_step cut[] = ONE_SAVE(SAVED, broken_save_appears);
    const struct redis_peer_step empty[] = ONE_SAVE(SAVED, empty_file_appears);

    ck_assert_int_eq(save_script_fails(cut, ERR_CORRUPT, "/our/data/dump.rdb"),
                     PROBLEM_RDB_CORRUPT);
    ck_assert_int_eq(save_script_fails(empty, ERR_CORRUPT, "too few for an RDB"),
                     PROBLEM_RDB_CORRUPT);
}
END_TEST

START_TEST(a_timeout_ends_the_waiting)
{
    struct redis_peer_step steps[100] = {IDLE_SERVER, FORKS};
    struct save_script fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;
    size_t used = 5;

    /* pauses of 20, 40, 80, 160, 250, 250, ... */
    for (int64_t spent = 0, pause = 20; spent<5000; pause = pause * 2> 250 ? 250 : pause * 2) {
        steps[used++] = (struct redis_peer_step)INFO(SAVING);
        spent += pause;
    }
    save_script_init(&fixture);
    ck_assert_int_eq(save_script_run(&fixture, steps, 5000, &saved, &err), -1);
    ck_assert_int_eq(err.kind, ERR_SERVER);
    ck_assert_msg(strstr(err.msg, "not done within 5 s") != NULL, "%s", err.msg);
    ck_assert_int_eq(err_problem(&err), PROBLEM_SAVE_BUSY);
    ck_assert_int_ge(fixture.clock.slept_ms, 5000);
    save_script_release(&fixture);
}
END_TEST

START_TEST(a_dump_that_is_no_file_is_an_error)
{
    const struct redis_peer_step steps[] = ONE_SAVE(SAVED, directory_appears);

    save_script_fails(steps, ERR_FAILED, "/our/data/dump.rdb: is not a regular file");
}
END_TEST

START_TEST(preflight_wants_room_for_the_dump_and_the_fork)
{
    static const struct {
        int64_t used_memory;
        int64_t cow;
        uint64_t dump;
        uint64_t disk;
        int64_t memory;
        bool ok;
    } rows[] = {
        {1000, -1, 0, 600, -1, true},
        {1000, -1, 0, 599, -1, false},
        {1000, -1, 1000, 1200, -1, true},
        {1000, -1, 1000, 1199, -1, false},
        {1000, 0, 0, 1000, 100, true},
        {1000, 0, 0, 1000, 99, false},
        {1000, 500, 0, 1000, 500, true},
        {1000, 500, 0, 1000, 499, false},
        {1000, 500, 0, 1000, -1, true},
        {1000, 500, 0, 1000, 0, false},
        {-1, -1, 0, 0, 0, true}, /* nothing known, nothing wanted */
        {INT64_MAX, INT64_MAX, UINT64_MAX / 2, UINT64_MAX, INT64_MAX, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_redis_info struct redis_server_info info = {0};
        const struct redis_save_room room = {rows[i].dump, rows[i].disk, rows[i].memory};
        struct err err = {0};

        redis_info_parse("", 0, &info);
        info.used_memory = rows[i].used_memory;
        info.rdb_last_cow_bytes = rows[i].cow;
        ck_assert_msg(redis_save_preflight(&info, &room, &err) == (rows[i].ok ? 0 : -1), "row %zu",
                      i);
        if (!rows[i].ok) {
            ck_assert_int_eq(err.kind, ERR_FAILED);
            ck_assert_ptr_nonnull(strstr(err.msg, "HINT"));
            ck_assert_int_eq(err_problem(&err), strstr(err.msg, "volume") != NULL
                                                    ? PROBLEM_DISK_FULL
                                                    : PROBLEM_MEMORY_LOW);
        }
    }
}
END_TEST

static TCase *failure_case(void)
{
    TCase *tcase = tcase_create("failure");

    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, a_save_that_is_always_refused_fails_with_the_reason);
    tcase_add_test(tcase, a_save_that_is_always_dropped_fails);
    tcase_add_test(tcase, data_that_is_always_flushed_fails);
    tcase_add_test(tcase, a_killed_child_is_not_tried_again);
    tcase_add_test(tcase, another_directory_is_named);
    tcase_add_test(tcase, another_directory_is_guessed_where_config_is_forbidden);
    tcase_add_test(tcase, a_failed_fork_is_explained);
    tcase_add_test(tcase, replies_that_end_the_attempt_do);
    tcase_add_test(tcase, a_loading_server_is_left_alone);
    tcase_add_test(tcase, info_without_the_needed_fields_proves_nothing);
    tcase_add_test(tcase, a_restart_during_the_save_is_noticed);
    tcase_add_test(tcase, a_server_that_is_gone_at_any_step_is_given_up_after_a_minute);
    tcase_add_test(tcase, a_script_that_never_ends_is_waited_for_as_long_as_a_save_may_take);
    tcase_add_test(tcase, another_server_behind_the_same_address_is_noticed);
    tcase_add_test(tcase, a_server_that_refuses_who_comes_back_is_not_asked_again);
    tcase_add_test(tcase, a_broken_new_file_is_corrupt);
    tcase_add_test(tcase, a_timeout_ends_the_waiting);
    tcase_add_test(tcase, a_dump_that_is_no_file_is_an_error);
    tcase_add_test(tcase, preflight_wants_room_for_the_dump_and_the_fork);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("redis_save_failed");

    suite_add_tcase(suite, failure_case());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
