/*
 * What is read for the checks: files that are as they should be and files that are not, the
 * server's process, a real directory.
 */
#include "host/check_read.h"

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/fake_clock.h"
#include "support/host_case.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

START_TEST(a_text_is_trimmed_and_has_a_most)
{
    static const struct {
        const char *content;
        size_t len;
        const char *text; /* NULL: none */
    } cases[] = {
        {"1\n", 2, "1"},   {" \t\r\n a b \n\n", 11, "a b"},  {"", 0, ""},
        {"\n\n", 2, ""},   {"0123456789", 10, "0123456789"}, {"01234567890", 11, NULL},
        {"a\0b", 3, NULL}, {"\xff\xfe", 2, "\xff\xfe"},
    };
    struct host_case c;

    host_case_open(&c, NULL);
    for (int i = 0; i < COUNT(cases); i++) {
        tree_write(c.facts.root_fd, "f", cases[i].content, cases[i].len);
        auto_free char *text = check_read_text(c.facts.root_fd, "f", i == 1 ? 11 : 10);
        if (cases[i].text == NULL) {
            ck_assert_msg(text == NULL, "%d", i);
        } else {
            ck_assert_msg(text != NULL, "%d", i);
            ck_assert_str_eq(text, cases[i].text);
        }
    }
    host_case_close(&c);
}
END_TEST

START_TEST(what_is_no_file_has_no_text_and_nobody_waits_for_it)
{
    struct host_case c;

    host_case_open(&c, NULL);
    ck_assert_int_eq(mkdirat(c.facts.root_fd, "dir", 0755), 0);
    ck_assert_int_eq(mkfifoat(c.facts.root_fd, "fifo", 0644), 0);
    ck_assert_int_eq(symlinkat("link", c.facts.root_fd, "link"), 0);
    static const char *const names[] = {"dir", "fifo", "link", "none", "none/none", "dir/none"};
    for (int i = 0; i < COUNT(names); i++) {
        ck_assert_ptr_null(check_read_text(c.facts.root_fd, names[i], 10));
        ck_assert_int_eq(check_count_lines(c.facts.root_fd, names[i], 10), -1);
    }
    host_case_close(&c);
}
END_TEST

START_TEST(a_huge_file_is_not_read_to_its_end)
{
    struct host_case c;
    int64_t number = 7;

    host_case_open(&c, NULL);
    host_case_write(&c, "huge", "1");
    auto_close int fd = openat(c.facts.root_fd, "huge", O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, (off_t)1 << 40), 0);
    ck_assert_ptr_null(check_read_text(c.facts.root_fd, "huge", 4096));
    ck_assert(!check_read_i64(c.facts.root_fd, "huge", &number));
    ck_assert(!check_read_field(c.facts.root_fd, "huge", "1", &number));
    ck_assert_int_eq(number, 7);
    host_case_close(&c);
}
END_TEST

START_TEST(a_number_is_the_whole_text)
{
    static const struct {
        const char *text;
        bool is_number;
        int64_t number;
    } cases[] = {
        {"1\n", true, 1},
        {" -17 ", true, -17},
        {"", false, 0},
        {"max\n", false, 0},
        {"1 2", false, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"0x10", false, 0},
        {"9223372036854775808", false, 0},
        {"18446744073709551615", false, 0},
    };
    struct host_case c;

    host_case_open(&c, NULL);
    for (int i = 0; i < COUNT(cases); i++) {
        int64_t number = 4242;

        host_case_write(&c, "f", cases[i].text);
        ck_assert_int_eq(check_read_i64(c.facts.root_fd, "f", &number), cases[i].is_number);
        ck_assert_int_eq(number, cases[i].is_number ? cases[i].number : 4242);
    }
    host_case_close(&c);
}
END_TEST

START_TEST(a_field_is_found_by_its_whole_name)
{
    struct host_case c;
    int64_t number = 0;

    host_case_open(&c, NULL);
    host_case_write(
        &c, "f", "Name:\tredis\nVmSwap:\t    12 kB\nUid:\t999\t998\nnr_periods 5\nnr_x\nlast -3");
    ck_assert(check_read_field(c.facts.root_fd, "f", "VmSwap", &number));
    ck_assert_int_eq(number, 12);
    ck_assert(check_read_field(c.facts.root_fd, "f", "Uid", &number));
    ck_assert_int_eq(number, 999);
    ck_assert(check_read_field(c.facts.root_fd, "f", "nr_periods", &number));
    ck_assert_int_eq(number, 5);
    ck_assert(check_read_field(c.facts.root_fd, "f", "last", &number));
    ck_assert_int_eq(number, -3);
    static const char *const none[] = {"VmSwa", "mSwap", "Name", "nr_x", "kB", "Gid"};
    for (int i = 0; i < COUNT(none); i++)
        ck_assert_msg(!check_read_field(c.facts.root_fd, "f", none[i], &number), "%s", none[i]);
    host_case_close(&c);
}
END_TEST

