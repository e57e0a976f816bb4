/*
 * What all stores share.
 */
#include <check.h>
#include <string.h>

#include "store/store.h"

#define MIB ((uint64_t)1024 * 1024)
#define GIB (MIB * 1024)
#define TIB (MIB * 1024 * 1024)

START_TEST(only_plain_keys_are_taken)
{
    static const char *const good[] = {"a", "a/b", ".a", "..a", "a..", "...", "a b/\x01", "a/b.c"};
    static const char *const bad[] = {"",   "/",    "/a",   "a/",    "a//b",  ".",
                                      "..", "a/..", "../a", "a/./b", "a/../b"};
    struct err err = {0};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(store_check_key(good[i], &err) == 0, "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(store_check_key(bad[i], &err) == -1, "%s", bad[i]);
}
END_TEST

START_TEST(parts_are_at_least_5_mib_and_never_too_many)
{
    static const uint64_t sizes[] = {
        0, 1, 5 * MIB, 9500 * 5 * MIB - 1, 9500 * 5 * MIB, 9500 * 5 * MIB + 1, TIB, 5 * TIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t part_bytes = store_choose_part_bytes(0, sizes[i]);

        ck_assert_uint_ge(part_bytes, 5 * MIB);
        ck_assert_uint_eq(part_bytes % MIB, 0);
        ck_assert_uint_le((sizes[i] + part_bytes - 1) / part_bytes, 9500);
    }
    ck_assert_uint_eq(store_choose_part_bytes(0, 5 * MIB), 5 * MIB);
    ck_assert_uint_eq(store_choose_part_bytes(MIB, 5 * MIB), 5 * MIB);
    ck_assert_uint_eq(store_choose_part_bytes(64 * MIB, 5 * MIB), 64 * MIB);
    ck_assert_uint_gt(store_choose_part_bytes(64 * MIB, 5 * TIB), 64 * MIB);
}
END_TEST

START_TEST(what_is_stored_in_parts_can_be_read_back_in_them)
{
    static const uint64_t sizes[] = {1, 5 * MIB, TIB, STORE_OBJECT_BYTES_MAX};
    static const uint64_t wanted[] = {0, 5 * MIB, 5 * GIB - 1, UINT64_MAX};
    struct err err = {0};

    for (size_t i = 0; i < 16; i++) {
        uint64_t size = sizes[i % 4];
        const struct store_get_request request = {
            .key = "k", .size = size, .chunk_bytes = store_choose_part_bytes(wanted[i / 4], size)};

        ck_assert_int_eq(store_check_put("k", size, &err), 0);
        ck_assert_msg(store_check_get(&request, &err) == 0, "%s", err.msg);
        ck_assert_uint_le((size + request.chunk_bytes - 1) / request.chunk_bytes, 10000);
    }
    ck_assert_int_eq(store_check_put("k", STORE_OBJECT_BYTES_MAX + 1, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_int_eq(store_check_put("k/..", 1, &err), -1);
}
END_TEST

START_TEST(requests_that_no_backup_leads_to_are_refused)
{
    static const struct {
        uint64_t size, chunk_bytes;
        enum err_kind kind;
    } rows[] = {
        {0, 1, ERR_FAILED},
        {1, 0, ERR_FAILED},
        {5 * GIB, STORE_PART_BYTES_MAX + 1, ERR_CORRUPT},
        {5 * GIB, STORE_PART_BYTES_MAX, ERR_NONE},
        {STORE_PART_BYTES_MAX, UINT64_MAX, ERR_NONE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct store_get_request request = {
            .key = "k", .size = rows[i].size, .chunk_bytes = rows[i].chunk_bytes};
        struct err err = {0};

        ck_assert_int_eq(store_check_get(&request, &err), rows[i].kind == ERR_NONE ? 0 : -1);
        ck_assert_int_eq(err.kind, rows[i].kind);
    }
}
END_TEST

START_TEST(memory_that_is_not_to_be_had_is_an_error)
{
    struct err err = {0};
    uint8_t *data = NULL;

    ck_assert_int_eq(store_map_buffer((uint64_t)1 << 60, "the-key", &data, &err), -1);
    ck_assert_int_eq(err.kind, ERR_FAILED);
    ck_assert_ptr_nonnull(strstr(err.msg, "the-key"));
    ck_assert_ptr_null(data);
}
END_TEST

START_TEST(digests_are_collected_in_order)
{
    struct object_parts parts = {0};

    for (unsigned i = 0; i < 300; i++) {
        uint8_t digest[SHA256_BYTES];

        memset(digest, (int)(i & 255), sizeof(digest));
        object_parts_push(&parts, digest);
    }
    ck_assert_uint_eq(parts.count, 300);
    for (unsigned i = 0; i < 300; i++)
        ck_assert_uint_eq(parts.sha256[i][31], i & 255);
    object_parts_release(&parts);
    ck_assert_uint_eq(parts.count, 0);
    ck_assert_ptr_null(parts.sha256);
}
END_TEST

START_TEST(unknown_places_are_configuration_errors)
{
    static const char *const urls[] = {"",
                                       "/backups",
                                       "gs://bucket/p",
                                       "s3:bucket",
                                       "file:relative",
                                       "file://relative/p",
                                       "s3://",
                                       "https://u:SECRET@host/x"};

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const struct store_options options = {.url = urls[i], .clock = clock_system()};
        struct store *store = NULL;
        struct err err = {0};

        ck_assert_msg(store_open(&options, &store, &err) == -1, "%s", urls[i]);
        ck_assert_msg(err.kind == ERR_CONFIG, "%s: %s", urls[i], err.msg);
        ck_assert_ptr_nonnull(strstr(err.msg, "HINT: "));
        ck_assert_ptr_null(strstr(err.msg, "SECRET"));
    }
}
END_TEST

static Suite *store_suite(void)
{
    Suite *suite = suite_create("store");
    TCase *tc = tcase_create("shared");

    tcase_add_test(tc, only_plain_keys_are_taken);
    tcase_add_test(tc, parts_are_at_least_5_mib_and_never_too_many);
    tcase_add_test(tc, what_is_stored_in_parts_can_be_read_back_in_them);
    tcase_add_test(tc, requests_that_no_backup_leads_to_are_refused);
    tcase_add_test(tc, memory_that_is_not_to_be_had_is_an_error);
    tcase_add_test(tc, digests_are_collected_in_order);
    tcase_add_test(tc, unknown_places_are_configuration_errors);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
