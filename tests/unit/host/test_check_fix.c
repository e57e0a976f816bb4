/*
 * Fixes over a scratch tree that stands for /proc/sys and /sys. (check.bats has the real ones.)
 */
#include "host/check_fix.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define OVERCOMMIT "proc/sys/vm/overcommit_memory"
#define THP "sys/kernel/mm/transparent_hugepage/enabled"

struct world {
    char *dir;
    int root_fd;
    struct check_report report;
    unsigned sets;      /* how often CONFIG SET was sent */
    const char *refuse; /* what the server says; NULL: OK */
};

static void put_file(const struct world *world, const char *path, const char *text)
{
    tree_write(world->root_fd, path, text, strlen(text));
}

static void setup_world(struct world *world)
{
    *world = (struct world){.dir = tmpdir_new()};
    world->root_fd = open(world->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(world->root_fd, 0);
    put_file(world, OVERCOMMIT, "0\n");
    put_file(world, THP, "[always] madvise never\n");
}

static void end_world(struct world *world)
{
    check_report_release(&world->report);
    (void)close(world->root_fd);
    tmpdir_remove(world->dir);
}

static struct check_result *add(struct world *world, const char *id, enum check_status status)
{
    struct check_report *report = &world->report;

    report->results = xreallocarray(report->results, report->count + 1, sizeof(*report->results));
    report->results[report->count] = (struct check_result){.id = id,
                                                           .scope = CHECK_HOST,
                                                           .status = status,
                                                           .why = "It matters.",
                                                           .value = xstrdup("was"),
                                                           .fix = xstrdup("the line to paste"),
                                                           .place = report->count};
    return &report->results[report->count++];
}

static void propose_file(struct world *world, const char *id, const char *path, const char *value)
{
    check_act_by(add(world, id, CHECK_FAIL), CHECK_ACT_FILE, path, value);
}

static int config_set(void *context, const char *name, const char *value, struct err *err)
{
    struct world *world = context;

    world->sets++;
    ck_assert_str_eq(name, "appendfsync");
    ck_assert_str_eq(value, "everysec");
    return world->refuse == NULL ? 0 : err_set(err, ERR_SERVER, "%s", world->refuse);
}

static struct check_fix_options options_of(struct world *world)
{
    return (struct check_fix_options){.root_fd = world->root_fd};
}

static void check_file(const struct world *world, const char *path, const char *text)
{
    char now[256] = "";
    auto_close int fd = openat(world->root_fd, path, O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(read(fd, now, sizeof(now) - 1), 0);
    ck_assert_str_eq(now, text);
}

static const struct check_result *find(const struct world *world, const char *id)
{
    const struct check_result *result = check_find(&world->report, id);

    ck_assert_ptr_nonnull(result);
    return result;
}

START_TEST(what_is_written_is_read_back_and_shown)
{
    struct world world;
    struct check_fix_options options;

    setup_world(&world);
    (void)add(&world, "fine", CHECK_OK);
    propose_file(&world, "overcommit", OVERCOMMIT, "1");
    propose_file(&world, "thp", THP, "madvise");
    options = options_of(&world);
    ck_assert_uint_eq(check_fix(&options, &world.report), 2);
    check_file(&world, OVERCOMMIT, "1");
    check_file(&world, THP, "madvise");
    for (size_t i = 0; i < 2; i++) {
        const struct check_result *result = find(&world, i == 0 ? "overcommit" : "thp");

        ck_assert_int_eq(result->status, CHECK_FIXED);
        ck_assert_str_eq(result->before, "was");
        ck_assert_str_eq(result->value, i == 0 ? "1" : "madvise");
        ck_assert_str_eq(result->fix, "the line to paste"); /* it does not outlast a reboot */
    }
    ck_assert_int_eq(check_worst(&world.report), CHECK_FIXED);
    end_world(&world);
}
END_TEST

START_TEST(only_what_is_bad_and_proposed_is_touched)
{
    static const enum check_status left[] = {CHECK_OK, CHECK_FIXED, CHECK_UNKNOWN};
    struct world world;
    struct check_fix_options options;

    setup_world(&world);
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        check_act_by(add(&world, "left", left[i]), CHECK_ACT_FILE, OVERCOMMIT, "1");
    (void)add(&world, "nobody-can", CHECK_FAIL);
    auto_free char *before = tree_text(world.root_fd);
    options = options_of(&world);
    ck_assert_uint_eq(check_fix(&options, &world.report), 0);
    auto_free char *after = tree_text(world.root_fd);
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(find(&world, "nobody-can")->status, CHECK_FAIL);
    ck_assert_str_eq(find(&world, "nobody-can")->fix, "the line to paste");
    end_world(&world);
}
END_TEST

START_TEST(a_dry_run_says_what_it_would_do)
{
    struct world world;
    struct check_fix_options options;
    static const char *const listed[] = {"appendfsync", NULL};

    setup_world(&world);
    propose_file(&world, "overcommit", OVERCOMMIT, "1");
    propose_file(&world, "not-there", "proc/sys/vm/none", "1");
    check_act_by(add(&world, "server", CHECK_WARN), CHECK_ACT_CONFIG, "appendfsync", "everysec");
    auto_free char *before = tree_text(world.root_fd);
    options = options_of(&world);
    options.is_dry_run = true;
    options.server_settings = listed;
    options.config_set = config_set;
    options.context = &world;
    ck_assert_uint_eq(check_fix(&options, &world.report), 2);
    auto_free char *after = tree_text(world.root_fd);
    ck_assert_str_eq(before, after);
    ck_assert_uint_eq(world.sets, 0);
    ck_assert_int_eq(find(&world, "overcommit")->status, CHECK_FAIL);
    ck_assert_str_eq(find(&world, "overcommit")->before, "was");
    ck_assert_str_eq(find(&world, "overcommit")->value, "1");
    ck_assert_str_eq(find(&world, "server")->value, "everysec");
    ck_assert_ptr_null(find(&world, "not-there")->before);
    ck_assert_ptr_nonnull(strstr(find(&world, "not-there")->fix, "cannot write"));
    end_world(&world);
}
END_TEST

/* A file that cannot be written (there is none; it is a directory), or that takes the bytes and
 * says something else: a link to /dev/null. */
START_TEST(a_refusal_stands_before_the_line_to_paste)
{
    static const struct {
        const char *path;
        const char *says;
    } rows[] = {
        {"proc/sys/vm/none", "cannot write /proc/sys/vm/none: No such file"},
        {"proc/sys/vm", "cannot write /proc/sys/vm: Is a directory"},
        {"proc/sys/vm/deaf", "was written, and still says"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world world;
        struct check_fix_options options;

        setup_world(&world);
        ck_assert_int_eq(symlinkat("/dev/null", world.root_fd, "proc/sys/vm/deaf"), 0);
        propose_file(&world, "one", rows[i].path, "1");
        options = options_of(&world);
        ck_assert_uint_eq(check_fix(&options, &world.report), 0);
        const struct check_result *result = find(&world, "one");
        ck_assert_int_eq(result->status, CHECK_FAIL);
        ck_assert_str_eq(result->value, "was");
        ck_assert_ptr_null(result->before);
        ck_assert_msg(strncmp(result->fix, "# not done from here: ", 22) == 0, "%s", result->fix);
        ck_assert_msg(strstr(result->fix, rows[i].says) != NULL, "%s", result->fix);
        ck_assert_msg(strstr(result->fix, "\nthe line to paste") != NULL, "%s", result->fix);
        ck_assert_ptr_null(strstr(result->fix, "HINT"));
        end_world(&world);
    }
}
END_TEST

START_TEST(the_server_is_changed_only_where_the_operator_said_so)
{
    static const char *const listed[] = {"save", "appendfsync", NULL};
    static const char *const others[] = {"save", "append", "appendfsync-x", NULL};
    static const struct {
        const char *const *settings;
        bool has_server;
        const char *refuse;
        const char *says; /* NULL: fixed */
    } rows[] = {
        {listed, true, NULL, NULL},
        {others, true, NULL, "fix-server does not name appendfsync"},
        {NULL, true, NULL, "fix-server does not name appendfsync"},
        {listed, false, NULL, "the server cannot be asked"},
        {listed, true, "NOPERM no", "NOPERM no"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world world;
        struct check_fix_options options;

        setup_world(&world);
        world.refuse = rows[i].refuse;
        check_act_by(add(&world, "one", CHECK_WARN), CHECK_ACT_CONFIG, "appendfsync", "everysec");
        options = options_of(&world);
        options.server_settings = rows[i].settings;
        options.config_set = rows[i].has_server ? config_set : NULL;
        options.context = &world;
        ck_assert_uint_eq(check_fix(&options, &world.report), rows[i].says == NULL ? 1 : 0);
        ck_assert_uint_eq(world.sets, rows[i].settings == listed && rows[i].has_server ? 1 : 0);
        const struct check_result *result = find(&world, "one");
        ck_assert_int_eq(result->status, rows[i].says == NULL ? CHECK_FIXED : CHECK_WARN);
        if (rows[i].says != NULL)
            ck_assert_msg(strstr(result->fix, rows[i].says) != NULL, "%s", result->fix);
        else /* the line of redis.conf that keeps it */
            ck_assert_str_eq(result->fix, "appendfsync everysec");
        end_world(&world);
    }
}
END_TEST

START_TEST(nothing_is_left_open)
{
    unsigned before = fd_count();
    struct world world;
    struct check_fix_options options;

    setup_world(&world);
    propose_file(&world, "one", OVERCOMMIT, "1");
    propose_file(&world, "two", "proc", "1");
    options = options_of(&world);
    ck_assert_uint_eq(check_fix(&options, &world.report), 1);
    end_world(&world);
    ck_assert_uint_eq(fd_count(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check_fix");
    TCase *tcase = tcase_create("fix");

    tcase_add_test(tcase, what_is_written_is_read_back_and_shown);
    tcase_add_test(tcase, only_what_is_bad_and_proposed_is_touched);
    tcase_add_test(tcase, a_dry_run_says_what_it_would_do);
    tcase_add_test(tcase, a_refusal_stands_before_the_line_to_paste);
    tcase_add_test(tcase, the_server_is_changed_only_where_the_operator_said_so);
    tcase_add_test(tcase, nothing_is_left_open);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
