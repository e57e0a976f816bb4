/*
 * Backups of a real server that tell of what is not as one might think: append-only files that are
 * old or broken, files of another server, one more backup in the same second.
 */
#include "backup/backup.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/catalog.h"
#include "backup/restore.h"
#include "base/mem.h"
#include "support/backing_up.h"
#include "support/leaks.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define BASE "appendonlydir/appendonly.aof.1.base.rdb"

static struct backing_up run;
static struct leaks held;

static void begin_with(const char *const *args)
{
    held = leaks_count();
    backing_up_begin(&run, args);
}

static void begin(void)
{
    begin_with(NULL);
}

static void begin_aof(void)
{
    static const char *const args[] = {"--appendonly", "yes", NULL};

    begin_with(args);
    run.options.include_aof = true;
    run.options.include_rdb = false;
}

static void end(void)
{
    backing_up_end(&run);
    ck_assert(leaks_none(&held));
}

static int open_store(void *context, struct store **out, struct err *err)
{
    (void)context;
    (void)err;
    *out = &run.fake.store;
    return 0;
}

/* Restores the newest backup; a server that loads it has so many keys. */
static void check_restored(const char *keys)
{
    static const char *const args[] = {"--appendonly", "yes", NULL};
    char *dir = tmpdir_new();
    const struct redis_server_options server_options = {.dir = dir, .args = args};
    const struct restore_options options = {.dir = dir,
                                            .instance = BACKING_UP_INSTANCE,
                                            .at_ms = -1,
                                            .workers = 2,
                                            .clock = clock_system(),
                                            .open_store = open_store};
    auto_restore_result struct restore_result result = {0};
    struct redis_server server;
    struct err err = {0};

    ck_assert_msg(restore(&options, &result, &err) == 0, "%s", err.msg);
    redis_server_start(&server, &server_options);
    auto_free char *got = redis_server_ask(&server, "DBSIZE");
    ck_assert_str_eq(got, keys);
    redis_server_stop(&server);
    tmpdir_remove(dir);
}

static bool warns(const char *text)
{
    return strstr(buf_text(&run.warnings), text) != NULL;
}

START_TEST(append_only_files_that_are_being_turned_on_are_waited_for)
{
    redis_server_do(&run.server, "SET first x");
    redis_server_do(&run.server, "CONFIG SET appendonly no");
    redis_server_fill(&run.server, 300);
    redis_server_do(&run.server, "CONFIG SET rdb-key-save-delay 10000");
    redis_server_do(&run.server, "CONFIG SET appendonly yes");
    backing_up_must_succeed(&run);
    ck_assert(run.manifest.proven);
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), "append-only files anew"));
    check_restored("301");
}
END_TEST

START_TEST(append_only_files_that_were_turned_off_are_not_there)
{
    redis_server_do(&run.server, "CONFIG SET appendonly no");
    backing_up_must_fail(&run, ERR_CONFIG);
    ck_assert_int_eq(err_problem(&run.err), PROBLEM_NO_DATA);
}
END_TEST

static void cut_base(off_t by)
{
    auto_close int fd = openat(run.server.dir_fd, BASE, O_RDWR | O_CLOEXEC);
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(ftruncate(fd, st.st_size - by), 0);
}

START_TEST(a_base_that_was_cut_is_not_stored)
{
    for (int i = 0; i < 3; i++) {
        cut_base(i == 0 ? 1 : 20);
        backing_up_must_fail(&run, ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(run.err.msg, "BGREWRITEAOF"));
        ck_assert_int_eq(err_problem(&run.err), PROBLEM_AOF_CORRUPT);
        run.options.include_rdb = i > 0;
    }
}
END_TEST

START_TEST(a_base_that_rotted_is_not_stored)
{
    auto_close int fd = openat(run.server.dir_fd, BASE, O_RDWR | O_CLOEXEC);

    ck_assert_int_eq(pwrite(fd, "8", 1, 12), 1); /* in the name of the first field */
    backing_up_must_fail(&run, ERR_CORRUPT);
    ck_assert_int_eq(err_problem(&run.err), PROBLEM_AOF_CORRUPT);
}
END_TEST