START_TEST(lines_are_counted_up_to_a_most)
{
    struct host_case c;

    host_case_open(&c, NULL);
    host_case_write(&c, "f", "a\nb\n\nd");
    ck_assert_int_eq(check_count_lines(c.facts.root_fd, "f", 100), 3);
    ck_assert_int_eq(check_count_lines(c.facts.root_fd, "f", 2), 2);
    host_case_write(&c, "f", "");
    ck_assert_int_eq(check_count_lines(c.facts.root_fd, "f", 100), 0);
    host_case_close(&c);
}
END_TEST

static const struct {
    const char *process_id;
    const char *executable; /* of INFO, or NULL */
    const char *comm;       /* of process 12, or NULL */
    const char *exe;        /* where its link goes, or NULL */
    int64_t pid;
} servers[] = {
    {"12", NULL, "redis-server\n", NULL, 12},
    {"12", NULL, "valkey-server\n", NULL, 12},
    {"12", NULL, "redis-server-7.\n", NULL, 12},
    {"12", NULL, "main\n", "/usr/bin/redis-server", 12},
    {"12", NULL, NULL, "/usr/local/bin/valkey-server", 12},
    {"12", "/opt/kv/keydb-server", "keydb-server\n", NULL, 12},
    {"12", "/opt/kv/a-server-of-a-long-name", "a-server-of-a-l\n", NULL, 12},
    {"12", "/opt/kv/", "redkeep\n", NULL, -1},
    {"12", "/usr/local/bin/redis-server", "redkeep\n", "/usr/bin/redkeep", -1},
    {"12", "/usr/local/bin/redis-server", "redis-sentinel\n", NULL, -1},
    {"12", "/usr/local/bin/redis-server", "", NULL, -1},
    {"12", NULL, NULL, NULL, -1},
    {"1", NULL, "redis-server\n", NULL, -1},
    {"0", NULL, "redis-server\n", NULL, -1},
    {"-12", NULL, "redis-server\n", NULL, -1},
    {"12/../12", NULL, "redis-server\n", NULL, -1},
    {"99999999999", NULL, "redis-server\n", NULL, -1},
    {NULL, NULL, "redis-server\n", NULL, -1},
};

START_TEST(the_server_is_found_by_its_number_and_name)
{
    struct host_case c;

    host_case_open(&c, NULL);
    host_case_write(&c, "proc/12/status", "Name:\tx\n");
    if (servers[_i].process_id != NULL)
        pairs_add(&c.info, "process_id", servers[_i].process_id);
    if (servers[_i].executable != NULL)
        pairs_add(&c.info, "executable", servers[_i].executable);
    if (servers[_i].comm != NULL)
        host_case_write(&c, "proc/12/comm", servers[_i].comm);
    if (servers[_i].exe != NULL)
        ck_assert_int_eq(symlinkat(servers[_i].exe, c.facts.root_fd, "proc/12/exe"), 0);
    ck_assert_int_eq(check_find_server(c.facts.root_fd, &c.info), servers[_i].pid);
    ck_assert_int_eq(check_find_server(c.facts.root_fd, NULL), -1);
    host_case_close(&c);
}
END_TEST

/* Processes of a node, as one with hostPID sees them: NSpid has ours first, its own last. */
struct process {
    const char *pid;
    const char *comm;
    const char *ns;      /* NULL: an old kernel does not say */
    const char *began_s; /* after the boot; NULL: not to be seen */
};

