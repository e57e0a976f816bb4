/*
 * The checks of the node that the server runs on: memory, huge pages, swap, network, clocks. What
 * redis-server --check-system warns of, warns here by the same rules (its syscheck.c; see
 * redis-facts on host tuning). The arm64 kernel bug is check_host_arm64.c's.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parse.h"
#include "host/cgroup.h"
#include "host/check.h"
#include "host/check_host_arm64.h"
#include "host/check_host_network.h"
#include "host/check_read.h"
#include "host/check_server.h"

#define OVERCOMMIT "proc/sys/vm/overcommit_memory"
#define SWAPPINESS "proc/sys/vm/swappiness"
#define MAP_COUNT "proc/sys/vm/max_map_count"
#define THP "sys/kernel/mm/transparent_hugepage/enabled"
#define CLOCKSOURCE "sys/devices/system/clocksource/clocksource0/"
#define MEMINFO "proc/meminfo"

#define TEXT_MAX 4096
#define SIZE_TEXT 32
#define SWAPPINESS_MOST 10
#define SWAPPED_KIB_MOST 1024 /* a few cold pages do no harm */
#define MAPS_LEAST 65530      /* the kernel's own default */
#define THROTTLED_PERCENT_MOST 5
#define KERNEL_PERCENT_MOST 10 /* as redis-server has it */
#define PERIODS_LEAST 100      /* fewer say nothing; ten seconds' worth */

/* proc/<pid>/<file>; the caller frees. */
static char *of_server(const struct check_facts *facts, const char *file)
{
    return xasprintf("proc/%" PRId64 "/%s", facts->server_pid, file);
}

static void fix_sysctl(struct check_result *result, const char *file, const char *name,
                       int64_t value)
{
    auto_free char *text = xasprintf("%" PRId64, value);

    check_fix_by(result, "sysctl -w %s=%s && echo %s=%s >> /etc/sysctl.d/60-redis.conf", name, text,
                 name, text);
    check_act_by(result, CHECK_ACT_FILE, file, text);
}

static void cannot_read(struct check_result *result, const char *file)
{
    check_unknown(result, "this needs to read /%s", file);
}

/* With overcommit off: is there room to promise the server's memory once more? */
static bool fork_will_fail(const struct check_facts *facts)
{
    int64_t limit_kib = 0;
    int64_t promised_kib = 0;
    int64_t rss = 0;

    return check_read_field(facts->root_fd, MEMINFO, "CommitLimit", &limit_kib) &&
           check_read_field(facts->root_fd, MEMINFO, "Committed_AS", &promised_kib) &&
           pairs_i64(facts->info, "used_memory_rss", &rss) && limit_kib >= 0 && promised_kib >= 0 &&
           limit_kib - promised_kib < rss / 1024;
}

static void look_overcommit(const struct check_facts *facts, struct check_result *result)
{
    int64_t mode = 0;

    if (!check_read_i64(facts->root_fd, OVERCOMMIT, &mode)) {
        cannot_read(result, OVERCOMMIT);
        return;
    }
    if (mode == 1) {
        check_ok(result, "1");
        return;
    }
    if (mode == 2 && fork_will_fail(facts))
        check_bad(result, CHECK_FAIL, "2, and less may still be promised than the server uses");
    else
        check_bad(result, CHECK_WARN, "%" PRId64, mode);
    check_wants(result, "1");
    fix_sysctl(result, OVERCOMMIT, "vm.overcommit_memory", 1);
}

/* 1: it has, 0: it has not, -1: cannot be seen. */
static int has_opted_out(const struct check_facts *facts)
{
    auto_free char *status = of_server(facts, "status");
    int64_t enabled = 0;

    if (facts->server_pid > 0 && check_read_field(facts->root_fd, status, "THP_enabled", &enabled))
        return enabled == 0;
    if (pairs_get(facts->config, "disable-thp") != NULL)
        return pairs_is(facts->config, "disable-thp", "yes");
    return -1;
}

