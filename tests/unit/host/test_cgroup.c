/*
 * Where a process's control group is: version 1, 2, hybrid; from the host, from a container beside
 * it; and where it cannot be seen.
 */
#include "host/cgroup.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/host_case.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
    const char *machine;
    int64_t pid;
    const char *controller;
    const char *path; /* NULL: none */
    bool is_v2;
    int ups; /* how many are above it */
} groups[] = {
    {"kubernetes", 7, "memory", "proc/7/root/sys/fs/cgroup", true, 0},
    {"docker-v1", 1, "memory", "proc/1/root/sys/fs/cgroup/memory", false, 0},
    {"docker-v1", 1, "cpu", "proc/1/root/sys/fs/cgroup/cpu,cpuacct", false, 0},
    {"hybrid", 640, "memory", "sys/fs/cgroup/memory/system.slice/valkey-server.service", false, 2},
    {"hybrid", 640, "pids", "sys/fs/cgroup/pids/system.slice/valkey-server.service", false, 2},
    {"hybrid", 640, "cpu", "sys/fs/cgroup/cpu,cpuacct", false, 0},
    {"vm", 812, "memory", "sys/fs/cgroup/system.slice/redis-server.service", true, 2},
    {"vm", 813, "memory", NULL, false, 0},
    {"alone", 7, "memory", NULL, false, 0},
    {NULL, 1, "memory", NULL, false, 0},
};

START_TEST(the_group_is_found_and_those_above_it)
{
    struct host_case c;
    auto_cgroup struct cgroup group = {0};
    int ups = 0;

    host_case_open(&c, groups[_i].machine);
    bool is_found = cgroup_find(c.facts.root_fd, groups[_i].pid, groups[_i].controller, &group);
    ck_assert_int_eq(is_found, groups[_i].path != NULL);
    if (is_found) {
        ck_assert_str_eq(group.path, groups[_i].path);
        ck_assert_int_eq(group.is_v2, groups[_i].is_v2);
        while (cgroup_up(&group))
            ups++;
        ck_assert_int_eq(ups, groups[_i].ups);
    }
    host_case_close(&c);
}
END_TEST

/* Files of the machine "vm" that are not as they should be: no group, and no harm. */
static const struct {
    const char *file;
    const char *text;
} hostile[] = {
    {"proc/812/cgroup", ""},
    {"proc/812/cgroup", ":"},
    {"proc/812/cgroup", "::"},
    {"proc/812/cgroup", "0:\n0\n\n:::::\n"},
    {"proc/812/cgroup", "0::/../../etc\n"},
    {"proc/812/cgroup", "0::/system.slice/..\n"},
    {"proc/812/cgroup", "0::/nowhere\n"},
    {"proc/812/cgroup", "0::relative\n"},
    {"proc/812/cgroup", "3:memory:/\n"},
    {"proc/812/cgroup", NULL},
    {"proc/self/mountinfo", ""},
    {"proc/self/mountinfo", "29 25 0:26 / /../x rw - cgroup2 cgroup2 rw\n"},
    {"proc/self/mountinfo", "29 25 0:26 /other /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
    {"proc/self/mountinfo", NULL},
};

START_TEST(what_is_no_group_is_none)
{
    struct host_case c;
    struct cgroup group;

    host_case_open(&c, "vm");
    host_case_write(&c, hostile[_i].file, hostile[_i].text);
    ck_assert(!cgroup_find(c.facts.root_fd, 812, "memory", &group));
    ck_assert_ptr_null(group.path);
    cgroup_release(&group);
    host_case_close(&c);
}
END_TEST

START_TEST(numbers_of_its_files)
{
    struct host_case c;
    auto_cgroup struct cgroup group = {0};
    int64_t number = 7;

    host_case_open(&c, "kubernetes");
    ck_assert(cgroup_find(c.facts.root_fd, 7, "memory", &group));
    ck_assert(!cgroup_i64(c.facts.root_fd, &group, "pids.max", &number));
    ck_assert(!cgroup_i64(c.facts.root_fd, &group, "no.such", &number));
    ck_assert_int_eq(number, 7);
    ck_assert(cgroup_i64(c.facts.root_fd, &group, "memory.max", &number));
    ck_assert_int_eq(number, 1073741824);
    ck_assert(cgroup_field(c.facts.root_fd, &group, "cpu.stat", "nr_throttled", &number));
    ck_assert_int_eq(number, 12);
    ck_assert(!cgroup_field(c.facts.root_fd, &group, "cpu.stat", "nr_thrott", &number));
    host_case_close(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cgroup");
    TCase *tcase = tcase_create("cgroup");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tcase, the_group_is_found_and_those_above_it, 0, COUNT(groups));
    tcase_add_loop_test(tcase, what_is_no_group_is_none, 0, COUNT(hostile));
    tcase_add_test(tcase, numbers_of_its_files);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
