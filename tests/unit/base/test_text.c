/*
 * Foreign bytes made harmless.
 */
#include "base/text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define BAD "\xef\xbf\xbd"

static const struct {
    const char *text;
    const char *json;
    const char *plain;
} rows[] = {
    {"", "", ""},
    {"plain", "plain", "plain"},
    {"say \"hi\" \\ /", "say \\\"hi\\\" \\\\ /", "say \"hi\" \\ /"},
    {"a\nb\rc\td", "a\\nb\\rc\\td", "a\\nb\\rc\\td"},
    {"\x01\x1b[31m\x7f", "\\u0001\\u001b[31m\\u007f", "\\x01\\x1b[31m\\x7f"},
    {"\xc2\x9b!", "\\u009b!", "\\x9b!"}, /* CSI as one character */
    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    {"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80",
     "\xe2\x82\xac \xf0\x9f\x98\x80"},
    {"\xc3", BAD, BAD}, /* cut short */
    {"\xe2\x82", BAD BAD, BAD BAD},
    {"\xf0\x9f\x98", BAD BAD BAD, BAD BAD BAD},
    {"\xc3(", BAD "(", BAD "("},    /* no continuation */
    {"\x80\xbf", BAD BAD, BAD BAD}, /* continuation alone */
    {"\xc0\xaf", BAD BAD, BAD BAD}, /* overlong '/' */
    {"\xe0\x80\xaf", BAD BAD BAD, BAD BAD BAD},
    {"\xf0\x80\x80\xaf", BAD BAD BAD BAD, BAD BAD BAD BAD},
    {"\xed\xa0\x80", BAD BAD BAD, BAD BAD BAD},       /* a surrogate */
    {"\xed\x9f\xbf", "\xed\x9f\xbf", "\xed\x9f\xbf"}, /* the last before them */
    {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
    {"\xf4\x90\x80\x80", BAD BAD BAD BAD, BAD BAD BAD BAD}, /* past U+10FFFF */
    {"\xf5\xff\xfe", BAD BAD BAD, BAD BAD BAD},
};

/* Puts more behind text, which has room for size bytes in all. */
static void append(char *text, size_t size, const char *more)
{
    ck_assert_uint_lt(strlen(text) + strlen(more), size);
    memcpy(text + strlen(text), more, strlen(more) + 1);
}

START_TEST(every_row_is_escaped_as_it_says)
{
    typedef size_t escape(const char *text, size_t len, char out[TEXT_ESCAPE_MAX + 1]);
    escape *const ways[] = {text_escape_json, text_escape_plain};
    const char *wanted[] = {rows[_i].json, rows[_i].plain};

    for (int way = 0; way < 2; way++) {
        size_t len = strlen(rows[_i].text);
        char all[100] = "";
        char one[TEXT_ESCAPE_MAX + 1];

        for (size_t at = 0; at < len;) {
            at += ways[way](rows[_i].text + at, len - at, one);
            ck_assert_uint_le(at, len);
            ck_assert_uint_le(strlen(one), TEXT_ESCAPE_MAX);
            append(all, sizeof(all), one);
        }
        ck_assert_str_eq(all, wanted[way]);
    }
}
END_TEST

START_TEST(a_nul_inside_is_escaped_too)
{
    char one[TEXT_ESCAPE_MAX + 1];

    ck_assert_uint_eq(text_escape_json("\0", 1, one), 1);
    ck_assert_str_eq(one, "\\u0000");
    ck_assert_uint_eq(text_escape_plain("\0", 1, one), 1);
    ck_assert_str_eq(one, "\\x00");
}
END_TEST

START_TEST(code_points_are_what_they_stand_for)
{
    uint32_t code = 0;

    ck_assert_uint_eq(text_utf8_next("A", 1, &code), 1);
    ck_assert_uint_eq(code, 'A');
    ck_assert_uint_eq(text_utf8_next("\xc3\xbc", 2, &code), 2);
    ck_assert_uint_eq(code, 0xfc);
    ck_assert_uint_eq(text_utf8_next("\xe2\x82\xac", 3, &code), 3);
    ck_assert_uint_eq(code, 0x20ac);
    ck_assert_uint_eq(text_utf8_next("\xf0\x9f\x98\x80", 4, &code), 4);
    ck_assert_uint_eq(code, 0x1f600);
    ck_assert_uint_eq(text_utf8_next("\xf0\x9f\x98\x80", 3, &code), 0);
    ck_assert_uint_eq(code, 0x1f600);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tcase = tcase_create("escapes");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tcase, every_row_is_escaped_as_it_says, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tcase, a_nul_inside_is_escaped_too);
    tcase_add_test(tcase, code_points_are_what_they_stand_for);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
