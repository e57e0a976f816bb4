/*
 * Backups of a real server into a store that fails at its n-th operation, and of a dump that is not
 * what the server wrote.
 */
#include "backup/backup.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/catalog.h"
#include "base/cancel.h"
#include "base/mem.h"
#include "support/backing_up.h"
#include "support/leaks.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct backing_up run;
static struct leaks held;

static void begin(void)
{
    cancel_init();
    held = leaks_count();
    backing_up_begin(&run, NULL);
    backing_up_fill(&run);
}

static void end(void)
{
    backing_up_end(&run);
    ck_assert(leaks_none(&held));
}

static void check_no_manifest_without_its_data(void)
{
    for (size_t i = 0; i < run.fake.count; i++) {
        const char *key = run.fake.objects[i].key;
        const char *name = strstr(key, "/backup.json");

        if (name == NULL)
            continue;
        auto_free char *data = xasprintf("%.*s/data.tar.zst", (int)(name - key), key);
        ck_assert_msg(fake_store_find(&run.fake, data) != NULL, "%s without its data", key);
    }
}

static const struct {
    enum fake_fault fault;
    size_t listed_max; /* backups that a failure may leave */
    size_t left_max;   /* objects */
    bool may_succeed;  /* what was stored without an answer is found there */
} sweeps[] = {
    {FAKE_FAILS, 0, 1, false}, /* an orphan may stay: its manifest may still be on its way */
    {FAKE_GONE, 0, 1, false},      {FAKE_ANSWER_LOST, 0, 0, true},
    {FAKE_LOST_GONE, 1, 2, false}, /* a whole backup that nobody could confirm */
    {FAKE_LOST_LATER, 0, 0, true},
};

START_TEST(a_store_that_fails_never_has_half_a_backup)
{
    bool fired = true;
    unsigned n = 0;
    size_t most = 0;
    unsigned confirmed = 0;

    while (fired) {
        fake_store_arm(&run.fake, ++n, sweeps[_i].fault);
        int rc = backing_up_run(&run);
        fired = run.fake.fired > 0;
        ck_assert_msg(rc == 0 || run.err.kind == ERR_STORE, "%s", run.err.msg);
        ck_assert(rc == (fired ? -1 : 0) || (rc == 0 && sweeps[_i].may_succeed));
        confirmed += fired && rc == 0;
        check_no_manifest_without_its_data();
        size_t left = run.fake.count;
        size_t listed = backing_up_check_all(&run);
        if (rc != 0) {
            ck_assert_msg(listed <= sweeps[_i].listed_max && left <= sweeps[_i].left_max,
                          "operation %u: %zu listed, %zu objects left", n, listed, left);
            most = listed > most ? listed : most;
        } else {
            ck_assert_uint_eq(listed, 1);
        }
        while (run.fake.count > 0)
            fake_store_drop(&run.fake, run.fake.objects[0].key);
    }
    ck_assert_uint_gt(n, 5); /* list, put, write, finish, put_small */
    ck_assert_uint_eq(most, sweeps[_i].listed_max);
    ck_assert_uint_eq(confirmed, sweeps[_i].may_succeed ? 1 : 0);
}
END_TEST

/* A PUT that has failed, and arrives behind everything else. */
static char *late_key;

static void catch_manifest(struct fake_store *fake, const char *operation, const char *key)
{
    if (strcmp(operation, "finish") == 0)
        fake_store_arm(fake, 1, FAKE_FAILS); /* what comes next */
    else if (strcmp(operation, "remove") == 0 && strstr(key, "/backup.json") != NULL)
        late_key = xstrdup(key);
}

START_TEST(a_manifest_that_arrives_late_finds_its_data)
{
    run.fake.hook = catch_manifest;
    ck_assert_int_eq(backing_up_run(&run), -1);
    run.fake.hook = NULL;
    ck_assert_ptr_nonnull(late_key);
    fake_store_set(&run.fake, late_key, "x", 1);
    check_no_manifest_without_its_data();
    ck_assert_uint_eq(run.fake.count, 2);
    free(TAKE_PTR(late_key));
}
END_TEST

START_TEST(what_could_not_be_restored_is_not_stored)
{
    const uint64_t part_bytes = run.fake.part_bytes;

    run.fake.part_bytes = 1; /* more parts than a manifest may list */
    redis_server_do(&run.server, "EVAL %s 0",
                    "local s = {} math.randomseed(7) for i = 1, 30000 do "
                    "s[i] = string.char(math.random(0, 255)) end "
                    "redis.call('SET', 'large', table.concat(s))");
    backing_up_must_fail(&run, ERR_FAILED);
    ck_assert_ptr_nonnull(strstr(run.err.msg, "no redkeep could restore it"));
    ck_assert_uint_eq(fake_store_asked(&run.fake, "put_small"), 0);
    run.fake.part_bytes = part_bytes;
    backing_up_must_succeed(&run);
}
END_TEST

