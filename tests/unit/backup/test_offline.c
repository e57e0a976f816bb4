/*
 * Backups of volumes whose server has ended, made by hand: what is taken for the data, and what is
 * known of the server. (Real servers: offline.bats.)
 */
#include "backup/offline.h"

#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "support/offline_case.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OLD_ID "20261120T100000Z-00000a"

static struct offline_case run;

static void begin(void)
{
    offline_case_begin(&run);
}

static void end(void)
{
    offline_case_end(&run);
}

/* What an earlier backup said, changed by edit. */
static void put_newest(const char *id, void (*edit)(struct manifest *to))
{
    struct manifest manifest = {
        .id = xstrdup(id),
        .instance = xstrdup(OFFLINE_INSTANCE),
        .asked_ms = OFFLINE_NOON - 3600000,
        .forked_ms = OFFLINE_NOON - 3600000,
        .stored_ms = OFFLINE_NOON - 3600000,
        .server = {REDIS_FLAVOUR_VALKEY, 9, 1, 2},
        .server_version = xstrdup("9.1.2"),
        .rdb_magic = RDB_MAGIC_VALKEY,
        .rdb_version = 80,
        .proven = true,
        .object = xstrdup("data.tar.zst"),
        .dbfilename = xstrdup("dump.rdb"),
        .appendfilename = xstrdup("appendonly.aof"),
        .appenddirname = xstrdup("appendonlydir"),
        .files = xcalloc(1, sizeof(struct manifest_file)),
        .file_count = 1,
        .parts = {.size = 1, .part_bytes = 1},
    };
    uint8_t digest[SHA256_BYTES] = {0};

    manifest.files[0] =
        (struct manifest_file){.name = xstrdup("dump.rdb"), .kind = MANIFEST_RDB, .size = 1};
    object_parts_push(&manifest.parts, digest);
    if (edit != NULL)
        edit(&manifest);
    auto_free char *text = manifest_format(&manifest);
    auto_free char *key = catalog_key(OFFLINE_INSTANCE, id, "backup.json");
    fake_store_set(&run.fake, key, text, strlen(text));
    manifest_release(&manifest);
}

static void with_yes(struct manifest *to)
{
    to->appendonly = xstrdup("yes");
}

static void with_no(struct manifest *to)
{
    to->appendonly = xstrdup("no");
}

static void with_names(struct manifest *to)
{
    char **names[] = {&to->dbfilename, &to->appendfilename, &to->appenddirname, &to->files[0].name};
    const char *const others[] = {"other.rdb", "other.aof", "logs", "other.acl"};

    for (size_t i = 0; i < COUNT(names); i++) {
        free(*names[i]);
        *names[i] = xstrdup(others[i]);
    }
    to->files[0].kind = MANIFEST_ACL;
}

/* ---- the moment, and what goes along ---- */

static const struct {
    const char *setting; /* NULL: not known */
    void (*said)(struct manifest *to);
    int64_t dump_s;   /* before noon; -1: none */
    int64_t set_ms;   /* before noon; -1: none */
    int64_t shown_ms; /* before noon; -1: no data */
    bool has_dump;
    bool has_set;
} volumes[] = {
    /* nobody says how it ran */
    {NULL, NULL, 10, -1, 10000, true, false},
    {NULL, NULL, -1, 10500, 10500, false, true},
    {NULL, NULL, 10, 10500, 10500, true, true},
    {NULL, NULL, 10, 9500, 9500, true, true}, /* the same second */
    {NULL, NULL, 10, 9000, 9000, false, true},
    {NULL, NULL, -1, -1, -1, false, false},
    /* it is set */
    {"no", NULL, 10, 5000, 10000, true, false},
    {"no", NULL, -1, 5000, -1, false, false},
    {"no", with_yes, 10, 5000, 10000, true, false},
    {"yes", with_no, 10, 5000, 5000, false, true},
    {"yes", NULL, 10, -1, 10000, true, false},
    /* the last backup, an hour before noon, says it */
    {NULL, with_yes, 10, 5000, 5000, false, true},
    {NULL, with_yes, 10, -1, 10000, true, false},
    {NULL, with_no, 10, 20000, 10000, true, false},
    {NULL, with_no, 10, 5000, 5000, false, true},         /* written to since, and after the dump */
    {NULL, with_no, -1, 5000, 5000, false, true},         /* and there is no dump */
    {NULL, with_no, 7200, 7100000, 7200000, true, false}, /* before it was said */
    {NULL, with_no, 10, 9500, 10000, true, false},
    /* a clock that was wrong */
    {NULL, NULL, -60, -1, 0, true, false},
    {NULL, NULL, -1, -60000, 0, false, true},
};

START_TEST(the_data_is_what_the_server_would_load)
{
    int64_t dump_s = volumes[_i].dump_s;
    int64_t set_ms = volumes[_i].set_ms;

    if (volumes[_i].said != NULL)
        put_newest(OLD_ID, volumes[_i].said);
    if (dump_s != -1)
        offline_case_put_dump(&run, OFFLINE_NOON_S - dump_s);
    if (set_ms != -1)
        offline_case_put_set(&run, OFFLINE_SET_KEY, OFFLINE_NOON - set_ms);
    run.offline.appendonly = volumes[_i].setting;
    if (volumes[_i].shown_ms == -1) {
        ck_assert_int_eq(offline_case_run(&run), -1);
        ck_assert_int_eq(run.err.kind, ERR_NOT_FOUND);
        ck_assert_int_eq(err_problem(&run.err), PROBLEM_NO_DATA);
        run.offline.if_new = true;
        ck_assert_int_eq(offline_case_run(&run), 0);
        ck_assert(!run.result.is_stored);
        ck_assert_str_eq(run.result.reason, "no-data");
        return;
    }
    offline_case_must_store(&run);
    offline_case_must_hold(&run, "dump.rdb", volumes[_i].has_dump);
    offline_case_must_hold(&run, OFFLINE_INCR, volumes[_i].has_set);
    offline_case_must_hold(&run, OFFLINE_SET "appendonly.aof.manifest", volumes[_i].has_set);
    ck_assert_int_eq(run.result.manifest.forked_ms, OFFLINE_NOON - volumes[_i].shown_ms);
    ck_assert_int_eq(run.result.manifest.asked_ms, OFFLINE_NOON);
    ck_assert(run.result.manifest.proven);
    if (volumes[_i].has_set)
        ck_assert_str_eq(run.result.manifest.appendonly, "yes");
}
END_TEST

