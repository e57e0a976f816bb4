/*
 * What jobs answer, read into the record: whole, partly, and wrong.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "daemon/status.h"

#define NOW INT64_C(1795195800000)

static struct status status;

static void setup(void)
{
    status_init(&status);
}

static void teardown(void)
{
    status_release(&status);
}

static struct json *parsed(const char *text)
{
    struct json *json = NULL;
    struct err err;

    ck_assert_msg(json_parse(text, strlen(text), &json, &err) == 0, "%s", err.msg);
    return json;
}

static int read_list(const char *text, struct err *err)
{
    auto_json struct json *answer = parsed(text);

    return status_read_list(&status, answer, NOW, err);
}

static void must_read(const char *text)
{
    struct err err;

    ck_assert_msg(read_list(text, &err) == 0, "%s", err.msg);
}

#define ROW(id, time, more) "{\"id\":\"" id "\",\"created_at\":\"2026-11-20T" time "Z\"" more "}"

START_TEST(a_list_is_read_newest_first)
{
    must_read("{\"instance\":\"db-0\",\"backups\":["        /* */
              ROW("a", "10:00:00", ",\"proven\":true") ","  /* */
              ROW("c", "12:00:00", ",\"proven\":false") "," /* */
              ROW("b", "11:00:00",
                  ",\"proven\":true,\"keys\":7,\"size_bytes\":100,\"stored_bytes\":30,"
                  "\"server\":\"redis 7.0.15\",\"rdb_version\":10,\"verified_at\":"
                  "\"2026-11-20T11:30:00Z\",\"drilled\":true,\"encrypted\":true,\"pinned\":true,"
                  "\"save_seconds\":1.25,\"pack_seconds\":3,\"expires\":2,\"new\":{}") /* */
              "],\"moments\":[],\"unreadable\":[]}");
    ck_assert(status.has_backups);
    ck_assert_int_eq(status.backups_read_ms, NOW);
    ck_assert_uint_eq(status.backup_count, 3);
    ck_assert_uint_eq(status.backups_total, 3);
    ck_assert_str_eq(status.backups[0].id, "c");
    ck_assert_str_eq(status.backups[2].id, "a");

    const struct status_backup *b = &status.backups[1];
    ck_assert_str_eq(b->id, "b");
    ck_assert_int_eq(b->created_ms, INT64_C(1795172400000));
    ck_assert(b->has_keys && b->proven && b->encrypted && b->pinned && b->verified_ok);
    ck_assert(b->drilled);
    ck_assert_uint_eq(b->keys, 7);
    ck_assert_uint_eq(b->expires, 2);
    ck_assert_uint_eq(b->size_bytes, 100);
    ck_assert_uint_eq(b->stored_bytes, 30);
    ck_assert_str_eq(b->server, "Redis 7.0.15");
    ck_assert_int_eq(b->rdb_version, 10);
    ck_assert_int_eq(b->verified_ms, INT64_C(1795174200000));
    ck_assert_int_eq(b->save_ms, 1250);
    ck_assert_int_eq(b->pack_ms, 3000);
    ck_assert_int_eq(status.last_backup_ok_ms, b->created_ms); /* c is not proven */
}
END_TEST

START_TEST(what_a_row_does_not_say_is_unknown)
{
    must_read("{\"backups\":[" ROW(
        "a", "10:00:00",
        ",\"keys\":null,\"verified_at\":null,\"rdb_version\":null,\"server\":null") "]}");

    const struct status_backup *a = &status.backups[0];
    ck_assert(!a->has_keys && !a->proven && !a->verified_ok && !a->encrypted && !a->drilled);
    ck_assert_int_eq(a->rdb_version, -1);
    ck_assert_int_eq(a->verified_ms, -1);
    ck_assert_int_eq(a->save_ms, -1);
    ck_assert_int_eq(a->pack_ms, -1);
    ck_assert_str_eq(a->server, "");
    ck_assert_int_eq(status.restored_ms, -1);
}
END_TEST

START_TEST(only_the_newest_hundred_of_many_are_kept)
{
    auto_buf struct buf text;
    struct err err;

    buf_init(&text, 1 << 20);
    ck_assert_int_eq(buf_printf(&text, &err, "{\"backups\":["), 0);
    for (int i = 0; i < 250; i++) /* neither rising nor falling */
        ck_assert_int_eq(
            buf_printf(&text, &err,
                       "%s{\"id\":\"b%03d\",\"created_at\":\"2026-11-20T%02d:%02d:00Z\"}",
                       i > 0 ? "," : "", i * 7 % 250, i * 7 % 250 / 60, i * 7 % 250 % 60),
            0);
    ck_assert_int_eq(buf_printf(&text, &err, "],\"total\":4000}"), 0);
    must_read(buf_text(&text));
    ck_assert_uint_eq(status.backup_count, STATUS_BACKUPS_MAX);
    ck_assert_uint_eq(status.backups_total, 4000);
    for (int i = 0; i < STATUS_BACKUPS_MAX; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "b%03d", 249 - i);
        ck_assert_str_eq(status.backups[i].id, id);
    }
}
END_TEST