static const struct {
    struct process processes[3];
    int64_t pid; /* that is found for process_id 7, up for 500 s; the node is for 1000 s */
} nodes[] = {
    {{{"7", "redis-server", "7", "500"}}, 7},
    {{{"7", "redis-server", NULL, "500"}}, 7},
    {{{"7", "redis-server", "7", NULL}}, 7},
    {{{"4711", "redis-server", "4711\t7", "500"}}, 4711},
    {{{"4711", "redis-server", "4711\t90\t7", "502"}}, 4711},
    {{{"4711", "redis-server", "4711\t7", "503"}}, -1}, /* another one that begins with 1 */
    {{{"4711", "redis-server", "4711\t7", NULL}}, -1},
    {{{"4711", "redis-server", "4711\t1", "500"}}, -1},
    {{{"4711", "redis-server", "4711\tseven", "500"}}, -1},
    {{{"4711", "nginx", "4711\t7", "500"}}, -1},
    {{{"7", "kthreadd", "7", "500"}, {"4711", "redis-server", "4711\t7", "500"}}, 4711},
    {{{"7", "redis-server", "7\t1", "500"}, {"4711", "redis-server", "4711\t7", "499"}}, 4711},
    {{{"7", "redis-server", "7", "100"}, {"4711", "redis-server", "4711\t7", "499"}}, 4711},
    {{{"7", "redis-server", "7", "500"}, {"4711", "redis-server", "4711\t7", "100"}}, 7},
    {{{"4711", "redis-server", "4711\t7", "500"}, {"5000", "redis-server", "5000\t7", "100"}},
     4711},
    {{{"4711", "redis-server", "4711\t7", "500"}, {"5000", "redis-server", "5000\t7", "501"}}, -1},
};

START_TEST(a_server_in_a_container_is_found_by_its_own_number)
{
    struct host_case c;

    host_case_open(&c, NULL);
    host_case_write(&c, "proc/uptime", "1000.25 1900.00\n");
    pairs_add(&c.info, "process_id", "7");
    pairs_add(&c.info, "uptime_in_seconds", "500");
    for (int i = 0; i < COUNT(nodes[_i].processes) && nodes[_i].processes[i].pid != NULL; i++) {
        const struct process *process = &nodes[_i].processes[i];
        auto_free char *comm = xasprintf("proc/%s/comm", process->pid);
        auto_free char *status = xasprintf("proc/%s/status", process->pid);
        auto_free char *stat = xasprintf("proc/%s/stat", process->pid);
        auto_free char *text = process->ns == NULL
                                   ? xstrdup("Name:\tx\nPid:\t1\n")
                                   : xasprintf("Name:\tx\nNSpid:\t%s\nNSsid:\t1\n", process->ns);

        host_case_write(&c, comm, process->comm);
        host_case_write(&c, status, text);
        if (process->began_s != NULL) {
            auto_free char *fields =
                xasprintf("%s (a ) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 %s00 20 21\n",
                          process->pid, process->began_s);
            host_case_write(&c, stat, fields);
        }
    }
    ck_assert_int_eq(sysconf(_SC_CLK_TCK), 100); /* what stat counts in, on every Linux of today */
    ck_assert_int_eq(check_find_server(c.facts.root_fd, &c.info), nodes[_i].pid);
    host_case_close(&c);
}
END_TEST

START_TEST(who_started_the_server_is_seen)
{
    struct host_case c;

    host_case_open(&c, NULL);
    host_case_write(&c, "proc/20/status", "Name:\tredis-server\nPPid:\t1\n");
    ck_assert(!check_is_child_of_redkeep(c.facts.root_fd, 20));
    host_case_write(&c, "proc/1/comm", "redkeep\n");
    ck_assert(check_is_child_of_redkeep(c.facts.root_fd, 20));
    host_case_write(&c, "proc/1/comm", "tini\n");
    ck_assert(!check_is_child_of_redkeep(c.facts.root_fd, 20));
    ck_assert(!check_is_child_of_redkeep(c.facts.root_fd, -1));
    ck_assert(!check_is_child_of_redkeep(c.facts.root_fd, 21));
    host_case_close(&c);
}
END_TEST

START_TEST(what_the_clock_costs_is_a_share)
{
    struct check_facts facts = {0};

    check_measure_clock(&facts, clock_system());
    ck_assert_uint_le(facts.clock_cost.kernel_percent, 100);
    ck_assert(facts.clock_cost.is_measured || facts.clock_cost.kernel_percent == 0);
}
END_TEST

START_TEST(the_kernel_is_asked_whether_its_clock_is_kept)
{
    struct check_facts facts = {.clock_sync = (enum check_clock_sync)77};

    check_read_clock(&facts);
    ck_assert_int_le((int)facts.clock_sync, CHECK_CLOCK_UNSYNCED);
}
END_TEST

