/*
 * The proven save against a scripted peer: every way to a good end. (test_redis_save_failed.c has
 * the others, test_redis_save_real.c the real server.)
 */
#include "redis/redis_save.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support/save_script.h"

START_TEST(a_save_is_proven_by_its_new_file)
{
    const struct redis_peer_step steps[] = {
        IDLE_SERVER,
        STARTED,
        INFO(FORKED "current_save_keys_processed:0\r\ncurrent_save_keys_total:8\r\n"),
        INFO(SAVING "current_save_keys_processed:2\r\ncurrent_save_keys_total:8\r\n"),
        INFO(SAVING "current_save_keys_processed:6\r\ncurrent_save_keys_total:8\r\n"),
        INFO_AND(SAVED, save_appears),
        END,
    };
    struct save_script fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    save_script_init(&fixture);
    save_script_dump(&fixture, ASKED - 100, 1);
    ck_assert_msg(save_script_run(&fixture, steps, 0, &saved, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(saved.rdb.head.ctime_s, ASKED + 1);
    ck_assert_uint_eq(saved.rdb.size, 40);
    ck_assert(saved.rdb.tail.has_eof);
    ck_assert_int_eq(saved.cow_bytes, 4096);
    ck_assert(saved.is_exact);
    ck_assert_int_eq(saved.attempts, 1);
    ck_assert_uint_eq(redis_info_keys(&saved.at_fork), 2);
    ck_assert_int_eq(saved.at_fork.rdb_saves, 5);
    ck_assert_int_eq(saved.asked_ms, 1700000000000);
    ck_assert_int_eq(saved.forked_ms, 1700000000000);
    ck_assert_int_gt(saved.done_ms, saved.forked_ms);
    ck_assert_uint_eq(fixture.percent_count, 3);
    ck_assert_int_eq(fixture.percents[0], 0);
    ck_assert_int_eq(fixture.percents[1], 25);
    ck_assert_int_eq(fixture.percents[2], 75);

    /* pinned: what the server does next does not matter */
    save_script_dump(&fixture, ASKED + 50, 9);
    struct rdb_ends again;
    ck_assert_int_eq(rdb_probe_fd(saved.fd, "x", &again, &err), 0);
    ck_assert_int_eq(again.head.first_db_keys, 2);
    redis_saved_release(&saved);
    save_script_release(&fixture);
}
END_TEST

START_TEST(a_file_of_the_same_second_is_new_enough)
{
    const struct redis_peer_step steps[] = ONE_SAVE(SAVED, save_of_the_same_second_appears);

    save_script_saves(steps, 1, true);
}
END_TEST

START_TEST(the_first_dump_of_a_volume_is_proven)
{
    const struct redis_peer_step steps[] = ONE_SAVE(SAVED, save_appears);
    struct save_script fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    save_script_init(&fixture);
    ck_assert_msg(save_script_run(&fixture, steps, 0, &saved, &err) == 0, "%s", err.msg);
    redis_saved_release(&saved);
    save_script_release(&fixture);
}
END_TEST

START_TEST(a_running_child_is_waited_for)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(STATE(3, 1, ok, 90)),
        INFO(STATE(3, 1, ok, 90)),
        INFO(STATE(3, 0, ok, 90) "aof_rewrite_in_progress:1\r\n"),
        INFO_AND(IDLE, older_save_appears), /* its data is older than the request */
        FORKS,
        INFO_AND(SAVED, save_appears),
        END,
    };

    save_script_saves(steps, 1, true);
}
END_TEST

START_TEST(another_save_that_began_later_is_as_good)
{
    const struct redis_peer_step steps[] = {
        IDLE_SERVER,
        BGSAVE("-ERR Background save already in progress\r\n"),
        INFO(FORKED),
        INFO(SAVING),
        INFO_AND(SAVED, save_appears),
        END,
    };

    save_script_saves(steps, 0, false);
}
END_TEST

START_TEST(a_ctime_may_lag_at_the_turn_of_a_second)
{
#define TURNED "run_id:R\r\nserver_time_usec:100000000000100\r\nrdb_saves:4\r\n"
    const struct redis_peer_step steps[] = {
        HELLO, INFO(TURNED), INFO(IDLE), FORKS, INFO_AND(SAVED, older_save_appears), END,
    };

    save_script_saves(steps, 1, true);
}
END_TEST

START_TEST(a_running_save_of_the_same_second_may_be_older)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(STATE(4, 1, ok, 90)),
        INFO_AND(STATE(4, 0, ok, 100), save_of_the_same_second_appears),
        FORKS,
        INFO_AND(SAVED, save_appears),
        END,
    };

    save_script_saves(steps, 1, true);
}
END_TEST

START_TEST(a_dropped_save_does_not_pass_for_one_that_ran_before_it)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(STATE(4, 1, ok, 90)),
        INFO_AND(STATE(4, 0, ok, 100), save_of_the_same_second_appears),
        STARTED,
        INFO(STATE(5, 1, ok, 100) KEYS),
        INFO(STATE(5, 0, ok, 100)), /* FLUSHALL: ok, but no file */
        INFO(STATE(5, 0, ok, 100)),
        STARTED,
        INFO(STATE(6, 1, ok, 100) KEYS),
        INFO_AND(STATE(6, 0, ok, 101), save_appears),
        END,
    };

    save_script_saves(steps, 2, true);
}
END_TEST

START_TEST(a_refused_save_is_asked_for_again)
{
    const struct redis_peer_step steps[] = {
        IDLE_SERVER,
        BGSAVE("-ERR Another child process is active (AOF?): can't BGSAVE right now. Use ...\r\n"),
        INFO(IDLE "aof_rewrite_in_progress:1\r\n"),
        INFO(IDLE "aof_rewrite_in_progress:1\r\n"),
        INFO(IDLE),
        BGSAVE("-ERR some new reason\r\n"),
        INFO(IDLE),
        INFO(IDLE),
        FORKS,
        INFO_AND(SAVED, save_appears),
        END,
    };

    save_script_saves(steps, 1, true);
}
END_TEST

