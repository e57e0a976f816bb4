/*
 * When append-only files can be read: INFO by script, and a real server that turns them on.
 */
#include "redis/aof_ready.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "support/fake_clock.h"
#include "support/redis_peer.h"
#include "support/redis_server.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define HELLO                                          \
    {                                                  \
        .expect = "CLIENT SETNAME", .reply = "+OK\r\n" \
    }
#define INFO(text)                                    \
    {                                                 \
        .expect = "INFO", .bulk = "run_id:R\r\n" text \
    }
#define ON "aof_enabled:1\r\n"
#define REWRITES ON "aof_rewrite_in_progress:1\r\n"
#define SCHEDULED ON "aof_rewrite_scheduled:1\r\n"
#define OFF "aof_enabled:0\r\n"
#define TEMPORARY "ad/temp-a.aof.incr"

struct fixture {
    char *dir;
    int dir_fd;
    struct fake_clock clock;
    unsigned waits;
    bool enabled;
};

static void appears(void *arg)
{
    struct fixture *fixture = arg;

    tree_write(fixture->dir_fd, TEMPORARY, "", 0);
}

static void vanishes(void *arg)
{
    struct fixture *fixture = arg;

    ck_assert_int_eq(unlinkat(fixture->dir_fd, TEMPORARY, 0), 0);
}

static void on_wait(void *context)
{
    struct fixture *fixture = context;

    fixture->waits++;
}

static int run(struct fixture *fixture, const struct redis_peer_step *steps, int64_t timeout_ms,
               struct err *err)
{
    struct redis_peer *peer = redis_peer_start(steps, fixture);
    const struct redis_options where = {.url = redis_peer_url(peer)};
    const struct aof_ready_options options = {.data_dir_fd = fixture->dir_fd,
                                              .appenddirname = "ad",
                                              .appendfilename = "a.aof",
                                              .timeout_ms = timeout_ms,
                                              .on_wait = on_wait,
                                              .context = fixture};
    struct redis_watch watch = {.clock = &fixture->clock.clock, .run_id = "R"};
    auto_redis_info struct redis_server_info info = {0};

    *err = (struct err){0};
    ck_assert_int_eq(redis_connect(&where, &watch.redis, err), 0);
    int rc = aof_ready_wait(&watch, &options, &info, err);
    fixture->enabled = info.aof_enabled == 1;
    redis_free(watch.redis);
    redis_peer_stop(peer);
    return rc;
}

static void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.dir = tmpdir_new()};
    fixture->dir_fd = open(fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fixture->dir_fd, 0);
    fake_clock_init(&fixture->clock, 0);
}

static void fixture_release(struct fixture *fixture)
{
    (void)close(fixture->dir_fd);
    tmpdir_remove(fixture->dir);
}

#define STEPS_MAX 8

static const struct {
    struct redis_peer_step steps[STEPS_MAX];
    bool enabled;
    unsigned waits;
} rows[] = {
    {{HELLO, INFO(ON)}, true, 0},
    {{HELLO, INFO(OFF)}, false, 0},
    /* an ordinary rewrite, and one that is done while we look */
    {{HELLO, INFO(REWRITES), INFO(REWRITES)}, true, 0},
    {{HELLO, INFO(REWRITES), INFO(ON)}, true, 0},
    /* turned on */
    {{HELLO,
      {.expect = "INFO", .bulk = "run_id:R\r\n" REWRITES, .act = appears},
      INFO(REWRITES),
      {.expect = "INFO", .bulk = "run_id:R\r\n" REWRITES, .act = vanishes},
      INFO(ON)},
     true,
     1},
    {{HELLO,
      INFO(SCHEDULED),
      {.expect = "INFO", .bulk = "run_id:R\r\n" REWRITES, .act = appears},
      {.expect = "INFO", .bulk = "run_id:R\r\n" ON, .act = vanishes}},
     true,
     1},
    /* off and on while we look */
    {{HELLO, INFO(REWRITES), INFO(OFF), INFO(SCHEDULED), INFO(ON)}, true, 1},
    {{HELLO, INFO(REWRITES), INFO(OFF), INFO(OFF)}, false, 1},
    /* what a crash has left is no sign of anything */
    {{HELLO, {.expect = "INFO", .bulk = "run_id:R\r\n" ON, .act = appears}}, true, 0},
    /* a replica that is sent its data */
    {{HELLO, INFO(OFF "loading:1\r\n"), INFO(ON "async_loading:1\r\n"), INFO(ON)}, true, 1},
    /* a server that cannot answer for now */
    {{HELLO, {.expect = "INFO", .reply = "-BUSY x\r\n"}, INFO(ON)}, true, 1},
    {{HELLO, {.expect = "INFO", .hang_up = 1}, HELLO, INFO(ON)}, true, 1},
};

