/*
 * The one place where retries are decided.
 */
#include <check.h>

#include "store/s3_retry.h"

static struct s3_decision decide(struct s3_outcome outcome, struct s3_retry_state state,
                                 uint32_t random)
{
    const struct s3_retry_policy policy = s3_retry_patient();

    return s3_retry_decide(&outcome, &state, &policy, random);
}

START_TEST(each_class_of_outcome_has_its_verdict)
{
    static const struct {
        enum s3_fault fault;
        long status;
        const char *code;
        int64_t skew_ms;
        enum s3_verdict verdict;
    } rows[] = {
        {HTTP_ANSWERED, 200, "", 0, S3_DONE},
        {HTTP_ANSWERED, 204, "", 0, S3_DONE},
        {HTTP_ANSWERED, 206, "", 0, S3_DONE},
        {HTTP_ANSWERED, 200, "InternalError", 0, S3_RETRY},
        {HTTP_ANSWERED, 200, "AccessDenied", 0, S3_GIVE_UP},
        {HTTP_ANSWERED, 503, "SlowDown", 0, S3_RETRY},
        {HTTP_ANSWERED, 503, "", 0, S3_RETRY},
        {HTTP_ANSWERED, 500, "InternalError", 0, S3_RETRY},
        {HTTP_ANSWERED, 502, "", 0, S3_RETRY},
        {HTTP_ANSWERED, 504, "", 0, S3_RETRY},
        {HTTP_ANSWERED, 429, "", 0, S3_RETRY},
        {HTTP_ANSWERED, 408, "", 0, S3_RETRY},
        {HTTP_ANSWERED, 400, "RequestTimeout", 0, S3_RETRY},
        {HTTP_ANSWERED, 400, "BadDigest", 0, S3_RETRY},
        {HTTP_ANSWERED, 400, "XAmzContentSHA256Mismatch", 0, S3_RETRY},
        {HTTP_ANSWERED, 400, "InvalidArgument", 0, S3_GIVE_UP},
        {HTTP_ANSWERED, 403, "AccessDenied", 0, S3_GIVE_UP},
        {HTTP_ANSWERED, 403, "", 0, S3_GIVE_UP},
        {HTTP_ANSWERED, 403, "", 3600000, S3_RETRY_CLOCK},
        {HTTP_ANSWERED, 403, "", -3600000, S3_RETRY_CLOCK},
        {HTTP_ANSWERED, 403, "RequestTimeTooSkewed", 1000, S3_RETRY_CLOCK},
        {HTTP_ANSWERED, 403, "RequestTimeTooSkewed", 0, S3_GIVE_UP},
        {HTTP_ANSWERED, 403, "AccessDenied", 3600000, S3_GIVE_UP},
        {HTTP_ANSWERED, 400, "ExpiredToken", 0, S3_RETRY_KEYS},
        {HTTP_ANSWERED, 403, "ExpiredToken", 0, S3_RETRY_KEYS},
        {HTTP_ANSWERED, 404, "NoSuchKey", 0, S3_GIVE_UP},
        {HTTP_ANSWERED, 404, "NoSuchBucket", 0, S3_GIVE_UP},
        {HTTP_ANSWERED, 416, "InvalidRange", 0, S3_GIVE_UP},
        {HTTP_ANSWERED, 301, "PermanentRedirect", 0, S3_GIVE_UP},
        {HTTP_ANSWERED, 501, "NotImplemented", 0, S3_GIVE_UP},
        {HTTP_UNRESOLVED, 0, "", 0, S3_RETRY},
        {HTTP_REFUSED, 0, "", 0, S3_RETRY},
        {HTTP_TIMEOUT, 0, "", 0, S3_RETRY},
        {HTTP_BROKEN, 200, "", 0, S3_RETRY},
        {HTTP_UNTRUSTED, 0, "", 0, S3_GIVE_UP},
        {HTTP_TOO_LONG, 200, "", 0, S3_GIVE_UP},
        {HTTP_LOCAL, 0, "", 0, S3_GIVE_UP},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct s3_decision decision = decide(
            (struct s3_outcome){rows[i].fault, rows[i].status, rows[i].code, -1, rows[i].skew_ms},
            (struct s3_retry_state){.attempts = 1}, 0);

        ck_assert_msg(decision.verdict == rows[i].verdict, "row %zu: %d", i, decision.verdict);
    }
}
END_TEST

