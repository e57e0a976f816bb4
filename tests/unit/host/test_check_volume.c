/*
 * Each finding about the volume and its absence.
 */
#include "host/check_volume.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "redis/temp_file.h"
#include "support/check_case.h"

#define GIB (INT64_C(1) << 30)

START_TEST(a_healthy_volume_is_ok)
{
    struct check_case c;

    check_case_init(&c, "aof");
    for (const struct check_row *row = check_volume_rows; row->id != NULL; row++) {
        const struct check_result *r = check_case_look(&c, row->id);

        if (strcmp(row->id, "ownership") != 0) /* which needs the server's process */
            ck_assert_msg(r->status == CHECK_OK, "%s: %s", row->id, r->value);
    }
    check_case_release(&c);
}
END_TEST

START_TEST(what_is_not_known_is_unknown)
{
    struct check_case c;

    check_case_init(&c, "aof");
    check_case_forget(&c);
    for (const struct check_row *row = check_volume_rows; row->id != NULL; row++)
        ck_assert_msg(check_case_look(&c, row->id)->status == CHECK_UNKNOWN, "%s", row->id);
    c.facts.volume.path = "/data"; /* which is there, and cannot be looked at */
    c.facts.backup.has_repository = true;
    for (const struct check_row *row = check_volume_rows; row->id != NULL; row++)
        ck_assert_msg(check_case_look(&c, row->id)->status == CHECK_UNKNOWN, "%s", row->id);
    check_case_release(&c);
}
END_TEST

START_TEST(a_save_needs_more_than_half_of_the_memory)
{
    struct check_case c;
    static const struct {
        int64_t free_bytes;
        enum check_status status;
    } cases[] = {{3 * GIB, CHECK_OK},      {2000000000, CHECK_OK},   {1800000000, CHECK_OK},
                 {1799999999, CHECK_WARN}, {1200000000, CHECK_WARN}, {1199999999, CHECK_FAIL},
                 {0, CHECK_FAIL}};

    check_case_init(&c, "rdb");
    check_case_put(&c.info, "used_memory", "2000000000");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        c.facts.volume.free_bytes = cases[i].free_bytes;
        check_case_expect(&c, "free-space", cases[i].status, "needs about 1.2 GB", NULL);
    }
    check_case_expect(&c, "free-space", CHECK_FAIL, "0 B free", "storage: 12Gi");
    check_case_release(&c);
}
END_TEST

