/*
 * Growable bytes: the ceiling, the NUL, and who owns what.
 */
#include "base/buf.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(an_empty_buffer_is_empty_text_and_holds_no_memory)
{
    struct buf buf;

    buf_init(&buf, 10);
    ck_assert_ptr_null(buf.data);
    ck_assert_str_eq(buf_text(&buf), "");
    buf_clear(&buf);
    buf_release(&buf);
    ck_assert_uint_eq(buf.max, 10);
}
END_TEST

START_TEST(every_ceiling_is_reached_and_not_passed)
{
    struct err err;

    for (size_t max = 0; max < 300; max++) {
        struct buf buf;

        buf_init(&buf, max);
        for (size_t i = 0; i < max; i++) {
            ck_assert_int_eq(buf_append(&buf, "x", 1, &err), 0);
            ck_assert_uint_eq(strlen(buf_text(&buf)), i + 1);
        }
        ck_assert_int_eq(buf_append(&buf, "y", 1, &err), -1);
        ck_assert_int_eq(err.kind, ERR_FAILED);
        ck_assert_int_eq(buf_printf(&buf, &err, "%d", 7), -1);
        ck_assert_int_eq(buf_append(&buf, "", 0, &err), 0);
        ck_assert_uint_eq(buf.len, max);
        ck_assert_uint_le(buf.cap, max + 1 > 64 ? max + 1 : 64);
        ck_assert_ptr_null(strchr(buf_text(&buf), 'y'));
        buf_release(&buf);
    }
}
END_TEST

START_TEST(a_failed_append_changes_nothing)
{
    struct buf buf;
    struct err err;

    buf_init(&buf, 5);
    ck_assert_int_eq(buf_append(&buf, "abc", 3, &err), 0);
    ck_assert_int_eq(buf_append(&buf, "defg", 4, &err), -1);
    ck_assert_int_eq(buf_append(&buf, "d", SIZE_MAX, &err), -1);
    ck_assert_str_eq(buf_text(&buf), "abc");
    ck_assert_int_eq(buf_append(&buf, "de", 2, &err), 0);
    ck_assert_str_eq(buf_text(&buf), "abcde");
    buf_release(&buf);
}
END_TEST

START_TEST(bytes_of_any_value_are_kept)
{
    struct buf buf;
    struct err err;
    uint8_t all[256];

    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    buf_init(&buf, 100000);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(buf_append(&buf, all, sizeof(all), &err), 0);
    ck_assert_uint_eq(buf.len, 25600);
    for (size_t i = 0; i < 25600; i++)
        ck_assert_uint_eq(buf.data[i], i % 256);
    ck_assert_uint_eq(buf.data[buf.len], 0);
    buf_release(&buf);
}
END_TEST

START_TEST(printf_of_any_length_appends)
{
    struct buf buf;
    struct err err;
    size_t len = 0;

    buf_init(&buf, SIZE_MAX);
    for (int width = 1; width < 500; width++) {
        ck_assert_int_eq(buf_printf(&buf, &err, "%*d", width, 5), 0);
        len += (size_t)width;
        ck_assert_uint_eq(buf.len, len);
        ck_assert_int_eq(buf_text(&buf)[len - 1], '5');
    }
    buf_release(&buf);
}
END_TEST

START_TEST(clear_keeps_the_memory)
{
    struct buf buf;
    struct err err;

    buf_init(&buf, 100);
    ck_assert_int_eq(buf_append(&buf, "abc", 3, &err), 0);

    const uint8_t *data = buf.data;

    buf_clear(&buf);
    ck_assert_str_eq(buf_text(&buf), "");
    ck_assert_int_eq(buf_append(&buf, "xy", 2, &err), 0);
    ck_assert_ptr_eq(buf.data, data);
    ck_assert_str_eq(buf_text(&buf), "xy");
    buf_release(&buf);
}
END_TEST

START_TEST(take_gives_the_text_away)
{
    struct buf buf;
    struct err err;

    buf_init(&buf, 100);

    char *nothing = buf_take(&buf);

    ck_assert_int_eq(buf_append(&buf, "abc", 3, &err), 0);

    char *something = buf_take(&buf);

    ck_assert_str_eq(nothing, "");
    ck_assert_str_eq(something, "abc");
    ck_assert_ptr_null(buf.data);
    ck_assert_uint_eq(buf.max, 100);
    ck_assert_int_eq(buf_append(&buf, "d", 1, &err), 0);
    ck_assert_str_eq(buf_text(&buf), "d");
    free(nothing);
    free(something);
    buf_release(&buf);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buf");
    TCase *tcase = tcase_create("bytes");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, an_empty_buffer_is_empty_text_and_holds_no_memory);
    tcase_add_test(tcase, every_ceiling_is_reached_and_not_passed);
    tcase_add_test(tcase, a_failed_append_changes_nothing);
    tcase_add_test(tcase, bytes_of_any_value_are_kept);
    tcase_add_test(tcase, printf_of_any_length_appends);
    tcase_add_test(tcase, clear_keeps_the_memory);
    tcase_add_test(tcase, take_gives_the_text_away);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