START_TEST(a_scheduled_save_is_waited_for)
{
    const struct redis_peer_step steps[] = {
        IDLE_SERVER,
        BGSAVE("+Background saving scheduled\r\n"),
        INFO(IDLE "aof_rewrite_in_progress:1\r\n"),
        INFO(IDLE "aof_rewrite_in_progress:1\r\n"),
        INFO(IDLE),
        INFO(SAVING),
        INFO_AND(SAVED, save_appears),
        END,
    };

    save_script_saves(steps, 1, false);
}
END_TEST

START_TEST(a_next_save_that_began_meanwhile_does_not_matter)
{
    const struct redis_peer_step steps[] = ONE_SAVE(STATE(6, 1, ok, 100), save_appears);

    save_script_saves(steps, 1, true);
}
END_TEST

START_TEST(a_count_that_differs_from_the_fork_is_not_exact)
{
    const struct redis_peer_step steps[] = ONE_SAVE(SAVED, save_of_other_count_appears);

    save_script_saves(steps, 1, false);
}
END_TEST

START_TEST(a_file_of_unknown_format_counts_when_the_server_says_ok)
{
    const struct redis_peer_step steps[] = ONE_SAVE(SAVED, opaque_save_appears);

    save_script_saves(steps, 1, true);
}
END_TEST

START_TEST(a_dropped_save_is_asked_for_again)
{
    const struct redis_peer_step steps[] = {
        IDLE_SERVER,
        FORKS,
        INFO(DROPPED),
        INFO(DROPPED),
        STARTED,
        INFO(STATE(6, 1, ok, 90) KEYS),
        INFO_AND(STATE(6, 0, ok, 100), save_appears),
        END,
    };

    save_script_saves(steps, 2, true);
}
END_TEST

START_TEST(an_empty_file_that_a_flush_left_is_not_taken_for_the_data)
{
    const struct redis_peer_step steps[] = {
        IDLE_SERVER,
        FORKS,
        INFO_AND(SAVED, empty_save_appears),
        INFO(SAVED),
        STARTED,
        INFO(STATE(6, 1, ok, 100)), /* now there are no keys, and that is the truth */
        INFO_AND(STATE(6, 0, ok, 101), empty_save_appears),
        END,
    };

    save_script_saves(steps, 2, true);
}
END_TEST

START_TEST(a_server_that_cannot_answer_for_a_while_is_asked_again)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        SCRIPT_RUNS,
        INFO(IDLE),
        INFO(IDLE),
        FORKS,
        SCRIPT_RUNS,
        SCRIPT_RUNS,
        INFO(SAVING),
        HANGS_UP("INFO"),
        {.expect = "CLIENT", .reply = "-ERR max number of clients reached\r\n", .hang_up = 0},
        HELLO,
        INFO(SAVING),
        SILENT("INFO"),
        HANGS_UP("CLIENT"),
        HELLO,
        INFO_AND(SAVED, save_appears),
        END,
    };

    save_script_saves(steps, 1, true);
}
END_TEST

START_TEST(a_save_whose_answer_was_lost_is_found_again)
{
    const struct redis_peer_step steps[] = {
        IDLE_SERVER, SILENT("BGSAVE"), SILENT("INFO"), /* a fork takes its time */
        HELLO,       INFO(FORKED),     INFO(SAVING),   INFO_AND(SAVED, save_appears), END,
    };
    const struct redis_peer_step blocked[] = {
        IDLE_SERVER, BGSAVE("-BUSY Redis is busy running ...\r\n"),
        SCRIPT_RUNS, INFO(IDLE),
        FORKS,       INFO_AND(SAVED, save_appears),
        END,
    };

    save_script_saves(steps, 0, false);
    save_script_saves(blocked, 1, true);
}
END_TEST

static TCase *success_case(void)
{
    TCase *tcase = tcase_create("success");

    tcase_add_test(tcase, a_save_is_proven_by_its_new_file);
    tcase_add_test(tcase, a_file_of_the_same_second_is_new_enough);
    tcase_add_test(tcase, the_first_dump_of_a_volume_is_proven);
    tcase_add_test(tcase, a_running_child_is_waited_for);
    tcase_add_test(tcase, another_save_that_began_later_is_as_good);
    tcase_add_test(tcase, a_ctime_may_lag_at_the_turn_of_a_second);
    tcase_add_test(tcase, a_running_save_of_the_same_second_may_be_older);
    tcase_add_test(tcase, a_dropped_save_does_not_pass_for_one_that_ran_before_it);
    tcase_add_test(tcase, a_refused_save_is_asked_for_again);
    tcase_add_test(tcase, a_scheduled_save_is_waited_for);
    tcase_add_test(tcase, a_next_save_that_began_meanwhile_does_not_matter);
    tcase_add_test(tcase, a_count_that_differs_from_the_fork_is_not_exact);
    tcase_add_test(tcase, a_file_of_unknown_format_counts_when_the_server_says_ok);
    tcase_add_test(tcase, a_dropped_save_is_asked_for_again);
    tcase_add_test(tcase, an_empty_file_that_a_flush_left_is_not_taken_for_the_data);
    tcase_add_test(tcase, a_server_that_cannot_answer_for_a_while_is_asked_again);
    tcase_add_test(tcase, a_save_whose_answer_was_lost_is_found_again);
    tcase_set_timeout(tcase, 60); /* a ceiling for slow machines, not an expectation */
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("redis_save");

    suite_add_tcase(suite, success_case());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
