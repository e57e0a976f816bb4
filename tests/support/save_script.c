#include "support/save_script.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/tmpdir.h"
#include "support/tree.h"

void save_script_init(struct save_script *fixture)
{
    *fixture = (struct save_script){.dir = tmpdir_new()};
    fixture->dir_fd = open(fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fixture->dir_fd, 0);
    fake_clock_init(&fixture->clock, 1700000000000);
}

void save_script_release(struct save_script *fixture)
{
    (void)close(fixture->dir_fd);
    tmpdir_remove(fixture->dir);
}

void save_script_dump(struct save_script *fixture, uint32_t ctime_s, uint8_t keys)
{
    auto_buf struct buf rdb;
    const uint8_t ctime[] = {0xc2, (uint8_t)ctime_s, (uint8_t)(ctime_s >> 8),
                             (uint8_t)(ctime_s >> 16), (uint8_t)(ctime_s >> 24)};
    const uint8_t body[] = {0xfe, 0, 0xfb, keys, 0, 0, 1, 'a', 1, 'b'};
    struct err err;

    buf_init(&rdb, 4096);
    ck_assert_int_eq(buf_append(&rdb,
                                "REDIS0010\xfa\x05"
                                "ctime",
                                16, &err),
                     0);
    ck_assert_int_eq(buf_append(&rdb, ctime, sizeof(ctime), &err), 0);
    if (keys > 0)
        ck_assert_int_eq(buf_append(&rdb, body, sizeof(body), &err), 0);
    ck_assert_int_eq(buf_append(&rdb,
                                "\xff"
                                "12345678",
                                9, &err),
                     0);
    tree_replace(fixture->dir_fd, "dump.rdb", rdb.data, rdb.len);
}

void save_appears(void *arg)
{
    save_script_dump(arg, ASKED + 1, 2);
}

void save_of_the_same_second_appears(void *arg)
{
    save_script_dump(arg, ASKED, 2);
}

void older_save_appears(void *arg)
{
    save_script_dump(arg, ASKED - 1, 2);
}

void empty_save_appears(void *arg)
{
    save_script_dump(arg, ASKED + 1, 0);
}

void save_of_other_count_appears(void *arg)
{
    save_script_dump(arg, ASKED + 1, 3);
}

static void write_bytes(struct save_script *fixture, const char *bytes, size_t len)
{
    tree_replace(fixture->dir_fd, "dump.rdb", bytes, len);
}

void broken_save_appears(void *arg)
{
    write_bytes(arg,
                "REDIS0010\xfa\x05"
                "ctime\xc2"
                "cut",
                20);
}

void empty_file_appears(void *arg)
{
    write_bytes(arg, "", 0);
}

void opaque_save_appears(void *arg)
{
    static const char bytes[] = "\x28\xb5\x2f\xfd and so on, in a format of the future";

    write_bytes(arg, bytes, sizeof(bytes));
}

void directory_appears(void *arg)
{
    struct save_script *fixture = arg;

    ck_assert_int_eq(unlinkat(fixture->dir_fd, "dump.rdb", 0), 0);
    ck_assert_int_eq(mkdirat(fixture->dir_fd, "dump.rdb", 0700), 0);
}

static void on_progress(void *context, int percent)
{
    struct save_script *fixture = context;

    if (fixture->percent_count < 16)
        fixture->percents[fixture->percent_count++] = percent;
}

int save_script_run(struct save_script *fixture, const struct redis_peer_step *steps,
                    int64_t timeout_ms, struct redis_saved *out, struct err *err)
{
    struct redis_peer *peer = redis_peer_start(steps, fixture);
    const struct redis_options where = {.url = redis_peer_url(peer),
                                        .timeout_ms = fixture->reply_timeout_ms};
    const struct redis_save_options options = {
        .clock = &fixture->clock.clock,
        .timeout_ms = timeout_ms,
        .data_dir_fd = fixture->dir_fd,
        .data_dir = "/our/data",
        .dbfilename = "dump.rdb",
        .on_progress = on_progress,
        .context = fixture,
    };
    struct redis *redis = NULL;

    *err = (struct err){0};
    ck_assert_msg(redis_connect(&where, &redis, err) == 0, "%s", err->msg);
    int result = redis_save_proven(redis, &options, out, err);
    redis_free(redis);
    redis_peer_stop(peer);
    return result;
}

void save_script_saves(const struct redis_peer_step *steps, int attempts, bool exact)
{
    struct save_script fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    save_script_init(&fixture);
    fixture.reply_timeout_ms = 1000; /* of what never comes */
    save_script_dump(&fixture, ASKED - 100, 1);
    ck_assert_msg(save_script_run(&fixture, steps, 0, &saved, &err) == 0, "%s", err.msg);
    ck_assert_int_ge(saved.fd, 0);
    ck_assert_int_eq(saved.attempts, attempts);
    ck_assert_int_eq(saved.is_exact, exact);
    ck_assert_int_le(saved.asked_ms, saved.done_ms);
    redis_saved_release(&saved);
    ck_assert_int_eq(saved.fd, -1);
    save_script_release(&fixture);
}

enum problem save_script_fails(const struct redis_peer_step *steps, enum err_kind kind,
                               const char *says)
{
    struct save_script fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    save_script_init(&fixture);
    save_script_dump(&fixture, ASKED - 100, 1);
    unsigned before = fd_count();
    ck_assert_msg(save_script_run(&fixture, steps, 0, &saved, &err) == -1, "not: %s", says);
    ck_assert_int_eq(err.kind, kind);
    ck_assert_msg(strstr(err.msg, says) != NULL, "\"%s\" is not in: %s", says, err.msg);
    ck_assert_int_eq(saved.fd, -1);
    ck_assert_uint_eq(fd_count(), before);
    save_script_release(&fixture);
    return err_problem(&err);
}
