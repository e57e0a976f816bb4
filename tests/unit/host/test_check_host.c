/*
 * The checks of the node over saved machines: each finding, its absence, and what cannot be seen.
 */
#include "host/check.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support/host_case.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
    const char *machine;
    const char *statuses; /* by row: Ok, Warn, Fail, Unknown */
} machines[] = {
    /* overcommit, thp, backlog, swappiness, swap, clocksource, arm64, maps, cpu, time */
    {"kubernetes", "OOOOOOOOOU"}, {"docker-v1", "OOUOOOOOOU"}, {"hybrid", "OOOOOOOOOU"},
    {"vm", "WWWWWWOWWU"},         {"alone", "OUUOUOOOUU"},     {"arm64", "OOUOOOFOUU"},
    {NULL, "UUUUUUUUUU"},
};

static char letter_of(enum check_status status)
{
    static const char letters[] = {[CHECK_OK] = 'O',
                                   [CHECK_FIXED] = '?',
                                   [CHECK_UNKNOWN] = 'U',
                                   [CHECK_WARN] = 'W',
                                   [CHECK_FAIL] = 'F'};

    return letters[status];
}

START_TEST(a_whole_machine_is_judged)
{
    struct host_case c;
    int i = 0;

    host_case_open(&c, machines[_i].machine);
    for (const struct check_row *row = check_host_rows; row->id != NULL; row++, i++) {
        struct check_result result = host_case_look(&c, check_host_rows, row->id);

        ck_assert_msg(letter_of(result.status) == machines[_i].statuses[i], "%s: %s is %s: %s",
                      machines[_i].machine, row->id, check_status_name(result.status),
                      result.value);
        if (result.status == CHECK_OK) {
            ck_assert_ptr_null(result.fix);
            ck_assert_int_eq(result.act, CHECK_ACT_NONE);
        } else if (result.status != CHECK_UNKNOWN) {
            ck_assert_ptr_nonnull(result.fix);
            ck_assert_ptr_nonnull(result.wanted);
        }
        host_case_forget(&result);
    }
    ck_assert_int_eq(i, (int)strlen(machines[_i].statuses));
    host_case_close(&c);
}
END_TEST

#define OVERCOMMIT "proc/sys/vm/overcommit_memory"
#define THP "sys/kernel/mm/transparent_hugepage/enabled"
#define SOURCE "sys/devices/system/clocksource/clocksource0/current_clocksource"
#define OTHERS "sys/devices/system/clocksource/clocksource0/available_clocksource"
#define GROUP "proc/7/root/sys/fs/cgroup/"
#define HUGE "99999999999999999999999999999999"

