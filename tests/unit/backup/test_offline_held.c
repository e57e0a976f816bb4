/*
 * Backups of volumes whose server has ended: what is stored already, what is broken, and a store
 * that fails at its n-th operation.
 */
#include "backup/offline_held.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/offline_case.h"
#include "support/tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct offline_case run;

static void begin(void)
{
    offline_case_begin(&run);
}

static void end(void)
{
    offline_case_end(&run);
}

/* ---- what is held already ---- */

static void nothing_is_new(const char *id)
{
    size_t before = run.fake.count;

    run.offline.if_new = true;
    ck_assert_msg(offline_case_run(&run) == 0, "%s", run.err.msg);
    ck_assert_msg(!run.result.is_stored, "%s was stored", run.result.manifest.id);
    ck_assert_str_eq(run.result.reason, "nothing-new");
    ck_assert_str_eq(run.result.newest, id);
    ck_assert_uint_eq(run.fake.count, before);
}

static void change_dump(void)
{
    offline_case_put_dump(&run, OFFLINE_NOON_S - 2); /* as long as before */
}

static void change_increment(void)
{
    offline_case_put_set(&run, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n2\r\n", OFFLINE_NOON - 10000);
}

static void grow_increment(void)
{
    offline_case_put_set(&run, OFFLINE_SET_KEY OFFLINE_SET_KEY, OFFLINE_NOON - 10000);
}

static void drop_dump(void)
{
    ck_assert_int_eq(unlinkat(run.dir_fd, "dump.rdb", 0), 0);
}

static void drop_set(void)
{
    ck_assert_int_eq(unlinkat(run.dir_fd, OFFLINE_INCR, 0), 0);
    ck_assert_int_eq(unlinkat(run.dir_fd, OFFLINE_SET "appendonly.aof.manifest", 0), 0);
}

static void change_acl(void)
{
    offline_case_put_text(&run, "users.acl", "user x\n");
}

static void tear_increment(void)
{ /* what is whole of it is what it was */
    offline_case_put_set(&run, OFFLINE_SET_KEY "*3\r\n$3\r\nSE", OFFLINE_NOON - 10000);
}

static const struct {
    void (*change)(void);
    bool is_new;
} changes[] = {
    {change_dump, true}, {change_increment, true}, {grow_increment, true},  {drop_dump, false},
    {drop_set, true},    {change_acl, true},       {tear_increment, false},
};

START_TEST(what_differs_in_a_byte_is_new)
{
    offline_case_put_dump(&run, OFFLINE_NOON_S - 1);
    offline_case_put_set(&run, OFFLINE_SET_KEY, OFFLINE_NOON - 10000);
    offline_case_put_text(&run, "users.acl", "user y\n");
    offline_case_must_store(&run);
    auto_free char *id = xstrdup(run.result.manifest.id);
    nothing_is_new(id);
    fake_clock_advance(&run.clock, 1000);
    changes[_i].change();
    if (!changes[_i].is_new) {
        nothing_is_new(id);
        return;
    }
    offline_case_must_store(&run);
    auto_free char *next = xstrdup(run.result.manifest.id);
    nothing_is_new(next);
}
END_TEST

START_TEST(a_dump_of_a_format_that_may_end_with_its_own_checksum_is_always_new)
{
    const struct offline_rdb rdb = {"ENVELOPE1", NULL, OFFLINE_NOON_S - 1, 2};

    offline_case_put_rdb(&run, "dump.rdb", &rdb);
    run.offline.if_new = true;
    for (int i = 0; i < 2; i++) {
        offline_case_must_store(&run);
        ck_assert_uint_eq(run.result.manifest.files[0].crc64, 0); /* as that of any other such */
    }
}
END_TEST

/* ---- what is broken ---- */

static void is_corrupt(enum problem problem)
{
    ck_assert_int_eq(offline_case_run(&run), -1);
    ck_assert_msg(run.err.kind == ERR_CORRUPT, "%s", run.err.msg);
    ck_assert_int_eq(err_problem(&run.err), problem);
    ck_assert_uint_eq(fake_store_count(&run.fake, "/backup.json"), 0);
}

START_TEST(a_dump_with_a_flipped_bit_or_cut_short_is_no_backup)
{
    auto_buf struct buf whole = {0};

    offline_case_put_dump(&run, OFFLINE_NOON_S);
    buf_init(&whole, 1 << 16);
    ck_assert_int_eq(fs_read_file(run.dir_fd, "dump.rdb", &whole, &run.err), 0);
    for (size_t i = 0; i < whole.len - 8; i++) { /* without its checksum it would be unproven */
        if (i < 9)
            continue; /* another format */
        whole.data[i] ^= 1;
        tree_replace(run.dir_fd, "dump.rdb", whole.data, whole.len);
        is_corrupt(PROBLEM_RDB_CORRUPT);
        whole.data[i] ^= 1;
    }
    for (size_t len = 0; len < whole.len; len++) {
        tree_replace(run.dir_fd, "dump.rdb", whole.data, len);
        is_corrupt(PROBLEM_RDB_CORRUPT);
    }
    ck_assert_uint_eq(run.fake.count, 0);
}
END_TEST

START_TEST(a_broken_dump_beside_a_set_is_left_out_and_told)
{
    offline_case_put_dump(&run, OFFLINE_NOON_S);
    offline_case_put_set(&run, OFFLINE_SET_KEY, OFFLINE_NOON);
    tree_replace(run.dir_fd, "dump.rdb", "REDIS0012", 9);
    offline_case_must_store(&run);
    offline_case_must_hold(&run, "dump.rdb", false);
    offline_case_must_hold(&run, OFFLINE_INCR, true);
    ck_assert_ptr_nonnull(strstr(buf_text(&run.warnings), "RDB_CORRUPT: the dump is left out"));
}
END_TEST

START_TEST(a_set_that_does_not_load_is_no_backup_even_beside_a_dump)
{
    offline_case_put_dump(&run, OFFLINE_NOON_S);
    offline_case_put_set(&run, OFFLINE_SET_KEY, OFFLINE_NOON);
    offline_case_put_text(&run, OFFLINE_INCR, "+x\r\n");
    is_corrupt(PROBLEM_AOF_CORRUPT);
    ck_assert_ptr_nonnull(strstr(run.err.msg, "redis-check-aof"));
    ck_assert_ptr_null(strstr(run.err.msg, "BGREWRITEAOF"));
}
END_TEST

START_TEST(a_store_that_fails_never_has_half_a_backup)
{
    static const enum fake_fault faults[] = {FAKE_FAILS, FAKE_GONE, FAKE_ANSWER_LOST,
                                             FAKE_LOST_GONE};
    bool fired = true;

    offline_case_put_dump(&run, OFFLINE_NOON_S);
    offline_case_put_set(&run, OFFLINE_SET_KEY, OFFLINE_NOON);
    run.offline.if_new = true;
    for (unsigned n = 1; fired; n++) {
        fake_store_arm(&run.fake, n, faults[_i]);
        int rc = offline_case_run(&run);
        fired = run.fake.fired > 0;
        ck_assert(fired || rc == 0);
        ck_assert_msg(rc == 0 || run.err.kind == ERR_STORE, "%s", run.err.msg);
        fake_store_arm(&run.fake, 0, FAKE_FAILS);
        if (fake_store_count(&run.fake, "/backup.json") > 0)
            ck_assert_uint_eq(fake_store_count(&run.fake, "/data.tar.zst"), 1);
        ck_assert(rc != 0 || fake_store_count(&run.fake, "/backup.json") == 1);
        while (run.fake.count > 0)
            fake_store_drop(&run.fake, run.fake.objects[0].key);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("offline_held");
    TCase *tcase = tcase_create("offline_held");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_loop_test(tcase, what_differs_in_a_byte_is_new, 0, COUNT(changes));
    tcase_add_test(tcase, a_dump_of_a_format_that_may_end_with_its_own_checksum_is_always_new);
    tcase_add_test(tcase, a_dump_with_a_flipped_bit_or_cut_short_is_no_backup);
    tcase_add_test(tcase, a_broken_dump_beside_a_set_is_left_out_and_told);
    tcase_add_test(tcase, a_set_that_does_not_load_is_no_backup_even_beside_a_dump);
    tcase_add_loop_test(tcase, a_store_that_fails_never_has_half_a_backup, 0, 4);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