static void write_aged(int dir_fd, const char *name, int64_t age_s, int64_t now_ms)
{
    struct timespec times[2] = {{.tv_sec = now_ms / 1000 - age_s},
                                {.tv_sec = now_ms / 1000 - age_s}};

    tree_write(dir_fd, name, "x", 1);
    ck_assert_int_eq(utimensat(dir_fd, name, times, 0), 0);
}

START_TEST(a_volume_is_read)
{
    struct host_case c;
    struct check_reading *reading = NULL;
    char *path = tmpdir_new();
    auto_close int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    host_case_open(&c, NULL);
    const int64_t now_ms = c.facts.now_ms;
    ck_assert_int_eq(fchmod(dir_fd, 02750), 0);
    write_aged(dir_fd, "temp-7.rdb", 86401, now_ms);
    write_aged(dir_fd, "temp-rewriteaof-bg-7.aof", 90000, now_ms);
    write_aged(dir_fd, "temp-8.rdb", 86000, now_ms);
    write_aged(dir_fd, "temp-9.aof", 90000, now_ms);
    write_aged(dir_fd, "temp-import.rdb", 90000, now_ms);
    write_aged(dir_fd, "dump.rdb", 90000, now_ms);
    write_aged(dir_fd, "temp-dir.rdb/x", 90000, now_ms);
    auto_free char *real = realpath(path, NULL);
    auto_free char *mounts =
        xasprintf("1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 8:2 / %s rw - xfs /dev/sdb rw\n"
                  "3 1 0:9 / %s rw - nfs4 srv:/x rw\n4 1 0:9 / %s/deeper rw - tmpfs tmpfs rw\n"
                  "5 1 0:9 / %sx rw - btrfs /dev/sdc rw\n",
                  real, real, real, real);
    host_case_write(&c, "proc/self/mountinfo", mounts);

    c.facts.volume.repository_is_inside = 1;
    check_read_volume(&c.facts, path, clock_system(), false, &reading);
    const struct check_volume *volume = &c.facts.volume;
    ck_assert_str_eq(volume->path, path);
    ck_assert_str_eq(volume->file_system, "nfs4");
    ck_assert(volume->is_mount);
    ck_assert_int_gt(volume->total_bytes, 0);
    ck_assert_int_ge(volume->total_bytes, volume->free_bytes);
    ck_assert_int_ge(volume->free_bytes, 0);
    ck_assert_int_ge(volume->total_inodes, volume->free_inodes);
    ck_assert_int_eq(volume->is_read_only, 0);
    ck_assert_int_eq(volume->owner_uid, (int64_t)getuid());
    ck_assert_int_eq(volume->owner_gid, (int64_t)getgid());
    ck_assert_int_eq(volume->mode, 02750);
    ck_assert_int_eq(volume->fsync_us, -1);
    ck_assert_int_eq(volume->repository_is_inside, 1);
    static const char *const names[] = {"dump.rdb",
                                        "temp-7.rdb",
                                        "temp-8.rdb",
                                        "temp-9.aof",
                                        "temp-dir.rdb",
                                        "temp-import.rdb",
                                        "temp-rewriteaof-bg-7.aof"};
    for (int i = 0; i < COUNT(names); i++)
        ck_assert_str_eq(volume->entries[i], names[i]);
    ck_assert_ptr_null(volume->entries[COUNT(names)]);
    ck_assert_str_eq(volume->old_temp_files[0], "temp-7.rdb");
    ck_assert_str_eq(volume->old_temp_files[1], "temp-rewriteaof-bg-7.aof");
    ck_assert_ptr_null(volume->old_temp_files[2]);
    check_reading_free(reading);
    host_case_close(&c);
    tmpdir_remove(path);
}
END_TEST

START_TEST(what_is_no_volume_stays_unknown)
{
    struct host_case c;
    struct check_reading *reading = NULL;

    host_case_open(&c, "vm");
    static const char *const paths[] = {NULL, "/nowhere/at/all", "/proc/self/comm", ""};
    for (int i = 0; i < COUNT(paths); i++) {
        check_read_volume(&c.facts, paths[i], clock_system(), true, &reading);
        ck_assert_ptr_null(c.facts.volume.path);
        ck_assert_ptr_null(c.facts.volume.entries);
        ck_assert_int_eq(c.facts.volume.free_bytes, -1);
        ck_assert_int_eq(c.facts.volume.is_read_only, -1);
        ck_assert_int_eq(c.facts.volume.fsync_us, -1);
        check_reading_free(reading);
    }
    check_reading_free(NULL);
    host_case_close(&c);
}
END_TEST

