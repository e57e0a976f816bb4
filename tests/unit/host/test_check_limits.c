/*
 * The checks of what the server's process is limited to, over saved machines of cgroup version 1,
 * 2 and hybrid: each finding, its absence, and what cannot be seen.
 */
#include "host/check.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/host_case.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

#define V2 "proc/7/root/sys/fs/cgroup/"
#define V1 "proc/1/root/sys/fs/cgroup/"
#define HYBRID_MEMORY "sys/fs/cgroup/memory/system.slice/"
#define HYBRID_PIDS "sys/fs/cgroup/pids/system.slice/"
#define VM "sys/fs/cgroup/system.slice/"
#define HUGE "99999999999999999999999999999999"

static const struct {
    const char *machine;
    const char *statuses; /* files, processes, memory, OOM score: Ok, Warn, Fail, Unknown */
} machines[] = {
    {"kubernetes", "OOOO"}, {"docker-v1", "OOOO"}, {"hybrid", "OOOO"}, {"vm", "WFFW"},
    {"alone", "UUUU"},      {"arm64", "OUUU"},     {NULL, "UUUU"},
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
    for (const struct check_row *row = check_limit_rows; row->id != NULL; row++, i++) {
        struct check_result result = host_case_look(&c, check_limit_rows, row->id);

        ck_assert_msg(letter_of(result.status) == machines[_i].statuses[i], "%s: %s is %s: %s",
                      machines[_i].machine == NULL ? "none" : machines[_i].machine, row->id,
                      check_status_name(result.status), result.value);
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

enum what { ALONE, INFO, CONFIG };

/* One change of a file, and one of INFO or CONFIG; and what a row then says. */
struct change {
    const char *machine;
    const char *id;
    const char *file; /* NULL: none is changed */
    const char *text;
    enum what what;
    const char *name;
    const char *name_value;
    enum check_status status;
    const char *value; /* a part of it */
};

static void judge_change(const struct change *change, int number)
{
    struct host_case c;

    host_case_open(&c, change->machine);
    if (change->file != NULL)
        host_case_write(&c, change->file, change->text);
    if (change->what == INFO)
        host_case_set(&c.info, change->name, change->name_value);
    if (change->what == CONFIG)
        host_case_set(&c.config, change->name, change->name_value);
    struct check_result result = host_case_look(&c, check_limit_rows, change->id);
    ck_assert_msg(result.status == change->status, "%d: %s is %s: %s", number, result.id,
                  check_status_name(result.status), result.value);
    ck_assert_msg(strstr(result.value, change->value) != NULL, "%d: %s", number, result.value);
    host_case_forget(&result);
    host_case_close(&c);
}

#define FILES(soft, hard)                                                              \
    "Limit                     Soft Limit           Hard\n"                            \
    "Max processes             unlimited            unlimited            processes \n" \
    "Max open files            " soft "    " hard "       files     \n"
#define PROCESSES(soft) \
    "Max processes             " soft "             unlimited            processes \n"

static const struct change others[] = {
    /* the server has raised its soft limit to what it needs */
    {"kubernetes", "open-files", "proc/7/limits", FILES("10032", "10032"), ALONE, NULL, NULL,
     CHECK_OK, "10032, maxclients 10000"},
    {"kubernetes", "open-files", "proc/7/limits", FILES("unlimited", "unlimited"), ALONE, NULL,
     NULL, CHECK_OK, "unlimited"},
    {"kubernetes", "open-files", "proc/7/limits", FILES("10031", "10031"), ALONE, NULL, NULL,
     CHECK_WARN, "10031, maxclients 10000"},
    /* the server has lowered maxclients to what it got */
    {"kubernetes", "open-files", "proc/7/limits", FILES("4096", "4096"), INFO, "maxclients", "4064",
     CHECK_WARN, "lowered by the server"},
    {"kubernetes", "open-files", "proc/7/limits", FILES("4992", "5000"), INFO, "maxclients", "4960",
     CHECK_WARN, "lowered by the server"},
    /* it was set to less, and raised as far as that needs */
    {"kubernetes", "open-files", "proc/7/limits", FILES("532", "524288"), INFO, "maxclients", "500",
     CHECK_OK, "532, maxclients 500"},
    {"kubernetes", "open-files", "proc/7/limits", "", INFO, "maxclients", "500", CHECK_UNKNOWN,
     "PID namespace"},
    {"kubernetes", "open-files", "proc/7/limits", FILES(HUGE, HUGE), INFO, "maxclients", "500",
     CHECK_UNKNOWN, "PID namespace"},
    {"kubernetes", "open-files", "proc/7/limits", "Max open files", INFO, "maxclients", "500",
     CHECK_UNKNOWN, "PID namespace"},
    {"kubernetes", "open-files", "proc/7/limits", "Max open files  12 \xff\n", INFO, "maxclients",
     "500", CHECK_UNKNOWN, "PID namespace"},
    {"kubernetes", "open-files", NULL, NULL, INFO, "maxclients", "-5", CHECK_UNKNOWN, "maxclients"},
    {"kubernetes", "open-files", NULL, NULL, INFO, "maxclients", "99999999999", CHECK_UNKNOWN,
     "maxclients"},
    {"alone", "open-files", NULL, NULL, INFO, "maxclients", "10000", CHECK_OK, "10000"},
    {"alone", "open-files", NULL, NULL, INFO, "maxclients", "992", CHECK_WARN, "1024 files"},
    {"alone", "open-files", NULL, NULL, INFO, "maxclients", "4064", CHECK_WARN, "4096 files"},
    {"alone", "open-files", NULL, NULL, INFO, "maxclients", "4000", CHECK_UNKNOWN, "PID namespace"},
    {"alone", "open-files", NULL, NULL, INFO, "maxclients", "0", CHECK_UNKNOWN, "PID namespace"},

    {"kubernetes", "processes", "proc/7/limits", PROCESSES("256"), ALONE, NULL, NULL, CHECK_OK,
     "limit 256"},
    {"kubernetes", "processes", "proc/7/limits", PROCESSES("255"), ALONE, NULL, NULL, CHECK_WARN,
     "limit 255"},
    {"kubernetes", "processes", "proc/7/limits", PROCESSES("6"), ALONE, NULL, NULL, CHECK_FAIL,
     "limit 6"},
    {"kubernetes", "processes", "proc/7/limits", PROCESSES("lots"), ALONE, NULL, NULL,
     CHECK_UNKNOWN, "limits"},
    {"vm", "processes", "proc/812/status", "Uid:\t0\t0\t0\t0\nThreads:\t6\n", ALONE, NULL, NULL,
     CHECK_OK, "unlimited"},
    {"kubernetes", "processes", V2 "pids.max", "15\n", ALONE, NULL, NULL, CHECK_OK, "room for 8"},
    {"kubernetes", "processes", V2 "pids.max", "14\n", ALONE, NULL, NULL, CHECK_WARN, "room for 7"},
    {"kubernetes", "processes", V2 "pids.max", "7\n", ALONE, NULL, NULL, CHECK_FAIL, "room for 0"},
    {"kubernetes", "processes", V2 "pids.max", "3\n", ALONE, NULL, NULL, CHECK_FAIL, "room for 0"},
    {"kubernetes", "processes", V2 "pids.max", HUGE, ALONE, NULL, NULL, CHECK_OK, "unlimited"},
    {"kubernetes", "processes", "proc/7/cgroup", "", ALONE, NULL, NULL, CHECK_UNKNOWN, "cgroup"},
    {"docker-v1", "processes", V1 "pids/pids.max", "10\n", ALONE, NULL, NULL, CHECK_WARN,
     "room for 3"},
    {"hybrid", "processes", HYBRID_PIDS "valkey-server.service/pids.current", "4914\n", ALONE, NULL,
     NULL, CHECK_WARN, "room for 1"},
    {"hybrid", "processes", HYBRID_PIDS "pids.current", "100\n", ALONE, NULL, NULL, CHECK_OK,
     "room for 4909"},

    {"kubernetes", "oom-score", "proc/7/oom_score_adj", "899\n", ALONE, NULL, NULL, CHECK_OK,
     "899"},
    {"kubernetes", "oom-score", "proc/7/oom_score_adj", "900\n", ALONE, NULL, NULL, CHECK_WARN,
     "among the first"},
    {"kubernetes", "oom-score", "proc/7/oom_score_adj", "1000\n", CONFIG, "oom-score-adj", NULL,
     CHECK_WARN, "among the first"},
    {"kubernetes", "oom-score", NULL, NULL, CONFIG, "oom-score-adj", "absolute", CHECK_OK,
     "absolute"},
    {"kubernetes", "oom-score", NULL, NULL, CONFIG, "oom-score-adj", "no", CHECK_WARN, "no"},
    {"kubernetes", "oom-score", NULL, NULL, CONFIG, "oom-score-adj", NULL, CHECK_UNKNOWN,
     "CONFIG GET"},
    {"kubernetes", "oom-score", "proc/7/oom_score_adj", "", ALONE, NULL, NULL, CHECK_UNKNOWN,
     "PID namespace"},
};

START_TEST(each_finding_and_its_absence)
{
    judge_change(&others[_i], _i);
}
END_TEST

#define LIMIT_V1 "memory/memory.limit_in_bytes"

/* maxmemory 512 MiB, used 220 MiB, copied 8 MiB, unless it is changed */
static const struct change memories[] = {
    {"kubernetes", "memory-limit", V2 "memory.max", "545259520\n", ALONE, NULL, NULL, CHECK_OK,
     "limit 520.0 MiB"},
    {"kubernetes", "memory-limit", V2 "memory.max", "545259519\n", ALONE, NULL, NULL, CHECK_WARN,
     "maxmemory 512.0 MiB"},
    {"kubernetes", "memory-limit", V2 "memory.max", "239075328\n", ALONE, NULL, NULL, CHECK_WARN,
     "limit 228.0 MiB"},
    {"kubernetes", "memory-limit", V2 "memory.max", "239075327\n", ALONE, NULL, NULL, CHECK_FAIL,
     "used 220.0 MiB"},
    {"kubernetes", "memory-limit", V2 "memory.max", "0\n", ALONE, NULL, NULL, CHECK_FAIL,
     "limit 0.0 MiB"},
    {"kubernetes", "memory-limit", V2 "memory.max", "max\n", ALONE, NULL, NULL, CHECK_OK,
     "no limit, the node has 15928.6 MiB"},
    {"kubernetes", "memory-limit", V2 "memory.max", HUGE, ALONE, NULL, NULL, CHECK_OK, "no limit"},
    {"kubernetes", "memory-limit", V2 "memory.max", "-1\n", ALONE, NULL, NULL, CHECK_OK,
     "no limit"},
    {"kubernetes", "memory-limit", V2 "memory.max", "max\n", INFO, "maxmemory", "17179869184",
     CHECK_WARN, "maxmemory 16384.0 MiB"},
    {"kubernetes", "memory-limit", V2 "memory.max", "max\n", INFO, "maxmemory", "0", CHECK_OK,
     "maxmemory 0, used"},
    {"kubernetes", "memory-limit", NULL, NULL, INFO, "maxmemory", "0", CHECK_WARN, "maxmemory 0"},
    {"kubernetes", "memory-limit", NULL, NULL, INFO, "aof_last_cow_size", "536870913", CHECK_WARN,
     "copied 512.0 MiB"},
    {"kubernetes", "memory-limit", NULL, NULL, INFO, "current_cow_peak", "900000000", CHECK_FAIL,
     "copied 858.3 MiB"},
    {"kubernetes", "memory-limit", NULL, NULL, INFO, "rdb_last_cow_size", "0", CHECK_OK,
     "copied 0.0 MiB"},
    {"kubernetes", "memory-limit", V2 "memory.max", "1073741823\n", INFO, "rdb_last_cow_size", "0",
     CHECK_UNKNOWN, "BGSAVE"},
    {"kubernetes", "memory-limit", NULL, NULL, INFO, "rdb_last_cow_size", "9223372036854775807",
     CHECK_FAIL, "copied"},
    {"kubernetes", "memory-limit", NULL, NULL, INFO, "used_memory", "9223372036854775807",
     CHECK_FAIL, "used"},
    {"kubernetes", "memory-limit", NULL, NULL, INFO, "used_memory", NULL, CHECK_UNKNOWN, "INFO"},
    {"kubernetes", "memory-limit", NULL, NULL, INFO, "maxmemory", NULL, CHECK_UNKNOWN, "INFO"},
    {"kubernetes", "memory-limit", "proc/7/mountinfo", NULL, ALONE, NULL, NULL, CHECK_UNKNOWN,
     "the server's user"},
    {"kubernetes", "memory-limit", "proc/meminfo", NULL, ALONE, NULL, NULL, CHECK_OK,
     "limit 1024.0 MiB"},
    {"vm", "memory-limit", "proc/meminfo", "MemTotal: lots", ALONE, NULL, NULL, CHECK_UNKNOWN,
     "meminfo"},
    /* the limit of a group above */
    {"vm", "memory-limit", VM "memory.max", "440401920\n", ALONE, NULL, NULL, CHECK_FAIL,
     "limit 420.0 MiB"},

    {"docker-v1", "memory-limit", V1 LIMIT_V1, "545259519\n", ALONE, NULL, NULL, CHECK_WARN,
     "limit 520.0 MiB"},
    {"docker-v1", "memory-limit", V1 LIMIT_V1, "239075327\n", ALONE, NULL, NULL, CHECK_FAIL,
     "limit 228.0 MiB"},
    {"docker-v1", "memory-limit", V1 LIMIT_V1, "9223372036854771712\n", ALONE, NULL, NULL, CHECK_OK,
     "no limit"},
    {"docker-v1", "memory-limit", NULL, NULL, INFO, "maxmemory", "0", CHECK_WARN, "maxmemory 0"},
    {"docker-v1", "memory-limit", "proc/1/cgroup", "9:memory:/docker/else\n", ALONE, NULL, NULL,
     CHECK_UNKNOWN, "cgroup"},

    {"hybrid", "memory-limit", HYBRID_MEMORY "valkey-server.service/memory.limit_in_bytes",
     "545259519\n", ALONE, NULL, NULL, CHECK_WARN, "limit 520.0 MiB"},
    {"hybrid", "memory-limit", HYBRID_MEMORY "memory.limit_in_bytes", "239075327\n", ALONE, NULL,
     NULL, CHECK_FAIL, "limit 228.0 MiB"},
    {"hybrid", "memory-limit", HYBRID_MEMORY "valkey-server.service/memory.limit_in_bytes",
     "9223372036854771712\n", ALONE, NULL, NULL, CHECK_OK, "no limit"},
    {"hybrid", "memory-limit", NULL, NULL, INFO, "maxmemory", "0", CHECK_WARN, "maxmemory 0"},
};

START_TEST(memory_against_what_the_server_may_come_to_need)
{
    judge_change(&memories[_i], _i);
}
END_TEST

START_TEST(a_limit_that_is_too_low_is_to_be_raised_above_data_and_copies)
{
    struct host_case c;

    host_case_open(&c, "docker-v1");
    host_case_set(&c.info, "rdb_last_cow_size", "536870912");
    host_case_set(&c.info, "maxmemory", "1073741824");
    struct check_result result = host_case_look(&c, check_limit_rows, "memory-limit");
    ck_assert_int_eq(result.scope, CHECK_POD);
    ck_assert_int_eq(result.act, CHECK_ACT_NONE);
    ck_assert_ptr_nonnull(strstr(result.fix, "resources: {limits: {memory: 1536Mi}}"));
    ck_assert_ptr_nonnull(strstr(result.fix, "mem_limit: 1536m"));
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

START_TEST(a_server_without_maxmemory_is_given_one_that_is_more_than_it_uses)
{
    struct host_case c;

    host_case_open(&c, "kubernetes");
    host_case_set(&c.info, "maxmemory", "0");
    struct check_result result = host_case_look(&c, check_limit_rows, "memory-limit");
    ck_assert_int_eq(result.scope, CHECK_SERVER);
    ck_assert_str_eq(result.fix, "maxmemory 768mb");
    ck_assert_int_eq(result.act, CHECK_ACT_CONFIG);
    ck_assert_str_eq(result.act_name, "maxmemory");
    ck_assert_str_eq(result.act_value, "805306368");
    host_case_forget(&result);

    /* it uses more than that: nothing may be evicted by a fix */
    host_case_set(&c.info, "used_memory", "805306368");
    result = host_case_look(&c, check_limit_rows, "memory-limit");
    ck_assert_int_eq(result.status, CHECK_WARN);
    ck_assert_int_eq(result.scope, CHECK_POD);
    ck_assert_int_eq(result.act, CHECK_ACT_NONE);
    ck_assert_ptr_nonnull(strstr(result.fix, "memory: 960Mi"));
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

START_TEST(the_saving_child_shall_be_killed_first)
{
    struct host_case c;

    host_case_open(&c, "kubernetes");
    host_case_set(&c.config, "oom-score-adj", "no");
    struct check_result result = host_case_look(&c, check_limit_rows, "oom-score");
    ck_assert_int_eq(result.scope, CHECK_SERVER);
    ck_assert_str_eq(result.fix, "oom-score-adj relative");
    ck_assert_int_eq(result.act, CHECK_ACT_CONFIG);
    ck_assert_str_eq(result.act_name, "oom-score-adj");
    ck_assert_str_eq(result.act_value, "relative");
    host_case_forget(&result);
    host_case_close(&c);
}
END_TEST

START_TEST(what_needs_the_pid_namespace_says_so)
{
    static const char *const ids[] = {"open-files", "processes", "memory-limit"};
    struct host_case c;

    host_case_open(&c, "alone");
    for (int i = 0; i < COUNT(ids); i++) {
        struct check_result result = host_case_look(&c, check_limit_rows, ids[i]);

        ck_assert_str_eq(result.value, "unknown: this needs the server's PID namespace "
                                       "(shareProcessNamespace: true / pid: service:redis)");
        host_case_forget(&result);
    }
    host_case_close(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_limits");
    TCase *tcase = tcase_create("limits");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_whole_machine_is_judged, 0, COUNT(machines));
    tcase_add_loop_test(tcase, each_finding_and_its_absence, 0, COUNT(others));
    tcase_add_loop_test(tcase, memory_against_what_the_server_may_come_to_need, 0, COUNT(memories));
    tcase_add_test(tcase, a_limit_that_is_too_low_is_to_be_raised_above_data_and_copies);
    tcase_add_test(tcase, a_server_without_maxmemory_is_given_one_that_is_more_than_it_uses);
    tcase_add_test(tcase, the_saving_child_shall_be_killed_first);
    tcase_add_test(tcase, what_needs_the_pid_namespace_says_so);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
