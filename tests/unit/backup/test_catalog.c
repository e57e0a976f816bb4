#include "backup/catalog.h"

#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "support/backup_maker.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OLD "20261120T120000Z-000001"
#define NEW "20261120T120000Z-00000a"

static struct fake_store fake;

static void begin(void)
{
    fake_store_init(&fake, 100);
}

static void end(void)
{
    fake_store_release(&fake);
}

static void put(const char *key)
{
    fake_store_set(&fake, key, "x", 1);
}

static void make(const char *instance, const char *id, void (*edit)(struct manifest *to))
{
    const struct made_file file = {"dump.rdb", MANIFEST_RDB, "abc", 3, 0};
    const struct made_backup made = {
        .id = id, .instance = instance, .files = &file, .count = 1, .edit = edit};

    backup_make(&fake, &made);
}

START_TEST(backups_are_listed_oldest_first)
{
    static const char *const ids[] = {
        "19991231T235959Z-ffffff", "20261120T115959Z-ffffff", OLD, NEW, "20261120T120001Z-000000",
    };
    auto_catalog struct catalog catalog = {0};
    struct err err = {0};

    for (size_t i = COUNT(ids); i-- > 0;)
        make("me", ids[i], NULL);
    ck_assert_int_eq(catalog_list(&fake.store, "me", &catalog, &err), 0);
    ck_assert_uint_eq(catalog.count, COUNT(ids));
    for (size_t i = 0; i < COUNT(ids); i++)
        ck_assert_str_eq(catalog.ids[i], ids[i]);
    ck_assert_uint_eq(fake_store_asked(&fake, "list"), 1);
    ck_assert_uint_eq(fake_store_asked(&fake, "get_small"), 0);
}
END_TEST

START_TEST(what_is_no_backup_is_passed_over)
{
    static const char *const others[] = {
        "me/backups/" OLD "/data.tar.zst", /* no manifest: an orphan */
        "me/backups/" OLD "/backup.json.tmp",
        "me/backups/" OLD "/x/backup.json",
        "me/backups/" OLD,
        "me/backups/backup.json",
        "me/backups/20261120T120000Z-00000G/backup.json",
        "me/backups/20261120T120000Z-00000A/backup.json",
        "me/backups/20261120T120000Z-0000001/backup.json",
        "me/backups/latest/backup.json",
        "me/backup.json",
        "me/log/" OLD "/backup.json",
        "me2/backups/" OLD "/backup.json",
        "m/backups/" OLD "/backup.json",
        "backups/" OLD "/backup.json",
    };
    auto_catalog struct catalog catalog = {0};
    struct err err = {0};

    for (size_t i = 0; i < COUNT(others); i++)
        put(others[i]);
    ck_assert_int_eq(catalog_list(&fake.store, "me", &catalog, &err), 0);
    ck_assert_uint_eq(catalog.count, 0);
    make("me", NEW, NULL);
    ck_assert_int_eq(catalog_list(&fake.store, "me", &catalog, &err), 0);
    ck_assert_uint_eq(catalog.count, 1);
    ck_assert_str_eq(catalog.ids[0], NEW);
}
END_TEST

START_TEST(an_instance_may_be_called_backups)
{
    auto_catalog struct catalog catalog = {0};
    struct err err = {0};

    make("backups", OLD, NULL);
    ck_assert_int_eq(catalog_list(&fake.store, "backups", &catalog, &err), 0);
    ck_assert_uint_eq(catalog.count, 1);
}
END_TEST

