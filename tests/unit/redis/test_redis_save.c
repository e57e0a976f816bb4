/*
 * The proven save against a scripted peer: every reply, every way to lose a save, on a clock that
 * does not wait. (test_redis_save_real.c has the real server.)
 */
#include "redis/redis_save.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/fake_clock.h"
#include "support/redis_peer.h"
#include "support/tmpdir.h"

#define ASKED 100000000 /* the server's clock at the request, in seconds */
#define SERVER "run_id:R\r\nserver_time_usec:100000000999999\r\nredis_version:7.0.15\r\n"
#define STATE(saves, busy, status, saved_at)                                         \
    SERVER "rdb_saves:" #saves "\r\nrdb_bgsave_in_progress:" #busy                   \
           "\r\nrdb_last_bgsave_status:" #status "\r\nrdb_last_save_time:" #saved_at \
           "\r\nrdb_last_cow_size:4096\r\n"
#define KEYS "db0:keys=2,expires=0,avg_ttl=0\r\n"
#define IDLE STATE(4, 0, ok, 90)
#define FORKED STATE(5, 1, ok, 90) KEYS
#define SAVING STATE(5, 1, ok, 90)
#define SAVED STATE(5, 0, ok, 100)
#define DROPPED STATE(5, 0, ok, 90)
#define DIED STATE(5, 0, err, 90)

#define HELLO                                          \
    {                                                  \
        .expect = "CLIENT SETNAME", .reply = "+OK\r\n" \
    }
#define INFO(text)                       \
    {                                    \
        .expect = "INFO", .bulk = (text) \
    }
#define INFO_AND(text, what)                            \
    {                                                   \
        .expect = "INFO", .bulk = (text), .act = (what) \
    }
#define BGSAVE(text)                        \
    {                                       \
        .expect = "BGSAVE", .reply = (text) \
    }
#define STARTED BGSAVE("+Background saving started\r\n")
#define END            \
    {                  \
        .expect = NULL \
    }

struct fixture {
    char *dir;
    int dir_fd;
    struct fake_clock clock;
    int percents[16];
    size_t percent_count;
};

static void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.dir = tmpdir_new()};
    fixture->dir_fd = open(fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fixture->dir_fd, 0);
    fake_clock_init(&fixture->clock, 1700000000000);
}

static void fixture_release(struct fixture *fixture)
{
    (void)close(fixture->dir_fd);
    tmpdir_remove(fixture->dir);
}

/* A dump whose child began at ctime_s and that holds `keys` keys in db 0. */
static void write_dump(struct fixture *fixture, uint32_t ctime_s, uint8_t keys)
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
    ck_assert_int_eq(fs_write_atomic(fixture->dir_fd, "dump.rdb", rdb.data, rdb.len, 0600, &err),
                     0);
}

static void save_appears(void *arg)
{
    write_dump(arg, ASKED + 1, 2);
}

static void save_of_the_same_second_appears(void *arg)
{
    write_dump(arg, ASKED, 2);
}

static void older_save_appears(void *arg)
{
    write_dump(arg, ASKED - 1, 2);
}

static void empty_save_appears(void *arg)
{
    write_dump(arg, ASKED + 1, 0);
}

static void save_of_other_count_appears(void *arg)
{
    write_dump(arg, ASKED + 1, 3);
}

static void write_bytes(struct fixture *fixture, const char *bytes, size_t len)
{
    struct err err;

    ck_assert_int_eq(fs_write_atomic(fixture->dir_fd, "dump.rdb", bytes, len, 0600, &err), 0);
}

static void broken_save_appears(void *arg)
{
    write_bytes(arg,
                "REDIS0010\xfa\x05"
                "ctime\xc2"
                "cut",
                20);
}

static void empty_file_appears(void *arg)
{
    write_bytes(arg, "", 0);
}

static void opaque_save_appears(void *arg)
{
    static const char bytes[] = "\x28\xb5\x2f\xfd and so on, in a format of the future";

    write_bytes(arg, bytes, sizeof(bytes));
}

static void directory_appears(void *arg)
{
    struct fixture *fixture = arg;

    ck_assert_int_eq(unlinkat(fixture->dir_fd, "dump.rdb", 0), 0);
    ck_assert_int_eq(mkdirat(fixture->dir_fd, "dump.rdb", 0700), 0);
}

static void on_progress(void *context, int percent)
{
    struct fixture *fixture = context;

    if (fixture->percent_count < 16)
        fixture->percents[fixture->percent_count++] = percent;
}

