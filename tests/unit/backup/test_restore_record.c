/*
 * Records of restores: what goes in comes out, the newest is found among whatever lies there, and
 * nothing that is no record is taken for one.
 */
#include "backup/restore_record.h"

#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define INSTANCE "cache-0"
#define FOLDER INSTANCE "/restores/"
#define BACKUP "20261120T110000Z-00000b"
#define NOON INT64_C(1795176000000)

static struct fake_store fake;
static struct fake_clock now;

static void begin(void)
{
    fake_store_init(&fake, 1000);
    fake_clock_init(&now, NOON);
}

static void end(void)
{
    fake_store_release(&fake);
}

static struct json *answer_of(uint64_t keys)
{
    struct json *answer = json_object();
    struct json *skipped = json_array();

    json_push_string(skipped, "x");
    json_push_string(skipped, "y");
    json_set_string(answer, "backup", BACKUP);
    json_set_u64(answer, "keys", keys);
    json_set(answer, "skipped", skipped);
    json_set_double(answer, "seconds", 1.25);
    return answer;
}

static int store_one(uint64_t keys, struct err *err)
{
    auto_json struct json *answer = answer_of(keys);

    return restore_record_store(&fake.store, INSTANCE, &now.clock, answer, err);
}

static void put(const char *name, const char *text)
{
    auto_free char *key = xasprintf(FOLDER "%s", name);

    fake_store_set(&fake, key, text, strlen(text));
}

static void newest_has(uint64_t keys, int64_t time_ms)
{
    struct restore_record record;
    struct err err = {0};

    ck_assert_msg(restore_record_newest(&fake.store, INSTANCE, &record, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(record.time_ms, time_ms);
    ck_assert_str_eq(record.backup, BACKUP);
    ck_assert(record.has_keys);
    ck_assert_uint_eq(record.keys, keys);
    ck_assert_uint_eq(record.skipped, 2);
    ck_assert_int_eq(record.took_ms, 1250);
}

START_TEST(the_newest_of_all_is_read_with_two_requests)
{
    struct err err = {0};

    for (uint64_t i = 1; i <= 3; i++) {
        ck_assert_int_eq(store_one(i, &err), 0);
        fake_clock_advance(&now, 1000);
    }
    fake_store_arm(&fake, 0, FAKE_FAILS);
    newest_has(3, NOON + 2000);
    ck_assert_uint_eq(fake.operations, 2);
}
END_TEST

START_TEST(what_is_no_record_by_its_name_is_passed_over)
{
    static const char *const names[] = {
        "99991231T235959Z-ffffff",       "99991231T235959Z-ffffff.jsonx",
        "99991231T235959Z-FFFFFF.json",  "99991231T235959Z-fffff.json",
        "99991231T235959Z_ffffff.json",  "a/99991231T235959Z-ffffff.json",
        "99991231T235959Z-ffffff.json/", "notes",
        "zzzzzzzzzzzzzzzzzzzzzzz.json",  ".json",
    };
    struct err err = {0};

    ck_assert_int_eq(store_one(7, &err), 0);
    for (size_t i = 0; i < COUNT(names); i++)
        put(names[i], "{}");
    newest_has(7, NOON);
}
END_TEST

START_TEST(none_is_not_found)
{
    struct restore_record record;
    struct err err = {0};

    ck_assert_int_eq(restore_record_newest(&fake.store, INSTANCE, &record, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_store_that_fails_is_told_from_one_without_records)
{
    struct restore_record record = {.keys = 77};
    struct err err = {0};

    ck_assert_int_eq(store_one(1, &err), 0);
    for (unsigned n = 1;; n++) {
        fake_store_arm(&fake, n, FAKE_FAILS);
        int rc = restore_record_newest(&fake.store, INSTANCE, &record, &err);
        if (fake.fired == 0)
            break;
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(err.kind, ERR_STORE);
        ck_assert_uint_eq(record.keys, 77); /* untouched */
    }
    fake_store_arm(&fake, 1, FAKE_FAILS);
    ck_assert_int_eq(store_one(1, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
}
END_TEST

static const char whole[] = "{\"time\":\"2026-11-20T12:00:00Z\",\"backup\":\"" BACKUP
                            "\",\"keys\":3,\"skipped\":[],\"seconds\":0.5}";

START_TEST(a_record_that_was_cut_is_none)
{
    for (size_t cut = 0; cut < sizeof(whole) - 1; cut++) {
        struct restore_record record;
        struct err err = {0};

        ck_assert_int_eq(restore_record_parse(whole, cut, "label", &record, &err), -1);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
        ck_assert(strstr(err.msg, "label") != NULL);
    }
}
END_TEST

static const struct {
    const char *text;
    bool is_record;
} texts[] = {
    {whole, true},
    {"{\"time\":\"2026-11-20T12:00:00Z\",\"backup\":\"" BACKUP "\",\"skipped\":[]}", true},
    {"{\"time\":\"2026-11-20T12:00:00Z\",\"backup\":\"" BACKUP
     "\",\"keys\":null,\"skipped\":[],\"seconds\":null,\"new\":{}}",
     true},
    {"{\"time\":\"2026-11-20T12:00:00Z\",\"backup\":\"" BACKUP "\",\"keys\":-1,\"skipped\":[]}",
     false},
    {"{\"time\":\"2026-11-20T12:00:00Z\",\"backup\":\"" BACKUP "\",\"keys\":\"3\",\"skipped\":[]}",
     false},
    {"{\"time\":\"2026-11-20T12:00:00Z\",\"backup\":\"" BACKUP "\",\"skipped\":2}", false},
    {"{\"time\":\"2026-11-20T12:00:00Z\",\"backup\":\"" BACKUP "\"}", false},
    {"{\"time\":\"2026-11-20T12:00:00Z\",\"backup\":\"" BACKUP "0\",\"skipped\":[]}", false},
    {"{\"time\":\"2026-11-20T12:00:00Z\",\"backup\":null,\"skipped\":[]}", false},
    {"{\"time\":\"noon\",\"backup\":\"" BACKUP "\",\"skipped\":[]}", false},
    {"{\"backup\":\"" BACKUP "\",\"skipped\":[]}", false},
    {"[]", false},
    {"3", false},
};

START_TEST(a_record_says_when_and_which)
{
    struct restore_record record;
    struct err err = {0};
    int rc = restore_record_parse(texts[_i].text, strlen(texts[_i].text), "label", &record, &err);

    ck_assert_msg(rc == (texts[_i].is_record ? 0 : -1), "%s: %s", texts[_i].text, err.msg);
    if (rc == 0) {
        ck_assert_int_eq(record.time_ms, NOON);
        ck_assert_int_eq(record.has_keys, _i == 0);
        ck_assert_int_eq(record.took_ms, _i == 0 ? 500 : -1);
    } else {
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore_record");
    TCase *tcase = tcase_create("restore_record");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, the_newest_of_all_is_read_with_two_requests);
    tcase_add_test(tcase, what_is_no_record_by_its_name_is_passed_over);
    tcase_add_test(tcase, none_is_not_found);
    tcase_add_test(tcase, a_store_that_fails_is_told_from_one_without_records);
    tcase_add_test(tcase, a_record_that_was_cut_is_none);
    tcase_add_loop_test(tcase, a_record_says_when_and_which, 0, COUNT(texts));

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
