/*
 * CRC-64: both ways against a bit-by-bit reference, at every length, alignment, slice and split; a
 * real RDB file, whose CRC with its trailer is 0.
 */
#include "base/crc64.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"

#define CHECK_VALUE UINT64_C(0xe9c6d914c4b8d9ca)

static const struct {
    uint64_t (*crc)(uint64_t crc, const void *data, size_t len);
} ways[] = {{crc64}, {crc64_table}};

/* Straight from the definition, unreflected: nothing in common with the code under test. */
static uint64_t reference(uint64_t crc, const uint8_t *data, size_t len)
{
    uint64_t rest = 0;

    for (int i = 0; i < 64; i++)
        rest |= (crc >> i & 1) << (63 - i);
    for (size_t i = 0; i < len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            uint64_t in = (uint64_t)(data[i] >> bit & 1) ^ rest >> 63;

            rest = rest << 1 ^ (in ? UINT64_C(0xad93d23594c935a9) : 0);
        }
    }
    crc = 0;
    for (int i = 0; i < 64; i++)
        crc |= (rest >> i & 1) << (63 - i);
    return crc;
}

static void fill(uint8_t *data, size_t len)
{
    uint64_t state = 42;

    for (size_t i = 0; i < len; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        data[i] = (uint8_t)(state >> 56);
    }
}

START_TEST(the_check_value_is_the_published_one)
{
    ck_assert_uint_eq(ways[_i].crc(0, "123456789", 9), CHECK_VALUE);
    ck_assert_uint_eq(ways[_i].crc(0, "", 0), 0);
    ck_assert_uint_eq(ways[_i].crc(17, NULL, 0), 17);
    ck_assert_uint_eq(reference(0, (const uint8_t *)"123456789", 9), CHECK_VALUE);
}
END_TEST

START_TEST(every_length_agrees_with_the_definition)
{
    uint8_t data[2048];

    fill(data, sizeof(data));
    for (size_t len = 0; len <= sizeof(data); len++) {
        /* one byte more each time: the reference goes on from where it was */
        static uint64_t wanted;

        if (len == 0)
            wanted = 12345;
        else
            wanted = reference(wanted, data + len - 1, 1);
        ck_assert_uint_eq(ways[_i].crc(12345, data, len), wanted);
    }
}
END_TEST

START_TEST(every_length_at_every_alignment_agrees)
{
    static _Alignas(64) uint8_t data[2048 + 64];
    size_t shift = (size_t)_i;

    fill(data, sizeof(data));
    for (size_t len = 0; len <= 2048; len++)
        ck_assert_uint_eq(crc64(len, data + shift, len), crc64_table(len, data + shift, len));
}
END_TEST

START_TEST(slicing_at_every_byte_changes_nothing)
{
    uint8_t data[1500];

    fill(data, sizeof(data));

    uint64_t whole = ways[_i].crc(0, data, sizeof(data));
    uint64_t by_byte = 0;

    for (size_t at = 0; at < sizeof(data); at++) {
        uint64_t head = ways[_i].crc(0, data, at);

        ck_assert_uint_eq(ways[_i].crc(head, data + at, sizeof(data) - at), whole);
        by_byte = ways[_i].crc(by_byte, data + at, 1);
    }
    ck_assert_uint_eq(by_byte, whole);
}
END_TEST

START_TEST(combining_at_every_split_gives_the_whole)
{
    uint8_t data[3000];

    fill(data, sizeof(data));

    uint64_t whole = crc64(0, data, sizeof(data));

    for (size_t at = 0; at <= sizeof(data); at++) {
        uint64_t head = crc64(0, data, at);
        uint64_t tail = crc64(0, data + at, sizeof(data) - at);

        ck_assert_uint_eq(crc64_combine(head, tail, sizeof(data) - at), whole);
    }
}
END_TEST

START_TEST(combining_knows_lengths_that_fit_in_no_memory)
{
    uint64_t crc = crc64(0, "123456789", 9);
    uint64_t half = UINT64_C(1) << 62;

    /* behind so many zeros, in one step and in two */
    ck_assert_uint_eq(crc64_combine(crc64_combine(crc, 0, half), 0, half + 5),
                      crc64_combine(crc, 0, 2 * half + 5));
    ck_assert_uint_eq(crc64_combine(crc64_combine(crc, 0, UINT64_MAX - 1), 0, 1),
                      crc64_combine(crc, 0, UINT64_MAX));
    ck_assert_uint_eq(crc64_combine(crc, 0, 0), crc);
    ck_assert_uint_eq(crc64_combine(crc, 0, 1), crc64(crc, "", 1));
}
END_TEST

START_TEST(a_real_rdb_with_its_trailer_has_crc_zero)
{
    auto_buf struct buf rdb;
    struct err err;
    uint64_t trailer = 0;

    buf_init(&rdb, 1 << 20);
    ck_assert_int_eq(fs_read_file(AT_FDCWD, "tests/data/rdb/redis-7.0-small.rdb", &rdb, &err), 0);
    for (size_t i = 0; i < 8; i++)
        trailer |= (uint64_t)rdb.data[rdb.len - 8 + i] << (8 * i);
    ck_assert_uint_eq(ways[_i].crc(0, rdb.data, rdb.len - 8), trailer);
    ck_assert_uint_eq(ways[_i].crc(0, rdb.data, rdb.len), 0);
    for (size_t i = 0; i < rdb.len; i++) {
        rdb.data[i] ^= 0x10;
        ck_assert_uint_ne(ways[_i].crc(0, rdb.data, rdb.len), 0);
        rdb.data[i] ^= 0x10;
    }
}
END_TEST

static void *first_use(void *crc)
{
    uint8_t data[1000] = {1};

    *(uint64_t *)crc = crc64(0, data, sizeof(data));
    return NULL;
}

START_TEST(threads_that_use_it_first_all_get_the_same)
{
    pthread_t threads[8];
    uint64_t crcs[8];

    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, first_use, &crcs[i]), 0);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (int i = 1; i < 8; i++)
        ck_assert_uint_eq(crcs[i], crcs[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crc64");
    TCase *tcase = tcase_create("crc");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, threads_that_use_it_first_all_get_the_same);
    tcase_add_loop_test(tcase, the_check_value_is_the_published_one, 0, 2);
    tcase_add_loop_test(tcase, every_length_agrees_with_the_definition, 0, 2);
    tcase_add_loop_test(tcase, every_length_at_every_alignment_agrees, 0, 64);
    tcase_add_loop_test(tcase, slicing_at_every_byte_changes_nothing, 0, 2);
    tcase_add_test(tcase, combining_at_every_split_gives_the_whole);
    tcase_add_test(tcase, combining_knows_lengths_that_fit_in_no_memory);
    tcase_add_loop_test(tcase, a_real_rdb_with_its_trailer_has_crc_zero, 0, 2);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