/* Runs the script; returns the result of the save. */
static int run(struct fixture *fixture, const struct redis_peer_step *steps, int64_t timeout_ms,
               struct redis_saved *out, struct err *err)
{
    struct redis_peer *peer = redis_peer_start(steps, fixture);
    const struct redis_options where = {.url = redis_peer_url(peer)};
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

static void check_saves(const struct redis_peer_step *steps, int attempts, bool exact)
{
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    fixture_init(&fixture);
    write_dump(&fixture, ASKED - 100, 1);
    ck_assert_msg(run(&fixture, steps, 0, &saved, &err) == 0, "%s", err.msg);
    ck_assert_int_ge(saved.fd, 0);
    ck_assert_int_eq(saved.attempts, attempts);
    ck_assert_int_eq(saved.is_exact, exact);
    ck_assert_int_le(saved.asked_ms, saved.done_ms);
    redis_saved_release(&saved);
    ck_assert_int_eq(saved.fd, -1);
    fixture_release(&fixture);
}

/* The save fails with words that hold `says`. */
static void check_fails(const struct redis_peer_step *steps, enum err_kind kind, const char *says)
{
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    fixture_init(&fixture);
    write_dump(&fixture, ASKED - 100, 1);
    unsigned before = fd_count();
    ck_assert_msg(run(&fixture, steps, 0, &saved, &err) == -1, "not: %s", says);
    ck_assert_int_eq(err.kind, kind);
    ck_assert_msg(strstr(err.msg, says) != NULL, "\"%s\" is not in: %s", says, err.msg);
    ck_assert_int_eq(saved.fd, -1);
    ck_assert_uint_eq(fd_count(), before);
    fixture_release(&fixture);
}

START_TEST(a_save_is_proven_by_its_new_file)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(IDLE),
        STARTED,
        INFO(FORKED "current_save_keys_processed:0\r\ncurrent_save_keys_total:8\r\n"),
        INFO(SAVING "current_save_keys_processed:2\r\ncurrent_save_keys_total:8\r\n"),
        INFO(SAVING "current_save_keys_processed:6\r\ncurrent_save_keys_total:8\r\n"),
        INFO_AND(SAVED, save_appears),
        END,
    };
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    fixture_init(&fixture);
    write_dump(&fixture, ASKED - 100, 1);
    ck_assert_msg(run(&fixture, steps, 0, &saved, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(saved.rdb.head.ctime_s, ASKED + 1);
    ck_assert_uint_eq(saved.rdb.size, 40);
    ck_assert(saved.rdb.tail.has_eof);
    ck_assert_int_eq(saved.cow_bytes, 4096);
    ck_assert(saved.is_exact);
    ck_assert_int_eq(saved.attempts, 1);
    ck_assert_uint_eq(redis_info_keys(&saved.at_fork), 2);
    ck_assert_int_eq(saved.at_fork.rdb_saves, 5);
    ck_assert_int_eq(saved.asked_ms, 1700000000000);
    ck_assert_int_eq(saved.forked_ms, 1700000000000);
    ck_assert_int_gt(saved.done_ms, saved.forked_ms);
    ck_assert_uint_eq(fixture.percent_count, 3);
    ck_assert_int_eq(fixture.percents[0], 0);
    ck_assert_int_eq(fixture.percents[1], 25);
    ck_assert_int_eq(fixture.percents[2], 75);

    /* pinned: what the server does next does not matter */
    write_dump(&fixture, ASKED + 50, 9);
    struct rdb_ends again;
    ck_assert_int_eq(rdb_probe_fd(saved.fd, "x", &again, &err), 0);
    ck_assert_int_eq(again.head.first_db_keys, 2);
    redis_saved_release(&saved);
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_file_of_the_same_second_is_new_enough)
{
    const struct redis_peer_step steps[] = {
        HELLO,   INFO(IDLE),   INFO(IDLE),
        STARTED, INFO(FORKED), INFO_AND(SAVED, save_of_the_same_second_appears),
        END,
    };

    check_saves(steps, 1, true);
}
END_TEST

START_TEST(the_first_dump_of_a_volume_is_proven)
{
    const struct redis_peer_step steps[] = {
        HELLO, INFO(IDLE), INFO(IDLE), STARTED, INFO(FORKED), INFO_AND(SAVED, save_appears), END,
    };
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;

    fixture_init(&fixture);
    ck_assert_msg(run(&fixture, steps, 0, &saved, &err) == 0, "%s", err.msg);
    redis_saved_release(&saved);
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_running_child_is_waited_for)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(STATE(3, 1, ok, 90)),
        INFO(STATE(3, 1, ok, 90)),
        INFO(STATE(3, 0, ok, 90) "aof_rewrite_in_progress:1\r\n"),
        INFO_AND(IDLE, older_save_appears), /* its data is older than the request */
        STARTED,
        INFO(FORKED),
        INFO_AND(SAVED, save_appears),
        END,
    };

    check_saves(steps, 1, true);
}
END_TEST