/* One change of a machine, and what a row then says. */
static const struct {
    const char *machine;
    const char *id;
    const char *file; /* NULL: none is changed */
    const char *text;
    const char *setting; /* of CONFIG; NULL: none is changed */
    const char *setting_value;
    enum check_status status;
    const char *value; /* a part of it */
} changes[] = {
    {"kubernetes", "overcommit-memory", OVERCOMMIT, "0\n", NULL, NULL, CHECK_WARN, "0"},
    {"kubernetes", "overcommit-memory", OVERCOMMIT, "2\n", NULL, NULL, CHECK_WARN, "2"},
    {"vm", "overcommit-memory", OVERCOMMIT, "1\n", NULL, NULL, CHECK_OK, "1"},
    {"vm", "overcommit-memory", OVERCOMMIT, "", NULL, NULL, CHECK_UNKNOWN, "needs to read"},
    {"vm", "overcommit-memory", OVERCOMMIT, HUGE, NULL, NULL, CHECK_UNKNOWN, "needs to read"},
    {"vm", "overcommit-memory", OVERCOMMIT, "1 0", NULL, NULL, CHECK_UNKNOWN, "needs to read"},
    {"vm", "overcommit-memory", OVERCOMMIT, NULL, NULL, NULL, CHECK_UNKNOWN, "/proc/sys/vm"},

    {"vm", "transparent-hugepages", THP, "always [madvise] never", NULL, NULL, CHECK_OK, "[madv"},
    {"vm", "transparent-hugepages", THP, "always madvise [never]", NULL, NULL, CHECK_OK, "[never]"},
    {"vm", "transparent-hugepages", THP, "always", NULL, NULL, CHECK_UNKNOWN, "needs to read"},
    {"vm", "transparent-hugepages", THP, NULL, NULL, NULL, CHECK_UNKNOWN, "needs to read"},
    {"vm", "transparent-hugepages", "proc/812/status", "Name:\tredis-server\nTHP_enabled:\t0\n",
     NULL, NULL, CHECK_OK, "opted out"},
    /* what the kernel says counts, not the setting */
    {"vm", "transparent-hugepages", NULL, NULL, "disable-thp", "yes", CHECK_WARN, "[always]"},
    {"vm", "transparent-hugepages", "proc/812/status", NULL, "disable-thp", "yes", CHECK_OK,
     "opted out"},
    {"vm", "transparent-hugepages", "proc/812/status", NULL, "disable-thp", "no", CHECK_WARN,
     "[always]"},
    {"vm", "transparent-hugepages", "proc/812/status", NULL, "disable-thp", NULL, CHECK_UNKNOWN,
     "PID namespace"},

    {"kubernetes", "tcp-backlog", "proc/sys/net/core/somaxconn", "510\n", NULL, NULL, CHECK_WARN,
     "510"},
    {"kubernetes", "tcp-backlog", "proc/sys/net/core/somaxconn", "511\n", NULL, NULL, CHECK_OK,
     "511"},
    {"kubernetes", "tcp-backlog", "proc/sys/net/core/somaxconn", NULL, NULL, NULL, CHECK_UNKNOWN,
     "needs to read"},
    {"kubernetes", "tcp-backlog", NULL, NULL, "tcp-backlog", "65535", CHECK_WARN, "65535"},
    {"kubernetes", "tcp-backlog", NULL, NULL, "tcp-backlog", NULL, CHECK_UNKNOWN, "CONFIG GET"},
    {"kubernetes", "tcp-backlog", "proc/7/ns/net", NULL, NULL, NULL, CHECK_UNKNOWN,
     "network namespace"},
    {"kubernetes", "tcp-backlog", "proc/self/ns/net", NULL, NULL, NULL, CHECK_UNKNOWN,
     "network namespace"},

    {"vm", "swappiness", "proc/sys/vm/swappiness", "10\n", NULL, NULL, CHECK_OK, "10"},
    {"vm", "swappiness", "proc/sys/vm/swappiness", "11\n", NULL, NULL, CHECK_WARN, "11"},
    {"vm", "swappiness", "proc/sys/vm/swappiness", NULL, NULL, NULL, CHECK_UNKNOWN, "swappiness"},
    {"vm", "swappiness", "proc/meminfo", "SwapTotal: 0 kB\n", NULL, NULL, CHECK_OK, "no swap"},
    {"vm", "swappiness", "proc/meminfo", "SwapTotal: kB\n", NULL, NULL, CHECK_UNKNOWN, "meminfo"},
    {"vm", "swappiness", "sys/fs/cgroup/system.slice/redis-server.service/memory.swap.max", "0\n",
     NULL, NULL, CHECK_OK, "may not use"},
    {"vm", "swappiness", "sys/fs/cgroup/system.slice/memory.swap.max", "0\n", NULL, NULL, CHECK_OK,
     "may not use"},

    {"vm", "swap", "proc/812/status", "VmSwap:\t 1024 kB\n", NULL, NULL, CHECK_OK, "1.0 MB"},
    {"vm", "swap", "proc/812/status", "VmSwap:\t 1025 kB\n", NULL, NULL, CHECK_WARN, "1.0 MB"},
    {"vm", "swap", "proc/812/status", "VmSwap:\t -5 kB\n", NULL, NULL, CHECK_OK, "0 B"},
    {"vm", "swap", "proc/812/status", "VmSwap:\t 9223372036854775807 kB\n", NULL, NULL, CHECK_WARN,
     "swapped"},
    {"vm", "swap", "proc/812/status", NULL, NULL, NULL, CHECK_UNKNOWN, "PID namespace"},
    {"alone", "swap", "proc/meminfo", "SwapTotal:       0 kB\n", NULL, NULL, CHECK_OK, "no swap"},

    {"kubernetes", "clocksource", SOURCE, "tsc\n", NULL, NULL, CHECK_OK, "tsc"},
    {"kubernetes", "clocksource", SOURCE, "arch_sys_counter\n", NULL, NULL, CHECK_OK, "arch_sys"},
    {"kubernetes", "clocksource", SOURCE, "xen\n", NULL, NULL, CHECK_WARN, "xen"},
    {"kubernetes", "clocksource", SOURCE, "acpi_pm\n", NULL, NULL, CHECK_WARN, "acpi_pm"},
    {"kubernetes", "clocksource", SOURCE, "hpet", NULL, NULL, CHECK_WARN, "hpet"},
    {"kubernetes", "clocksource", SOURCE, "\x1b[2Jsundial", NULL, NULL, CHECK_UNKNOWN, "\\x1b[2J"},
    {"kubernetes", "clocksource", SOURCE, "", NULL, NULL, CHECK_UNKNOWN, "no clock source"},
    {"kubernetes", "clocksource", SOURCE, NULL, NULL, NULL, CHECK_UNKNOWN, "needs to read"},

    {"arm64", "arm64-cow-bug", NULL, NULL, "ignore-warnings", "", CHECK_OK, "has tested"},
    {"arm64", "arm64-cow-bug", NULL, NULL, "ignore-warnings", NULL, CHECK_WARN, "4.18.0"},

    {"kubernetes", "max-map-count", "proc/sys/vm/max_map_count", "65530\n", NULL, NULL, CHECK_OK,
     "65530"},
    {"kubernetes", "max-map-count", "proc/sys/vm/max_map_count", "65529\n", NULL, NULL, CHECK_WARN,
     "65529, of which the server uses 40"},
    {"kubernetes", "max-map-count", "proc/sys/vm/max_map_count", "-1\n", NULL, NULL, CHECK_WARN,
     "-1"},
    {"alone", "max-map-count", "proc/sys/vm/max_map_count", "1024\n", NULL, NULL, CHECK_WARN,
     "1024"},

    {"kubernetes", "cpu-throttling", GROUP "cpu.stat", "nr_periods 1000\nnr_throttled 50\n", NULL,
     NULL, CHECK_OK, "50 of 1000"},
    {"kubernetes", "cpu-throttling", GROUP "cpu.stat", "nr_periods 1000\nnr_throttled 51\n", NULL,
     NULL, CHECK_WARN, "51 of 1000"},
    {"kubernetes", "cpu-throttling", GROUP "cpu.stat", "nr_periods 99\nnr_throttled 99\n", NULL,
     NULL, CHECK_OK, "99 of 99"},
    {"kubernetes", "cpu-throttling", GROUP "cpu.stat", "usage_usec 5\n", NULL, NULL, CHECK_OK,
     "no CPU limit"},
    {"hybrid", "cpu-throttling", "sys/fs/cgroup/cpu,cpuacct/cpu.stat/is-no-file", "", NULL, NULL,
     CHECK_UNKNOWN, "needs to read cpu.stat"},
    {"kubernetes", "cpu-throttling", "proc/7/mountinfo", NULL, NULL, NULL, CHECK_UNKNOWN, "cgroup"},
    {"docker-v1", "cpu-throttling", "proc/1/root/sys/fs/cgroup/cpu,cpuacct/cpu.stat",
     "nr_periods 1000\nnr_throttled 900\nthrottled_time 1\n", NULL, NULL, CHECK_WARN, "900 of"},
    {"hybrid", "cpu-throttling", "sys/fs/cgroup/cpu,cpuacct/cpu.stat",
     "nr_periods 1000\nnr_throttled 900\nthrottled_time 1\n", NULL, NULL, CHECK_WARN, "900 of"},
};