static void look_thp(const struct check_facts *facts, struct check_result *result)
{
    auto_free char *mode = check_read_text(facts->root_fd, THP, TEXT_MAX);

    if (mode == NULL && faccessat(facts->root_fd, "sys/kernel/mm", R_OK, 0) == 0 &&
        faccessat(facts->root_fd, "sys/kernel/mm/transparent_hugepage", F_OK, 0) != 0) {
        check_ok(result, "this kernel has none");
        return;
    }
    if (mode == NULL || strchr(mode, '[') == NULL) {
        cannot_read(result, THP);
        return;
    }
    if (strstr(mode, "[always]") == NULL) {
        check_ok(result, "%s", mode);
        return;
    }
    int opted_out = has_opted_out(facts);
    if (opted_out == 1) {
        check_ok(result, "%s, but the server has opted out for itself", mode);
        return;
    }
    if (opted_out == 0)
        check_bad(result, CHECK_WARN, "%s", mode);
    else if (facts->info == NULL && !facts->is_job) /* a node that is made ready for servers */
        check_bad(result, CHECK_WARN, "%s: for every server that does not opt out for itself",
                  mode);
    else if (facts->info == NULL)
        check_unknown(result, "%s; whether the server has opted out for itself needs it: %s", mode,
                      facts->server_why != NULL ? facts->server_why : "it was not asked");
    else
        check_unknown(result,
                      "%s; whether the server has opted out for itself needs its PID namespace "
                      "(shareProcessNamespace: true / pid: service:redis) or CONFIG GET",
                      mode);
    check_wants(result, "madvise, or disable-thp yes in redis.conf");
    check_fix_by(result, "echo madvise > /" THP "   # then restart the server");
    if (result->status == CHECK_WARN)
        check_act_by(result, CHECK_ACT_FILE, THP, "madvise");
}

/* 1, 0, or -1 when it cannot be seen. */
static int has_swap(const struct check_facts *facts)
{
    int64_t total_kib = 0;

    if (!check_read_field(facts->root_fd, MEMINFO, "SwapTotal", &total_kib))
        return -1;
    return total_kib > 0;
}

/* Is the server's group kept out of the swap? */
static bool may_not_swap(const struct check_facts *facts)
{
    auto_cgroup struct cgroup group = {0};
    int64_t most = -1;

    if (facts->server_pid <= 0 ||
        !cgroup_find(facts->root_fd, facts->server_pid, "memory", &group) || !group.is_v2)
        return false;
    do {
        if (cgroup_i64(facts->root_fd, &group, "memory.swap.max", &most) && most == 0)
            return true;
    } while (cgroup_up(&group));
    return false;
}

static void look_swappiness(const struct check_facts *facts, struct check_result *result)
{
    int64_t swappiness = 0;
    int swap = has_swap(facts);

    if (swap == 0) {
        check_ok(result, "there is no swap");
        return;
    }
    if (may_not_swap(facts)) {
        check_ok(result, "the server's container may not use the swap");
        return;
    }
    if (swap < 0 || !check_read_i64(facts->root_fd, SWAPPINESS, &swappiness)) {
        cannot_read(result, swap < 0 ? MEMINFO : SWAPPINESS);
        return;
    }
    if (swappiness <= SWAPPINESS_MOST) {
        check_ok(result, "%" PRId64, swappiness);
        return;
    }
    check_bad(result, CHECK_WARN, "%" PRId64 ", and there is swap", swappiness);
    check_wants(result, "1, at most %d", SWAPPINESS_MOST);
    fix_sysctl(result, SWAPPINESS, "vm.swappiness", 1);
}

static void look_swap(const struct check_facts *facts, struct check_result *result)
{
    auto_free char *status = of_server(facts, "status");
    char size[SIZE_TEXT];
    int64_t swapped_kib = 0;

    if (facts->server_pid > 0 && check_read_field(facts->root_fd, status, "VmSwap", &swapped_kib)) {
        format_size((uint64_t)(swapped_kib < 0 ? 0 : swapped_kib) * 1024, size, sizeof(size));
        if (swapped_kib <= SWAPPED_KIB_MOST) {
            check_ok(result, "%s of the server are swapped out", size);
            return;
        }
        check_bad(result, CHECK_WARN, "%s of the server are swapped out", size);
        check_wants(result, "all of it in memory");
        check_fix_by(result, "swapoff -a && swapon -a   # when as much memory is free; then "
                             "sysctl -w vm.swappiness=1");
        return;
    }
    if (has_swap(facts) == 0)
        check_ok(result, "there is no swap");
    else
        check_unseen_process(facts, result);
}

