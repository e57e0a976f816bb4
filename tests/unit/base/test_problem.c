/*
 * The table of problems: whole, without doubles, and written for people.
 */
#include "base/problem.h"

#include <check.h>
#include <ctype.h>
#include <string.h>

/* What an operator reads on a phone, and what fits into a label. */
#define LONGEST_CODE 24
#define LONGEST_TEXT 320

static void check_code(const char *code)
{
    size_t len = strlen(code);

    ck_assert_uint_ge(len, 3);
    ck_assert_uint_le(len, LONGEST_CODE);
    ck_assert_uint_eq(strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), len);
    ck_assert(code[0] != '_' && code[len - 1] != '_');
}

static void check_sentences(const char *text)
{
    size_t len = strlen(text);

    ck_assert_msg(len >= 15 && len <= LONGEST_TEXT, "%s", text);
    ck_assert_msg(isupper((unsigned char)text[0]), "%s", text);
    ck_assert_msg(text[len - 1] == '.' && text[len - 2] != '.', "%s", text);
    ck_assert_msg(strstr(text, "  ") == NULL, "%s", text);
    for (const char *at = text; *at != '\0'; at++)
        ck_assert_msg(*at >= ' ' && *at <= '~' && *at != '"' && *at != '\\', "%s", text);
}

START_TEST(every_row_is_whole)
{
    for (unsigned i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++) {
        const struct problem_row *row = problem_row((enum problem)i);

        ck_assert_msg(row->code != NULL && row->cause != NULL && row->remedy != NULL, "row %u", i);
        check_code(row->code);
        check_sentences(row->cause);
        check_sentences(row->remedy);
        ck_assert_str_ne(row->cause, row->remedy);
    }
}
END_TEST

START_TEST(a_cause_is_one_sentence)
{
    for (unsigned i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++) {
        const char *cause = problem_row((enum problem)i)->cause;

        ck_assert_msg(strstr(cause, ". ") == NULL, "%s", cause);
    }
}
END_TEST

START_TEST(codes_are_unique_and_found_again)
{
    for (unsigned i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++)
        ck_assert_uint_eq(problem_find(problem_row((enum problem)i)->code), i);
}
END_TEST

/* The codes stand in people's alerts: they are never renamed. */
START_TEST(codes_are_spelled_like_their_names)
{
    static const struct {
        enum problem problem;
        const char *code;
    } rows[] = {
        {PROBLEM_FORK_FAILED, "FORK_FAILED"}, {PROBLEM_BGSAVE_ERR, "BGSAVE_ERR"},
        {PROBLEM_RDB_CORRUPT, "RDB_CORRUPT"}, {PROBLEM_AOF_CORRUPT, "AOF_CORRUPT"},
        {PROBLEM_DISK_FULL, "DISK_FULL"},     {PROBLEM_WRITE_ERR, "WRITE_ERR"},
        {PROBLEM_PERMISSION, "PERMISSION"},   {PROBLEM_STORE_DENIED, "STORE_DENIED"},
        {PROBLEM_FAILED, "FAILED"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_str_eq(problem_row(rows[i].problem)->code, rows[i].code);
}
END_TEST

START_TEST(what_is_no_code_is_no_problem)
{
    static const char *const texts[] = {"", "fork_failed", "FORK", "FORK_FAILED ", "NONE"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_int_eq(problem_find(texts[i]), PROBLEM_NONE);
    ck_assert_str_eq(problem_row(PROBLEM_NONE)->code, "");
}
END_TEST

START_TEST(a_number_past_the_table_has_a_row_too)
{
    ck_assert_ptr_eq(problem_row(PROBLEM_COUNT), problem_row(PROBLEM_FAILED));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("problem");
    TCase *tcase = tcase_create("problem");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, every_row_is_whole);
    tcase_add_test(tcase, a_cause_is_one_sentence);
    tcase_add_test(tcase, codes_are_unique_and_found_again);
    tcase_add_test(tcase, codes_are_spelled_like_their_names);
    tcase_add_test(tcase, what_is_no_code_is_no_problem);
    tcase_add_test(tcase, a_number_past_the_table_has_a_row_too);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