START_TEST(the_dump_goes_along_only_when_it_is_wanted)
{
    offline_case_put_dump(&run, OFFLINE_NOON_S - 5);
    offline_case_put_set(&run, OFFLINE_SET_KEY, OFFLINE_NOON - 10000);
    run.options.include_rdb = false;
    offline_case_must_store(&run);
    offline_case_must_hold(&run, "dump.rdb", false);
    run.offline.appendonly = "no"; /* then it is the data */
    offline_case_must_store(&run);
    offline_case_must_hold(&run, "dump.rdb", true);
}
END_TEST

/* ---- what is known of the server ---- */

START_TEST(the_version_is_that_of_the_file)
{
    static const struct {
        const char *magic;
        const char *key;
        enum redis_flavour flavour;
        const char *version; /* with the newest manifest */
        bool is_proven;
    } rows[] = {
        {"REDIS0012", "redis-ver", REDIS_FLAVOUR_REDIS, "7.4.1", true},
        {"REDIS0011", "valkey-ver", REDIS_FLAVOUR_VALKEY, "7.4.1", true},
        {"REDIS0012", NULL, REDIS_FLAVOUR_VALKEY, "9.1.2", true},
        {"ENVELOPE1", NULL, REDIS_FLAVOUR_VALKEY, "9.1.2", false},
    };

    put_newest(OLD_ID, NULL);
    offline_case_put_rdb(&run, "dump.rdb",
                         &(struct offline_rdb){rows[_i].magic, rows[_i].key, OFFLINE_NOON_S, 2});
    offline_case_must_store(&run);
    ck_assert_str_eq(run.result.manifest.server_version, rows[_i].version);
    ck_assert_int_eq(run.result.manifest.server.flavour, rows[_i].flavour);
    ck_assert_int_eq(run.result.manifest.proven, rows[_i].is_proven);
    ck_assert(!run.result.manifest.has_keys);
    ck_assert_ptr_null(run.result.manifest.role);
    ck_assert_ptr_null(run.result.manifest.run_id);
    ck_assert_int_eq(run.result.manifest.save_ms, -1);
    ck_assert_int_eq(run.result.manifest.repl_offset, -1);
}
END_TEST

START_TEST(without_anything_that_tells_the_version_is_unknown)
{
    offline_case_put_set(&run, OFFLINE_SET_KEY, OFFLINE_NOON);
    offline_case_must_store(&run);
    ck_assert_str_eq(run.result.manifest.server_version, "");
    ck_assert_int_eq(run.result.manifest.rdb_version, -1);
}
END_TEST

START_TEST(a_dump_without_keys_is_known_to_have_none)
{
    offline_case_put_rdb(&run, "dump.rdb",
                         &(struct offline_rdb){"REDIS0012", "redis-ver", OFFLINE_NOON_S, 0});
    offline_case_must_store(&run);
    ck_assert(run.result.manifest.has_keys);
    ck_assert_uint_eq(manifest_keys(&run.result.manifest), 0);
}
END_TEST

START_TEST(names_are_those_of_the_newest_manifest_that_can_be_read)
{
    put_newest("20261120T090000Z-00000a", with_names);
    put_newest(OLD_ID, NULL);
    fake_store_only(&run.fake, OLD_ID "/backup.json")->data[5] ^= 1;
    offline_case_put_rdb(&run, "other.rdb",
                         &(struct offline_rdb){"REDIS0012", "redis-ver", OFFLINE_NOON_S, 1});
    offline_case_put_dump(&run, OFFLINE_NOON_S);
    offline_case_put_text(&run, "other.acl", "user default on nopass ~* &* +@all\n");
    offline_case_must_store(&run);
    offline_case_must_hold(&run, "other.rdb", true);
    offline_case_must_hold(&run, "dump.rdb", false);
    offline_case_must_hold(&run, "other.acl", true);
    ck_assert_str_eq(run.result.manifest.appenddirname, "logs");
    run.options.names.dbfilename = "dump.rdb"; /* what is set goes first */
    offline_case_must_store(&run);
    offline_case_must_hold(&run, "dump.rdb", true);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("offline");
    TCase *tcase = tcase_create("offline");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_loop_test(tcase, the_data_is_what_the_server_would_load, 0, COUNT(volumes));
    tcase_add_test(tcase, the_dump_goes_along_only_when_it_is_wanted);
    tcase_add_loop_test(tcase, the_version_is_that_of_the_file, 0, 4);
    tcase_add_test(tcase, without_anything_that_tells_the_version_is_unknown);
    tcase_add_test(tcase, a_dump_without_keys_is_known_to_have_none);
    tcase_add_test(tcase, names_are_those_of_the_newest_manifest_that_can_be_read);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
