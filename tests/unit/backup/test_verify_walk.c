/*
 * Backups whose every byte is as it was stored: what the walk of their RDBs says of them.
 */
#include "backup/verify.h"
#include "backup/verify_walk.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/backup_maker.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/leaks.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID "20261120T120000Z-000001"
#define BYTES(text) text, sizeof(text) - 1
#define END "\xff\x01\x02\x03\x04\x05\x06\x07\x08"
#define KEY "\x00\x01k\x01v"
#define FOUR KEY KEY KEY KEY
#define DUMP "REDIS0010\xfe\x00" FOUR END
#define ABOUT "REDIS0010\xfe\x00" /* database 0, where the maker of backups says 4 keys */

static struct fake_store fake;
static struct fake_clock fake_time;
static struct leaks held;

static void begin(void)
{
    held = leaks_count();
    fake_store_init(&fake, 50);
    fake_clock_init(&fake_time, 0);
}

static void end(void)
{
    ck_assert_uint_eq(fake.open_sources, 0);
    fake_store_release(&fake);
    ck_assert(leaks_none(&held));
}

static void look(const struct made_file *files, size_t count, void (*edit)(struct manifest *to),
                 struct verify_result *out)
{
    const struct verify_options options = {
        .instance = "me", .workers = 1, .clock = &fake_time.clock};
    const struct made_backup made = {
        .id = ID, .instance = "me", .files = files, .count = count, .edit = edit};
    struct err err = {0};

    backup_make(&fake, &made);
    ck_assert_msg(verify(&fake.store, ID, &options, out, &err) == 0, "%s", err.msg);
}

static void no_counts(struct manifest *to)
{
    free(to->dbs);
    to->dbs = NULL;
    to->db_count = 0;
    to->has_keys = false;
}

static void no_keys(struct manifest *to)
{
    no_counts(to);
    to->has_keys = true;
}

static void two_databases(struct manifest *to)
{
    to->dbs = xreallocarray(to->dbs, 2, sizeof(*to->dbs));
    to->dbs[1] = (struct manifest_db){.db = 7, .keys = 1};
    to->db_count = 2;
}

static void never_proven(struct manifest *to)
{
    to->proven = false;
    to->unproven_why = xstrdup("dump.rdb: rdbchecksum no");
}

struct row {
    const char *what;
    const char *dump;
    size_t len;
    void (*edit)(struct manifest *to);
    bool ok;
    bool walked;
    int64_t keys;    /* -1: not known */
    const char *why; /* is in it; NULL: there is none */
};

static const struct row rows[] = {
    {"as many as counted", BYTES(DUMP), NULL, true, true, 4, NULL},
    {"one less", BYTES(ABOUT KEY KEY KEY END), NULL, false, false, 3,
     "dump.rdb holds 3 keys in database 0, where the server had 4 when it forked"},
    {"one more", BYTES(ABOUT FOUR KEY END), NULL, false, false, 5, "holds 5 keys in database 0"},
    {"none at all", BYTES("REDIS0010" END), NULL, false, false, 0, "holds 0 keys in database 0"},
    {"in another database", BYTES("REDIS0010\xfe\x03" FOUR END), NULL, false, false, 4,
     "holds 0 keys in database 0"},
    {"a database more", BYTES(ABOUT FOUR "\xfe\x02" KEY END), NULL, false, false, 5,
     "holds 5 keys, where the server had 4"},
    {"two databases", BYTES(ABOUT FOUR "\xfe\x07" KEY END), two_databases, true, true, 5, NULL},
    {"a database less", BYTES(DUMP), two_databases, false, false, 4, "holds 0 keys in database 7"},
    {"keys that nobody counted", BYTES(DUMP), no_counts, true, true, 4, NULL},
    {"no keys, as counted", BYTES("REDIS0010" END), no_keys, true, true, 0, NULL},
    {"keys where there were none", BYTES(DUMP), no_keys, false, false, 4,
     "holds 4 keys, where the server had 0"},
    {"a slot that was given away",
     BYTES("REDIS0012\xfe\x00\xf4\x01\x02\x00" KEY KEY "\xf4\x02\x02\x00" END), NULL, true, true, 2,
     NULL},
    {"a slot that is taken in", BYTES("VALKEY080\xf3\x01n\x01\x01\x01\xfe\x00" FOUR KEY END), NULL,
     true, true, 5, NULL},
    {"unproven", BYTES(DUMP), never_proven, true, true, 4, "unproven: dump.rdb: rdbchecksum no"},
    {"an unknown type", BYTES(ABOUT FOUR "\x29\x01k\x01v" END), NULL, true, false, 4,
     "not walked: dump.rdb: at byte 31: something unknown (opcode or type 41, RDB version 10)"},
    {"an unknown version", BYTES("REDIS0099" END), no_counts, true, false, -1,
     "not walked: dump.rdb: RDB version 99"},
    {"an envelope", BYTES("\x28\xb5\x2f\xfd and so on"), NULL, true, false, 4,
     "not walked: dump.rdb: it does not begin as an RDB does"},
    {"an envelope, unproven", BYTES("\x28\xb5\x2f\xfd and so on"), never_proven, true, false, 4,
     "unproven: dump.rdb: rdbchecksum no; not walked: dump.rdb: it does not begin"},
    {"cut off", BYTES(ABOUT FOUR), NULL, false, false, 4,
     "dump.rdb is not what a server writes: it ends at byte 31, without an end mark"},
    {"with bytes behind it", BYTES(DUMP "x"), NULL, false, false, 4, "1 bytes stand behind"},
    {"empty", BYTES(""), NULL, false, false, 4, "it is empty"},
    {"commands for a dump", BYTES("*1\r\n$4\r\nPING\r\n"), NULL, true, false, 4, "not walked"},
};