START_TEST(a_base_that_was_not_looked_through_is_not_proven)
{
    static const char command[] = "*3\r\n$3\r\nSET\r\n$5\r\nthere\r\n$1\r\nx\r\n";
    auto_close int fd = openat(run.server.dir_fd, BASE, O_RDWR | O_APPEND | O_CLOEXEC);

    ck_assert_int_eq(write(fd, command, strlen(command)), (ssize_t)strlen(command));
    backing_up_must_succeed(&run);
    ck_assert(!run.manifest.proven);
    ck_assert_ptr_nonnull(strstr(run.manifest.unproven_why, "an RDB with commands behind it"));
    ck_assert(warns("BACKUP_UNPROVEN: backup "));
    ck_assert_int_eq(run.manifest.rdb_version, 10);
    check_restored("1"); /* it does load */
}
END_TEST

START_TEST(a_base_of_unknown_format_is_not_proven)
{
    tree_write(run.server.dir_fd, BASE, "\x28\xb5\x2f\xfd of the future", 18);
    backing_up_must_succeed(&run);
    ck_assert(!run.manifest.proven);
    ck_assert_ptr_nonnull(strstr(run.manifest.unproven_why, "format of the append-only base"));
    ck_assert_int_eq(run.manifest.rdb_version, -1);
}
END_TEST

/* The time of day stands still; what the server needs passes. */
static int64_t stopped_ms(void *context)
{
    return *(const int64_t *)context;
}

static int64_t real_mono_ms(void *context)
{
    (void)context;
    return clock_mono_ms(clock_system());
}

static void real_sleep_ms(void *context, int64_t ms)
{
    (void)context;
    clock_sleep_ms(clock_system(), ms);
}

START_TEST(backups_of_one_second_sort_as_they_were_made)
{
    int64_t now_ms = INT64_C(1795176000000);
    const struct clock clock = {.wall_ms = stopped_ms,
                                .mono_ms = real_mono_ms,
                                .sleep_ms = real_sleep_ms,
                                .context = &now_ms};
    char last[CATALOG_ID_SIZE] = "";

    run.options.clock = &clock;
    for (int i = 0; i < 6; i++) {
        backing_up_must_succeed(&run);
        ck_assert_int_gt(strcmp(run.manifest.id, last), 0);
        ck_assert_uint_eq(strlen(run.manifest.id), sizeof(last) - 1);
        memcpy(last, run.manifest.id, sizeof(last));
        ck_assert_uint_eq(run.warnings.len, 0);
    }
    now_ms -= 1000000;
    backing_up_must_succeed(&run);
    ck_assert(warns("later than the clock of this host"));
    ck_assert(warns("CONFIG: the backup "));
}
END_TEST

START_TEST(an_acl_file_elsewhere_is_named)
{
    char *dir = tmpdir_new();
    auto_free char *path = xasprintf("%s/users.acl", dir);
    auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *const args[] = {"--aclfile", path, NULL};

    tree_write(dir_fd, "users.acl", "user default on nopass ~* &* +@all\n", 35);
    begin_with(args);
    backing_up_must_succeed(&run);
    ck_assert_uint_eq(run.manifest.file_count, 1);
    ck_assert_msg(strstr(buf_text(&run.events), path) != NULL, "%s", buf_text(&run.events));
    run.options.include_acl = false;
    backing_up_must_succeed(&run);
    ck_assert_ptr_null(strstr(buf_text(&run.events), path));
    end();
    tmpdir_remove(dir);
}
END_TEST

START_TEST(names_that_a_manifest_cannot_hold_are_refused_at_once)
{
    run.options.names.appendfilename = "a\xff";
    backing_up_must_fail(&run, ERR_CONFIG);
    run.options.names.appendfilename = NULL;
    run.options.names.aclfile = "dump.rdb";
    backing_up_must_fail(&run, ERR_CONFIG);
    auto_free char *info = redis_server_ask(&run.server, "INFO persistence");
    ck_assert_ptr_nonnull(strstr(info, "rdb_saves:0"));
}
END_TEST

