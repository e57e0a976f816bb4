/*
 * The error object: messages, hints, cutting.
 */
#include "base/err.h"

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void fill(char *text, size_t len, char c)
{
    memset(text, c, len);
    text[len] = '\0';
}

/* Puts more behind text, which has room for size bytes in all. */
static void append(char *text, size_t size, const char *more)
{
    ck_assert_uint_lt(strlen(text) + strlen(more), size);
    memcpy(text + strlen(text), more, strlen(more) + 1);
}

START_TEST(set_fills_kind_and_message_and_returns_minus_one)
{
    struct err err = {.code = 7};

    ck_assert_int_eq(err_set(&err, ERR_BUSY, "cannot lock %s", "/data"), -1);
    ck_assert_int_eq(err.kind, ERR_BUSY);
    ck_assert_int_eq(err.code, 0);
    ck_assert_str_eq(err.msg, "cannot lock /data");
}
END_TEST

START_TEST(set_may_quote_its_own_old_message)
{
    struct err err;

    err_set(&err, ERR_FAILED, "inner");
    err_set(&err, ERR_CONFIG, "outer (%s)", err.msg);
    ck_assert_str_eq(err.msg, "outer (inner)");
}
END_TEST

static const struct {
    int code;
    bool hint;
} system_errors[] = {
    {ENOSPC, true}, {EDQUOT, true},  {EROFS, true}, {EACCES, true},
    {EPERM, true},  {ENOENT, false}, {EIO, false},
};

START_TEST(sys_appends_the_reason_and_for_some_a_hint)
{
    struct err err;
    int code = system_errors[_i].code;

    errno = code;
    ck_assert_int_eq(err_sys(&err, ERR_FAILED, "cannot open %s", "x"), -1);
    ck_assert_int_eq(err.code, code);
    ck_assert_int_eq(err.kind, ERR_FAILED);
    ck_assert_ptr_eq(strstr(err.msg, "cannot open x: "), err.msg);
    ck_assert_ptr_nonnull(strstr(err.msg, strerror(code)));
    ck_assert_int_eq(err_hint(err.msg) != NULL, system_errors[_i].hint);
}
END_TEST

START_TEST(sys_keeps_reason_and_hint_of_a_message_that_is_too_long)
{
    char name[3000];
    struct err err;

    fill(name, sizeof(name) - 1, 'n');
    errno = ENOSPC;
    err_sys(&err, ERR_FAILED, "cannot write %s", name);
    ck_assert_uint_lt(strlen(err.msg), sizeof(err.msg));
    ck_assert_ptr_nonnull(strstr(err.msg, "...: No space left on device. HINT: "));
}
END_TEST

