/*
 * The owner of the data directory beside the ids of a server's process, of saved /proc trees.
 */
#include "host/check_volume.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "support/check_case.h"

#define PID 4711

/* The server's process, as the kernel shows it; NULL: without one. */
static void give_process(struct check_case *c, const char *status)
{
    auto_free char *proc = xasprintf("%s/proc", c->root);
    auto_free char *dir = xasprintf("%s/%d", proc, PID);
    auto_free char *path = xasprintf("%s/status", dir);

    (void)mkdir(proc, 0755); /* there already, the second time */
    (void)mkdir(dir, 0755);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(status, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    c->facts.server_pid = PID;
}

#define STATUS_OF(uid, gid, groups)                                                         \
    "Name:\tredis-server\nUmask:\t0077\nState:\tS (sleeping)\nUid:\t" uid "\t" uid "\t" uid \
    "\t" uid "\nGid:\t" gid "\t" gid "\t" gid "\t" gid "\nFDSize:\t64\nGroups:\t" groups    \
    " \nVmPeak:\t 1 kB\n"

START_TEST(who_may_write_is_what_the_kernel_would_say)
{
    static const struct {
        const char *process;
        int64_t uid;
        int64_t gid;
        int64_t mode;
        enum check_status status;
        const char *fix;
    } cases[] = {
        {STATUS_OF("999", "999", ""), 999, 999, 0700, CHECK_OK, NULL},
        {STATUS_OF("999", "999", ""), 999, 1000, 0755, CHECK_OK, NULL},
        {STATUS_OF("999", "999", ""), 0, 0, 0755, CHECK_FAIL,
         "chown -R 999:999 /data && chmod u+rwx /data"},
        {STATUS_OF("999", "999", ""), 0, 999, 0770, CHECK_OK, NULL},
        {STATUS_OF("999", "999", ""), 0, 999, 0750, CHECK_FAIL, NULL},
        {STATUS_OF("999", "999", "4 1000 2000"), 0, 2000, 02775, CHECK_OK, NULL},
        {STATUS_OF("999", "999", "4 1000 2000"), 0, 200, 02775, CHECK_FAIL, NULL},
        /* the owner's bits are the owner's, whatever the others may */
        {STATUS_OF("999", "999", ""), 999, 999, 0577, CHECK_FAIL, NULL},
        {STATUS_OF("999", "999", ""), 999, 999, 0600, CHECK_FAIL, NULL},
        {STATUS_OF("0", "0", ""), 999, 999, 0700, CHECK_OK, NULL},
        {STATUS_OF("999", "999", ""), 0, 0, 0777, CHECK_WARN,
         "chown 999:999 /data && chmod u+rwx,o-w /data"},
        {STATUS_OF("999", "999", ""), 999, 999, 01777, CHECK_WARN, "chmod o-w /data"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct check_case c;

        check_case_init(&c, "rdb");
        give_process(&c, cases[i].process);
        c.facts.volume.owner_uid = cases[i].uid;
        c.facts.volume.owner_gid = cases[i].gid;
        c.facts.volume.mode = cases[i].mode;
        check_case_expect(&c, "ownership", cases[i].status, "mode", cases[i].fix);
        check_case_release(&c);
    }
}
END_TEST

START_TEST(without_the_process_only_the_worst_is_seen)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    check_case_expect(&c, "ownership", CHECK_OK, "the server's last write succeeded", NULL);
    check_case_put(&c.info, "rdb_last_bgsave_time_sec", "-1"); /* it has not saved yet */
    check_case_expect(&c, "ownership", CHECK_UNKNOWN, "PID namespace", NULL);
    c.facts.volume.mode = 0777;
    check_case_expect(&c, "ownership", CHECK_WARN, "anybody",
                      "chown <uid of the server> /data && chmod u+rwx,o-w /data");
    c.facts.volume.mode = 0755;
    c.facts.server_pid = PID; /* gone meanwhile */
    check_case_expect(&c, "ownership", CHECK_UNKNOWN, "PID namespace", NULL);
    c.facts.server_pid = -1;
    c.facts.info = NULL; /* then no namespace would help */
    c.facts.server_why = "connection refused";
    check_case_expect(&c, "ownership", CHECK_UNKNOWN, "needs the server: connection refused", NULL);
    ck_assert_ptr_null(strstr(c.result.value, "namespace"));
    c.facts.volume.owner_uid = -1;
    check_case_expect(&c, "ownership", CHECK_UNKNOWN, "the owner", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(a_volume_of_its_own_may_be_open_to_whoever_mounts_it)
{
    struct check_case c;

    check_case_init(&c, "rdb");
    c.facts.volume.owner_uid = 0; /* an emptyDir */
    c.facts.volume.owner_gid = 0;
    c.facts.volume.mode = 0777;
    check_case_expect(&c, "ownership", CHECK_WARN, "anybody", NULL);
    c.facts.volume.is_mount = true;
    check_case_expect(&c, "ownership", CHECK_OK, "0:0 mode 0777", NULL);
    give_process(&c, STATUS_OF("999", "999", ""));
    check_case_expect(&c, "ownership", CHECK_OK, "the server runs as 999:999", NULL);
    c.facts.volume.mode = 0755;
    check_case_expect(&c, "ownership", CHECK_FAIL, "the server runs as 999:999", NULL);
    check_case_release(&c);
}
END_TEST

START_TEST(a_process_of_nonsense_is_none)
{
    static const char *const texts[] = {
        "",
        "Name:\tredis-server\n",
        "Name:\tx\nUid:\nGid:\n",
        "Name:\tx\nUid:\t1\t1\t1\tmany\nGid:\t1\t1\t1\t1\n",
        "Name:\tx\nUid:\t-1\t-1\t-1\t-1\nGid:\t1\t1\t1\t1\n",
        "Name:\tx\nUid:\t0\t0\t0\t99999999999999999999\nGid:\t0",
        "Name:\tx\nUid:\t1\t1\t1\t1",
    };
    struct check_case c;

    check_case_init(&c, "rdb");
    check_case_put(&c.info, "rdb_last_bgsave_time_sec", "-1");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        give_process(&c, texts[i]);
        check_case_expect(&c, "ownership", CHECK_UNKNOWN, "PID namespace", NULL);
    }
    check_case_release(&c);
}
END_TEST

START_TEST(only_plain_names_go_to_a_shell)
{
    struct check_case c;

    ck_assert(check_is_plain("/data/redis-1_2.3"));
    ck_assert(check_is_plain("lost+found"));
    ck_assert(!check_is_plain(""));
    ck_assert(!check_is_plain("-rf"));
    ck_assert(!check_is_plain("a b"));
    ck_assert(!check_is_plain("$(id)"));
    ck_assert(!check_is_plain("a\nb"));
    ck_assert(!check_is_plain("*"));
    check_case_init(&c, "rdb");
    ck_assert_str_eq(check_shell_path(&c.facts), "/data");
    c.facts.volume.path = "/data; id";
    ck_assert_str_eq(check_shell_path(&c.facts), "\"${DATA_DIR:?}\"");
    check_case_release(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_volume_owner");
    TCase *tcase = tcase_create("owner");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, who_may_write_is_what_the_kernel_would_say);
    tcase_add_test(tcase, without_the_process_only_the_worst_is_seen);
    tcase_add_test(tcase, a_volume_of_its_own_may_be_open_to_whoever_mounts_it);
    tcase_add_test(tcase, a_process_of_nonsense_is_none);
    tcase_add_test(tcase, only_plain_names_go_to_a_shell);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