START_TEST(what_was_mended_once_is_not_mended_again)
{
    const struct s3_retry_state state = {2, true, true};

    ck_assert_int_eq(
        decide((struct s3_outcome){0, 403, "RequestTimeTooSkewed", -1, 9000}, state, 0).verdict,
        S3_GIVE_UP);
    ck_assert_int_eq(decide((struct s3_outcome){0, 400, "ExpiredToken", -1, 0}, state, 0).verdict,
                     S3_GIVE_UP);
}
END_TEST

START_TEST(delays_double_up_to_the_cap_and_are_uniform_below)
{
    static const int64_t ceilings[] = {100, 200, 400, 800, 1600, 3200, 6400, 12800, 20000};
    const struct s3_outcome slow_down = {0, 503, "SlowDown", -1, 0};

    for (unsigned i = 0; i < 9; i++) {
        const struct s3_retry_state state = {.attempts = i + 1};

        ck_assert_int_eq(decide(slow_down, state, 0).delay_ms, 0);
        ck_assert_int_eq(decide(slow_down, state, (uint32_t)ceilings[i]).delay_ms, ceilings[i]);
        ck_assert_int_eq(decide(slow_down, state, (uint32_t)ceilings[i] + 1).delay_ms, 0);
        ck_assert_int_eq(decide(slow_down, state, 77).delay_ms, 77);
    }
    ck_assert_int_eq(decide(slow_down, (struct s3_retry_state){.attempts = 10}, 0).verdict,
                     S3_GIVE_UP);
    ck_assert_int_eq(decide(slow_down, (struct s3_retry_state){.attempts = 1000}, 0).verdict,
                     S3_GIVE_UP);
}
END_TEST

START_TEST(the_server_may_ask_for_a_pause_within_reason)
{
    const struct s3_retry_state state = {.attempts = 1};

    ck_assert_int_eq(decide((struct s3_outcome){0, 503, "", 3000, 0}, state, 50).delay_ms, 3000);
    ck_assert_int_eq(decide((struct s3_outcome){0, 503, "", 0, 0}, state, 50).delay_ms, 50);
    ck_assert_int_eq(decide((struct s3_outcome){0, 503, "", INT64_MAX, 0}, state, 50).delay_ms,
                     60000);
}
END_TEST

START_TEST(an_unreachable_host_is_given_up_soon_when_a_person_waits)
{
    const struct s3_retry_policy quick = s3_retry_quick();
    const struct s3_outcome refused = {HTTP_REFUSED, 0, "", -1, 0};
    int64_t worst_ms = 0;
    struct s3_retry_state state = {.attempts = 1};

    for (;; state.attempts++) {
        struct s3_decision decision = s3_retry_decide(&refused, &state, &quick, 0);

        if (decision.verdict != S3_RETRY)
            break;
        for (uint32_t random = 0; random < 5000; random++) {
            int64_t ms = s3_retry_decide(&refused, &state, &quick, random).delay_ms;

            decision.delay_ms = ms > decision.delay_ms ? ms : decision.delay_ms;
        }
        worst_ms += decision.delay_ms;
    }
    ck_assert_uint_eq(state.attempts, 3);
    ck_assert_int_le(worst_ms, 2000);
}
END_TEST

START_TEST(a_silent_host_is_asked_twice_when_a_person_waits)
{
    const struct s3_retry_policy quick = s3_retry_quick();
    const struct s3_retry_policy patient = s3_retry_patient();
    const struct s3_outcome silent = {HTTP_TIMEOUT, 0, "", -1, 0};
    struct s3_retry_state state = {.attempts = 1};

    ck_assert_int_eq(s3_retry_decide(&silent, &state, &quick, 0).verdict, S3_RETRY);
    state.attempts = 2;
    ck_assert_int_eq(s3_retry_decide(&silent, &state, &quick, 0).verdict, S3_GIVE_UP);
    ck_assert_int_eq(s3_retry_decide(&silent, &state, &patient, 0).verdict, S3_RETRY);
}
END_TEST

static Suite *s3_retry_suite(void)
{
    Suite *suite = suite_create("s3_retry");
    TCase *tc = tcase_create("decisions");

    tcase_add_test(tc, each_class_of_outcome_has_its_verdict);
    tcase_add_test(tc, what_was_mended_once_is_not_mended_again);
    tcase_add_test(tc, delays_double_up_to_the_cap_and_are_uniform_below);
    tcase_add_test(tc, a_silent_host_is_asked_twice_when_a_person_waits);
    tcase_add_test(tc, the_server_may_ask_for_a_pause_within_reason);
    tcase_add_test(tc, an_unreachable_host_is_given_up_soon_when_a_person_waits);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(s3_retry_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
