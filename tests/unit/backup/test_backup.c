/*
 * Backups of a real server into a store in memory: what they hold, and what they say they hold.
 * Faults are in test_backup_faults.c.
 */
// link: -Wl,--wrap=fstatvfs
#include "backup/backup.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backup/catalog.h"
#include "backup/restore.h"
#include "base/fs.h"
#include "base/mem.h"
#include "support/backing_up.h"
#include "support/leaks.h"
#include "support/redis_peer.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern __typeof__(fstatvfs) __real_fstatvfs;
extern __typeof__(fstatvfs) __wrap_fstatvfs;

static uint64_t free_bytes = UINT64_MAX;

int __wrap_fstatvfs(int fd, struct statvfs *out)
{
    int rc = __real_fstatvfs(fd, out);

    if (free_bytes != UINT64_MAX) {
        out->f_frsize = 1;
        out->f_bavail = free_bytes;
    }
    return rc;
}

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
}

static void begin_without_checksum(void)
{
    static const char *const args[] = {"--rdbchecksum", "no", NULL};

    begin_with(args);
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

static void restore_into(const char *dir)
{
    const struct restore_options options = {.dir = dir,
                                            .instance = BACKING_UP_INSTANCE,
                                            .at_ms = -1,
                                            .workers = 2,
                                            .clock = run.options.clock,
                                            .open_store = open_store};
    auto_restore_result struct restore_result result = {0};
    struct err err = {0};

    ck_assert_msg(restore(&options, &result, &err) == 0, "%s", err.msg);
}

START_TEST(a_backup_says_what_it_holds)
{
    const struct manifest *manifest = &run.manifest;

    backing_up_fill(&run);
    tree_write(run.server.dir_fd, "users.acl", "user default on nopass ~* &* +@all\n", 35);
    run.options.names.aclfile = "users.acl";
    backing_up_must_succeed(&run);
    ck_assert(catalog_is_id(manifest->id));
    ck_assert_str_eq(manifest->instance, BACKING_UP_INSTANCE);
    ck_assert_int_le(manifest->asked_ms, manifest->forked_ms);
    ck_assert_int_le(manifest->forked_ms, manifest->stored_ms);
    ck_assert_int_ge(manifest->save_ms, 0);
    ck_assert_int_ge(manifest->pack_ms, 0);
    ck_assert_uint_eq(manifest->server.major, 7);
    ck_assert_str_eq(manifest->role, "master");
    ck_assert_uint_eq(strlen(manifest->run_id), 40);
    ck_assert_int_eq(manifest->rdb_magic, RDB_MAGIC_REDIS);
    ck_assert_int_eq(manifest->rdb_version, 10);
    ck_assert(manifest->proven);
    ck_assert_ptr_null(manifest->unproven_why);
    ck_assert_str_eq(manifest->appendonly, "no");
    ck_assert_str_eq(manifest->dbfilename, "dump.rdb");
    ck_assert_uint_eq(manifest->file_count, 2);
    ck_assert_int_eq(manifest_find(manifest, "dump.rdb")->kind, MANIFEST_RDB);
    ck_assert_int_eq(manifest_find(manifest, "users.acl")->kind, MANIFEST_ACL);
    ck_assert_uint_eq(manifest_find(manifest, "users.acl")->size, 35);
}
END_TEST

START_TEST(the_keys_of_each_database_are_those_of_the_dump)
{
    backing_up_fill(&run);
    backing_up_must_succeed(&run);
    ck_assert(run.manifest.has_keys);
    ck_assert_uint_eq(manifest_keys(&run.manifest), 15);
    ck_assert_uint_eq(run.manifest.db_count, 2);
    ck_assert_uint_eq(run.manifest.dbs[0].db, 0);
    ck_assert_uint_eq(run.manifest.dbs[0].keys, 10);
    ck_assert_uint_eq(run.manifest.dbs[0].expires, 1);
    ck_assert_uint_eq(run.manifest.dbs[1].db, 3);
    ck_assert_uint_eq(run.manifest.dbs[1].keys, 5);
    ck_assert_uint_eq(run.manifest.dbs[1].expires, 1);
}
END_TEST

START_TEST(an_empty_server_is_backed_up_too)
{
    backing_up_must_succeed(&run);
    ck_assert(run.manifest.proven);
    ck_assert(run.manifest.has_keys);
    ck_assert_uint_eq(run.manifest.db_count, 0);
    ck_assert_uint_eq(manifest_keys(&run.manifest), 0);
}
END_TEST

START_TEST(without_a_checksum_nothing_is_proven)
{
    backing_up_fill(&run);
    backing_up_must_succeed(&run);
    ck_assert(!run.manifest.proven);
    ck_assert_ptr_nonnull(strstr(run.manifest.unproven_why, "rdbchecksum no"));
}
END_TEST

START_TEST(backups_follow_each_other)
{
    for (int i = 0; i < 3; i++)
        backing_up_must_succeed(&run);
    ck_assert_uint_eq(run.fake.count, 6);
}
END_TEST

START_TEST(append_only_files_are_included)
{
    run.options.include_aof = true;
    backing_up_fill(&run);
    backing_up_must_succeed(&run);
    ck_assert_uint_eq(run.manifest.file_count, 4);
    ck_assert_str_eq(run.manifest.appendonly, "yes");
    ck_assert(run.manifest.proven);
    ck_assert(manifest_has_kind(&run.manifest, MANIFEST_AOF_BASE));
    ck_assert(manifest_has_kind(&run.manifest, MANIFEST_AOF_INCR));
    ck_assert_ptr_nonnull(manifest_find(&run.manifest, "appendonlydir/appendonly.aof.manifest"));

    run.options.include_rdb = false;
    backing_up_must_succeed(&run);
    ck_assert_uint_eq(run.manifest.file_count, 3);
    ck_assert(!run.manifest.has_keys);
    ck_assert_int_eq(run.manifest.rdb_version, 10); /* of the base */
    ck_assert_int_eq(run.manifest.save_ms, -1);
}
END_TEST

START_TEST(append_only_files_that_are_not_there_are_told)
{
    run.options.include_aof = true;
    backing_up_must_succeed(&run);
    ck_assert_ptr_nonnull(strstr(buf_text(&run.events), "appendonly no"));
    ck_assert_uint_eq(run.manifest.file_count, 1);
}
END_TEST

START_TEST(append_only_files_alone_need_a_server_that_writes_them)
{
    run.options.include_aof = true;
    run.options.include_rdb = false;
    backing_up_must_fail(&run, ERR_CONFIG);
}
END_TEST

START_TEST(append_only_files_elsewhere_are_no_missing_backup)
{
    run.options.include_aof = true;
    run.options.include_rdb = false;
    run.options.names.appenddirname = "elsewhere";
    backing_up_must_fail(&run, ERR_FAILED);
    run.options.names.appenddirname = NULL;
    run.options.names.appendfilename = "another.aof";
    backing_up_must_fail(&run, ERR_FAILED);
}
END_TEST

START_TEST(small_files_are_read_through_links)
{
    struct stat st;

    tree_write(run.server.dir_fd, "secret/acl", "user x\n", 7);
    ck_assert_int_eq(fchmodat(run.server.dir_fd, "secret/acl", 0600, 0), 0);
    ck_assert_int_eq(symlinkat("secret/acl", run.server.dir_fd, "users.acl"), 0);
    tree_write(run.server.dir_fd, "nodes.conf", "nodes\n", 6);
    run.options.names.aclfile = "users.acl";
    run.options.include_cluster = true;
    backing_up_must_succeed(&run);
    ck_assert_uint_eq(manifest_find(&run.manifest, "users.acl")->size, 7);
    ck_assert_uint_eq(manifest_find(&run.manifest, "cluster/nodes.conf")->size, 6);

    char *dir = tmpdir_new();
    auto_free char *restored = xasprintf("%s/users.acl", dir);
    restore_into(dir);
    ck_assert_int_eq(lstat(restored, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 07777, 0600); /* of the file, not of the link */
    tmpdir_remove(dir);
}
END_TEST

START_TEST(what_is_no_file_is_no_acl_file)
{
    run.options.names.aclfile = "users.acl";
    backing_up_must_succeed(&run); /* its absence is no error */
    ck_assert_uint_eq(run.manifest.file_count, 1);
    fake_store_release(&run.fake);
    fake_store_init(&run.fake, 100);
    ck_assert_int_eq(mkfifoat(run.server.dir_fd, "users.acl", 0600), 0);
    backing_up_must_fail(&run, ERR_FAILED); /* and does not wait for a writer */
    ck_assert_int_eq(unlinkat(run.server.dir_fd, "users.acl", 0), 0);
    ck_assert_int_eq(mkdirat(run.server.dir_fd, "users.acl", 0700), 0);
    backing_up_must_fail(&run, ERR_FAILED);
}
END_TEST

static unsigned saves(void)
{
    auto_free char *info = redis_server_ask(&run.server, "INFO persistence");
    const char *at = strstr(info, "rdb_saves:");

    ck_assert_ptr_nonnull(at);
    return (unsigned)strtoul(at + strlen("rdb_saves:"), NULL, 10);
}

START_TEST(a_locked_directory_is_busy)
{
    auto_close int other = open(run.server.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), 0);
    backing_up_must_fail(&run, ERR_BUSY);
    ck_assert_uint_eq(saves(), 0);
    ck_assert_uint_eq(run.fake.operations, 0);
    ck_assert_int_eq(flock(other, LOCK_UN), 0);
    backing_up_must_succeed(&run);
}
END_TEST

START_TEST(a_full_volume_gets_no_save)
{
    backing_up_fill(&run);
    free_bytes = 1000;
    backing_up_must_fail(&run, ERR_FAILED);
    ck_assert_uint_eq(saves(), 0);
    ck_assert_uint_eq(run.fake.operations, fake_store_asked(&run.fake, "list"));
    ck_assert_ptr_nonnull(strstr(run.err.msg, "HINT"));
}
END_TEST

START_TEST(a_directory_that_is_not_the_servers_is_told)
{
    auto_free char *dir = tmpdir_new();
    auto_free char *none = xasprintf("%s/none", dir);
    auto_free char *file = xasprintf("%s/server.log", run.server.dir);

    run.options.data_dir = dir;
    backing_up_must_fail(&run, ERR_SERVER);
    run.options.data_dir = none;
    backing_up_must_fail(&run, ERR_FAILED);
    run.options.data_dir = file;
    backing_up_must_fail(&run, ERR_FAILED);
    tmpdir_remove(TAKE_PTR(dir));
}
END_TEST

START_TEST(names_that_cannot_be_are_refused)
{
    run.options.instance = "..";
    backing_up_must_fail(&run, ERR_CONFIG);
    run.options.instance = "\xff";
    backing_up_must_fail(&run, ERR_CONFIG);
    run.options.instance = BACKING_UP_INSTANCE;
    run.options.names.dbfilename = "../dump.rdb";
    backing_up_must_fail(&run, ERR_CONFIG);
    ck_assert_uint_eq(saves(), 0);
}
END_TEST

START_TEST(a_server_that_allows_no_config_is_backed_up_all_the_same)
{
    backing_up_fill(&run);
    redis_server_do(&run.server, "ACL SETUSER default -config");
    backing_up_must_succeed(&run);
    ck_assert_uint_eq(manifest_keys(&run.manifest), 15);
    ck_assert_str_eq(run.manifest.appendonly, "no"); /* INFO tells */
    ck_assert_str_eq(run.manifest.appenddirname, "appendonlydir");
}
END_TEST

START_TEST(a_server_that_loads_is_left_alone)
{
    static const struct redis_peer_step steps[] = {
        {.expect = "CLIENT SETNAME", .reply = "+OK\r\n"},
        {.expect = "CONFIG GET dir", .reply = "*0\r\n"},
        {.expect = "CONFIG GET appendonly", .reply = "*0\r\n"},
        {.expect = "CONFIG GET dbfilename", .reply = "*0\r\n"},
        {.expect = "CONFIG GET appendfilename", .reply = "*0\r\n"},
        {.expect = "CONFIG GET appenddirname", .reply = "*0\r\n"},
        {.expect = "CONFIG GET cluster-config-file", .reply = "*0\r\n"},
        {.expect = "CONFIG GET aclfile", .reply = "*0\r\n"},
        {.expect = "INFO", .bulk = "redis_version:7.0.15\r\nloading:1\r\n"},
        {0},
    };
    struct redis_peer *peer = redis_peer_start(steps, NULL);
    const struct redis_options options = {.url = redis_peer_url(peer)};

    redis_free(run.redis);
    ck_assert_int_eq(redis_connect(&options, &run.redis, &run.err), 0);
    backing_up_must_fail(&run, ERR_SERVER);
    redis_free(TAKE_PTR(run.redis));
    redis_peer_stop(peer);
}
END_TEST

START_TEST(a_server_that_is_gone_is_told)
{
    redis_server_do(&run.server, "CLIENT KILL TYPE normal SKIPME yes");
    backing_up_must_fail(&run, ERR_SERVER);
}
END_TEST

/* Restores the newest backup into dir and counts the keys that a server with these args has. */
static void check_restored(const char *const *args)
{
    char *dir = tmpdir_new();
    const struct redis_server_options server_options = {.dir = dir, .args = args};
    struct redis_server server;

    restore_into(dir);
    redis_server_start(&server, &server_options);
    auto_free char *info = redis_server_ask(&server, "INFO keyspace");
    ck_assert_msg(strstr(info, "db0:keys=10,expires=1") != NULL, "%s", info);
    ck_assert_msg(strstr(info, "db3:keys=5,expires=1") != NULL, "%s", info);
    redis_server_stop(&server);
    tmpdir_remove(dir);
}

static const char *const server_no[] = {"--appendonly", "no", NULL};
static const char *const server_yes[] = {"--appendonly", "yes", NULL};

START_TEST(what_was_backed_up_is_served_again)
{
    backing_up_fill(&run);
    backing_up_must_succeed(&run);
    check_restored(server_no);
    check_restored(server_yes);
}
END_TEST

START_TEST(append_only_files_that_were_backed_up_are_served_again)
{
    backing_up_fill(&run);
    run.options.include_aof = true;
    run.options.include_rdb = _i == 0;
    backing_up_must_succeed(&run);
    check_restored(server_yes);
}
END_TEST

static TCase *new_case(const char *name, SFun start)
{
    TCase *tcase = tcase_create(name);

    tcase_add_checked_fixture(tcase, start, end);
    tcase_set_timeout(tcase, 120); /* a ceiling for slow machines, not an expectation */
    return tcase;
}

static TCase *dump_case(void)
{
    TCase *tcase = new_case("dump", begin);

    tcase_add_test(tcase, a_backup_says_what_it_holds);
    tcase_add_test(tcase, the_keys_of_each_database_are_those_of_the_dump);
    tcase_add_test(tcase, an_empty_server_is_backed_up_too);
    tcase_add_test(tcase, backups_follow_each_other);
    tcase_add_test(tcase, append_only_files_that_are_not_there_are_told);
    tcase_add_test(tcase, append_only_files_alone_need_a_server_that_writes_them);
    tcase_add_test(tcase, small_files_are_read_through_links);
    tcase_add_test(tcase, what_is_no_file_is_no_acl_file);
    tcase_add_test(tcase, a_locked_directory_is_busy);
    tcase_add_test(tcase, a_full_volume_gets_no_save);
    tcase_add_test(tcase, a_directory_that_is_not_the_servers_is_told);
    tcase_add_test(tcase, names_that_cannot_be_are_refused);
    tcase_add_test(tcase, a_server_that_allows_no_config_is_backed_up_all_the_same);
    tcase_add_test(tcase, a_server_that_loads_is_left_alone);
    tcase_add_test(tcase, a_server_that_is_gone_is_told);
    tcase_add_test(tcase, what_was_backed_up_is_served_again);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("backup");
    TCase *aof = new_case("append-only", begin_aof);
    TCase *unproven = new_case("unproven", begin_without_checksum);
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, dump_case());
    suite_add_tcase(suite, aof);
    suite_add_tcase(suite, unproven);
    tcase_add_test(aof, append_only_files_are_included);
    tcase_add_test(aof, append_only_files_elsewhere_are_no_missing_backup);
    tcase_add_loop_test(aof, append_only_files_that_were_backed_up_are_served_again, 0, 2);
    tcase_add_test(unproven, without_a_checksum_nothing_is_proven);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