START_TEST(a_store_that_fails_is_not_an_empty_one)
{
    struct catalog catalog = {0};
    struct manifest manifest = {0};
    char *instances = NULL;
    struct err err = {0};

    make("me", OLD, NULL);
    fake_store_arm(&fake, 1, FAKE_GONE);
    ck_assert_int_eq(catalog_list(&fake.store, "me", &catalog, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_int_eq(catalog_read(&fake.store, "me", OLD, &manifest, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_int_eq(catalog_instances(&fake.store, &instances, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_ptr_null(catalog.ids);
    ck_assert_ptr_null(instances);
}
END_TEST

START_TEST(a_manifest_is_read)
{
    auto_manifest struct manifest manifest = {0};
    struct err err = {0};

    make("me", OLD, NULL);
    ck_assert_int_eq(catalog_read(&fake.store, "me", OLD, &manifest, &err), 0);
    ck_assert_str_eq(manifest.id, OLD);
    ck_assert_int_eq(catalog_read(&fake.store, "me", NEW, &manifest, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
    ck_assert_int_eq(catalog_read(&fake.store, "you", OLD, &manifest, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
}
END_TEST

static void other_id(struct manifest *to)
{
    free(to->id);
    to->id = xstrdup(NEW);
}

static void other_instance(struct manifest *to)
{
    free(to->instance);
    to->instance = xstrdup("you");
}

START_TEST(a_manifest_of_something_else_is_corrupt)
{
    struct manifest manifest = {0};
    struct err err = {0};

    make("me", OLD, _i == 0 ? other_id : other_instance);
    ck_assert_int_eq(catalog_read(&fake.store, "me", OLD, &manifest, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
    ck_assert_ptr_null(manifest.id);
}
END_TEST

START_TEST(a_manifest_above_the_ceiling_is_corrupt)
{
    auto_free char *large = xcalloc(MANIFEST_BYTES_MAX + 1, 1);
    struct manifest manifest = {0};
    struct err err = {0};

    fake_store_set(&fake, "me/backups/" OLD "/backup.json", large, MANIFEST_BYTES_MAX + 1);
    ck_assert_int_eq(catalog_read(&fake.store, "me", OLD, &manifest, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
}
END_TEST

START_TEST(instances_are_named_up_to_ten)
{
    char *names = NULL;
    struct err err = {0};

    ck_assert_int_eq(catalog_instances(&fake.store, &names, &err), 0);
    ck_assert_ptr_null(names);
    put("a-file");
    ck_assert_int_eq(catalog_instances(&fake.store, &names, &err), 0);
    ck_assert_ptr_null(names);
    put("b/backups/x");
    put("b/backups/y");
    put("a/backups/x");
    ck_assert_int_eq(catalog_instances(&fake.store, &names, &err), 0);
    ck_assert_str_eq(names, "a, b");
    free(names);
    for (int i = 0; i < 12; i++) {
        auto_free char *key = xasprintf("c%02d/x", i);
        put(key);
    }
    ck_assert_int_eq(catalog_instances(&fake.store, &names, &err), 0);
    ck_assert_str_eq(names, "a, b, c00, c01, c02, c03, c04, c05, c06, c07");
    free(names);
}
END_TEST

START_TEST(ids_have_one_form)
{
    static const struct {
        const char *text;
        bool is_id;
    } rows[] = {
        {"20261120T173000Z-4f3a9c", true},
        {"00000000T000000Z-000000", true},
        {"99999999T999999Z-ffffff", true},
        {"", false},
        {"latest", false},
        {"20261120T173000Z-4f3a9", false},
        {"20261120T173000Z-4f3a9cc", false},
        {"20261120T173000Z-4f3a9C", false},
        {"20261120T173000Z-4f3a9g", false},
        {"20261120t173000Z-4f3a9c", false},
        {"20261120T173000z-4f3a9c", false},
        {"20261120T173000Z_4f3a9c", false},
        {"2026112 T173000Z-4f3a9c", false},
        {"2026-120T173000Z-4f3a9c", false},
        {"20261120T173000Z-4f3a9\xe9", false},
        {"../61120T173000Z-4f3a9c", false},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(catalog_is_id(rows[i].text) == rows[i].is_id, "%s", rows[i].text);
}
END_TEST

START_TEST(an_id_is_a_time_and_a_tail)
{
    char id[CATALOG_ID_SIZE];

    catalog_make_id(INT64_C(1795176000999), 0xff00000a, id);
    ck_assert_str_eq(id, "20261120T120000Z-00000a");
    ck_assert(catalog_is_id(id));
    catalog_make_id(0, 0xffffff, id);
    ck_assert_str_eq(id, "19700101T000000Z-ffffff");
}
END_TEST

START_TEST(an_id_tells_its_time)
{
    static const struct {
        const char *id;
        int64_t time_ms;
    } rows[] = {
        {OLD, INT64_C(1795176000000)},
        {"19700101T000000Z-ffffff", 0},
        {"20260631T120000Z-000000", -1},
        {"20260230T120000Z-000000", -1},
        {"20261120T240000Z-000000", -1},
        {"20261120T126000Z-000000", -1},
        {"00000000T000000Z-000000", -1},
        {"99999999T999999Z-ffffff", -1},
        {"", -1},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(catalog_id_time(rows[i].id) == rows[i].time_ms, "%s", rows[i].id);
}
END_TEST

START_TEST(objects_are_told_by_their_names)
{
    static const struct {
        const char *name;
        enum catalog_object object;
        int64_t time_ms;
    } rows[] = {
        {"backup.json", CATALOG_MANIFEST, -1},
        {"data.tar.zst", CATALOG_DATA, -1},
        {"pinned.json", CATALOG_PIN, -1},
        {"verified-20261120T120000Z-ok.json", CATALOG_VERIFIED_OK, INT64_C(1795176000000)},
        {"verified-20261120T120000Z-bad.json", CATALOG_VERIFIED_BAD, INT64_C(1795176000000)},
        {"verified-20261120T120000Z-ok.json.tmp", CATALOG_FOREIGN, -1},
        {"verified-20261120T120000Z-OK.json", CATALOG_FOREIGN, -1},
        {"verified-20261120T120000Z.json", CATALOG_FOREIGN, -1},
        {"verified-20261320T120000Z-ok.json", CATALOG_FOREIGN, -1},
        {"verified-20261120T12", CATALOG_FOREIGN, -1},
        {"verified-", CATALOG_FOREIGN, -1},
        {"Backup.json", CATALOG_FOREIGN, -1},
        {"data.tar.zst.sha256", CATALOG_FOREIGN, -1},
        {"x/data.tar.zst", CATALOG_FOREIGN, -1},
        {"notes.txt", CATALOG_FOREIGN, -1},
        {"", CATALOG_FOREIGN, -1},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t time_ms = -1;

        ck_assert_msg(catalog_classify(rows[i].name, &time_ms) == rows[i].object, "%s",
                      rows[i].name);
        ck_assert_int_eq(time_ms, rows[i].time_ms);
    }
}
END_TEST

START_TEST(notes_are_put_beside_the_backup)
{
    const struct catalog_verified verified = {
        .id = OLD, .time_ms = INT64_C(1795176000999), .ok = _i == 1, .text = "{}"};
    auto_free char *key =
        xasprintf("me/backups/" OLD "/verified-20261120T120000Z-%s.json", _i == 1 ? "ok" : "bad");
    struct err err = {0};

    ck_assert_int_eq(catalog_note_verified(&fake.store, "me", &verified, &err), 0);
    ck_assert_ptr_nonnull(fake_store_find(&fake, key));
    ck_assert_str_eq(buf_text(fake_store_find(&fake, key)), "{}");
    ck_assert_int_eq(catalog_pin(&fake.store, "me", OLD, "{\"why\":1}", &err), 0);
    ck_assert_int_eq(catalog_pin(&fake.store, "me", OLD, "{\"why\":2}", &err), 0);
    ck_assert_str_eq(buf_text(fake_store_only(&fake, "/" OLD "/pinned.json")), "{\"why\":1}");
    ck_assert_int_eq(catalog_unpin(&fake.store, "me", OLD, &err), 0);
    ck_assert_int_eq(catalog_unpin(&fake.store, "me", OLD, &err), 0);
    ck_assert_uint_eq(fake_store_count(&fake, "pinned.json"), 0);
    fake_store_drop(&fake, key);
    fake_store_arm(&fake, 1, FAKE_GONE);
    ck_assert_int_eq(catalog_note_verified(&fake.store, "me", &verified, &err), -1);
    ck_assert_int_eq(catalog_pin(&fake.store, "me", OLD, "{}", &err), -1);
    ck_assert_int_eq(catalog_unpin(&fake.store, "me", OLD, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
}
END_TEST

START_TEST(a_new_id_knows_what_it_follows)
{
    struct fake_clock clock;
    struct catalog_new new;
    struct err err = {0};

    fake_clock_init(&clock, INT64_C(1795176000250));
    ck_assert_int_eq(catalog_new_id(&fake.store, "me", &clock.clock, &new, &err), 0);
    ck_assert_str_eq(new.before, "");
    make("me", "20261120T125959Z-000000", NULL);
    ck_assert_int_eq(catalog_new_id(&fake.store, "me", &clock.clock, &new, &err), 0);
    ck_assert_str_eq(new.before, "");
    ck_assert_str_eq(new.later, "20261120T125959Z-000000");
    make("me", "20261119T125959Z-000000", NULL);
    make("me", "20261118T125959Z-000000", NULL);
    put("me/backups/20261120T110000Z-000000/data.tar.zst");
    ck_assert_int_eq(catalog_new_id(&fake.store, "me", &clock.clock, &new, &err), 0);
    ck_assert_str_eq(new.before, "20261119T125959Z-000000");
    make("me", OLD, NULL);
    ck_assert_int_eq(catalog_new_id(&fake.store, "me", &clock.clock, &new, &err), 0);
    ck_assert_str_eq(new.before, OLD);
}
END_TEST

START_TEST(a_new_id_sorts_behind_all_of_its_second)
{
    struct fake_clock clock;
    struct catalog_new new;
    struct err err = {0};
    char last[CATALOG_ID_SIZE] = "20261120T120000Z-000000";

    make("me", "20261120T115959Z-ffffff", NULL);
    make("other", "20261120T120000Z-ffffff", NULL);
    for (int i = 0; i < 20; i++) {
        fake_clock_init(&clock, INT64_C(1795176000250));
        ck_assert_int_eq(catalog_new_id(&fake.store, "me", &clock.clock, &new, &err), 0);
        ck_assert(catalog_is_id(new.id));
        ck_assert_int_gt(strcmp(new.id, last), 0);
        ck_assert_str_eq(new.later, "");
        memcpy(last, new.id, sizeof(last));
        make("me", last, NULL);
        if (clock.sleeps > 0)
            break; /* there was no room in this second any more */
        ck_assert_int_eq(new.time_ms, INT64_C(1795176000250));
    }
}
END_TEST

START_TEST(a_second_without_room_is_waited_for)
{
    struct fake_clock clock;
    struct catalog_new new;
    struct err err = {0};

    make("me", "20261120T120000Z-ffffff", NULL);
    fake_clock_init(&clock, INT64_C(1795176000250));
    ck_assert_int_eq(catalog_new_id(&fake.store, "me", &clock.clock, &new, &err), 0);
    ck_assert_int_eq(clock.slept_ms, 750);
    ck_assert_int_eq(new.time_ms, INT64_C(1795176001000));
    ck_assert_int_eq(strncmp(new.id, "20261120T120001Z-", 17), 0);

    make("me", "20261120T120001Z-fffffe", NULL); /* room for one */
    fake_clock_init(&clock, INT64_C(1795176001000));
    ck_assert_int_eq(catalog_new_id(&fake.store, "me", &clock.clock, &new, &err), 0);
    ck_assert_str_eq(new.id, "20261120T120001Z-ffffff");
    ck_assert_uint_eq(clock.sleeps, 0);
}
END_TEST

START_TEST(a_clock_that_went_back_is_seen)
{
    struct fake_clock clock;
    struct catalog_new new;
    struct err err = {0};

    make("me", NEW, NULL);
    fake_clock_init(&clock, INT64_C(1795175999000));
    ck_assert_int_eq(catalog_new_id(&fake.store, "me", &clock.clock, &new, &err), 0);
    ck_assert_str_eq(new.later, NEW);
    fake_store_arm(&fake, 1, FAKE_FAILS);
    ck_assert_int_eq(catalog_new_id(&fake.store, "me", &clock.clock, &new, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
}
END_TEST

START_TEST(an_instance_is_one_segment_of_a_key)
{
    static const struct {
        const char *name;
        bool is_good;
    } rows[] = {
        {"redis-0", true}, {"a b", true}, {"...", true},   {"b\xc3\xa4r", true},
        {"-", true},       {"", false},   {".", false},    {"..", false},
        {"a/b", false},    {"/", false},  {"a\nb", false}, {"\xff", false},
    };
    struct err err = {0};
    char longest[202];

    for (size_t i = 0; i < COUNT(rows); i++) {
        int rc = catalog_check_instance(rows[i].name, &err);
        ck_assert_msg((rc == 0) == rows[i].is_good, "%s", rows[i].name);
        ck_assert(rc == 0 || err.kind == ERR_CONFIG);
    }
    memset(longest, 'x', sizeof(longest));
    longest[201] = '\0';
    ck_assert_int_eq(catalog_check_instance(longest, &err), -1);
    longest[200] = '\0';
    ck_assert_int_eq(catalog_check_instance(longest, &err), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("catalog");
    TCase *tcase = tcase_create("catalog");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, backups_are_listed_oldest_first);
    tcase_add_test(tcase, what_is_no_backup_is_passed_over);
    tcase_add_test(tcase, an_instance_may_be_called_backups);
    tcase_add_test(tcase, a_store_that_fails_is_not_an_empty_one);
    tcase_add_test(tcase, a_manifest_is_read);
    tcase_add_loop_test(tcase, a_manifest_of_something_else_is_corrupt, 0, 2);
    tcase_add_test(tcase, a_manifest_above_the_ceiling_is_corrupt);
    tcase_add_test(tcase, instances_are_named_up_to_ten);
    tcase_add_test(tcase, ids_have_one_form);
    tcase_add_test(tcase, an_id_is_a_time_and_a_tail);
    tcase_add_test(tcase, an_id_tells_its_time);
    tcase_add_test(tcase, objects_are_told_by_their_names);
    tcase_add_loop_test(tcase, notes_are_put_beside_the_backup, 0, 2);
    tcase_add_test(tcase, a_new_id_knows_what_it_follows);
    tcase_add_test(tcase, a_new_id_sorts_behind_all_of_its_second);
    tcase_add_test(tcase, a_second_without_room_is_waited_for);
    tcase_add_test(tcase, a_clock_that_went_back_is_seen);
    tcase_add_test(tcase, an_instance_is_one_segment_of_a_key);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