/* Another server's dump appears in what is taken for the directory of ours: both save at a time. */
static const struct redis_server *other;

static void save_other(void *context, int percent)
{
    (void)context;
    (void)percent;
    redis_server_do(other, "SAVE");
}

START_TEST(the_dump_of_another_server_is_suspicious)
{
    struct redis_server second;
    struct redis_saved saved = REDIS_SAVED_INIT;

    redis_server_start(&second, NULL);
    redis_server_fill(&second, 7);
    redis_server_fill(&run.server, 300);
    redis_server_do(&run.server, "CONFIG SET rdb-key-save-delay 10000");
    other = &second;
    const struct redis_save_options options = {.clock = clock_system(),
                                               .data_dir_fd = second.dir_fd,
                                               .data_dir = second.dir,
                                               .dbfilename = "dump.rdb",
                                               .on_progress = save_other};
    ck_assert_msg(redis_save_proven(run.redis, &options, &saved, &run.err) == 0, "%s", run.err.msg);
    ck_assert(saved.is_strange);
    ck_assert(!saved.is_exact);
    redis_saved_release(&saved);
    redis_server_stop(&second);
}
END_TEST

/* While ours saves, so does the other. */
static void sleep_and_save_other(void *context, int64_t ms)
{
    auto_free char *info = redis_server_ask(&run.server, "INFO persistence");

    if (strstr(info, "rdb_bgsave_in_progress:1") != NULL)
        redis_server_do(other, "SAVE");
    real_sleep_ms(context, ms);
}

static int64_t real_wall_ms(void *context)
{
    (void)context;
    return clock_wall_ms(clock_system());
}

START_TEST(a_data_directory_of_another_server_is_warned_of)
{
    const struct clock clock = {
        .wall_ms = real_wall_ms, .mono_ms = real_mono_ms, .sleep_ms = sleep_and_save_other};
    struct redis_server second;

    redis_server_start(&second, NULL);
    redis_server_fill(&second, 7);
    redis_server_fill(&run.server, 300);
    redis_server_do(&run.server, "SAVE"); /* so that its directory holds a dump */
    redis_server_do(&run.server, "CONFIG SET rdb-key-save-delay 10000");
    other = &second;
    run.options.data_dir = second.dir;
    run.options.clock = &clock;
    ck_assert_msg(backing_up_run(&run) == 0, "%s", run.err.msg);
    ck_assert_msg(warns("does not hold as many keys"), "%s", buf_text(&run.warnings));
    ck_assert(warns("DATA_DIR: the server says"));
    ck_assert(warns(run.server.dir));
    ck_assert(!run.manifest.has_keys);
    redis_server_stop(&second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backup_doubts");
    TCase *dump = tcase_create("dump");
    TCase *aof = tcase_create("append-only");
    TCase *alone = tcase_create("alone");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(dump, begin, end);
    tcase_add_test(dump, backups_of_one_second_sort_as_they_were_made);
    tcase_add_test(dump, names_that_a_manifest_cannot_hold_are_refused_at_once);
    tcase_add_test(dump, the_dump_of_another_server_is_suspicious);
    tcase_add_test(dump, a_data_directory_of_another_server_is_warned_of);
    tcase_add_checked_fixture(aof, begin_aof, end);
    tcase_add_test(aof, append_only_files_that_are_being_turned_on_are_waited_for);
    tcase_add_test(aof, append_only_files_that_were_turned_off_are_not_there);
    tcase_add_test(aof, a_base_that_was_cut_is_not_stored);
    tcase_add_test(aof, a_base_that_rotted_is_not_stored);
    tcase_add_test(aof, a_base_that_was_not_looked_through_is_not_proven);
    tcase_add_test(aof, a_base_of_unknown_format_is_not_proven);
    tcase_add_test(alone, an_acl_file_elsewhere_is_named);
    TCase *const all[] = {dump, aof, alone};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        tcase_set_timeout(all[i], 120); /* a ceiling for slow machines, not an expectation */
        suite_add_tcase(suite, all[i]);
    }

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