START_TEST(a_rewrite_needs_what_the_file_still_grows)
{
    struct check_case c;

    check_case_init(&c, "aof");
    check_case_put(&c.info, "used_memory", "1000000000");
    check_case_put(&c.info, "aof_base_size", "2000000000");
    check_case_put(&c.info, "aof_current_size", "3000000000");
    /* the new base, half of it in reserve, and one more until it has doubled */
    c.facts.volume.free_bytes = 4000000000;
    check_case_expect(&c, "free-space", CHECK_OK, "needs about 2.0 GB", NULL);
    c.facts.volume.free_bytes = 3999999999;
    check_case_expect(&c, "free-space", CHECK_WARN, "needs about 2.0 GB", "storage: 11Gi");
    c.facts.volume.free_bytes = 1999999999;
    check_case_expect(&c, "free-space", CHECK_FAIL, "needs about 2.0 GB", NULL);
    check_case_put(&c.config, "auto-aof-rewrite-percentage", "0");
    c.facts.volume.free_bytes = 3000000000;
    check_case_expect(&c, "free-space", CHECK_OK, "needs about 2.0 GB", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(huge_sizes_do_not_overflow)
{
    struct check_case c;

    check_case_init(&c, "aof");
    check_case_put(&c.info, "used_memory", "9223372036854775807");
    check_case_put(&c.info, "aof_base_size", "9223372036854775807");
    check_case_put(&c.config, "auto-aof-rewrite-percentage", "9223372036854775807");
    c.facts.volume.total_bytes = INT64_MAX;
    c.facts.volume.free_bytes = INT64_MAX - 1;
    check_case_expect(&c, "free-space", CHECK_FAIL, "free", NULL);
    c.facts.volume.free_bytes = 0;
    check_case_expect(&c, "free-space", CHECK_FAIL, "0 B free", NULL);
    check_case_put(&c.info, "used_memory", NULL);
    check_case_expect(&c, "free-space", CHECK_UNKNOWN, "used_memory", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(inodes_run_out)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    c.facts.volume.free_inodes = 1000;
    check_case_expect(&c, "inodes", CHECK_OK, "1000 free", NULL);
    c.facts.volume.free_inodes = 999;
    check_case_expect(&c, "inodes", CHECK_WARN, "999 of 100000 free",
                      "find /data -xdev -printf '%h\\n' | sort | uniq -c | sort -n | tail");
    c.facts.volume.free_inodes = 15;
    check_case_expect(&c, "inodes", CHECK_FAIL, "15 of", NULL);
    c.facts.volume.total_inodes = 0;
    c.facts.volume.free_inodes = 0;
    check_case_expect(&c, "inodes", CHECK_OK, "as they are needed", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(file_systems_mean_different_things)
{
    static const struct {
        const char *name;
        enum check_status status;
        const char *says;
        const char *fix;
    } cases[] = {
        {"ext4", CHECK_OK, "ext4", NULL},
        {"xfs", CHECK_OK, "xfs", NULL},
        {"zfs", CHECK_OK, "zfs", NULL},
        {"tmpfs", CHECK_FAIL, "gone with the pod", "volumes: [\"redis-data:/data\"]"},
        {"overlay", CHECK_FAIL, "gone with the container", "volumes: [\"redis-data:/data\"]"},
        {"nfs4", CHECK_WARN, "network", NULL},
        {"nfs", CHECK_WARN, "network", NULL},
        {"fuse.s3fs", CHECK_WARN, "fuse.s3fs", NULL},
        {"fuse", CHECK_WARN, "fuse", NULL},
        {"fuseblk", CHECK_UNKNOWN, "fuseblk", NULL},
        {"ext", CHECK_UNKNOWN, "ext", NULL},
        {"", CHECK_UNKNOWN, "", NULL},
        {"\x1b[2J", CHECK_UNKNOWN, "\\x1b", NULL},
    };
    struct check_case c;

    check_case_init(&c, "rdb");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        c.facts.volume.file_system = cases[i].name;
        check_case_expect(&c, "file-system", cases[i].status, cases[i].says, cases[i].fix);
    }
    c.facts.volume.file_system = "tmpfs";
    c.facts.is_cache = true; /* with save points all the same */
    check_case_expect(&c, "file-system", CHECK_FAIL, "gone with the pod", NULL);
    check_case_put(&c.config, "save", "");
    check_case_expect(&c, "file-system", CHECK_OK, "keeps nothing there", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(a_read_only_mount_is_worse_when_the_server_cannot_write_either)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    c.facts.volume.is_read_only = 1;
    check_case_expect(&c, "read-only", CHECK_WARN, "the server writes", "readOnly: false");
    check_case_put(&c.info, "rdb_last_bgsave_status", "err");
    check_case_expect(&c, "read-only", CHECK_FAIL, "read-only", "readOnly: false");
    check_case_put(&c.info, "aof_enabled", "1");
    check_case_expect(&c, "read-only", CHECK_WARN, "the server writes", NULL);
    check_case_put(&c.info, "aof_last_write_status", "err");
    check_case_expect(&c, "read-only", CHECK_FAIL, "read-only", NULL);
    c.facts.info = NULL;
    c.facts.config = NULL;
    check_case_expect(&c, "read-only", CHECK_FAIL, "read-only", NULL);
    c.facts.volume.is_read_only = 0;
    check_case_expect(&c, "read-only", CHECK_OK, "writable", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(a_slow_disk_is_worse_when_every_write_waits_for_it)
{
    struct check_case c;

    check_case_init(&c, "aof");
    check_case_expect(&c, "fsync-latency", CHECK_OK, "1.2 ms", NULL);
    c.facts.volume.fsync_us = 99999;
    check_case_expect(&c, "fsync-latency", CHECK_OK, "99.9 ms", NULL);
    c.facts.volume.fsync_us = 100000;
    check_case_expect(&c, "fsync-latency", CHECK_WARN, "100 ms", NULL);
    check_case_put(&c.config, "appendfsync", "always");
    c.facts.volume.fsync_us = 9999;
    check_case_expect(&c, "fsync-latency", CHECK_OK, "9.9 ms", NULL);
    c.facts.volume.fsync_us = 10000;
    check_case_expect(&c, "fsync-latency", CHECK_WARN, "10 ms", NULL);
    c.facts.volume.fsync_us = -1;
    check_case_expect(&c, "fsync-latency", CHECK_UNKNOWN, "O_TMPFILE", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(leftovers_are_named_and_removed_by_name)
{
    static const char *const two[] = {"temp-12.rdb", "temp-rewriteaof-7.aof", NULL};
    static const char *const odd[] = {"temp-1.rdb; rm -rf ~\n", NULL};
    static const char *const many[] = {"temp-1.rdb", "temp-2.rdb", "temp-3.rdb", "temp-4.rdb",
                                       "temp-5.rdb", "temp-6.rdb", "temp-7.rdb", NULL};
    struct check_case c;

    check_case_init(&c, "rdb");
    c.facts.volume.old_temp_files = two;
    check_case_expect(&c, "leftover-temp-files", CHECK_WARN, "temp-12.rdb, temp-rewriteaof-7.aof",
                      "cd /data && rm -- temp-12.rdb temp-rewriteaof-7.aof");
    c.facts.volume.old_temp_files = odd;
    check_case_expect(&c, "leftover-temp-files", CHECK_WARN, "rm -rf ~\\n",
                      "find /data -maxdepth 1 -type f " TEMP_FILE_FIND " -mtime +0 -delete");
    c.facts.volume.old_temp_files = many;
    check_case_expect(&c, "leftover-temp-files", CHECK_WARN, "temp-5.rdb and 2 more",
                      "find /data -maxdepth 1 -type f " TEMP_FILE_FIND " -mtime +0 -delete");
    c.facts.volume.path = "/my data'";
    check_case_expect(&c, "leftover-temp-files", CHECK_WARN, "temp-1.rdb",
                      "find \"${DATA_DIR:?}\" -maxdepth 1 -type f " TEMP_FILE_FIND
                      " -mtime +0 -delete");
    c.facts.volume.old_temp_files = NULL;
    check_case_expect(&c, "leftover-temp-files", CHECK_UNKNOWN, "could not be read", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(unknown_files_stop_the_image_from_mending_owners)
{
    static const char *const lost[] = {"appendonlydir", "dump.rdb", "lost+found", NULL};
    static const char *const more[] = {"nodes.conf", "users.acl", ".rdb", "a.rdb", NULL};
    struct check_case c;

    check_case_init(&c, "rdb");
    check_case_put(&c.info, "redis_version", "8.6.3");
    c.facts.volume.owner_uid = 0;
    check_case_expect(&c, "unknown-entries", CHECK_OK, "none", NULL);
    c.facts.volume.entries = lost;
    check_case_expect(&c, "unknown-entries", CHECK_WARN, "lost+found", "subPath: redis");
    c.facts.volume.entries = more;
    check_case_expect(&c, "unknown-entries", CHECK_WARN, "nodes.conf, users.acl",
                      "chown -R 999:999 /data");
    c.facts.volume.owner_uid = 999;
    check_case_expect(&c, "unknown-entries", CHECK_OK, "nodes.conf, users.acl", NULL);
    c.facts.volume.owner_uid = 0;
    check_case_put(&c.info, "redis_version", "7.4.1");
    check_case_expect(&c, "unknown-entries", CHECK_OK, "does not mind", NULL);
    check_case_put(&c.info, "redis_version", "8.0.0");
    check_case_put(&c.info, "valkey_version", "8.1.1");
    check_case_expect(&c, "unknown-entries", CHECK_OK, "does not mind", NULL);
    c.facts.info = NULL; /* it may be the one that minds */
    check_case_expect(&c, "unknown-entries", CHECK_WARN, "nodes.conf", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(a_repository_on_the_same_volume_is_lost_with_it)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    check_case_expect(&c, "shared-with-repository", CHECK_OK, "elsewhere", NULL);
    c.facts.volume.repository_is_inside = 1;
    check_case_expect(&c, "shared-with-repository", CHECK_WARN, "same volume",
                      "repository s3://<bucket>/redis");
    c.facts.backup.has_repository = false;
    check_case_expect(&c, "shared-with-repository", CHECK_UNKNOWN, "repository", NULL);
    check_case_release(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_volume");
    TCase *tcase = tcase_create("volume");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, a_healthy_volume_is_ok);
    tcase_add_test(tcase, what_is_not_known_is_unknown);
    tcase_add_test(tcase, a_save_needs_more_than_half_of_the_memory);
    tcase_add_test(tcase, a_rewrite_needs_what_the_file_still_grows);
    tcase_add_test(tcase, huge_sizes_do_not_overflow);
    tcase_add_test(tcase, inodes_run_out);
    tcase_add_test(tcase, file_systems_mean_different_things);
    tcase_add_test(tcase, a_read_only_mount_is_worse_when_the_server_cannot_write_either);
    tcase_add_test(tcase, a_slow_disk_is_worse_when_every_write_waits_for_it);
    tcase_add_test(tcase, leftovers_are_named_and_removed_by_name);
    tcase_add_test(tcase, unknown_files_stop_the_image_from_mending_owners);
    tcase_add_test(tcase, a_repository_on_the_same_volume_is_lost_with_it);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
