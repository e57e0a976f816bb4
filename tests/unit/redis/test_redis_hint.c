/*
 * What an error reply means: the first word decides, in the words of every version.
 */
#include "redis/redis_hint.h"

#include <check.h>
#include <string.h>

static const struct {
    const char *reply;
    enum problem problem;
} rows[] = {
    {"NOAUTH Authentication required.", PROBLEM_SERVER_AUTH},
    {"NOAUTH HELLO must be called with the client already authenticated", PROBLEM_SERVER_AUTH},
    {"WRONGPASS invalid username-password pair or user is disabled.", PROBLEM_SERVER_AUTH},
    {"DENIED Redis is running in protected mode", PROBLEM_SERVER_AUTH},
    {"ERR AUTH <password> called without any password configured for the default user.",
     PROBLEM_SERVER_AUTH},
    {"NOPERM this user has no permissions to run the 'bgsave' command", PROBLEM_SERVER_DENIED},
    {"NOPERM User sidecar has no permissions to run the 'get' command", PROBLEM_SERVER_DENIED},
    {"ERR unknown command 'config', with args beginning with: 'get'", PROBLEM_SERVER_DENIED},
    {"LOADING Valkey is loading the dataset in memory", PROBLEM_SERVER_LOADING},
    {"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
     "disk.",
     PROBLEM_BGSAVE_ERR},
    {"MISCONF Errors writing to the AOF file: No space left on device", PROBLEM_WRITE_ERR},
    {"BUSY Redis is busy running a script.", PROBLEM_SERVER_BUSY},
    {"ERR max number of clients reached", PROBLEM_SERVER_BUSY},
    {"MASTERDOWN Link with MASTER is down", PROBLEM_SERVER_FAILED},
    {"ERR something new", PROBLEM_NONE},
    {"ERR", PROBLEM_NONE},
    {"NOAUTHX no", PROBLEM_NONE},
    {"", PROBLEM_NONE},
};

START_TEST(a_reply_has_its_problem)
{
    ck_assert_int_eq(redis_problem_of_reply(rows[_i].reply), rows[_i].problem);
}
END_TEST

START_TEST(what_has_a_problem_has_a_hint_too)
{
    bool has_problem = redis_problem_of_reply(rows[_i].reply) != PROBLEM_NONE;
    const char *hint = redis_hint_of_reply(rows[_i].reply);

    ck_assert(has_problem == (strncmp(hint, ". HINT: ", 8) == 0));
    ck_assert(has_problem == (hint[0] != '\0'));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_hint");
    TCase *tcase = tcase_create("replies");
    SRunner *runner = srunner_create(suite);
    int count = sizeof(rows) / sizeof(rows[0]);

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, a_reply_has_its_problem, 0, count);
    tcase_add_loop_test(tcase, what_has_a_problem_has_a_hint_too, 0, count);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