START_TEST(another_save_that_began_later_is_as_good)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(IDLE),
        BGSAVE("-ERR Background save already in progress\r\n"),
        INFO(FORKED),
        INFO(SAVING),
        INFO_AND(SAVED, save_appears),
        END,
    };

    check_saves(steps, 0, false);
}
END_TEST

START_TEST(a_ctime_may_lag_at_the_turn_of_a_second)
{
#define TURNED "run_id:R\r\nserver_time_usec:100000000000100\r\nrdb_saves:4\r\n"
    const struct redis_peer_step steps[] = {
        HELLO, INFO(TURNED), INFO(IDLE), STARTED, INFO(FORKED), INFO_AND(SAVED, older_save_appears),
        END,
    };

    check_saves(steps, 1, true);
}
END_TEST

START_TEST(a_running_save_of_the_same_second_may_be_older)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(STATE(4, 1, ok, 90)),
        INFO_AND(STATE(4, 0, ok, 100), save_of_the_same_second_appears),
        STARTED,
        INFO(FORKED),
        INFO_AND(SAVED, save_appears),
        END,
    };

    check_saves(steps, 1, true);
}
END_TEST

START_TEST(a_dropped_save_does_not_pass_for_one_that_ran_before_it)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(STATE(4, 1, ok, 90)),
        INFO_AND(STATE(4, 0, ok, 100), save_of_the_same_second_appears),
        STARTED,
        INFO(STATE(5, 1, ok, 100) KEYS),
        INFO(STATE(5, 0, ok, 100)), /* FLUSHALL: ok, but no file */
        INFO(STATE(5, 0, ok, 100)),
        STARTED,
        INFO(STATE(6, 1, ok, 100) KEYS),
        INFO_AND(STATE(6, 0, ok, 101), save_appears),
        END,
    };

    check_saves(steps, 2, true);
}
END_TEST

START_TEST(a_refused_save_is_asked_for_again)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(IDLE),
        BGSAVE("-ERR Another child process is active (AOF?): can't BGSAVE right now. Use ...\r\n"),
        INFO(IDLE "aof_rewrite_in_progress:1\r\n"),
        INFO(IDLE "aof_rewrite_in_progress:1\r\n"),
        INFO(IDLE),
        BGSAVE("-ERR some new reason\r\n"),
        INFO(IDLE),
        INFO(IDLE),
        STARTED,
        INFO(FORKED),
        INFO_AND(SAVED, save_appears),
        END,
    };

    check_saves(steps, 1, true);
}
END_TEST

START_TEST(a_save_that_is_always_refused_fails_with_the_reason)
{
#define REFUSED INFO(IDLE), BGSAVE("-ERR some new reason\r\n"), INFO(IDLE)
    const struct redis_peer_step steps[] = {
        HELLO, INFO(IDLE), REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, END,
    };

    check_fails(steps, ERR_SERVER, "some new reason");
}
END_TEST

START_TEST(a_scheduled_save_is_waited_for)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(IDLE),
        BGSAVE("+Background saving scheduled\r\n"),
        INFO(IDLE "aof_rewrite_in_progress:1\r\n"),
        INFO(IDLE "aof_rewrite_in_progress:1\r\n"),
        INFO(IDLE),
        INFO(SAVING),
        INFO_AND(SAVED, save_appears),
        END,
    };

    check_saves(steps, 1, false);
}
END_TEST

START_TEST(a_next_save_that_began_meanwhile_does_not_matter)
{
    const struct redis_peer_step steps[] = {
        HELLO,   INFO(IDLE),   INFO(IDLE),
        STARTED, INFO(FORKED), INFO_AND(STATE(6, 1, ok, 100), save_appears),
        END,
    };

    check_saves(steps, 1, true);
}
END_TEST

START_TEST(a_count_that_differs_from_the_fork_is_not_exact)
{
    const struct redis_peer_step steps[] = {
        HELLO,   INFO(IDLE),   INFO(IDLE),
        STARTED, INFO(FORKED), INFO_AND(SAVED, save_of_other_count_appears),
        END,
    };

    check_saves(steps, 1, false);
}
END_TEST