START_TEST(a_list_that_holds_nothing_takes_the_last_backup_away)
{
    status.last_backup_ok_ms = 5000;
    must_read("{\"backups\":[]}");
    ck_assert(status.has_backups);
    ck_assert_int_eq(status.last_backup_ok_ms, -1);
}
END_TEST

START_TEST(a_proven_backup_behind_those_listed_is_not_forgotten)
{
    status.last_backup_ok_ms = 5000;
    must_read("{\"backups\":[" ROW("a", "10:00:00", ",\"proven\":false") "],\"total\":2}");
    ck_assert_int_eq(status.last_backup_ok_ms, 5000);
}
END_TEST

START_TEST(what_only_the_process_knows_survives_a_new_list)
{
    struct status_backup known = {.id = "a",
                                  .created_ms = 1,
                                  .expires = 9,
                                  .save_ms = 11,
                                  .pack_ms = 12,
                                  .verified_ms = 13,
                                  .verified_ok = false};

    status_add_backup(&status, &known);
    must_read("{\"backups\":[" ROW("a", "10:00:00", "") "," ROW("b", "10:00:00", "") "]}");
    ck_assert_str_eq(status.backups[0].id, "b"); /* of the same second: the greater id */
    ck_assert_int_eq(status.backups[0].verified_ms, -1);
    ck_assert_int_eq(status.backups[1].save_ms, 11);
    ck_assert_int_eq(status.backups[1].pack_ms, 12);
    ck_assert_int_eq(status.backups[1].verified_ms, 13);
    ck_assert(!status.backups[1].verified_ok);
    ck_assert_uint_eq(status.backups[1].expires, 9);
}
END_TEST

START_TEST(the_last_restore_is_read)
{
    must_read("{\"backups\":[],\"last_restore\":{\"time\":\"2026-11-20T17:30:00Z\","
              "\"backup\":\"20261120T170000Z-4f3a9c\",\"keys\":12,\"skipped\":1,"
              "\"seconds\":2.0425}}");
    ck_assert_int_eq(status.restored_ms, NOW);
    ck_assert_str_eq(status.restored_backup, "20261120T170000Z-4f3a9c");
    ck_assert(status.restored_has_keys);
    ck_assert_uint_eq(status.restored_keys, 12);
    ck_assert_uint_eq(status.restored_skipped, 1);
    ck_assert_int_eq(status.restore_took_ms, 2042);
    must_read("{\"backups\":[],\"last_restore\":null}"); /* of another reader: still known */
    ck_assert_int_eq(status.restored_ms, NOW);
}
END_TEST

static const struct {
    const char *seconds;
    int64_t ms;
} durations[] = {
    {"0", 0},        {"1", 1000},  {"0.001", 1}, {"12.3456", 12346}, {"86400", 86400000},
    {"\"1.5\"", -1}, {"-1.5", -1}, {"null", -1}, {"[1]", -1},        {"1e300", -1},
    {"1.5e-7", 0},   {"true", -1}, {"1e15", -1},
};

START_TEST(durations_are_read_to_the_millisecond)
{
    auto_free char *text =
        xasprintf("{\"backups\":[{\"id\":\"a\",\"created_at\":\"2026-11-20T17:30:00Z\","
                  "\"server\":\"x,\\\"save_seconds\\\":9,\",\"save_seconds\":%s}]}",
                  durations[_i].seconds);

    must_read(text);
    ck_assert_int_eq(status.backups[0].save_ms, durations[_i].ms);
}
END_TEST

static const char *const no_lists[] = {
    "[]",
    "{}",
    "\"text\"",
    "{\"backups\":null}",
    "{\"backups\":7}",
    "{\"backups\":[7]}",
    "{\"backups\":[{}]}",
    "{\"backups\":[{\"id\":\"a\"}]}",
    "{\"backups\":[" ROW("", "10:00:00", "") "]}",
    "{\"backups\":[" ROW("an-id-that-is-longer-than-ids-can-ever-be", "10:00:00", "") "]}",
    "{\"backups\":[" ROW("a", "25:00:00", "") "]}",
    "{\"backups\":[" ROW("a", "10:00:00", ",\"keys\":-1") "]}",
    "{\"backups\":[" ROW("a", "10:00:00", ",\"keys\":\"1\"") "]}",
    "{\"backups\":[" ROW("a", "10:00:00", ",\"size_bytes\":1.5") "]}",
    "{\"backups\":[" ROW("a", "10:00:00", ",\"proven\":1") "]}",
    "{\"backups\":[" ROW("a", "10:00:00", ",\"server\":7") "]}",
    "{\"backups\":[" ROW("a", "10:00:00", ",\"verified_at\":\"soon\"") "]}",
    "{\"backups\":[],\"total\":-1}",
    "{\"backups\":[],\"last_restore\":7}",
    "{\"backups\":[],\"last_restore\":{}}",
    "{\"backups\":[],\"last_restore\":{\"time\":\"2026-11-20T17:30:00Z\",\"keys\":-7}}",
};