static bool is_word_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(word, *words) == 0)
            return true;
    }
    return false;
}

static void want_fast_clock(const char *others, struct check_result *result)
{
    check_wants(result, "tsc, kvm-clock or arch_sys_counter, read without a system call");
    if (others != NULL && strstr(others, "tsc") != NULL)
        check_fix_by(result, "echo tsc > /" CLOCKSOURCE "current_clocksource");
    else
        check_fix_by(result, "clocksource=tsc   # on the kernel's command line; or a machine type "
                             "whose TSC is stable");
}

/* As redis-server --check-system has it: xen by its name, any other by what reading it costs. By
 * names alone, where that could not be measured. */
static void look_clocksource(const struct check_facts *facts, struct check_result *result)
{
    /* those that are read without a system call; and those that are known to need one */
    static const char *const fast[] = {
        "tsc",      "kvm-clock", "arch_sys_counter",  "hyperv_clocksource_tsc_page",
        "timebase", "tod",       "riscv_clocksource", NULL};
    static const char *const slow[] = {"hpet", "acpi_pm", "jiffies", "refined-jiffies", NULL};
    const struct check_clock_cost *cost = &facts->clock_cost;
    auto_free char *source =
        check_read_text(facts->root_fd, CLOCKSOURCE "current_clocksource", TEXT_MAX);
    auto_free char *others =
        check_read_text(facts->root_fd, CLOCKSOURCE "available_clocksource", TEXT_MAX);
    const char *name = source == NULL ? "its name could not be read" : source;
    bool is_xen = source != NULL && strcmp(source, "xen") == 0;

    if (cost->is_measured && (is_xen || cost->kernel_percent > KERNEL_PERCENT_MOST)) {
        check_bad(result, CHECK_WARN, "%.40s, of whose time the kernel takes %u %%", name,
                  cost->kernel_percent);
        want_fast_clock(others, result);
    } else if (cost->is_measured) {
        check_ok(result, "%.40s, read without a system call", name);
    } else if (source == NULL) {
        cannot_read(result, CLOCKSOURCE "current_clocksource");
    } else if (is_word_of(source, fast)) {
        check_ok(result, "%s", source);
    } else if (is_xen || is_word_of(source, slow)) {
        check_bad(result, CHECK_WARN, "%s", source);
        want_fast_clock(others, result);
    } else {
        check_unknown(result,
                      "%.40s is no clock source that is known here, and what it costs could not be "
                      "measured",
                      source);
    }
}

static void look_map_count(const struct check_facts *facts, struct check_result *result)
{
    auto_free char *maps = of_server(facts, "maps");
    int64_t limit = 0;

    if (!check_read_i64(facts->root_fd, MAP_COUNT, &limit)) {
        cannot_read(result, MAP_COUNT);
        return;
    }
    int64_t used = facts->server_pid > 0 && limit > 0 && limit <= INT_MAX
                       ? check_count_lines(facts->root_fd, maps, limit)
                       : -1;
    bool is_short = limit < MAPS_LEAST || (used > 0 && used > limit - limit / 5);
    if (is_short && used >= 0)
        check_bad(result, CHECK_WARN, "%" PRId64 ", of which the server uses %" PRId64, limit,
                  used);
    else if (is_short)
        check_bad(result, CHECK_WARN, "%" PRId64, limit);
    else
        check_ok(result, "%" PRId64, limit);
    if (!is_short)
        return;
    int64_t wanted = limit < MAPS_LEAST / 2 || limit > INT_MAX / 2 ? MAPS_LEAST : limit * 2;
    check_wants(result, "at least %" PRId64, wanted);
    fix_sysctl(result, MAP_COUNT, "vm.max_map_count", wanted);
}