static void must_be(const struct row *row, const struct verify_result *result)
{
    const char *why = result->why != NULL ? result->why : "";

    ck_assert_msg(result->ok == row->ok && result->walked == row->walked &&
                      (row->why == NULL ? result->why == NULL : strstr(why, row->why) != NULL),
                  "%s: %d %d %s", row->what, result->ok, result->walked, why);
    ck_assert_msg(result->has_keys == (row->keys >= 0), "%s", row->what);
    ck_assert_msg(row->keys < 0 || result->keys == (uint64_t)row->keys, "%s", row->what);
}

START_TEST(a_dump_is_what_it_must_be_or_it_is_said)
{
    const struct row *row = &rows[_i];
    const struct made_file files[] = {{"dump.rdb", MANIFEST_RDB, row->dump, row->len, 0}};
    struct verify_result result = {0};

    look(files, 1, row->edit, &result);
    must_be(row, &result);
    verify_result_release(&result);
}
END_TEST

#define BASE "appendonlydir/appendonly.aof.1.base.rdb"

/* The dump beside it may be missing. Its keys are of another moment: nothing to compare. */
START_TEST(an_append_only_base_is_walked_too)
{
    static const struct row bases[] = {
        {"an RDB", BYTES("REDIS0010\xfe\x00" KEY END), NULL, true, true, 4, NULL},
        {"an RDB and commands", BYTES("REDIS0010\xfe\x00" KEY END "*1\r\n$4\r\nPING\r\n"), NULL,
         true, true, 4, NULL},
        {"commands", BYTES("*1\r\n$4\r\nPING\r\n"), NULL, true, true, 4, NULL},
        {"a comment", BYTES("#TS:1\r\n"), NULL, true, true, 4, NULL},
        {"nothing", BYTES(""), NULL, true, true, 4, NULL},
        {"something else", BYTES("something else"), NULL, true, false, 4,
         "not walked: " BASE ": it does not begin as an RDB does"},
        {"an unknown type", BYTES("REDIS0010\x29" END), NULL, true, false, 4,
         "not walked: " BASE ": at byte 9"},
        {"cut off", BYTES("REDIS0010\xfe\x00" KEY), NULL, false, false, 4,
         BASE " is not what a server writes: it ends at byte 16"},
    };
    const struct row *row = &bases[_i];
    const struct made_file files[] = {{"dump.rdb", MANIFEST_RDB, BYTES(DUMP), 0},
                                      {BASE, MANIFEST_AOF_BASE, row->dump, row->len, 0}};
    struct verify_result result = {0};

    look(files, 2, NULL, &result);
    must_be(row, &result);
    verify_result_release(&result);
}
END_TEST

START_TEST(without_any_rdb_nothing_was_walked)
{
    const struct made_file files[] = {
        {BASE, MANIFEST_AOF_BASE, BYTES("*1\r\n$4\r\nPING\r\n"), 0},
        {"appendonlydir/appendonly.aof.1.incr.aof", MANIFEST_AOF_INCR, BYTES("REDIS no RDB"), 0},
        {"users.acl", MANIFEST_ACL, BYTES("user default on"), 0}};
    const struct row row = {"no RDB", NULL,  0,  NULL,
                            true,     false, -1, "not walked: it holds no RDB"};
    struct verify_result result = {0};

    look(files, COUNT(files), no_counts, &result);
    must_be(&row, &result);
    verify_result_release(&result);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify_walk");
    TCase *tcase = tcase_create("verify_walk");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_loop_test(tcase, a_dump_is_what_it_must_be_or_it_is_said, 0, COUNT(rows));
    tcase_add_loop_test(tcase, an_append_only_base_is_walked_too, 0, 8);
    tcase_add_test(tcase, without_any_rdb_nothing_was_walked);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
