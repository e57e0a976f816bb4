/*
 * Pinning a multi-part AOF: sets laid out by hand, and a real server that rewrites while we pin.
 */
#include "redis/aof_pin.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "redis/aof_scan.h"
#include "support/fake_clock.h"
#include "support/redis_server.h"
#include "support/tmpdir.h"
#include "support/tree.h"

#define BYTES(text) text, sizeof(text) - 1
#define SET "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n" /* 27 bytes */
#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define RDB         \
    "REDIS0010\xff" \
    "12345678"
#define MANIFEST "a.aof.manifest"
#define TWO "file base seq 1 type b\nfile incr seq 1 type i\n"

struct fixture {
    char *dir;
    int dir_fd;
    struct fake_clock clock;
};

static void fixture_init(struct fixture *fixture)
{
    fixture->dir = tmpdir_new();
    fixture->dir_fd = open(fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fixture->dir_fd, 0);
    fake_clock_init(&fixture->clock, 0);
}

static void fixture_release(struct fixture *fixture)
{
    (void)close(fixture->dir_fd);
    tmpdir_remove(fixture->dir);
}

static void put(const struct fixture *fixture, const char *name, const char *bytes, size_t len)
{
    tree_replace(fixture->dir_fd, name, bytes, len);
}

static int pin(const struct fixture *fixture, struct aof_pin *out, struct err *err)
{
    const struct aof_pin_options options = {
        .dir_fd = fixture->dir_fd,
        .dir = "/d/appendonlydir",
        .appendfilename = "a.aof",
        .clock = &fixture->clock.clock,
    };

    *err = (struct err){0};
    return aof_pin_open(&options, out, err);
}

/* Fails, leaks nothing, and says so. */
static void check_fails(const struct fixture *fixture, enum err_kind kind, const char *says)
{
    struct aof_pin got = {.count = 77};
    struct err err;
    unsigned before = fd_count();

    ck_assert_msg(pin(fixture, &got, &err) == -1, "not: %s", says);
    ck_assert_msg(err.kind == kind, "%d: %s", (int)err.kind, err.msg);
    if (kind == ERR_CORRUPT)
        ck_assert_int_eq(err_problem(&err), PROBLEM_AOF_CORRUPT);
    ck_assert_msg(strstr(err.msg, says) != NULL, "\"%s\" is not in: %s", says, err.msg);
    ck_assert_uint_eq(got.count, 77);
    ck_assert_uint_eq(fd_count(), before);
}

START_TEST(a_set_is_pinned_without_its_history)
{
    struct fixture fixture;
    struct aof_pin got = {0};
    struct err err;

    fixture_init(&fixture);
    put(&fixture, MANIFEST,
        BYTES("file base seq 2 type b startoffset 0\nfile old seq 1 type h\n"
              "file \"in cr\" seq 2 type i\nfile last seq 3 type i\n"));
    put(&fixture, "base", BYTES(RDB));
    put(&fixture, "in cr", BYTES("#TS:5\r\n" SET SET));
    put(&fixture, "last", BYTES("#TS:7\r\n" SET MULTI "#TS:9\r\n" SET));
    ck_assert_msg(pin(&fixture, &got, &err) == 0, "%s", err.msg);

    ck_assert_uint_eq(got.count, 3);
    ck_assert_str_eq(got.files[0].name, "base");
    ck_assert_int_eq(got.files[0].type, AOF_BASE);
    ck_assert_uint_eq(got.files[0].seq, 2);
    ck_assert_uint_eq(got.files[0].length, 18);
    ck_assert_str_eq(got.files[1].name, "in cr");
    ck_assert_uint_eq(got.files[1].length, 61);
    ck_assert_str_eq(got.files[2].name, "last");
    ck_assert_int_eq(got.files[2].type, AOF_INCR);
    ck_assert_uint_eq(got.files[2].length, 34); /* before the MULTI */
    ck_assert_str_eq(got.manifest, "file base seq 2 type b\nfile \"in cr\" seq 2 type i\n"
                                   "file last seq 3 type i\n");
    ck_assert_uint_eq(got.manifest_len, strlen(got.manifest));
    ck_assert_str_eq(got.manifest_name, MANIFEST);
    ck_assert_int_eq(got.last_ts, 7);

    /* what is unlinked stays readable */
    char bytes[34];
    ck_assert_int_eq(unlinkat(fixture.dir_fd, "last", 0), 0);
    ck_assert_int_eq(fs_pread_all(got.files[2].fd, bytes, 34, 0, "last", &err), 0);
    aof_pin_release(&got);
    fixture_release(&fixture);
}
END_TEST