START_TEST(wrap_puts_text_in_front_and_keeps_kind_and_code)
{
    struct err err;

    errno = EIO;
    err_sys(&err, ERR_STORE, "cannot read part 3");
    ck_assert_int_eq(err_wrap(&err, "backup %d", 5), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_int_eq(err.code, EIO);
    ck_assert_str_eq(err.msg, "backup 5: cannot read part 3: Input/output error");
}
END_TEST

START_TEST(wrap_of_any_length_fits_and_keeps_the_hint)
{
    char prefix[2000];

    for (size_t len = 0; len < sizeof(prefix) - 1; len += 37) {
        struct err err;

        fill(prefix, len, 'p');
        err_set(&err, ERR_FAILED, "it broke. HINT: mend it");
        err_wrap(&err, "%s", prefix);
        ck_assert_uint_lt(strlen(err.msg), sizeof(err.msg));
        ck_assert_str_eq(err_hint(err.msg), "HINT: mend it");
        ck_assert_mem_eq(err.msg, prefix, len < 900 ? len : 900);
    }
}
END_TEST

START_TEST(wrapping_again_and_again_stays_bounded)
{
    struct err err;

    err_set(&err, ERR_FAILED, "root. HINT: do something");
    for (int i = 0; i < 500; i++)
        err_wrap(&err, "level %d", i);
    ck_assert_uint_lt(strlen(err.msg), sizeof(err.msg));
    ck_assert_ptr_eq(strstr(err.msg, "level 499: level 498: "), err.msg);
    ck_assert_str_eq(err_hint(err.msg), "HINT: do something");
}
END_TEST

START_TEST(set_cuts_what_is_too_long_but_not_its_hint)
{
    char text[2000];
    struct err err;

    for (size_t len = 1000; len < 1500; len++) {
        fill(text, len, 't');
        err_set(&err, ERR_FAILED, "%s. HINT: shorter", text);
        ck_assert_uint_lt(strlen(err.msg), sizeof(err.msg));
        ck_assert_str_eq(err_hint(err.msg), "HINT: shorter");
    }
}
END_TEST

START_TEST(cutting_never_splits_a_character)
{
    char text[1500] = "";

    for (size_t shift = 0; shift < 4; shift++) {
        struct err err;

        fill(text, shift, '.');
        while (strlen(text) < 1400)
            append(text, sizeof(text), "\xe2\x82\xac"); /* the euro sign: three bytes */
        err_set(&err, ERR_FAILED, "%s", text);

        const char *cut = strstr(err.msg + shift + 3, "...");

        ck_assert_ptr_nonnull(cut);
        ck_assert_uint_eq((size_t)(cut - err.msg - (long)shift) % 3, 0);
    }
}
END_TEST

START_TEST(advice_is_a_hint_where_there_is_none)
{
    struct err err;

    errno = ENOENT;
    (void)err_sys(&err, ERR_STORE, "open %01000d", 0);
    (void)err_as(&err, PROBLEM_DATA_DIR);
    ck_assert_int_eq(err_advise(&err, "mount it"), -1);
    ck_assert_str_eq(err_hint(err.msg), "HINT: mount it");
    ck_assert_ptr_nonnull(strstr(err.msg, "... HINT: mount it"));
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_int_eq(err.code, ENOENT);
    ck_assert_int_eq(err.problem, PROBLEM_DATA_DIR);
    (void)err_advise(&err, "not this one");
    ck_assert_str_eq(err_hint(err.msg), "HINT: mount it");
    (void)err_set(&err, ERR_FAILED, "no such thing");
    (void)err_advise(&err, "look");
    ck_assert_str_eq(err.msg, "no such thing. HINT: look");
}
END_TEST

START_TEST(what_was_said_counts_until_it_is_another_error)
{
    struct err err = {.problem = PROBLEM_LOCKED};

    err_set(&err, ERR_SERVER, "it broke");
    ck_assert_int_eq(err.problem, PROBLEM_NONE);
    ck_assert_int_eq(err_as(&err, PROBLEM_FORK_FAILED), -1);
    err_wrap(&err, "backup");
    ck_assert_int_eq(err_problem(&err), PROBLEM_FORK_FAILED);
    ck_assert_int_eq(err.kind, ERR_SERVER);
    ck_assert_str_eq(err.msg, "backup: it broke");
    errno = EIO;
    err_sys(&err, ERR_FAILED, "another");
    ck_assert_int_eq(err_problem(&err), PROBLEM_FAILED);
}
END_TEST

static const struct {
    enum err_kind kind;
    int code;
    enum problem wanted;
} problems[] = {
    {ERR_NONE, 0, PROBLEM_NONE},
    {ERR_FAILED, 0, PROBLEM_FAILED},
    {ERR_FAILED, EIO, PROBLEM_FAILED},
    {ERR_FAILED, EBUSY, PROBLEM_FAILED},
    {ERR_FAILED, ENOSPC, PROBLEM_DISK_FULL},
    {ERR_FAILED, EDQUOT, PROBLEM_DISK_FULL},
    {ERR_FAILED, EFBIG, PROBLEM_DISK_FULL},
    {ERR_FAILED, EACCES, PROBLEM_PERMISSION},
    {ERR_FAILED, EPERM, PROBLEM_PERMISSION},
    {ERR_FAILED, EROFS, PROBLEM_READ_ONLY},
    {ERR_CONFIG, 0, PROBLEM_CONFIG},
    {ERR_CONFIG, EACCES, PROBLEM_PERMISSION},
    {ERR_NOT_FOUND, 0, PROBLEM_NO_BACKUP},
    {ERR_NOT_FOUND, ENOENT, PROBLEM_NO_BACKUP},
    {ERR_NOT_FOUND, 404, PROBLEM_NO_BACKUP},
    {ERR_HOLDS_DATA, 0, PROBLEM_HOLDS_DATA},
    {ERR_STORE, 0, PROBLEM_STORE_UNREACHABLE},
    {ERR_STORE, 301, PROBLEM_STORE_UNREACHABLE},
    {ERR_STORE, 401, PROBLEM_STORE_DENIED},
    {ERR_STORE, 403, PROBLEM_STORE_DENIED},
    {ERR_STORE, 404, PROBLEM_STORE_MISSING},
    {ERR_STORE, 503, PROBLEM_STORE_UNREACHABLE},
    {ERR_STORE, 507, PROBLEM_DISK_FULL},
    {ERR_STORE, ENOENT, PROBLEM_STORE_MISSING},
    {ERR_STORE, ENOSPC, PROBLEM_DISK_FULL},
    {ERR_STORE, EACCES, PROBLEM_PERMISSION},
    {ERR_STORE, EROFS, PROBLEM_READ_ONLY},
    {ERR_CORRUPT, 0, PROBLEM_BACKUP_CORRUPT},
    {ERR_SERVER, 0, PROBLEM_SERVER_FAILED},
    {ERR_SERVER, EIO, PROBLEM_SERVER_UNREACHABLE},
    {ERR_SERVER, EBUSY, PROBLEM_SERVER_BUSY},
    {ERR_BUSY, EWOULDBLOCK, PROBLEM_LOCKED},
    {ERR_TOO_NEW, 0, PROBLEM_BACKUP_TOO_NEW},
};

START_TEST(kind_and_code_tell_the_problem)
{
    const struct err err = {.kind = problems[_i].kind, .code = problems[_i].code};

    ck_assert_int_eq(err_problem(&err), problems[_i].wanted);
}
END_TEST

START_TEST(every_error_has_a_problem_whatever_its_code)
{
    for (int kind = ERR_FAILED; kind <= ERR_TOO_NEW; kind++)
        for (int code = -1; code < 600; code++) {
            const struct err err = {.kind = (enum err_kind)kind, .code = code};

            ck_assert_int_ne(err_problem(&err), PROBLEM_NONE);
        }
}
END_TEST

START_TEST(every_kind_has_a_name_of_its_own)
{
    for (int a = ERR_NONE; a <= ERR_TOO_NEW; a++) {
        for (int b = ERR_NONE; b < a; b++)
            ck_assert_str_ne(err_kind_name((enum err_kind)a), err_kind_name((enum err_kind)b));
    }
}
END_TEST

START_TEST(the_last_hint_counts)
{
    ck_assert_ptr_null(err_hint("no advice"));
    ck_assert_str_eq(err_hint("a HINT: b HINT: c"), "HINT: c");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("err");
    TCase *tcase = tcase_create("messages");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, set_fills_kind_and_message_and_returns_minus_one);
    tcase_add_test(tcase, set_may_quote_its_own_old_message);
    tcase_add_loop_test(tcase, sys_appends_the_reason_and_for_some_a_hint, 0,
                        sizeof(system_errors) / sizeof(system_errors[0]));
    tcase_add_test(tcase, sys_keeps_reason_and_hint_of_a_message_that_is_too_long);
    tcase_add_test(tcase, wrap_puts_text_in_front_and_keeps_kind_and_code);
    tcase_add_test(tcase, wrap_of_any_length_fits_and_keeps_the_hint);
    tcase_add_test(tcase, wrapping_again_and_again_stays_bounded);
    tcase_add_test(tcase, set_cuts_what_is_too_long_but_not_its_hint);
    tcase_add_test(tcase, cutting_never_splits_a_character);
    tcase_add_test(tcase, advice_is_a_hint_where_there_is_none);
    tcase_add_test(tcase, what_was_said_counts_until_it_is_another_error);
    tcase_add_loop_test(tcase, kind_and_code_tell_the_problem, 0,
                        sizeof(problems) / sizeof(problems[0]));
    tcase_add_test(tcase, every_error_has_a_problem_whatever_its_code);
    tcase_add_test(tcase, every_kind_has_a_name_of_its_own);
    tcase_add_test(tcase, the_last_hint_counts);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