START_TEST(what_is_no_list_changes_nothing)
{
    struct err err = {0};
    struct status_backup known = {.id = "known", .created_ms = 1, .proven = true};

    status_add_backup(&status, &known);
    ck_assert_int_eq(read_list(no_lists[_i], &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.msg, "the list of backups: "));
    ck_assert(!status.has_backups);
    ck_assert_uint_eq(status.backup_count, 1);
    ck_assert_str_eq(status.backups[0].id, "known");
    ck_assert_int_eq(status.restored_ms, -1);
}
END_TEST

START_TEST(a_manifest_is_read)
{
    auto_buf struct buf text;
    struct status_backup backup;
    struct err err;

    buf_init(&text, 1 << 20);
    ck_assert_int_eq(fs_read_file(AT_FDCWD, "tests/data/manifest/redis-7.0.json", &text, &err), 0);
    auto_json struct json *manifest = parsed(buf_text(&text));
    ck_assert_msg(status_read_manifest(manifest, &backup, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(backup.id, "20261120T235514Z-f0ea8c");
    ck_assert_int_gt(backup.created_ms, 0);
    ck_assert(backup.has_keys && backup.proven && !backup.encrypted);
    ck_assert_uint_gt(backup.size_bytes, 0);
    ck_assert_uint_gt(backup.stored_bytes, 0);
    ck_assert_str_eq(backup.server, "Redis 7.0.15");
    ck_assert_int_eq(backup.rdb_version, 10);
    ck_assert_int_eq(backup.verified_ms, -1);
}
END_TEST

START_TEST(a_manifest_tells_timings_and_what_expires)
{
    auto_json struct json *manifest = parsed(
        "{\"id\":\"a\",\"created_at\":\"2026-11-20T17:30:00Z\",\"server\":{\"name\":\"valkey\","
        "\"version\":\"9.1.2\"},\"databases\":[{\"db\":0,\"keys\":5,\"expires\":3},{\"db\":2,"
        "\"keys\":1,\"expires\":1}],\"keys\":6,\"timings\":{\"save_seconds\":0.5,"
        "\"pack_seconds\":null}}");
    struct status_backup backup;
    struct err err;

    ck_assert_msg(status_read_manifest(manifest, &backup, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(backup.server, "Valkey 9.1.2");
    ck_assert_uint_eq(backup.keys, 6);
    ck_assert_uint_eq(backup.expires, 4);
    ck_assert_int_eq(backup.save_ms, 500);
    ck_assert_int_eq(backup.pack_ms, -1);
}
END_TEST

static const char *const no_manifests[] = {
    "[]",
    "{\"id\":\"a\"}",
    ROW("a", "10:00:00", ",\"server\":7"),
    ROW("a", "10:00:00", ",\"server\":{}"),
    ROW("a", "10:00:00", ",\"databases\":7"),
    ROW("a", "10:00:00", ",\"databases\":[{\"expires\":-1}]"),
    ROW("a", "10:00:00", ",\"timings\":7"),
};

START_TEST(what_is_no_manifest_is_corrupt)
{
    auto_json struct json *manifest = parsed(no_manifests[_i]);
    struct status_backup backup = {.id = "untouched"};
    struct err err = {0};

    ck_assert_int_eq(status_read_manifest(manifest, &backup, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
    ck_assert_str_eq(backup.id, "untouched");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status_read");
    TCase *tcase = tcase_create("answers");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_list_is_read_newest_first);
    tcase_add_test(tcase, what_a_row_does_not_say_is_unknown);
    tcase_add_test(tcase, only_the_newest_hundred_of_many_are_kept);
    tcase_add_test(tcase, a_list_that_holds_nothing_takes_the_last_backup_away);
    tcase_add_test(tcase, a_proven_backup_behind_those_listed_is_not_forgotten);
    tcase_add_test(tcase, what_only_the_process_knows_survives_a_new_list);
    tcase_add_test(tcase, the_last_restore_is_read);
    tcase_add_loop_test(tcase, durations_are_read_to_the_millisecond, 0,
                        sizeof(durations) / sizeof(durations[0]));
    tcase_add_loop_test(tcase, what_is_no_list_changes_nothing, 0,
                        sizeof(no_lists) / sizeof(no_lists[0]));
    tcase_add_test(tcase, a_manifest_is_read);
    tcase_add_test(tcase, a_manifest_tells_timings_and_what_expires);
    tcase_add_loop_test(tcase, what_is_no_manifest_is_corrupt, 0,
                        sizeof(no_manifests) / sizeof(no_manifests[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
