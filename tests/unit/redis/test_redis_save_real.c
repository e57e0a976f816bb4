/*
 * The proven save against the machine's own redis-server. `rdb-key-save-delay` makes a save as long
 * as a test needs it to be.
 */
#include "redis/redis_save.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crc64.h"
#include "base/fs.h"
#include "base/mem.h"
#include "support/fake_clock.h"
#include "support/redis_server.h"
#include "support/tmpdir.h"

/* A server, and somebody who does something to it once a save is running. */
struct fixture {
    struct redis_server server;
    void (*meddle)(struct fixture *fixture);
    atomic_int meddled;
    const struct clock *clock; /* NULL: the system's */
};

static void start(struct fixture *fixture, const char *const *args)
{
    const struct redis_server_options options = {.args = args};

    *fixture = (struct fixture){0};
    redis_server_start(&fixture->server, &options);
}

static void stop(struct fixture *fixture)
{
    redis_server_stop(&fixture->server);
}

/* Called at each poll that shows a running save. */
static void on_progress(void *context, int percent)
{
    struct fixture *fixture = context;

    (void)percent;
    if (fixture->meddle != NULL && fixture->meddled++ == 0)
        fixture->meddle(fixture);
}

static int save_in(struct fixture *fixture, int dir_fd, struct redis_saved *out, struct err *err)
{
    const struct redis_options where = {.url = fixture->server.url};
    const struct redis_save_options options = {
        .clock = fixture->clock != NULL ? fixture->clock : clock_system(),
        .timeout_ms = fixture->clock != NULL ? 0 : 60000,
        .data_dir_fd = dir_fd,
        .data_dir = "/our/data",
        .dbfilename = "dump.rdb",
        .on_progress = on_progress,
        .context = fixture,
    };
    auto_redis struct redis *redis = NULL;

    *err = (struct err){0};
    ck_assert_msg(redis_connect(&where, &redis, err) == 0, "%s", err->msg);
    return redis_save_proven(redis, &options, out, err);
}

static int save(struct fixture *fixture, struct redis_saved *out, struct err *err)
{
    return save_in(fixture, fixture->server.dir_fd, out, err);
}

/* The whole file, its checksum included, has CRC 0. */
static void check_crc(const struct redis_saved *saved)
{
    auto_free uint8_t *bytes = xmalloc((size_t)saved->rdb.size);
    struct err err;

    ck_assert_int_eq(fs_pread_all(saved->fd, bytes, (size_t)saved->rdb.size, 0, "dump", &err), 0);
    ck_assert_uint_eq(crc64(0, bytes, (size_t)saved->rdb.size), 0);
}

START_TEST(a_real_save_is_proven)
{
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    start(&fixture, NULL);
    redis_server_fill(&fixture.server, 1000);
    redis_server_do(&fixture.server, "SET key0 expiring EX 1000");
    ck_assert_msg(save(&fixture, &saved, &err) == 0, "%s", err.msg);
    check_crc(&saved);
    ck_assert(saved.is_exact);
    ck_assert_int_eq(saved.attempts, 1);
    ck_assert_int_eq(saved.rdb.head.version, 10);
    ck_assert_int_eq(saved.rdb.head.first_db_keys, 1000);
    ck_assert_int_eq(saved.rdb.head.first_db_expires, 1);
    ck_assert_uint_eq(redis_info_keys(&saved.at_fork), 1000);
    ck_assert_str_eq(saved.at_fork.version, "7.0.15");
    redis_saved_release(&saved);
    stop(&fixture);
}
END_TEST