START_TEST(a_file_of_unknown_format_counts_when_the_server_says_ok)
{
    const struct redis_peer_step steps[] = {
        HELLO, INFO(IDLE), INFO(IDLE), STARTED, INFO(FORKED), INFO_AND(SAVED, opaque_save_appears),
        END,
    };

    check_saves(steps, 1, true);
}
END_TEST

START_TEST(a_dropped_save_is_asked_for_again)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(IDLE),
        STARTED,
        INFO(FORKED),
        INFO(DROPPED),
        INFO(DROPPED),
        STARTED,
        INFO(STATE(6, 1, ok, 90) KEYS),
        INFO_AND(STATE(6, 0, ok, 100), save_appears),
        END,
    };

    check_saves(steps, 2, true);
}
END_TEST

START_TEST(an_empty_file_that_a_flush_left_is_not_taken_for_the_data)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(IDLE),
        STARTED,
        INFO(FORKED),
        INFO_AND(SAVED, empty_save_appears),
        INFO(SAVED),
        STARTED,
        INFO(STATE(6, 1, ok, 100)), /* now there are no keys, and that is the truth */
        INFO_AND(STATE(6, 0, ok, 101), empty_save_appears),
        END,
    };

    check_saves(steps, 2, true);
}
END_TEST

START_TEST(a_save_that_is_always_dropped_fails)
{
#define TRY INFO(DROPPED), STARTED, INFO(FORKED), INFO(DROPPED)
    const struct redis_peer_step steps[] = {HELLO, INFO(IDLE), TRY, TRY, TRY, END};

    check_fails(steps, ERR_SERVER,
                "dropped the save 3 times without an error. HINT: something "
                "runs FLUSHALL");
}
END_TEST

START_TEST(data_that_is_always_flushed_fails)
{
#define FLUSH INFO(DROPPED), STARTED, INFO(FORKED), INFO_AND(DROPPED, empty_save_appears)
    const struct redis_peer_step steps[] = {HELLO, INFO(IDLE), FLUSH, FLUSH, FLUSH, END};

    check_fails(steps, ERR_SERVER, "flushed during each of 3 saves");
}
END_TEST

START_TEST(a_killed_child_is_not_tried_again)
{
    const struct redis_peer_step steps[] = {HELLO,        INFO(IDLE), INFO(IDLE), STARTED,
                                            INFO(FORKED), INFO(DIED), END};

    check_fails(steps, ERR_SERVER, "the server's save failed. HINT: its log says why");
}
END_TEST

START_TEST(another_directory_is_named)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(IDLE),
        STARTED,
        INFO(FORKED),
        INFO(SAVED),
        {.expect = "CONFIG GET dir", .reply = "*2\r\n$3\r\ndir\r\n$6\r\n/there\r\n"},
        {.expect = "CONFIG GET dbfilename", .reply = "*2\r\n$10\r\ndbfilename\r\n$5\r\nx.rdb\r\n"},
        END,
    };

    check_fails(steps, ERR_SERVER,
                "/our/data/dump.rdb is unchanged. HINT: data-dir and the dbfilename must name the "
                "server's own directory and file, as redkeep sees them. The server says that it "
                "saves to /there/x.rdb.");
}
END_TEST

START_TEST(another_directory_is_guessed_where_config_is_forbidden)
{
    const struct redis_peer_step steps[] = {
        HELLO,
        INFO(IDLE),
        INFO(IDLE),
        STARTED,
        INFO(FORKED),
        INFO_AND(SAVED, older_save_appears),
        {.expect = "CONFIG GET dir", .reply = "-NOPERM no\r\n"},
        {.expect = "CONFIG GET dbfilename", .reply = "-NOPERM no\r\n"},
        END,
    };

    check_fails(steps, ERR_SERVER, "as redkeep sees them.");
}
END_TEST

START_TEST(a_failed_fork_is_explained)
{
    const struct redis_peer_step steps[] = {HELLO,      INFO(IDLE), INFO(IDLE), BGSAVE("-ERR\r\n"),
                                            INFO(DIED), END};

    check_fails(steps, ERR_SERVER,
                "HINT: it lacks memory or processes: set vm.overcommit_memory=1");
}
END_TEST

