/*
 * Server and sidecar in one container: who is started, told and waited for, with a clock of ours.
 */
#include "entrypoint/pair.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define DRAIN 25000
#define EXITED(code) ((code) << 8) /* as waitpid says it */
#define KILLED(signal) (signal)

/* All actions as "start server; signal sidecar 15; exit;". */
static const char *shown(struct pair_actions *actions)
{
    static char text[512];
    static const char *const whats[] = {"start", "signal", "exit"};
    static const char *const whos[] = {"server", "sidecar", "last"};
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < actions->count; i++) {
        const struct pair_action *action = &actions->list[i];

        len += (size_t)snprintf(text + len, sizeof text - len, "%s", whats[action->what]);
        if (action->what != PAIR_EXIT)
            len += (size_t)snprintf(text + len, sizeof text - len, " %s", whos[action->who]);
        if (action->what == PAIR_SIGNAL)
            len += (size_t)snprintf(text + len, sizeof text - len, " %d", action->signal);
        len += (size_t)snprintf(text + len, sizeof text - len, ";");
    }
    actions->count = 0;
    return text;
}

static struct pair begun(void)
{
    struct pair pair;
    struct pair_actions actions = {0};

    pair_begin(&pair, DRAIN, 0, &actions);
    ck_assert_str_eq(shown(&actions), "start server;start sidecar;");
    ck_assert_int_eq(pair_wait_ms(&pair, 0), -1);
    return pair;
}

START_TEST(the_server_is_told_first_and_the_sidecar_when_it_has_ended)
{
    struct pair pair = begun();
    struct pair_actions actions = {0};

    pair_on_signal(&pair, SIGTERM, &actions);
    ck_assert_str_eq(shown(&actions), "signal server 15;");
    pair_on_signal(&pair, SIGTERM, &actions);
    ck_assert_str_eq(shown(&actions), "signal server 15;");
    pair_on_end(&pair, PAIR_SERVER, EXITED(0), 1000, &actions);
    ck_assert_str_eq(shown(&actions), "signal sidecar 15;");
    pair_on_signal(&pair, SIGTERM, &actions);
    ck_assert_str_eq(shown(&actions), "signal sidecar 15;");
    pair_on_end(&pair, PAIR_SIDECAR, EXITED(0), 2000, &actions);
    ck_assert_str_eq(shown(&actions), "exit;");
    ck_assert_int_eq(pair.exit_code, 0);
}
END_TEST

START_TEST(signals_go_to_the_server_and_hangup_to_both)
{
    static const int signals[] = {SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
    struct pair pair = begun();
    struct pair_actions actions = {0};

    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        char expected[32];

        (void)snprintf(expected, sizeof expected, "signal server %d;", signals[i]);
        pair_on_signal(&pair, signals[i], &actions);
        ck_assert_str_eq(shown(&actions), expected);
    }
    pair_on_signal(&pair, SIGHUP, &actions);
    ck_assert_str_eq(shown(&actions), "signal server 1;signal sidecar 1;");
}
END_TEST

static const struct {
    int status;
    int code;
} ends[] = {
    {EXITED(0), 0}, {EXITED(1), 1}, {EXITED(255), 255}, {KILLED(9), 137}, {KILLED(11) | 0x80, 139},
};

START_TEST(the_status_of_the_server_is_kept_whatever_the_sidecar_has)
{
    struct pair pair = begun();
    struct pair_actions actions = {0};

    pair_on_end(&pair, PAIR_SERVER, ends[_i].status, 0, &actions);
    ck_assert_str_eq(shown(&actions), "signal sidecar 15;");
    pair_on_end(&pair, PAIR_SIDECAR, EXITED(1), 0, &actions);
    ck_assert_str_eq(shown(&actions), "exit;");
    ck_assert_int_eq(pair.exit_code, ends[_i].code);
    ck_assert_int_eq(pair_exit_code(ends[_i].status), ends[_i].code);
}
END_TEST

