/*
 * Lengths and strings: what they take, and that they take nothing of what is not all there.
 */
#include "redis/rdb_walk_read.h"

#include <check.h>
#include <stdlib.h>

#define BYTES(text) text, sizeof(text) - 1

struct row {
    const char *bytes;
    size_t len;
    enum rdb_read length; /* read as a length: */
    uint64_t value;
    enum rdb_read string; /* as a string: */
    size_t header;        /* bytes before what it holds */
    uint64_t holds;
};

static const struct row rows[] = {
    {BYTES(""), RDB_READ_MORE, 0, RDB_READ_MORE, 0, 0},
    {BYTES("\x00"), RDB_READ_OK, 0, RDB_READ_OK, 1, 0},
    {BYTES("\x3f"), RDB_READ_OK, 63, RDB_READ_OK, 1, 63},
    {BYTES("\x40"), RDB_READ_MORE, 0, RDB_READ_MORE, 0, 0},
    {BYTES("\x7f\xff"), RDB_READ_OK, 16383, RDB_READ_OK, 2, 16383},
    {BYTES("\x80\x01\x02\x03"), RDB_READ_MORE, 0, RDB_READ_MORE, 0, 0},
    {BYTES("\x80\x01\x02\x03\x04"), RDB_READ_OK, 0x01020304, RDB_READ_OK, 5, 0x01020304},
    {BYTES("\x81\x01\x02\x03\x04\x05\x06\x07"), RDB_READ_MORE, 0, RDB_READ_MORE, 0, 0},
    {BYTES("\x81\xff\xff\xff\xff\xff\xff\xff\xff"), RDB_READ_OK, UINT64_MAX, RDB_READ_OK, 9,
     UINT64_MAX},
    {BYTES("\x82"), RDB_READ_BAD, 0, RDB_READ_BAD, 0, 0},
    {BYTES("\xbf\x00"), RDB_READ_BAD, 0, RDB_READ_BAD, 0, 0},
    {BYTES("\xc0"), RDB_READ_BAD, 0, RDB_READ_OK, 1, 1},
    {BYTES("\xc1"), RDB_READ_BAD, 0, RDB_READ_OK, 1, 2},
    {BYTES("\xc2"), RDB_READ_BAD, 0, RDB_READ_OK, 1, 4},
    {BYTES("\xc3"), RDB_READ_BAD, 0, RDB_READ_MORE, 0, 0},
    {BYTES("\xc3\x05"), RDB_READ_BAD, 0, RDB_READ_MORE, 0, 0},
    {BYTES("\xc3\x05\x40"), RDB_READ_BAD, 0, RDB_READ_MORE, 0, 0},
    {BYTES("\xc3\x05\x40\xff"), RDB_READ_BAD, 0, RDB_READ_OK, 4, 5},
    {BYTES("\xc3\x81\0\0\0\0\0\0\0\x07\x81\0\0\0\0\0\0\0\x09"), RDB_READ_BAD, 0, RDB_READ_OK,
     RDB_READ_BYTES_MAX, 7},
    {BYTES("\xc3\xc0"), RDB_READ_BAD, 0, RDB_READ_BAD, 0, 0},
    {BYTES("\xc3\x05\x90"), RDB_READ_BAD, 0, RDB_READ_BAD, 0, 0},
    {BYTES("\xc4"), RDB_READ_BAD, 0, RDB_READ_BAD, 0, 0},
    {BYTES("\xff\xff"), RDB_READ_BAD, 0, RDB_READ_BAD, 0, 0},
};

static struct rdb_input input(const struct row *row)
{
    const uint8_t *bytes = (const uint8_t *)row->bytes;

    return (struct rdb_input){.at = bytes, .end = bytes + row->len};
}

START_TEST(lengths_are_read_or_nothing_is_taken)
{
    const struct row *row = &rows[_i];
    struct rdb_input in = input(row);
    uint64_t value = 12345;

    ck_assert_int_eq(rdb_read_length(&in, &value), row->length);
    ck_assert_uint_eq(value, row->length == RDB_READ_OK ? row->value : 12345);
    ck_assert_uint_eq(rdb_input_left(&in), row->length == RDB_READ_OK ? 0 : row->len);
    ck_assert_uint_eq(in.skip, 0);
}
END_TEST

START_TEST(strings_are_passed_over_beyond_what_is_there)
{
    const struct row *row = &rows[_i];
    struct rdb_input in = input(row);

    ck_assert_int_eq(rdb_read_string(&in), row->string);
    if (row->string == RDB_READ_OK) {
        ck_assert_uint_eq(rdb_input_left(&in), 0);
        ck_assert_uint_eq(in.skip, row->holds - (row->len - row->header));
    } else {
        ck_assert_uint_eq(rdb_input_left(&in), row->len);
        ck_assert_uint_eq(in.skip, 0);
    }
}
END_TEST

START_TEST(a_double_as_text_says_its_length)
{
    for (unsigned first = 0; first < 256; first++) {
        uint8_t bytes[300] = {(uint8_t)first};
        struct rdb_input in = {.at = bytes, .end = bytes + sizeof(bytes)};

        ck_assert_int_eq(rdb_read_text_double(&in), RDB_READ_OK);
        ck_assert_uint_eq((size_t)(in.at - bytes), first < 253 ? 1 + first : 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rdb_walk_read");
    TCase *tcase = tcase_create("rdb_walk_read");

    tcase_add_loop_test(tcase, lengths_are_read_or_nothing_is_taken, 0,
                        sizeof(rows) / sizeof(rows[0]));
    tcase_add_loop_test(tcase, strings_are_passed_over_beyond_what_is_there, 0,
                        sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tcase, a_double_as_text_says_its_length);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