static void look_throttling(const struct check_facts *facts, struct check_result *result)
{
    auto_cgroup struct cgroup group = {0};
    int64_t periods = 0;
    int64_t throttled = 0;

    if (facts->server_pid <= 0) {
        check_unseen_process(facts, result);
        return;
    }
    if (!cgroup_find(facts->root_fd, facts->server_pid, "cpu", &group)) {
        check_unknown(result, "this needs to see the server's cgroup (run as the server's user)");
        return;
    }
    auto_free char *stat = xasprintf("%s/cpu.stat", group.path);
    auto_free char *text = check_read_text(facts->root_fd, stat, TEXT_MAX);
    /* the root of a hierarchy of version 1 has none, and no limit */
    if (text == NULL && faccessat(facts->root_fd, stat, F_OK, 0) == 0) {
        check_unknown(result, "this needs to read cpu.stat of the server's cgroup");
        return;
    }
    bool is_counted = cgroup_field(facts->root_fd, &group, "cpu.stat", "nr_periods", &periods) &&
                      cgroup_field(facts->root_fd, &group, "cpu.stat", "nr_throttled", &throttled);
    if (!is_counted || periods <= 0) {
        check_ok(result, "no CPU limit");
        return;
    }
    double percent = (double)throttled * 100 / (double)periods;
    if (periods < PERIODS_LEAST || percent <= THROTTLED_PERCENT_MOST) {
        check_ok(result, "throttled in %" PRId64 " of %" PRId64 " periods", throttled, periods);
        return;
    }
    check_bad(result, CHECK_WARN, "throttled in %" PRId64 " of %" PRId64 " periods", throttled,
              periods);
    check_wants(result, "at most %d %%", THROTTLED_PERCENT_MOST);
    check_fix_by(result, "resources: {limits: {cpu: null}}   # or a higher one, with a core to "
                         "spare for saves; Compose: cpus: 2");
}

static void look_time_sync(const struct check_facts *facts, struct check_result *result)
{
    switch (facts->clock_sync) {
    case CHECK_CLOCK_SYNCED:
        check_ok(result, "the kernel's clock is kept in time");
        return;
    case CHECK_CLOCK_UNSYNCED:
        check_bad(result, CHECK_WARN, "nobody keeps the kernel's clock in time");
        check_wants(result, "a clock that is synchronised");
        check_fix_by(result, "timedatectl set-ntp true   # on the node; or chronyd with rtcsync");
        return;
    case CHECK_CLOCK_UNKNOWN:
        break;
    }
    check_unknown(result, "this needs adjtimex(2), which this container forbids");
}

const struct check_row check_host_rows[] = {
    {.id = "overcommit-memory",
     .scope = CHECK_HOST,
     .why =
         "A save forks, and without overcommit the kernel may refuse the fork for want of memory "
         "that it would never use: then no backup is made and writes are refused.",
     .look = look_overcommit},
    {.id = "transparent-hugepages",
     .scope = CHECK_HOST,
     .why = "With huge pages each write during a save copies 2 MB instead of 4 kB: memory runs out "
            "and latency rises while saving.",
     .look = look_thp},
    {.id = "tcp-backlog",
     .scope = CHECK_POD,
     .why = "When all clients come back at once, after a restart, connections beyond the kernel's "
            "shorter queue are dropped and wait for seconds.",
     .look = check_look_backlog},
    {.id = "swappiness",
     .scope = CHECK_HOST,
     .why = "A kernel that likes to swap puts cold keys on the disk, and the next request for one, "
            "or the next save, waits for it.",
     .look = look_swappiness},
    {.id = "swap",
     .scope = CHECK_HOST,
     .why = "What is swapped out must be read back for each save and each request, at the disk's "
            "speed, while everybody else waits.",
     .look = look_swap},
    {.id = "clocksource",
     .scope = CHECK_HOST,
     .why = "The server reads the clock several times a command; a slow clock source turns each "
            "into a system call.",
     .look = look_clocksource},
    {.id = "arm64-cow-bug",
     .scope = CHECK_HOST,
     .why = "On arm64, kernels with this bug give the saving process pages of zeros: the dump is "
            "corrupt although the save succeeded.",
     .look = check_look_arm64},
    {.id = "max-map-count",
     .scope = CHECK_HOST,
     .why = "A process that may have no more mappings gets no more memory, and the server aborts "
            "although there is some.",
     .look = look_map_count},
    {.id = "cpu-throttling",
     .scope = CHECK_POD,
     .why = "A container that has used up its share of CPU stands still until the next period, in "
            "the middle of requests and saves.",
     .look = look_throttling},
    {.id = "time-sync",
     .scope = CHECK_HOST,
     .why = "Keys expire, backups are named, kept and found, and requests to object stores are "
            "signed by this clock.",
     .look = look_time_sync},
    {.id = NULL},
};