START_TEST(a_mountinfo_that_says_nothing_leaves_the_kind_unknown)
{
    static const char *const texts[] = {"", "\xff\xff\n", "1 0 8:1 / /elsewhere rw - ext4 d rw\n"};
    char *path = tmpdir_new();

    for (int i = 0; i < COUNT(texts); i++) {
        struct host_case c;
        struct check_reading *reading = NULL;

        host_case_open(&c, NULL);
        host_case_write(&c, "proc/self/mountinfo", texts[i]);
        check_read_volume(&c.facts, path, clock_system(), false, &reading);
        ck_assert_ptr_null(c.facts.volume.file_system);
        ck_assert(!c.facts.volume.is_mount);
        ck_assert_ptr_null(c.facts.volume.entries[0]);
        ck_assert_ptr_null(c.facts.volume.old_temp_files[0]);
        check_reading_free(reading);
        host_case_close(&c);
    }
    tmpdir_remove(path);
}
END_TEST

/* A clock that moves on by so much whenever it is read. */
struct ticking {
    struct clock clock;
    int64_t now_ms;
    int64_t step_ms;
    int reads;
};

static int64_t tick(void *context)
{
    struct ticking *ticking = context;

    ticking->reads++;
    ticking->now_ms += ticking->step_ms;
    return ticking->now_ms;
}

START_TEST(the_time_of_an_fsync_is_measured_and_nothing_is_left)
{
    static const struct {
        int64_t step_ms;
        int64_t fsync_us;
        int most_reads;
    } cases[] = {
        {0, 0, 100},                                        /* a fast disk: at most 16 a sample */
        {1, 1000, 80},                                      /* ten fill a sample */
        {5, 5000, 40}, {20, 20000, 20}, {3000, 3000000, 6}, /* a disk that hangs: one is enough */
    };
    struct host_case c;
    char *path = tmpdir_new();
    auto_close int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    host_case_open(&c, NULL);
    for (int i = 0; i < COUNT(cases); i++) {
        struct ticking ticking = {.step_ms = cases[i].step_ms};
        struct check_reading *reading = NULL;
        unsigned fds = fd_count();

        ticking.clock = (struct clock){.wall_ms = tick, .mono_ms = tick, .context = &ticking};
        auto_free char *before = tree_text(dir_fd);
        check_read_volume(&c.facts, path, &ticking.clock, true, &reading);
        auto_free char *after = tree_text(dir_fd);
        ck_assert_int_eq(c.facts.volume.fsync_us, cases[i].fsync_us);
        ck_assert_int_le(ticking.reads, cases[i].most_reads);
        ck_assert_str_eq(before, after);
        ck_assert_uint_eq(fd_count(), fds);
        check_reading_free(reading);
    }
    host_case_close(&c);
    tmpdir_remove(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_read");
    TCase *tcase = tcase_create("reading");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_text_is_trimmed_and_has_a_most);
    tcase_add_test(tcase, what_is_no_file_has_no_text_and_nobody_waits_for_it);
    tcase_add_test(tcase, a_huge_file_is_not_read_to_its_end);
    tcase_add_test(tcase, a_number_is_the_whole_text);
    tcase_add_test(tcase, a_field_is_found_by_its_whole_name);
    tcase_add_test(tcase, lines_are_counted_up_to_a_most);
    tcase_add_loop_test(tcase, the_server_is_found_by_its_number_and_name, 0, COUNT(servers));
    tcase_add_loop_test(tcase, a_server_in_a_container_is_found_by_its_own_number, 0, COUNT(nodes));
    tcase_add_test(tcase, who_started_the_server_is_seen);
    tcase_add_test(tcase, what_the_clock_costs_is_a_share);
    tcase_add_test(tcase, the_kernel_is_asked_whether_its_clock_is_kept);
    tcase_add_test(tcase, a_volume_is_read);
    tcase_add_test(tcase, what_is_no_volume_stays_unknown);
    tcase_add_test(tcase, a_mountinfo_that_says_nothing_leaves_the_kind_unknown);
    tcase_add_test(tcase, the_time_of_an_fsync_is_measured_and_nothing_is_left);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