START_TEST(each_finding_and_its_absence)
{
    struct host_case c;

    host_case_open(&c, changes[_i].machine);
    if (changes[_i].file != NULL)
        host_case_write(&c, changes[_i].file, changes[_i].text);
    if (changes[_i].setting != NULL)
        host_case_set(&c.config, changes[_i].setting, changes[_i].setting_value);
    struct check_result result = host_case_look(&c, check_host_rows, changes[_i].id);
    ck_assert_msg(result.status == changes[_i].status, "%d: %s is %s: %s", _i, result.id,
                  check_status_name(result.status), result.value);
    ck_assert_msg(strstr(result.value, changes[_i].value) != NULL, "%d: %s", _i, result.value);
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

static const struct {
    const char *id;
    const char *fix; /* its beginning */
    const char *act_name;
    const char *act_value;
} fixes[] = {
    {"overcommit-memory", "sysctl -w vm.overcommit_memory=1 ", OVERCOMMIT, "1"},
    {"transparent-hugepages", "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled ", THP,
     "madvise"},
    {"tcp-backlog", "securityContext: {sysctls: [{name: net.core.somaxconn, value: \"511\"}]} ",
     "proc/sys/net/core/somaxconn", "511"},
    {"swappiness", "sysctl -w vm.swappiness=1 ", "proc/sys/vm/swappiness", "1"},
    {"swap", "swapoff -a && swapon -a ", NULL, NULL},
    {"clocksource", "echo tsc > /" SOURCE, NULL, NULL},
    {"max-map-count", "sysctl -w vm.max_map_count=65536 ", "proc/sys/vm/max_map_count", "65536"},
    {"cpu-throttling", "resources: {limits: {cpu: ", NULL, NULL},
};

START_TEST(the_fix_is_a_line_to_paste_and_what_may_be_done_is_said)
{
    struct host_case c;

    host_case_open(&c, "vm");
    struct check_result result = host_case_look(&c, check_host_rows, fixes[_i].id);
    ck_assert_msg(strncmp(result.fix, fixes[_i].fix, strlen(fixes[_i].fix)) == 0, "%s", result.fix);
    if (fixes[_i].act_name != NULL) {
        ck_assert_int_eq(result.act, CHECK_ACT_FILE);
        ck_assert_str_eq(result.act_name, fixes[_i].act_name);
        ck_assert_str_eq(result.act_value, fixes[_i].act_value);
    } else {
        ck_assert_int_eq(result.act, CHECK_ACT_NONE);
    }
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

static const struct {
    const char *release;
    enum check_status status;
} kernels[] = {
    {"6.18.44", CHECK_OK},
    {"5.10.0-28-arm64", CHECK_OK},
    {"5.10-rc6", CHECK_OK},
    {"5.9.12", CHECK_OK},
    {"5.9.11", CHECK_FAIL},
    {"5.8.18", CHECK_FAIL},
    {"5.4.81-generic", CHECK_OK},
    {"5.4.80", CHECK_FAIL},
    {"4.19.161", CHECK_OK},
    {"4.19.160", CHECK_FAIL},
    {"4.14.210", CHECK_OK},
    {"4.14.180-perf-gae096ac9215c", CHECK_FAIL},
    {"4.3.0", CHECK_FAIL},
    {"4.2.0", CHECK_OK},
    {"3.10.0", CHECK_OK},
    {"", CHECK_UNKNOWN},
    {"Linux", CHECK_UNKNOWN},
    {"5", CHECK_UNKNOWN},
    {"5.", CHECK_UNKNOWN},
    {"99999999999999999999.1", CHECK_UNKNOWN},
    {"5.99999999999999999999", CHECK_UNKNOWN},
};

START_TEST(the_arm64_bug_by_the_version_of_the_kernel)
{
    struct host_case c;

    host_case_open(&c, "arm64");
    host_case_write(&c, "proc/sys/kernel/osrelease", kernels[_i].release);
    struct check_result result = host_case_look(&c, check_host_rows, "arm64-cow-bug");
    ck_assert_msg(result.status == kernels[_i].status, "%s: %s", kernels[_i].release, result.value);
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

START_TEST(without_a_server_the_processor_says_what_machine_it_is)
{
    static const struct {
        const char *file;
        const char *text;
        enum check_status status;
    } cases[] = {
        {"proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\n", CHECK_WARN},
        {"proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n", CHECK_OK},
        {"proc/cpuinfo", "", CHECK_UNKNOWN},
        {"proc/sys/kernel/arch", "aarch64\n", CHECK_WARN},
        {"proc/sys/kernel/arch", "x86_64\n", CHECK_OK},
    };

    for (int i = 0; i < COUNT(cases); i++) {
        struct host_case c;

        host_case_open(&c, NULL);
        host_case_write(&c, "proc/sys/kernel/osrelease", "5.4.1\n");
        host_case_write(&c, cases[i].file, cases[i].text);
        struct check_result result = host_case_look(&c, check_host_rows, "arm64-cow-bug");
        ck_assert_msg(result.status == cases[i].status, "%d: %s", i, result.value);
        host_case_forget(&result);
        host_case_close(&c);
    }
}
END_TEST

START_TEST(with_overcommit_off_a_server_that_does_not_fit_twice_cannot_save)
{
    struct host_case c;

    host_case_open(&c, "kubernetes");
    host_case_write(&c, OVERCOMMIT, "2\n");
    host_case_write(&c, "proc/meminfo", "CommitLimit: 1000000 kB\nCommitted_AS: 800000 kB\n");
    struct check_result result = host_case_look(&c, check_host_rows, "overcommit-memory");
    ck_assert_int_eq(result.status, CHECK_FAIL);
    host_case_forget(&result);
    host_case_write(&c, "proc/meminfo", "CommitLimit: 1100000 kB\nCommitted_AS: 800000 kB\n");
    result = host_case_look(&c, check_host_rows, "overcommit-memory");
    ck_assert_int_eq(result.status, CHECK_WARN);
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

START_TEST(a_server_that_is_reached_by_loopback_shares_our_network)
{
    struct host_case c;

    host_case_open(&c, "kubernetes");
    host_case_write(&c, "proc/7/ns/net", NULL);
    c.facts.is_same_network = true;
    struct check_result result = host_case_look(&c, check_host_rows, "tcp-backlog");
    ck_assert_int_eq(result.status, CHECK_OK);
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

START_TEST(a_clock_is_judged_by_what_it_costs)
{
    static const struct {
        const char *source; /* NULL: cannot be read */
        bool is_measured;
        unsigned kernel_percent;
        enum check_status status;
        const char *says;
    } cases[] = {
        {"tsc\n", true, 0, CHECK_OK, "tsc, read without a system call"},
        {"tsc\n", true, 10, CHECK_OK, "tsc"},
        {"tsc\n", true, 11, CHECK_WARN, "tsc, of whose time the kernel takes 11 %"},
        {"sundial\n", true, 3, CHECK_OK, "sundial"},
        {"sundial\n", true, 80, CHECK_WARN, "sundial, of whose"},
        {"hpet\n", true, 92, CHECK_WARN, "hpet"},
        {"xen\n", true, 0, CHECK_WARN, "xen"}, /* as the server has it */
        {NULL, true, 2, CHECK_OK, "its name could not be read"},
        {NULL, true, 90, CHECK_WARN, "its name could not be read"},
        {"tsc\n", false, 0, CHECK_OK, "tsc"},
        {"hpet\n", false, 0, CHECK_WARN, "hpet"},
        {"xen\n", false, 0, CHECK_WARN, "xen"},
        {"sundial\n", false, 0, CHECK_UNKNOWN, "no clock source that is known here"},
        {NULL, false, 0, CHECK_UNKNOWN, "needs to read"},
    };

    for (int i = 0; i < COUNT(cases); i++) {
        struct host_case c;

        host_case_open(&c, NULL);
        if (cases[i].source != NULL)
            host_case_write(&c, SOURCE, cases[i].source);
        c.facts.clock_cost = (struct check_clock_cost){.is_measured = cases[i].is_measured,
                                                       .kernel_percent = cases[i].kernel_percent};
        struct check_result result = host_case_look(&c, check_host_rows, "clocksource");
        ck_assert_msg(result.status == cases[i].status, "%d: %s", i, result.value);
        ck_assert_msg(strstr(result.value, cases[i].says) != NULL, "%d: %s", i, result.value);
        ck_assert_msg((result.fix != NULL) == (result.status == CHECK_WARN), "%d", i);
        host_case_forget(&result);
        host_case_close(&c);
    }
}
END_TEST

START_TEST(a_node_without_a_server_is_made_ready_for_any)
{
    struct host_case c;

    host_case_open(&c, NULL);
    host_case_write(&c, THP, "[always] madvise never\n");
    struct check_result result = host_case_look(&c, check_host_rows, "transparent-hugepages");
    ck_assert_int_eq(result.status, CHECK_WARN);
    ck_assert_str_eq(result.act_value, "madvise");
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

START_TEST(a_server_that_is_away_for_a_moment_may_have_opted_out)
{
    struct host_case c;

    host_case_open(&c, NULL);
    host_case_write(&c, THP, "[always] madvise never\n");
    c.facts.is_job = true;
    c.facts.server_why = "connection refused";
    struct check_result result = host_case_look(&c, check_host_rows, "transparent-hugepages");
    ck_assert_int_eq(result.status, CHECK_UNKNOWN);
    ck_assert_ptr_nonnull(strstr(result.value, "connection refused"));
    ck_assert_int_eq(result.act, CHECK_ACT_NONE);
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

START_TEST(a_kernel_without_huge_pages_is_fine)
{
    struct host_case c;

    host_case_open(&c, NULL);
    host_case_write(&c, "sys/kernel/mm/ksm/run", "0\n");
    struct check_result result = host_case_look(&c, check_host_rows, "transparent-hugepages");
    ck_assert_int_eq(result.status, CHECK_OK);
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

START_TEST(a_machine_type_without_tsc_has_another_fix)
{
    struct host_case c;

    host_case_open(&c, "vm");
    host_case_write(&c, OTHERS, "hpet acpi_pm\n");
    struct check_result result = host_case_look(&c, check_host_rows, "clocksource");
    ck_assert_ptr_nonnull(strstr(result.fix, "machine type"));
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

START_TEST(many_mappings_of_the_server_count)
{
    struct host_case c;
    size_t len = 0;
    char *maps = malloc(60000 * 2 + 1);

    ck_assert_ptr_nonnull(maps);
    for (int i = 0; i < 60000; i++) {
        maps[len++] = 'm';
        maps[len++] = '\n';
    }
    maps[len] = '\0';
    host_case_open(&c, "kubernetes");
    host_case_write(&c, "proc/sys/vm/max_map_count", "65530\n");
    host_case_write(&c, "proc/7/maps", maps);
    struct check_result result = host_case_look(&c, check_host_rows, "max-map-count");
    ck_assert_int_eq(result.status, CHECK_WARN);
    ck_assert_str_eq(result.value, "65530, of which the server uses 60000");
    ck_assert_str_eq(result.act_value, "131060");
    host_case_forget(&result);
    host_case_close(&c);
    free(maps);
}
END_TEST

START_TEST(the_clock_is_synchronised_or_not_or_unknown)
{
    static const enum check_status wanted[] = {[CHECK_CLOCK_UNKNOWN] = CHECK_UNKNOWN,
                                               [CHECK_CLOCK_SYNCED] = CHECK_OK,
                                               [CHECK_CLOCK_UNSYNCED] = CHECK_WARN};
    struct host_case c;

    host_case_open(&c, NULL);
    for (int i = 0; i < COUNT(wanted); i++) {
        c.facts.clock_sync = (enum check_clock_sync)i;
        struct check_result result = host_case_look(&c, check_host_rows, "time-sync");
        ck_assert_int_eq(result.status, wanted[i]);
        host_case_forget(&result);
    }
    host_case_close(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_host");
    TCase *tcase = tcase_create("node");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_whole_machine_is_judged, 0, COUNT(machines));
    tcase_add_loop_test(tcase, each_finding_and_its_absence, 0, COUNT(changes));
    tcase_add_loop_test(tcase, the_fix_is_a_line_to_paste_and_what_may_be_done_is_said, 0,
                        COUNT(fixes));
    tcase_add_loop_test(tcase, the_arm64_bug_by_the_version_of_the_kernel, 0, COUNT(kernels));
    tcase_add_test(tcase, without_a_server_the_processor_says_what_machine_it_is);
    tcase_add_test(tcase, with_overcommit_off_a_server_that_does_not_fit_twice_cannot_save);
    tcase_add_test(tcase, a_server_that_is_reached_by_loopback_shares_our_network);
    tcase_add_test(tcase, a_clock_is_judged_by_what_it_costs);
    tcase_add_test(tcase, a_node_without_a_server_is_made_ready_for_any);
    tcase_add_test(tcase, a_server_that_is_away_for_a_moment_may_have_opted_out);
    tcase_add_test(tcase, a_kernel_without_huge_pages_is_fine);
    tcase_add_test(tcase, a_machine_type_without_tsc_has_another_fix);
    tcase_add_test(tcase, many_mappings_of_the_server_count);
    tcase_add_test(tcase, the_clock_is_synchronised_or_not_or_unknown);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