START_TEST(it_is_waited_until_the_files_are_the_servers_own)
{
    struct fixture fixture;
    struct err err;

    fixture_init(&fixture);
    ck_assert_msg(run(&fixture, rows[_i].steps, 0, &err) == 0, "%s", err.msg);
    ck_assert(fixture.enabled == rows[_i].enabled);
    ck_assert_uint_eq(fixture.waits, rows[_i].waits);
    fixture_release(&fixture);
}
END_TEST

/* The same answer all the time: the limits end it. */
static void fails_with(const struct redis_peer_step *always, int64_t timeout_ms, const char *says)
{
    enum { MANY = 700 };
    struct redis_peer_step *steps = calloc(MANY, sizeof(*steps));
    struct fixture fixture;
    struct err err;

    steps[0] = (struct redis_peer_step)HELLO;
    for (int64_t i = 0; i <= timeout_ms / 100; i++)
        steps[1 + i] = *always;
    fixture_init(&fixture);
    ck_assert_int_eq(run(&fixture, steps, timeout_ms == 60000 ? 0 : timeout_ms, &err), -1);
    ck_assert_int_eq(err.kind, ERR_SERVER);
    ck_assert_msg(strstr(err.msg, says) != NULL, "%s", err.msg);
    ck_assert_int_eq(err_problem(&err), strstr(err.msg, "puts off") != NULL
                                            ? PROBLEM_AOF_REWRITE_ERR
                                            : PROBLEM_SAVE_BUSY);
    fixture_release(&fixture);
    free(steps);
}

START_TEST(it_is_not_waited_for_ever)
{
    const struct redis_peer_step put_off = INFO(SCHEDULED);
    const struct redis_peer_step behind_a_save = INFO(SCHEDULED "rdb_bgsave_in_progress:1\r\n");

    fails_with(&behind_a_save, 5000, "within 5 s");
    fails_with(&put_off, 60000, "puts off the rewrite");
}
END_TEST

START_TEST(a_server_that_was_restarted_is_another)
{
    const struct redis_peer_step steps[] = {
        HELLO, INFO(SCHEDULED), {.expect = "INFO", .bulk = "run_id:S\r\n" ON}, {0}};
    struct fixture fixture;
    struct err err;

    fixture_init(&fixture);
    ck_assert_int_eq(run(&fixture, steps, 0, &err), -1);
    ck_assert_msg(strstr(err.msg, "restarted") != NULL, "%s", err.msg);
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_real_server_that_turns_them_on_is_waited_for)
{
    static const char *const args[] = {"--appendonly", "yes", NULL};
    const struct redis_server_options with_args = {.args = args};
    struct redis_server server;
    struct redis_watch watch = {.clock = clock_system()};
    auto_redis_info struct redis_server_info info = {0};
    auto_buf struct buf manifest = {0};
    struct err err = {0};

    redis_server_start(&server, &with_args);
    const struct redis_options where = {.url = server.url};
    const struct aof_ready_options options = {.data_dir_fd = server.dir_fd,
                                              .appenddirname = "appendonlydir",
                                              .appendfilename = "appendonly.aof"};
    ck_assert_int_eq(redis_connect(&where, &watch.redis, &err), 0);
    redis_server_do(&server, "CONFIG SET appendonly no");
    redis_server_fill(&server, 300);
    redis_server_do(&server, "CONFIG SET rdb-key-save-delay 3000");
    if (_i == 1)
        redis_server_do(&server, "BGSAVE"); /* then the rewrite is scheduled behind it */
    redis_server_do(&server, "CONFIG SET appendonly yes");
    ck_assert_msg(aof_ready_wait(&watch, &options, &info, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(info.aof_enabled, 1);
    buf_init(&manifest, 4096);
    ck_assert_int_eq(
        fs_read_file(server.dir_fd, "appendonlydir/appendonly.aof.manifest", &manifest, &err), 0);
    ck_assert_msg(strstr(buf_text(&manifest), "2.base.rdb") != NULL, "%s", buf_text(&manifest));
    redis_free(watch.redis);
    redis_server_stop(&server);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aof_ready");
    TCase *script = tcase_create("script");
    TCase *real = tcase_create("real");

    suite_add_tcase(suite, script);
    suite_add_tcase(suite, real);
    tcase_add_loop_test(script, it_is_waited_until_the_files_are_the_servers_own, 0,
                        sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(script, it_is_not_waited_for_ever);
    tcase_add_test(script, a_server_that_was_restarted_is_another);
    tcase_set_timeout(real, 120); /* a ceiling for slow machines, not an expectation */
    tcase_add_loop_test(real, a_real_server_that_turns_them_on_is_waited_for, 0, 2);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