START_TEST(replies_that_end_the_attempt_do)
{
    static const struct {
        const char *reply;
        const char *says;
    } rows[] = {
        {"-NOPERM this user has no permissions to run the 'bgsave' command\r\n", "+bgsave"},
        {"-LOADING x\r\n", "LOADING"},
        {"-MISCONF x\r\n", "MISCONF"},
        {"-NOAUTH x\r\n", "NOAUTH"},
        {"-BUSY x\r\n", "SCRIPT KILL"},
        {"-MASTERDOWN x\r\n", "replica"},
        {"-ERR unknown command 'BGSAVE', with args beginning with: \r\n", "renamed"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_peer_step steps[] = {
            HELLO, INFO(IDLE), INFO(IDLE), BGSAVE(rows[i].reply), INFO(IDLE), END};

        check_fails(steps, ERR_SERVER, rows[i].says);
    }
}
END_TEST

START_TEST(a_loading_server_is_left_alone)
{
    const struct redis_peer_step loading[] = {HELLO, INFO(IDLE "loading:1\r\n"), END};
    const struct redis_peer_step replica[] = {HELLO, INFO(IDLE "async_loading:1\r\n"), END};

    check_fails(loading, ERR_SERVER, "still loading");
    check_fails(replica, ERR_SERVER, "still loading");
}
END_TEST

START_TEST(info_without_the_needed_fields_proves_nothing)
{
    const struct redis_peer_step steps[] = {HELLO, INFO("redis_version:7.0.15\r\n"), END};

    check_fails(steps, ERR_SERVER, "no save can be proven");
}
END_TEST

START_TEST(a_restart_during_the_save_is_noticed)
{
    const struct redis_peer_step steps[] = {
        HELLO,   INFO(IDLE),   INFO(IDLE),
        STARTED, INFO(FORKED), INFO_AND("run_id:OTHER\r\nrdb_saves:9\r\n", save_appears),
        END,
    };

    check_fails(steps, ERR_SERVER, "restarted during the save");
}
END_TEST

START_TEST(a_connection_dropped_at_any_step_fails)
{
    const struct redis_peer_step whole[] = {
        HELLO, INFO(IDLE), INFO(IDLE), STARTED, INFO(FORKED), INFO(SAVING), END,
    };

    for (size_t cut = 1; cut < 6; cut++) {
        struct redis_peer_step steps[7];

        memcpy(steps, whole, sizeof(whole));
        steps[cut].hang_up = 1;
        steps[cut + 1] = (struct redis_peer_step)END;
        check_fails(steps, ERR_SERVER, "closed the connection");
    }
}
END_TEST

START_TEST(a_broken_new_file_is_corrupt)
{
    const struct redis_peer_step cut[] = {
        HELLO, INFO(IDLE), INFO(IDLE), STARTED, INFO(FORKED), INFO_AND(SAVED, broken_save_appears),
        END,
    };
    const struct redis_peer_step empty[] = {
        HELLO, INFO(IDLE), INFO(IDLE), STARTED, INFO(FORKED), INFO_AND(SAVED, empty_file_appears),
        END,
    };

    check_fails(cut, ERR_CORRUPT, "/our/data/dump.rdb");
    check_fails(empty, ERR_CORRUPT, "too few for an RDB");
}
END_TEST

START_TEST(a_timeout_ends_the_waiting)
{
    struct redis_peer_step steps[100] = {HELLO, INFO(IDLE), INFO(IDLE), STARTED, INFO(FORKED)};
    struct fixture fixture;
    struct redis_saved saved = REDIS_SAVED_INIT;
    struct err err;
    size_t used = 5;

    /* pauses of 20, 40, 80, 160, 250, 250, ... */
    for (int64_t spent = 0, pause = 20; spent<5000; pause = pause * 2> 250 ? 250 : pause * 2) {
        steps[used++] = (struct redis_peer_step)INFO(SAVING);
        spent += pause;
    }
    fixture_init(&fixture);
    ck_assert_int_eq(run(&fixture, steps, 5000, &saved, &err), -1);
    ck_assert_int_eq(err.kind, ERR_SERVER);
    ck_assert_msg(strstr(err.msg, "not done within 5 s") != NULL, "%s", err.msg);
    ck_assert_int_ge(fixture.clock.slept_ms, 5000);
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_dump_that_is_no_file_is_an_error)
{
    const struct redis_peer_step steps[] = {
        HELLO, INFO(IDLE), INFO(IDLE), STARTED, INFO(FORKED), INFO_AND(SAVED, directory_appears),
        END,
    };

    check_fails(steps, ERR_FAILED, "/our/data/dump.rdb: is not a regular file");
}
END_TEST

START_TEST(preflight_wants_room_for_the_dump_and_the_fork)
{
    static const struct {
        int64_t used_memory;
        int64_t cow;
        uint64_t dump;
        uint64_t disk;
        int64_t memory;
        bool ok;
    } rows[] = {
        {1000, -1, 0, 600, -1, true},
        {1000, -1, 0, 599, -1, false},
        {1000, -1, 1000, 1200, -1, true},
        {1000, -1, 1000, 1199, -1, false},
        {1000, 0, 0, 1000, 100, true},
        {1000, 0, 0, 1000, 99, false},
        {1000, 500, 0, 1000, 500, true},
        {1000, 500, 0, 1000, 499, false},
        {1000, 500, 0, 1000, -1, true},
        {1000, 500, 0, 1000, 0, false},
        {-1, -1, 0, 0, 0, true}, /* nothing known, nothing wanted */
        {INT64_MAX, INT64_MAX, UINT64_MAX / 2, UINT64_MAX, INT64_MAX, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_redis_info struct redis_server_info info = {0};
        const struct redis_save_room room = {rows[i].dump, rows[i].disk, rows[i].memory};
        struct err err = {0};

        redis_info_parse("", 0, &info);
        info.used_memory = rows[i].used_memory;
        info.rdb_last_cow_bytes = rows[i].cow;
        ck_assert_msg(redis_save_preflight(&info, &room, &err) == (rows[i].ok ? 0 : -1), "row %zu",
                      i);
        if (!rows[i].ok) {
            ck_assert_int_eq(err.kind, ERR_FAILED);
            ck_assert_ptr_nonnull(strstr(err.msg, "HINT"));
        }
    }
}
END_TEST

static TCase *success_case(void)
{
    TCase *tcase = tcase_create("success");

    tcase_add_test(tcase, a_save_is_proven_by_its_new_file);
    tcase_add_test(tcase, a_file_of_the_same_second_is_new_enough);
    tcase_add_test(tcase, the_first_dump_of_a_volume_is_proven);
    tcase_add_test(tcase, a_running_child_is_waited_for);
    tcase_add_test(tcase, another_save_that_began_later_is_as_good);
    tcase_add_test(tcase, a_ctime_may_lag_at_the_turn_of_a_second);
    tcase_add_test(tcase, a_running_save_of_the_same_second_may_be_older);
    tcase_add_test(tcase, a_dropped_save_does_not_pass_for_one_that_ran_before_it);
    tcase_add_test(tcase, a_refused_save_is_asked_for_again);
    tcase_add_test(tcase, a_scheduled_save_is_waited_for);
    tcase_add_test(tcase, a_next_save_that_began_meanwhile_does_not_matter);
    tcase_add_test(tcase, a_count_that_differs_from_the_fork_is_not_exact);
    tcase_add_test(tcase, a_file_of_unknown_format_counts_when_the_server_says_ok);
    tcase_add_test(tcase, a_dropped_save_is_asked_for_again);
    tcase_add_test(tcase, an_empty_file_that_a_flush_left_is_not_taken_for_the_data);
    return tcase;
}

static TCase *failure_case(void)
{
    TCase *tcase = tcase_create("failure");

    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, a_save_that_is_always_refused_fails_with_the_reason);
    tcase_add_test(tcase, a_save_that_is_always_dropped_fails);
    tcase_add_test(tcase, data_that_is_always_flushed_fails);
    tcase_add_test(tcase, a_killed_child_is_not_tried_again);
    tcase_add_test(tcase, another_directory_is_named);
    tcase_add_test(tcase, another_directory_is_guessed_where_config_is_forbidden);
    tcase_add_test(tcase, a_failed_fork_is_explained);
    tcase_add_test(tcase, replies_that_end_the_attempt_do);
    tcase_add_test(tcase, a_loading_server_is_left_alone);
    tcase_add_test(tcase, info_without_the_needed_fields_proves_nothing);
    tcase_add_test(tcase, a_restart_during_the_save_is_noticed);
    tcase_add_test(tcase, a_connection_dropped_at_any_step_fails);
    tcase_add_test(tcase, a_broken_new_file_is_corrupt);
    tcase_add_test(tcase, a_timeout_ends_the_waiting);
    tcase_add_test(tcase, a_dump_that_is_no_file_is_an_error);
    tcase_add_test(tcase, preflight_wants_room_for_the_dump_and_the_fork);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("redis_save");

    suite_add_tcase(suite, success_case());
    suite_add_tcase(suite, failure_case());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
