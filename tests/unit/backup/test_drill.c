/*
 * Drills with servers that no real one is: this very program, started once more with a server's
 * arguments, plays them. What real servers do is in drill.bats.
 */
#include "backup/drill.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/restoring.h"
#include "support/tmpdir.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PLAY "TEST_PLAY" /* in the environment: what to play */
#define ID RESTORING_NEW
#define BYTES(text) text, sizeof(text) - 1
/* 4 keys, as the maker of backups says */
#define DUMP                                             \
    "REDIS0010\xfe\x00\x00\x01"                          \
    "a\x01v\x00\x01"                                     \
    "b\x01v\xfc\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01" \
    "c\x01v\x01\x01"                                     \
    "d\x01\x01v\xff\x01\x02\x03\x04\x05\x06\x07\x08"

/* ---- the server ---- */

static int listen_at(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 8) != 0)
        abort();
    return fd;
}

/* text: what INFO answers. For ever, or until it has been asked so often and ends of a signal. */
static void serve(const char *path, const char *text, unsigned times)
{
    auto_free char *info = xasprintf("redis_version:7.0.15\r\nrole:master\r\n%s\r\n", text);
    auto_free char *answer = xasprintf("$%zu\r\n%s\r\n", strlen(info), info);
    int fd = listen_at(path);

    for (unsigned asked = 0; asked < times;) {
        int client = accept(fd, NULL, NULL);
        char command[4096];
        ssize_t n;

        while ((n = read(client, command, sizeof(command) - 1)) > 0) {
            command[n] = '\0';
            bool is_info = strstr(command, "INFO") != NULL;
            const char *reply = is_info ? answer : "+OK\r\n";

            asked += is_info ? 1 : 0;
            if (write(client, reply, strlen(reply)) < 0)
                break;
        }
        (void)close(client);
    }
    (void)raise(SIGKILL);
}

/* "loading" is half way, and never goes on; "crashes" is that too, and dies. */
static int play(int argc, char **argv)
{
    const char *what = getenv(PLAY);
    const char *path = NULL;
    static const char loading[] = "loading:1\r\nloading_start_time:1\r\nloading_total_bytes:100\r\n"
                                  "loading_loaded_bytes:50\r\nloading_loaded_perc:50\r\n"
                                  "loading_eta_seconds:1\r\nasync_loading:0";

    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--unixsocket") == 0)
            path = argv[i + 1];
    if (what == NULL || path == NULL)
        return 3;
    (void)printf("the play is %s\n", what);
    (void)fflush(stdout);
    if (strcmp(what, "ends") == 0)
        return 3;
    if (strcmp(what, "gives up") == 0) { /* as Redis 8.0.2 over newer vector sets; with 0 */
        (void)printf("1:C 1 Jan # WARNING Memory\n1:M 1 Jan * Loading\n1:M 1 Jan # cannot load it\n"
                     "1:M 1 Jan # Internal error\n[offset 0] Checking\nRDB looks OK!\n");
        (void)fflush(stdout);
        return 0;
    }
    if (strcmp(what, "hangs") == 0)
        for (;;)
            (void)pause();
    if (strcmp(what, "loading") == 0)
        serve(path, loading, UINT32_MAX);
    if (strcmp(what, "crashes") == 0)
        serve(path, loading, 3);
    serve(path, what, UINT32_MAX);
    return 3;
}

/* ---- the drill ---- */

static struct restoring run;
static struct drill_options options;
static char *parent;
static unsigned fds;

static void add(const void *dump, size_t len)
{
    const struct made_file file = {"dump.rdb", MANIFEST_RDB, dump, len, 0};

    restoring_add_files(&run, ID, &file, 1);
}

static void begin(void)
{
    fds = fd_count();
    restoring_begin(&run);
    parent = tmpdir_new();
    options = (struct drill_options){
        .parent = parent,
        .program = "/proc/self/exe",
        .restore = run.options,
        .stall_ms = INT64_MAX / 2, /* the clock of a test does not wait */
    };
    options.restore.backup_id = ID;
    add(BYTES(DUMP));
}

static void end(void)
{
    tmpdir_remove(parent);
    restoring_end(&run);
    ck_assert_uint_eq(fd_count(), fds);
}

static struct drill_result must_drill(const char *what)
{
    struct drill_result result = {0};
    struct err err = {0};