START_TEST(sixty_saves_in_a_row_are_all_new)
{
    struct fixture fixture;
    struct err err;

    start(&fixture, NULL);
    for (int64_t i = 0; i < 60; i++) {
        struct redis_saved saved = REDIS_SAVED_INIT;

        redis_server_do(&fixture.server, "SET key%d x", (int)i);
        ck_assert_msg(save(&fixture, &saved, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(saved.rdb.head.first_db_keys, i + 1);
        ck_assert(saved.is_exact);
        redis_saved_release(&saved);
    }
    stop(&fixture);
}
END_TEST

START_TEST(an_empty_server_is_saved_too)
{
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    start(&fixture, NULL);
    ck_assert_msg(save(&fixture, &saved, &err) == 0, "%s", err.msg);
    ck_assert(rdb_is_empty(&saved.rdb.head));
    ck_assert(saved.is_exact);
    check_crc(&saved);
    redis_saved_release(&saved);
    stop(&fixture);
}
END_TEST

START_TEST(without_checksums_a_save_has_none)
{
    static const char *const args[] = {"--rdbchecksum", "no", NULL};
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    start(&fixture, args);
    redis_server_fill(&fixture.server, 10);
    ck_assert_msg(save(&fixture, &saved, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(saved.rdb.tail.crc, 0);
    ck_assert(saved.rdb.tail.has_eof);
    redis_saved_release(&saved);
    stop(&fixture);
}
END_TEST

static void slow_saves(struct fixture *fixture, unsigned keys, unsigned us_per_key)
{
    redis_server_fill(&fixture->server, keys);
    redis_server_do(&fixture->server, "CONFIG SET rdb-key-save-delay %u", us_per_key);
}

static void flush_all(struct fixture *fixture)
{
    redis_server_do(&fixture->server, "FLUSHALL");
    redis_server_fill(&fixture->server, 7);
}

START_TEST(a_flush_during_the_save_ends_with_what_is_there_now)
{
    static const char *const save_points[] = {"--save", "3600 1", NULL};

    for (int i = 0; i < 2; i++) { /* without and with the empty dump that FLUSHALL writes itself */
        struct fixture fixture;
        struct redis_saved saved = REDIS_SAVED_INIT;
        struct err err;

        start(&fixture, i == 0 ? NULL : save_points);
        slow_saves(&fixture, 2000, 10000);
        fixture.meddle = flush_all;
        ck_assert_msg(save(&fixture, &saved, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(saved.attempts, 2);
        ck_assert_int_eq(saved.rdb.head.first_db_keys, 7);
        ck_assert_uint_eq(redis_info_keys(&saved.at_fork), 7);
        check_crc(&saved);
        redis_saved_release(&saved);
        stop(&fixture);
    }
}
END_TEST

static void kill_connection(struct fixture *fixture)
{
    redis_server_do(&fixture->server, "CLIENT KILL TYPE normal SKIPME yes");
}

START_TEST(a_connection_killed_during_the_save_is_made_anew)
{
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    start(&fixture, NULL);
    slow_saves(&fixture, 300, 10000);
    fixture.meddle = kill_connection;
    ck_assert_msg(save(&fixture, &saved, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(saved.attempts, 1);
    ck_assert(saved.is_exact);
    ck_assert_int_eq(saved.rdb.head.first_db_keys, 300);
    redis_saved_release(&saved);
    stop(&fixture);
}
END_TEST

static pid_t wait_for_child(const struct fixture *fixture)
{
    pid_t child = 0;

    while (child == 0) /* forked, but without its file yet; the test's own timeout ends this */
        child = redis_server_save_child(&fixture->server);
    return child;
}

static void kill_child(struct fixture *fixture)
{
    ck_assert_int_eq(kill(wait_for_child(fixture), SIGKILL), 0);
}

START_TEST(a_child_killed_during_the_save_is_an_error)
{
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    start(&fixture, NULL);
    slow_saves(&fixture, 2000, 10000);
    fixture.meddle = kill_child;
    ck_assert_int_eq(save(&fixture, &saved, &err), -1);
    ck_assert_int_eq(err.kind, ERR_SERVER);
    ck_assert_msg(strstr(err.msg, "the server's save failed") != NULL, "%s", err.msg);
    stop(&fixture);
}
END_TEST

static void kill_server(struct fixture *fixture)
{
    pid_t child = wait_for_child(fixture);

    ck_assert_int_eq(kill(fixture->server.pid, SIGKILL), 0);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
}

START_TEST(a_server_killed_during_the_save_is_an_error)
{
    struct fixture fixture;
    struct fake_clock clock;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    start(&fixture, NULL);
    slow_saves(&fixture, 2000, 10000);
    fake_clock_init(&clock, 1700000000000);
    fixture.clock = &clock.clock; /* does not wait for what will not come back */
    fixture.meddle = kill_server;
    ck_assert_int_eq(save(&fixture, &saved, &err), -1);
    ck_assert_int_eq(err.kind, ERR_SERVER);
    ck_assert_msg(strstr(err.msg, "cannot be reached") != NULL, "%s", err.msg);
    stop(&fixture);
}
END_TEST

START_TEST(a_save_that_runs_already_is_waited_for)
{
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    start(&fixture, NULL);
    slow_saves(&fixture, 100, 3000);
    redis_server_do(&fixture.server, "BGSAVE");
    redis_server_do(&fixture.server, "SET late x");
    ck_assert_msg(save(&fixture, &saved, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(saved.rdb.head.first_db_keys, 101); /* not the dump without it */
    redis_saved_release(&saved);
    stop(&fixture);
}
END_TEST

START_TEST(an_aof_rewrite_that_runs_already_is_waited_for)
{
    static const char *const args[] = {"--appendonly", "yes", NULL};
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    start(&fixture, args);
    slow_saves(&fixture, 100, 3000);
    redis_server_do(&fixture.server, "BGREWRITEAOF");
    ck_assert_msg(save(&fixture, &saved, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(saved.rdb.head.first_db_keys, 100);
    redis_saved_release(&saved);
    stop(&fixture);
}
END_TEST

/* Somebody else who saves all the time, with a pause to look at a dump before it is replaced. */
struct rival {
    const struct redis_server *server;
    atomic_bool stop;
    pthread_t thread;
};

static void *compete(void *context)
{
    struct rival *rival = context;
    const struct clock *clock = clock_system();

    while (!rival->stop) {
        free(redis_server_ask(rival->server, "BGSAVE"));
        clock_sleep_ms(clock, 50);
    }
    return NULL;
}

START_TEST(a_rival_that_always_saves_does_no_harm)
{
    struct fixture fixture;
    struct err err;

    start(&fixture, NULL);
    redis_server_fill(&fixture.server, 50);
    struct rival rival = {.server = &fixture.server};
    ck_assert_int_eq(pthread_create(&rival.thread, NULL, compete, &rival), 0);
    for (int i = 0; i < 3; i++) {
        struct redis_saved saved = REDIS_SAVED_INIT;

        ck_assert_msg(save(&fixture, &saved, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(saved.rdb.head.first_db_keys, 50);
        check_crc(&saved);
        redis_saved_release(&saved);
    }
    rival.stop = true;
    (void)pthread_join(rival.thread, NULL);
    stop(&fixture);
}
END_TEST

START_TEST(a_wrong_directory_is_named_with_the_right_one)
{
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;
    char *other = tmpdir_new();
    auto_close int other_fd = open(other, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    start(&fixture, NULL);
    /* so that the save ends in a later second than the last one: then it is certain at once */
    slow_saves(&fixture, 10, 150000);
    ck_assert_int_eq(save_in(&fixture, other_fd, &saved, &err), -1);
    ck_assert_int_eq(err.kind, ERR_SERVER);
    ck_assert_msg(strstr(err.msg, "data-dir") != NULL, "%s", err.msg);
    ck_assert_msg(strstr(err.msg, fixture.server.dir) != NULL, "%s", err.msg);
    stop(&fixture);
    tmpdir_remove(other);
}
END_TEST

START_TEST(a_directory_that_the_server_cannot_write_is_an_error)
{
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    start(&fixture, NULL);
    redis_server_fill(&fixture.server, 10);
    auto_free char *path = xasprintf("%s/dump.rdb", fixture.server.dir);
    ck_assert_int_eq(mkdir(path, 0700), 0); /* a rename onto it fails, for root too */
    ck_assert_int_eq(save(&fixture, &saved, &err), -1);
    ck_assert_msg(strstr(err.msg, "the server's save failed") != NULL ||
                      strstr(err.msg, "not a regular file") != NULL,
                  "%s", err.msg);
    stop(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_save_real");
    TCase *tcase = tcase_create("real");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_real_save_is_proven);
    tcase_add_test(tcase, sixty_saves_in_a_row_are_all_new);
    tcase_add_test(tcase, an_empty_server_is_saved_too);
    tcase_add_test(tcase, without_checksums_a_save_has_none);
    tcase_add_test(tcase, a_flush_during_the_save_ends_with_what_is_there_now);
    tcase_add_test(tcase, a_connection_killed_during_the_save_is_made_anew);
    tcase_add_test(tcase, a_child_killed_during_the_save_is_an_error);
    tcase_add_test(tcase, a_server_killed_during_the_save_is_an_error);
    tcase_add_test(tcase, a_save_that_runs_already_is_waited_for);
    tcase_add_test(tcase, an_aof_rewrite_that_runs_already_is_waited_for);
    tcase_add_test(tcase, a_rival_that_always_saves_does_no_harm);
    tcase_add_test(tcase, a_wrong_directory_is_named_with_the_right_one);
    tcase_add_test(tcase, a_directory_that_the_server_cannot_write_is_an_error);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