static size_t flip_at;

static void overwrite(size_t at, bool cut)
{
    auto_close int fd = openat(run.server.dir_fd, "dump.rdb", O_RDWR | O_CLOEXEC);
    struct stat st;
    uint8_t byte = 0;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    if (at >= (size_t)st.st_size) {
        flip_at = SIZE_MAX;
        return;
    }
    if (cut) {
        ck_assert_int_eq(ftruncate(fd, (off_t)at), 0);
        return;
    }
    ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= (uint8_t)(1U << at % 8);
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
}

/* The save is proven by now, and nothing of the dump was read. */
static void flip(struct fake_store *fake, const char *operation, const char *key)
{
    (void)fake;
    (void)key;
    if (strcmp(operation, "put") == 0)
        overwrite(flip_at, false);
}

static void cut(struct fake_store *fake, const char *operation, const char *key)
{
    (void)fake;
    (void)key;
    if (strcmp(operation, "put") == 0)
        overwrite(flip_at, true);
}

START_TEST(a_dump_that_rots_on_the_disk_is_never_stored)
{
    for (flip_at = (size_t)_i;; flip_at += 7) {
        run.fake.hook = flip;
        int rc = backing_up_run(&run);
        run.fake.hook = NULL;
        if (flip_at == SIZE_MAX) {
            ck_assert_int_eq(rc, 0);
            break;
        }
        ck_assert_int_eq(rc, -1);
        ck_assert_msg(run.err.kind == ERR_CORRUPT, "byte %zu: %s", flip_at, run.err.msg);
        ck_assert_int_eq(err_problem(&run.err), PROBLEM_RDB_CORRUPT);
        ck_assert_ptr_nonnull(strstr(run.err.msg, "HINT"));
        ck_assert_uint_eq(run.fake.count, 0);
    }
}
END_TEST

START_TEST(a_dump_that_was_cut_is_never_stored)
{
    run.fake.hook = cut;
    for (flip_at = 0; flip_at < 120; flip_at += 17) {
        backing_up_must_fail(&run, ERR_CORRUPT);
        ck_assert_int_eq(err_problem(&run.err), PROBLEM_RDB_CORRUPT);
    }
}
END_TEST

static const char *stop_at;

static void stop(struct fake_store *fake, const char *operation, const char *key)
{
    (void)fake;
    (void)key;
    if (strcmp(operation, stop_at) == 0)
        (void)raise(SIGTERM); /* blocked, so pending from now on */
}

START_TEST(a_signal_ends_it_with_nothing_stored)
{
    static const char *const operations[] = {"put", "write"};
    sigset_t set;
    int signal_number = 0;

    stop_at = operations[_i];
    run.fake.hook = stop;
    backing_up_must_fail(&run, ERR_FAILED);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    ck_assert_int_eq(sigwait(&set, &signal_number), 0);
    run.fake.hook = NULL;
    backing_up_must_succeed(&run);
}
END_TEST

/* What the server does meanwhile changes nothing: the dump is pinned. */
static void save_again(struct fake_store *fake, const char *operation, const char *key)
{
    (void)fake;
    (void)key;
    if (strcmp(operation, "put") == 0) {
        redis_server_do(&run.server, "FLUSHALL");
        redis_server_do(&run.server, "SAVE");
    }
}

START_TEST(a_later_save_does_not_change_what_is_stored)
{
    run.fake.hook = save_again;
    backing_up_must_succeed(&run);
    ck_assert_uint_eq(manifest_keys(&run.manifest), 15);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backup_faults");
    TCase *tcase = tcase_create("backup_faults");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(tcase, a_store_that_fails_never_has_half_a_backup, 0, COUNT(sweeps));
    tcase_add_test(tcase, a_manifest_that_arrives_late_finds_its_data);
    tcase_add_test(tcase, what_could_not_be_restored_is_not_stored);
    tcase_add_loop_test(tcase, a_dump_that_rots_on_the_disk_is_never_stored, 0, 2);
    tcase_add_test(tcase, a_dump_that_was_cut_is_never_stored);
    tcase_add_loop_test(tcase, a_signal_ends_it_with_nothing_stored, 0, 2);
    tcase_add_test(tcase, a_later_save_does_not_change_what_is_stored);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