START_TEST(a_sidecar_that_dies_is_started_again_later_each_time)
{
    static const int64_t waits[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct pair pair = begun();
    struct pair_actions actions = {0};
    int64_t now = 5;

    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        pair_on_end(&pair, PAIR_SIDECAR, KILLED(9), now, &actions);
        ck_assert_str_eq(shown(&actions), "");
        ck_assert_int_eq(pair_wait_ms(&pair, now), waits[i]);
        now += waits[i] - 1;
        pair_on_time(&pair, now, &actions);
        ck_assert_str_eq(shown(&actions), "");
        now++;
        ck_assert_int_eq(pair_wait_ms(&pair, now), 0);
        pair_on_time(&pair, now, &actions);
        ck_assert_str_eq(shown(&actions), "start sidecar;");
        ck_assert_int_eq(pair_wait_ms(&pair, now), -1);
        now += 10;
    }
    now += PAIR_AGAIN_MAX_MS; /* this one has lived */
    pair_on_end(&pair, PAIR_SIDECAR, EXITED(1), now, &actions);
    ck_assert_int_eq(pair_wait_ms(&pair, now), PAIR_AGAIN_MS);
}
END_TEST

START_TEST(without_a_sidecar_the_last_backup_is_taken_alone)
{
    struct pair pair = begun();
    struct pair_actions actions = {0};

    pair_on_end(&pair, PAIR_SIDECAR, EXITED(2), 0, &actions);
    pair_on_signal(&pair, SIGTERM, &actions);
    ck_assert_str_eq(shown(&actions), "signal server 15;");
    pair_on_end(&pair, PAIR_SERVER, EXITED(0), 10, &actions);
    ck_assert_str_eq(shown(&actions), "start last;");
    pair_on_time(&pair, 5000, &actions); /* the sidecar is not started again */
    ck_assert_str_eq(shown(&actions), "");
    pair_on_signal(&pair, SIGTERM, &actions);
    ck_assert_str_eq(shown(&actions), "signal last 15;");
    pair_on_end(&pair, PAIR_LAST, EXITED(0), 6000, &actions);
    ck_assert_str_eq(shown(&actions), "exit;");
}
END_TEST

START_TEST(a_sidecar_that_is_killed_at_the_end_is_replaced_too)
{
    struct pair pair = begun();
    struct pair_actions actions = {0};

    pair_on_end(&pair, PAIR_SERVER, KILLED(9), 0, &actions);
    ck_assert_str_eq(shown(&actions), "signal sidecar 15;");
    pair_on_end(&pair, PAIR_SIDECAR, KILLED(9), 10, &actions);
    ck_assert_str_eq(shown(&actions), "start last;");
    pair_on_end(&pair, PAIR_LAST, KILLED(9), 20, &actions);
    ck_assert_str_eq(shown(&actions), "exit;");
    ck_assert_int_eq(pair.exit_code, 137);
}
END_TEST

START_TEST(what_is_not_done_in_time_is_killed)
{
    struct pair pair = begun();
    struct pair_actions actions = {0};

    pair_on_end(&pair, PAIR_SERVER, EXITED(3), 100, &actions);
    ck_assert_str_eq(shown(&actions), "signal sidecar 15;");
    ck_assert_int_eq(pair_wait_ms(&pair, 100), DRAIN);
    pair_on_time(&pair, 100 + DRAIN - 1, &actions);
    ck_assert_str_eq(shown(&actions), "");
    pair_on_time(&pair, 100 + DRAIN, &actions);
    ck_assert_str_eq(shown(&actions), "signal sidecar 9;exit;");
    ck_assert_int_eq(pair.exit_code, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pair");
    TCase *tcase = tcase_create("pair");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, the_server_is_told_first_and_the_sidecar_when_it_has_ended);
    tcase_add_test(tcase, signals_go_to_the_server_and_hangup_to_both);
    tcase_add_loop_test(tcase, the_status_of_the_server_is_kept_whatever_the_sidecar_has, 0,
                        sizeof ends / sizeof ends[0]);
    tcase_add_test(tcase, a_sidecar_that_dies_is_started_again_later_each_time);
    tcase_add_test(tcase, without_a_sidecar_the_last_backup_is_taken_alone);
    tcase_add_test(tcase, a_sidecar_that_is_killed_at_the_end_is_replaced_too);
    tcase_add_test(tcase, what_is_not_done_in_time_is_killed);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
