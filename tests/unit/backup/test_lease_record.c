/*
 * What a lease object says, and what is none.
 */
#include "backup/lease_record.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int parse(const char *text, struct lease_record *out, struct err *err)
{
    return lease_record_parse(text, strlen(text), out, err);
}

START_TEST(what_is_written_is_read_back)
{
    const struct lease_record record = {
        .owner = "0123456789abcdef0123456789abcdef",
        .instance = "redis-0 \"quoted\"",
        .taken_ms = 1795222800000,
        .term_ms = 60000,
        .renewals = 7,
        .is_free = true,
    };
    auto_free char *text = lease_record_format(&record);
    struct lease_record back = {0};
    struct err err = {0};

    ck_assert_msg(parse(text, &back, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(back.owner, record.owner);
    ck_assert_str_eq(back.instance, record.instance);
    ck_assert_int_eq(back.taken_ms, record.taken_ms);
    ck_assert_int_eq(back.term_ms, record.term_ms);
    ck_assert_uint_eq(back.renewals, 7);
    ck_assert(back.is_free);
    ck_assert_ptr_nonnull(strstr(text, "\"taken_at\": \"2026-11-21T"));
}
END_TEST

START_TEST(what_no_decision_hangs_on_may_be_missing)
{
    struct lease_record back = {0};
    struct err err = {0};

    ck_assert_int_eq(
        parse("{\"owner\":\"a\",\"term_seconds\":1,\"free\":false,\"more\":[]}", &back, &err), 0);
    ck_assert_str_eq(back.owner, "a");
    ck_assert_str_eq(back.instance, "?");
    ck_assert_int_eq(back.taken_ms, -1);
    ck_assert_int_eq(back.term_ms, 1000);
    ck_assert_uint_eq(back.renewals, 0);
    ck_assert(!back.is_free);
}
END_TEST

START_TEST(terms_are_whole_seconds_and_bounded)
{
    static const struct {
        int64_t written_ms, read_ms;
    } rows[] = {{1, 1000}, {1000, 1000}, {1001, 2000}, {60000, 60000}, {INT64_C(1) << 40, 600000}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct lease_record record = {.owner = "a", .term_ms = rows[i].written_ms};
        auto_free char *text = lease_record_format(&record);
        struct lease_record back = {0};
        struct err err = {0};

        ck_assert_msg(parse(text, &back, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(back.term_ms, rows[i].read_ms);
    }
}
END_TEST

START_TEST(anything_else_is_no_lease)
{
    static const char *const texts[] = {
        "",
        "x",
        "[]",
        "{}",
        "null",
        "{\"owner\":\"a\",\"term_seconds\":60}",
        "{\"owner\":\"a\",\"free\":false}",
        "{\"term_seconds\":60,\"free\":false}",
        "{\"owner\":1,\"term_seconds\":60,\"free\":false}",
        "{\"owner\":\"a\",\"term_seconds\":0,\"free\":false}",
        "{\"owner\":\"a\",\"term_seconds\":-1,\"free\":false}",
        "{\"owner\":\"a\",\"term_seconds\":\"60\",\"free\":false}",
        "{\"owner\":\"a\",\"term_seconds\":60,\"free\":0}",
        "{\"owner\":\"0123456789abcdef0123456789abcdef0\",\"term_seconds\":60,\"free\":false}",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct lease_record back = {.renewals = 42};
        struct err err = {0};

        ck_assert_msg(parse(texts[i], &back, &err) == -1, "row %zu", i);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
        ck_assert_uint_eq(back.renewals, 42);
    }
}
END_TEST

START_TEST(a_long_name_is_cut)
{
    auto_free char *name = xcalloc(1, 1001);
    auto_free char *text = NULL;
    struct lease_record back = {0};
    struct err err = {0};

    memset(name, 'n', 1000);
    text =
        xasprintf("{\"owner\":\"a\",\"instance\":\"%s\",\"term_seconds\":1,\"free\":true}", name);
    ck_assert_int_eq(parse(text, &back, &err), 0);
    ck_assert_uint_eq(strlen(back.instance), sizeof(back.instance) - 1);
}
END_TEST

static Suite *lease_record_suite(void)
{
    Suite *suite = suite_create("lease_record");
    TCase *tc = tcase_create("record");

    tcase_add_test(tc, what_is_written_is_read_back);
    tcase_add_test(tc, what_no_decision_hangs_on_may_be_missing);
    tcase_add_test(tc, terms_are_whole_seconds_and_bounded);
    tcase_add_test(tc, anything_else_is_no_lease);
    tcase_add_test(tc, a_long_name_is_cut);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(lease_record_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