START_TEST(the_last_file_is_cut_to_whole_commands)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint64_t want;
    } rows[] = {
        {BYTES(""), 0},
        {BYTES(SET), 27},
        {BYTES(SET "*3\r\n$3\r\ns"), 27},
        {BYTES(SET MULTI SET), 27},
        {BYTES(SET "\0\0\0\0"), 27}, /* a hole with nothing behind it is cut off with the rest */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture fixture;
        struct aof_pin got = {0};
        struct err err;

        fixture_init(&fixture);
        put(&fixture, MANIFEST, BYTES(TWO));
        put(&fixture, "base", BYTES(RDB));
        put(&fixture, "incr", rows[i].bytes, rows[i].len);
        ck_assert_msg(pin(&fixture, &got, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(got.files[1].length, rows[i].want);
        aof_pin_release(&got);
        fixture_release(&fixture);
    }
}
END_TEST

START_TEST(a_base_of_commands_is_scanned_too)
{
    struct fixture fixture;
    struct aof_pin got = {0};
    struct err err;

    fixture_init(&fixture);
    put(&fixture, MANIFEST, BYTES("file base seq 1 type b\n"));
    put(&fixture, "base", BYTES("#TS:3\r\n" SET SET "*1\r\n"));
    ck_assert_msg(pin(&fixture, &got, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(got.files[0].length, 61);
    ck_assert_int_eq(got.last_ts, 3);
    aof_pin_release(&got);

    put(&fixture, MANIFEST, BYTES(TWO));
    put(&fixture, "incr", BYTES(SET));
    check_fails(&fixture, ERR_CORRUPT, "/d/appendonlydir/base: is cut off at byte 61, but is not");
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_base_is_what_its_bytes_say)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum aof_content content;
        const char *says; /* NULL: it is pinned */
    } rows[] = {
        {BYTES(RDB), AOF_CONTENT_RDB, NULL},
        {BYTES("VALKEY080\xff"
               "12345678"),
         AOF_CONTENT_RDB, NULL},
        {BYTES(""), AOF_CONTENT_COMMANDS, NULL},
        {BYTES(SET), AOF_CONTENT_COMMANDS, NULL},
        {BYTES(RDB SET), AOF_CONTENT_RDB_AND_COMMANDS, NULL},
        {BYTES("\x28\xb5\x2f\xfd of the future"), AOF_CONTENT_UNKNOWN, NULL},
        {BYTES("x"), AOF_CONTENT_UNKNOWN, NULL},
        {BYTES("REDIS0010\xff"
               "1234567"),
         AOF_CONTENT_RDB, "too few for an RDB"},
        {BYTES("REDIS0010\xfe\0\xfb\2\0\0\1a\1b\xff"
               "1234567"),
         AOF_CONTENT_RDB, "cut off"},
        {BYTES("VALKEY080\xfe\0\xfb\2\0\0\1a\1b\xff"
               "1234567"),
         AOF_CONTENT_RDB, "cut off"},
        {BYTES(RDB SET "*3\r\n$3\r\ns"), AOF_CONTENT_RDB, "cut off"},
        {BYTES("REDISxxxx\xff"
               "12345678"),
         AOF_CONTENT_RDB, "malformed"},
        {BYTES("RED"), AOF_CONTENT_RDB, "too few for an RDB"},
        {BYTES("VALKEY"), AOF_CONTENT_RDB, "too few for an RDB"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture fixture;
        struct aof_pin got = {0};
        struct err err;

        fixture_init(&fixture);
        put(&fixture, MANIFEST, BYTES(TWO));
        put(&fixture, "base", rows[i].bytes, rows[i].len);
        put(&fixture, "incr", BYTES(SET));
        if (rows[i].says != NULL) {
            check_fails(&fixture, ERR_CORRUPT, rows[i].says);
            check_fails(&fixture, ERR_CORRUPT, "HINT: run BGREWRITEAOF while it still runs");
        } else {
            ck_assert_msg(pin(&fixture, &got, &err) == 0, "row %zu: %s", i, err.msg);
            ck_assert_msg(got.files[0].content == rows[i].content, "row %zu", i);
            ck_assert_uint_eq(got.files[0].length, rows[i].len);
            ck_assert_int_eq(got.files[1].content, AOF_CONTENT_COMMANDS);
            aof_pin_release(&got);
        }
        fixture_release(&fixture);
    }
}
END_TEST

START_TEST(a_set_that_no_server_loads_is_corrupt)
{
    static const struct {
        const char *first;
        size_t first_len;
        const char *last;
        size_t last_len;
        const char *says;
    } rows[] = {
        {BYTES(SET "*3\r\n"), BYTES(SET), "incr: is cut off at byte 27, but is not the last"},
        {BYTES(SET MULTI SET), BYTES(SET), "incr: is cut off at byte 27, but is not the last"},
        {BYTES(SET "\0\0\0"), BYTES(SET), "incr: is cut off at byte 27, but is not the last"},
        {BYTES(SET "\0\0\0" SET), BYTES(SET), "incr: at byte 27: a hole of NUL bytes"},
        {BYTES(SET), BYTES("\0" SET), "last: at byte 0: a hole of NUL bytes"},
        {BYTES(SET), BYTES(SET "garbage" SET), "last: at byte 27: no command begins here"},
        {BYTES("x"), BYTES(SET), "incr: at byte 0: no command begins here"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture fixture;

        fixture_init(&fixture);
        put(&fixture, MANIFEST, BYTES(TWO "file last seq 2 type i\n"));
        put(&fixture, "base", BYTES(RDB));
        put(&fixture, "incr", rows[i].first, rows[i].first_len);
        put(&fixture, "last", rows[i].last, rows[i].last_len);
        check_fails(&fixture, ERR_CORRUPT, rows[i].says);
        check_fails(&fixture, ERR_CORRUPT, "HINT: run BGREWRITEAOF while it still runs");
        fixture_release(&fixture);
    }
}
END_TEST

START_TEST(a_missing_file_is_waited_for_and_then_corrupt)
{
    struct fixture fixture;

    fixture_init(&fixture);
    put(&fixture, MANIFEST, BYTES(TWO));
    put(&fixture, "base", BYTES(RDB));
    check_fails(&fixture, ERR_CORRUPT, "lists incr, which is not there");
    ck_assert_int_ge(fixture.clock.slept_ms, 500);
    fixture_release(&fixture);
}
END_TEST

START_TEST(manifests_that_cannot_be_used_are_told_apart)
{
    struct fixture fixture;

    fixture_init(&fixture);
    check_fails(&fixture, ERR_NOT_FOUND, MANIFEST);
    put(&fixture, MANIFEST, BYTES("# nothing\n"));
    check_fails(&fixture, ERR_NOT_FOUND, "lists no files");
    put(&fixture, MANIFEST, BYTES("file base seq 1 type b"));
    check_fails(&fixture, ERR_CORRUPT, "/d/appendonlydir/" MANIFEST ": line 1");
    put(&fixture, MANIFEST, BYTES("file ../base seq 1 type b\n"));
    check_fails(&fixture, ERR_CORRUPT, "plain name");
    fixture_release(&fixture);
}
END_TEST

START_TEST(links_and_directories_are_not_followed)
{
    struct fixture fixture;

    fixture_init(&fixture);
    put(&fixture, MANIFEST, BYTES("file base seq 1 type b\n"));
    ck_assert_int_eq(symlinkat("/etc/passwd", fixture.dir_fd, "base"), 0);
    check_fails(&fixture, ERR_FAILED, "/d/appendonlydir/base: cannot be opened");
    ck_assert_int_eq(unlinkat(fixture.dir_fd, "base", 0), 0);
    ck_assert_int_eq(mkdirat(fixture.dir_fd, "base", 0700), 0);
    check_fails(&fixture, ERR_CORRUPT, "not a regular file");
    fixture_release(&fixture);
}
END_TEST

/* ---- a real server ---- */

/* Counts up, and rewrites the AOF all the time. */
struct load {
    const struct redis_server *server;
    atomic_bool stop;
    pthread_t writer;
    pthread_t rewriter;
};

static void *write_on(void *context)
{
    struct load *load = context;

    while (!load->stop) {
        free(redis_server_ask(load->server, "INCR counter"));
        free(redis_server_ask(load->server, "EVAL %s 0",
                              "redis.call('incr','a') redis.call('incr','b')"));
    }
    return NULL;
}

static void *rewrite_on(void *context)
{
    struct load *load = context;

    while (!load->stop)
        free(redis_server_ask(load->server, "BGREWRITEAOF"));
    return NULL;
}

static void copy_pinned(const struct aof_pin *pinned, int to_fd)
{
    struct err err;

    for (size_t i = 0; i < pinned->count; i++) {
        const struct aof_pin_file *file = &pinned->files[i];
        auto_free char *bytes = xmalloc((size_t)file->length + 1);

        ck_assert_int_eq(fs_pread_all(file->fd, bytes, (size_t)file->length, 0, "x", &err), 0);
        tree_write(to_fd, file->name, bytes, file->length);
    }
    tree_write(to_fd, pinned->manifest_name, pinned->manifest, pinned->manifest_len);
}

static uint64_t counter(const struct redis_server *server, const char *key)
{
    auto_free char *text = redis_server_ask(server, "GET %s", key);

    ck_assert_msg(text[0] != '-', "%s", text);
    return strcmp(text, "(nil)") == 0 ? 0 : strtoull(text, NULL, 10);
}

/* What was pinned is loaded by a second server, which must hold a state between the two. */
static void check_loads(const struct aof_pin *pinned, uint64_t least, uint64_t most)
{
    static const char *const args[] = {
        "--appendonly", "yes", "--aof-load-truncated", "no", "--appendfilename", "x.aof", NULL};
    struct redis_server second;
    char *dir = tmpdir_new();
    auto_free char *sub = xasprintf("%s/appendonlydir", dir);
    const struct redis_server_options options = {.dir = dir, .args = args};

    ck_assert_int_eq(mkdir(sub, 0700), 0);
    auto_close int to_fd = open(sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    copy_pinned(pinned, to_fd);
    redis_server_start(&second, &options);
    uint64_t count = counter(&second, "counter");
    ck_assert_msg(count >= least && count <= most, "%llu is not %llu to %llu:\n%s",
                  (unsigned long long)count, (unsigned long long)least, (unsigned long long)most,
                  pinned->manifest);
    ck_assert_uint_eq(counter(&second, "a"), counter(&second, "b")); /* whole transactions */
    redis_server_stop(&second);
    tmpdir_remove(dir);
}

START_TEST(a_set_pinned_while_the_server_rewrites_is_loaded_again)
{
    static const char *const args[] = {"--appendonly", "yes", "--appendfilename", "x.aof",
                                       "--aof-timestamp-enabled", "yes",
                                       /* everysec may hold a write back for two seconds */
                                       "--appendfsync", "no", NULL};
    const struct redis_server_options with_args = {.args = args};
    struct redis_server server;
    struct err err = {0};

    redis_server_start(&server, &with_args);
    auto_close int dir_fd = openat(server.dir_fd, "appendonlydir", O_RDONLY | O_CLOEXEC);
    const struct aof_pin_options options = {
        .dir_fd = dir_fd, .dir = "d", .appendfilename = "x.aof", .clock = clock_system()};
    struct load load = {.server = &server};
    ck_assert_int_eq(pthread_create(&load.writer, NULL, write_on, &load), 0);
    ck_assert_int_eq(pthread_create(&load.rewriter, NULL, rewrite_on, &load), 0);
    for (int i = 0; i < 10; i++) {
        auto_aof_pin struct aof_pin got = {0};
        uint64_t least = counter(&server, "counter");

        ck_assert_msg(aof_pin_open(&options, &got, &err) == 0, "%s", err.msg);
        check_loads(&got, least, counter(&server, "counter"));
        clock_sleep_ms(clock_system(), i); /* so that the next one meets another moment */
    }
    load.stop = true;
    (void)pthread_join(load.writer, NULL);
    (void)pthread_join(load.rewriter, NULL);
    redis_server_stop(&server);
}
END_TEST

START_TEST(a_resp_base_of_a_real_server_is_pinned)
{
    static const char *const args[] = {
        "--appendonly", "yes", "--appendfilename", "x.aof", "--aof-use-rdb-preamble", "no", NULL};
    const struct redis_server_options with_args = {.args = args};
    struct redis_server server;
    struct aof_pin got = {0};
    struct err err = {0};

    redis_server_start(&server, &with_args);
    redis_server_do(&server, "INCR counter");
    auto_close int dir_fd = openat(server.dir_fd, "appendonlydir", O_RDONLY | O_CLOEXEC);
    const struct aof_pin_options options = {
        .dir_fd = dir_fd, .dir = "d", .appendfilename = "x.aof", .clock = clock_system()};
    ck_assert_msg(aof_pin_open(&options, &got, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(got.count, 2);
    check_loads(&got, 1, 1);
    aof_pin_release(&got);
    redis_server_stop(&server);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aof_pin");
    TCase *laid_out = tcase_create("laid_out");
    TCase *real = tcase_create("real");

    tcase_add_test(laid_out, a_set_is_pinned_without_its_history);
    tcase_add_test(laid_out, the_last_file_is_cut_to_whole_commands);
    tcase_add_test(laid_out, a_base_of_commands_is_scanned_too);
    tcase_add_test(laid_out, a_base_is_what_its_bytes_say);
    tcase_add_test(laid_out, a_set_that_no_server_loads_is_corrupt);
    tcase_add_test(laid_out, a_missing_file_is_waited_for_and_then_corrupt);
    tcase_add_test(laid_out, manifests_that_cannot_be_used_are_told_apart);
    tcase_add_test(laid_out, links_and_directories_are_not_followed);
    suite_add_tcase(suite, laid_out);
    tcase_set_timeout(real, 120);
    tcase_add_test(real, a_set_pinned_while_the_server_rewrites_is_loaded_again);
    tcase_add_test(real, a_resp_base_of_a_real_server_is_pinned);
    suite_add_tcase(suite, real);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