    ck_assert_int_eq(setenv(PLAY, what, 1), 0);
    ck_assert_msg(drill(&options, &result, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(result.id, ID);
    ck_assert_int_eq(rmdir(parent), 0); /* nothing is left */
    ck_assert_int_eq(mkdir(parent, 0700), 0);
    return result;
}

START_TEST(keys_that_are_there_or_have_expired_are_all_that_is_asked_for)
{
    static const struct {
        const char *info;
        bool ok;
        uint64_t keys;
    } rows[] = {
        {"loading:0\r\ndb0:keys=4,expires=1,avg_ttl=0", true, 4},
        {"loading:0\r\ndb0:keys=3,expires=0\r\nexpired_keys:1", true, 3},
        {"loading:0\r\ndb0:keys=3,expires=0\r\nrdb_last_load_keys_expired:1", true, 3},
        {"loading:0\r\nrdb_last_load_keys_expired:3\r\nexpired_keys:1", true, 0},
        {"loading:0\r\ndb0:keys=3,expires=0", false, 3},
        {"loading:0", false, 0},
        {"loading:0\r\ndb0:keys=2,expires=0\r\nexpired_keys:1", false, 2},
        {"loading:0\r\ndb0:keys=5,expires=0", false, 5},
        {"loading:0\r\ndb0:keys=4,expires=0\r\ndb7:keys=1,expires=0", false, 5},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct drill_result result = must_drill(rows[i].info);

        ck_assert_msg(result.ok == rows[i].ok, "row %zu: %s", i, result.why);
        ck_assert(result.walked);
        ck_assert(result.has_keys);
        ck_assert_uint_eq(result.keys, rows[i].keys);
        ck_assert_int_eq(result.why == NULL, rows[i].ok);
        ck_assert(rows[i].ok || strstr(result.why, "the backup holds 4") != NULL);
        ck_assert_int_ge(result.restore_ms, 0);
        ck_assert_int_ge(result.load_ms, 0);
        drill_result_release(&result);
    }
}
END_TEST

START_TEST(a_server_that_does_not_serve_is_the_result)
{
    static const struct {
        const char *what;
        int64_t stall_ms;
        const char *why;
    } rows[] = {
        {"ends", INT64_MAX / 2, "ended with exit code 3: the play is ends"},
        {"gives up", INT64_MAX / 2,
         "ended with exit code 0: 1:M 1 Jan # cannot load it 1:M 1 Jan # In"},
        {"hangs", 2000, "made no progress for 2 s"},
        {"loading", 2000, "made no progress for 2 s"},
        {"crashes", INT64_MAX / 2, "died of signal 9: the play is crashes"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        options.stall_ms = rows[i].stall_ms;
        struct drill_result result = must_drill(rows[i].what);
        ck_assert(!result.ok);
        ck_assert(!result.has_keys);
        ck_assert_int_ge(result.restore_ms, 0);
        ck_assert_int_eq(result.load_ms, -1);
        ck_assert_msg(strstr(result.why, rows[i].why) != NULL, "%s", result.why);
        drill_result_release(&result);
    }
}
END_TEST

START_TEST(a_backup_that_is_too_new_for_the_server_is_not_tried)
{
    const struct server_version old_server = {REDIS_FLAVOUR_REDIS, 6, 2, 14};

    options.restore.target = &old_server;
    options.restore.target_from = "the program";

    struct drill_result result = {0};
    struct err err = {0};

    ck_assert_msg(drill(&options, &result, &err) == 0, "%s", err.msg);
    ck_assert(!result.ok);
    ck_assert(result.too_new);
    ck_assert_int_eq(result.restore_ms, -1);
    ck_assert_ptr_nonnull(strstr(result.why, "Redis 6.2.14"));
    drill_result_release(&result);
}
END_TEST

START_TEST(an_rdb_that_no_server_writes_is_not_loaded)
{
    static const char cut[] = "REDIS0010\xfe\x00\x00\x01"
                              "a\xffv";

    add(BYTES(cut));
    struct drill_result result = must_drill("loading:0\r\ndb0:keys=4,expires=0");
    ck_assert(!result.ok);
    ck_assert(!result.walked);
    ck_assert_int_eq(result.load_ms, -1);
    ck_assert_ptr_nonnull(strstr(result.why, "is not what a server writes"));
    drill_result_release(&result);
}
END_TEST

START_TEST(what_cannot_be_walked_may_be_served_all_the_same)
{
    static const struct {
        const char *info;
        bool ok;
        const char *why;
    } rows[] = {
        {"loading:0\r\ndb0:keys=4,expires=0", true, "not walked: dump.rdb: "},
        {"loading:0\r\ndb0:keys=1,expires=0", false, "the server loaded 1 keys"},
        {"ends", false, "ended with exit code 3"},
    };

    add(BYTES("a format that nobody knows yet"));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct drill_result result = must_drill(rows[i].info);

        ck_assert_int_eq(result.ok, rows[i].ok);
        ck_assert(!result.walked);
        ck_assert_msg(strstr(result.why, rows[i].why) != NULL, "%s", result.why);
        drill_result_release(&result);
    }
}
END_TEST

START_TEST(a_flipped_byte_is_found_before_a_server_is_started)
{
    fake_store_only(&run.fake, "/data.tar.zst")->data[40] ^= 1;
    struct drill_result result = {0};
    struct err err = {0};

    options.program = "/nowhere/redis-server";
    ck_assert_msg(drill(&options, &result, &err) == 0, "%s", err.msg);
    ck_assert(!result.ok);
    ck_assert_int_eq(result.restore_ms, -1);
    drill_result_release(&result);
}
END_TEST

static void must_fail(enum err_kind kind)
{
    struct drill_result result = {0};
    struct err err = {0};

    ck_assert_int_eq(drill(&options, &result, &err), -1);
    ck_assert_msg(err.kind == kind, "%s: %s", err_kind_name(err.kind), err.msg);
    ck_assert_ptr_null(result.why);
}

START_TEST(what_keeps_a_drill_from_trying_is_an_error)
{
    options.program = "/nowhere/redis-server";
    must_fail(ERR_CONFIG);
    ck_assert_int_eq(rmdir(parent), 0);
    must_fail(ERR_CONFIG);
    ck_assert_int_eq(mkdir(parent, 0700), 0);
    options.restore.backup_id = RESTORING_OLD;
    must_fail(ERR_NOT_FOUND);
    run.unreachable = true;
    must_fail(ERR_STORE);
    ck_assert_int_eq(rmdir(parent), 0);
    ck_assert_int_eq(mkdir(parent, 0700), 0);
}
END_TEST

START_TEST(a_store_that_fails_leaves_nothing_behind)
{
    bool fired = true;
    unsigned n = 0;

    while (fired) {
        struct drill_result result = {0};
        struct err err = {0};

        ck_assert_int_eq(setenv(PLAY, "loading:0\r\ndb0:keys=4,expires=0", 1), 0);
        fake_store_arm(&run.fake, ++n, FAKE_GONE);
        int rc = drill(&options, &result, &err);
        fired = run.fake.fired > 0;
        ck_assert_int_eq(rc, fired ? -1 : 0);
        ck_assert(!fired || err.kind == ERR_STORE);
        drill_result_release(&result);
        ck_assert_int_eq(rmdir(parent), 0);
        ck_assert_int_eq(mkdir(parent, 0700), 0);
    }
    ck_assert_uint_gt(n, 3);
}
END_TEST

START_TEST(what_a_dead_drill_has_left_is_swept_and_nothing_else)
{
    static const char *const left[] = {"redkeep-drill-aaaaaa", "redkeep-drill-bbbbbb", "redis"};

    for (size_t i = 0; i < COUNT(left); i++) {
        auto_free char *path = xasprintf("%s/%s", parent, left[i]);
        auto_free char *inner = xasprintf("%s/data", path);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        ck_assert_int_eq(mkdir(inner, 0700), 0);
    }
    auto_close int alive = -1;
    auto_free char *path = xasprintf("%s/redkeep-drill-bbbbbb", parent);
    struct err err = {0};
    ck_assert_int_eq(fs_open_dir(AT_FDCWD, path, &alive, &err), 0);
    ck_assert_int_eq(fs_lock(alive, path, &err), 0); /* a drill that runs */

    struct drill_result result = {0};
    ck_assert_int_eq(setenv(PLAY, "loading:0\r\ndb0:keys=4,expires=0", 1), 0);
    ck_assert_msg(drill(&options, &result, &err) == 0, "%s", err.msg);
    drill_result_release(&result);
    ck_assert_int_eq(access(path, F_OK), 0);
    for (size_t i = 0; i < COUNT(left); i++) {
        auto_free char *one = xasprintf("%s/%s", parent, left[i]);
        ck_assert_int_eq(access(one, F_OK), i == 0 ? -1 : 0);
    }
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1)
        return play(argc, argv);

    Suite *suite = suite_create("drill");
    TCase *tcase = tcase_create("drill");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, keys_that_are_there_or_have_expired_are_all_that_is_asked_for);
    tcase_add_test(tcase, a_server_that_does_not_serve_is_the_result);
    tcase_add_test(tcase, a_backup_that_is_too_new_for_the_server_is_not_tried);
    tcase_add_test(tcase, an_rdb_that_no_server_writes_is_not_loaded);
    tcase_add_test(tcase, what_cannot_be_walked_may_be_served_all_the_same);
    tcase_add_test(tcase, a_flipped_byte_is_found_before_a_server_is_started);
    tcase_add_test(tcase, what_keeps_a_drill_from_trying_is_an_error);
    tcase_add_test(tcase, a_store_that_fails_leaves_nothing_behind);
    tcase_add_test(tcase, what_a_dead_drill_has_left_is_swept_and_nothing_else);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
