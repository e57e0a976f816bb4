/*
 * Heads and tails of RDB files: real ones of Redis 7.0, and those of other servers made by hand
 * from what their sources write.
 */
#include "redis/rdb_probe.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

/* A string literal with its length: RDBs hold NULs. */
#define BYTES(text) text, sizeof(text) - 1

#define REPL_ID "0123456789abcdef0123456789abcdef01234567"
#define CTIME  \
    "\xfa\x05" \
    "ctime\xc2\x00\xe1\xf5\x05" /* 100000000 */
#define TAIL "\xff\x01\x02\x03\x04\x05\x06\x07\x08"

struct row {
    const char *what;
    const char *bytes;
    size_t len;
    const char *want;
};

/* want: magic and version, who wrote it, ctime, used-mem, repl-id, repl-offset, repl-stream-db,
 * aof-base, flags (a AUX complete, f functions, m module AUX), the body's offset and opcode, and
 * the first database with its counts. */
static const struct row rows[] = {
    {"redis 7.0 with two keys",
     BYTES("REDIS0010\xfa\x09redis-ver\x06"
           "7.0.15\xfa\x0aredis-bits\xc0\x40" CTIME "\xfa\x08used-mem\xc2\x50\x1f\x12\x00\xfa\x08"
           "aof-base\xc0\x00"
           "\xfe\x00\xfb\x02\x01\x00\x01"
           "a\x01"
           "b" TAIL),
     "redis10 redis:7.0.15 100000000 1187664 - -1 -1 0 a 80:254 0:2:1"},
    {"redis 7.2 replica with replication fields",
     BYTES("REDIS0011\xfa\x09redis-ver\x05"
           "7.2.6" CTIME "\xfa\x0erepl-stream-db\xc0\x03"
           "\xfa\x07repl-id\x28" REPL_ID "\xfa\x0brepl-offset\x0a"
           "5000000000"
           "\xfa\x08"
           "aof-base\xc0\x01\xfe\x05\xfb\x40\x64\x00" TAIL),
     "redis11 redis:7.2.6 100000000 -1 " REPL_ID " 5000000000 3 1 a 142:254 5:100:0"},
    {"redis 8.6 with a 32 bit count",
     BYTES("REDIS0013\xfa\x09redis-ver\x05"
           "8.6.3\xfe\x00\xfb\x80\x00\x0f\x42\x40\x00" TAIL),
     "redis13 redis:8.6.3 -1 -1 - -1 -1 -1 a 26:254 0:1000000:0"},
    {"valkey 8.1 under the old magic",
     BYTES("REDIS0011\xfa\x0avalkey-ver\x05"
           "8.1.1\xff"),
     "redis11 valkey:8.1.1 -1 -1 - -1 -1 -1 a 27:255 -1:-1:-1"},
    {"valkey 9.1",
     BYTES("VALKEY080\xfa\x0avalkey-ver\x05"
           "9.1.2\xfe\x00\xfb\x81\x00\x00\x00\x01\x00\x00\x00"
           "\x00\x00" TAIL),
     "valkey80 valkey:9.1.2 -1 -1 - -1 -1 -1 a 27:254 0:4294967296:0"},
    {"an empty one with functions, one of them compressed",
     BYTES("REDIS0012\xf5\x04"
           "code\xf5\xc3\x03\x10"
           "abc" TAIL),
     "redis12 redis: -1 -1 - -1 -1 -1 af 22:255 -1:-1:-1"},
    {"module data before the keys",
     BYTES("REDIS0012\xf7\x81"
           "\x01\x02\x03\x04\x05\x06\x07\x08"
           "\x02\x01"
           "\x01\x05\x02\x07\x03"
           "ffff\x04"
           "dddddddd\x05\x03"
           "abc\x00" TAIL),
     "redis12 redis: -1 -1 - -1 -1 -1 am 45:255 -1:-1:-1"},
    {"no count in front of the keys",
     BYTES("REDIS0010\xfe\x00\x00\x01"
           "a\x01"
           "b" TAIL),
     "redis10 redis: -1 -1 - -1 -1 -1 a 9:254 0:-1:-1"},
    {"a section that only newer servers write", BYTES("REDIS0015\xf2\x01\x02\x03" TAIL),
     "redis15 redis: -1 -1 - -1 -1 -1 a 9:242 -1:-1:-1"},
    {"an aux field nobody knows, a number as text, a negative byte",
     BYTES("REDIS0010\xfa\x03new\x03thg\xfa\x05"
           "ctime\x09"
           "100000000\xfa\x08used-mem\xc0\xff"
           "\xfa\x0brepl-offset\xc1\x01\x80\xff"),
     "redis10 redis: 100000000 -1 - -32767 -1 -1 a 63:255 -1:-1:-1"},
    {"compressed and overlong values are skipped",
     BYTES("REDIS0010\xfa\x07repl-id\xc3\x03\x28xyz\xfa\x09redis-ver\x20"
           "12345678901234567890123456789012\xff"),
     "redis10 redis: -1 -1 - -1 -1 -1 a 68:255 -1:-1:-1"},
    {"something else", BYTES("\x28\xb5\x2f\xfd"),
     "opaque-1 redis: -1 -1 - -1 -1 -1  0:-1 -1:-1:-1"},
};

static void check_head(const char *what, const struct rdb_head *got, const char *want)
{
    static const char *const magics[] = {"redis", "valkey", "opaque"};
    auto_free char *text =
        xasprintf("%s%d %s:%s %lld %lld %s %lld %lld %d %s%s%s %llu:%d %lld:%lld:%lld",
                  magics[got->magic], got->version, got->server_is_valkey ? "valkey" : "redis",
                  got->server_version, (long long)got->ctime_s, (long long)got->used_mem,
                  got->repl_id[0] == '\0' ? "-" : got->repl_id, (long long)got->repl_offset,
                  (long long)got->repl_stream_db, got->aof_base, got->aux_complete ? "a" : "",
                  got->has_functions ? "f" : "", got->has_module_aux ? "m" : "",
                  (unsigned long long)got->body_offset, got->body_opcode, (long long)got->first_db,
                  (long long)got->first_db_keys, (long long)got->first_db_expires);

    ck_assert_msg(strcmp(text, want) == 0, "%s: %s, not %s", what, text, want);
}

START_TEST(heads_of_all_servers_are_read)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rdb_head head;
        const uint8_t *bytes = (const uint8_t *)rows[i].bytes;

        ck_assert_msg(rdb_probe_head(bytes, rows[i].len, &head) == RDB_PROBE_OK, "%s",
                      rows[i].what);
        check_head(rows[i].what, &head, rows[i].want);
    }
}
END_TEST

START_TEST(a_head_is_complete_or_wants_more_at_every_cut)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool complete = false;

        for (size_t len = 0; len <= rows[i].len; len++) {
            auto_free uint8_t *exact = xmalloc(len + (len == 0));
            struct rdb_head head;

            memcpy(exact, rows[i].bytes, len);
            enum rdb_probe probe = rdb_probe_head(exact, len, &head);
            ck_assert_msg(probe == (complete ? RDB_PROBE_OK : RDB_PROBE_NEED_MORE) ||
                              (probe == RDB_PROBE_OK && !complete),
                          "%s cut at %zu", rows[i].what, len);
            complete = probe == RDB_PROBE_OK;
            if (complete)
                check_head(rows[i].what, &head, rows[i].want);
        }
        ck_assert(complete);
    }
}
END_TEST

START_TEST(what_no_server_writes_is_malformed)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {BYTES("REDIS00x0\xff")},
        {BYTES("VALKEY08x\xff")},
        {BYTES("REDIS0010\xfa\x82zzzz")},          /* a length that does not exist */
        {BYTES("REDIS0010\xfa\xc4zzzz")},          /* an encoding that does not exist */
        {BYTES("REDIS0010\xfe\xc0\x01\xfb")},      /* a database that is a string */
        {BYTES("REDIS0010\xf7\x01\x02\x01\x09x")}, /* a module value of no kind */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rdb_head head;

        ck_assert_msg(rdb_probe_head((const uint8_t *)bad[i].bytes, bad[i].len, &head) ==
                          RDB_PROBE_MALFORMED,
                      "row %zu", i);
    }
}
END_TEST

START_TEST(the_tail_gives_end_marker_and_checksum)
{
    struct rdb_tail tail;

    rdb_probe_tail((const uint8_t *)"\xff\xd9\xca\xb8\xc4\x14\xc9\xc6\xe9", &tail);
    ck_assert(tail.has_eof);
    ck_assert_uint_eq(tail.crc, 0xe9c6c914c4b8cad9);
    rdb_probe_tail((const uint8_t *)"\xff\0\0\0\0\0\0\0\0", &tail);
    ck_assert(tail.has_eof);
    ck_assert_uint_eq(tail.crc, 0);
    rdb_probe_tail((const uint8_t *)"\xfe\0\0\0\0\0\0\0\x01", &tail);
    ck_assert(!tail.has_eof);
    ck_assert_uint_eq(tail.crc, 0x0100000000000000);
}
END_TEST

static int probe_file(const char *path, struct rdb_ends *out, struct err *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

    ck_assert_msg(fd >= 0, "%s", path);
    return rdb_probe_fd(fd, path, out, err);
}

START_TEST(real_files_of_redis_7_0_are_probed)
{
    static const struct {
        const char *path;
        bool empty;
        bool functions;
        int64_t keys;
    } files[] = {
        {"tests/data/rdb/redis-7.0.rdb", false, false, 2},
        {"tests/data/rdb/redis-7.0-empty.rdb", true, false, -1},
        {"tests/data/rdb/redis-7.0-functions-only.rdb", true, true, -1},
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct rdb_ends ends;
        struct err err = {0};

        ck_assert_msg(probe_file(files[i].path, &ends, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(ends.head.magic, RDB_MAGIC_REDIS);
        ck_assert_int_eq(ends.head.version, 10);
        ck_assert_str_eq(ends.head.server_version, "7.0.15");
        ck_assert_int_gt(ends.head.ctime_s, 1500000000);
        ck_assert_int_gt(ends.head.used_mem, 100000);
        ck_assert_int_eq(ends.head.aof_base, 0);
        ck_assert(ends.tail.has_eof);
        ck_assert_uint_ne(ends.tail.crc, 0);
        ck_assert_int_eq(ends.head.has_functions, files[i].functions);
        ck_assert_int_eq(rdb_is_empty(&ends.head), files[i].empty);
        ck_assert_int_eq(ends.head.first_db_keys, files[i].keys);
        if (files[i].empty)
            ck_assert_uint_eq(ends.head.body_offset + RDB_TAIL_BYTES, ends.size);
    }
}
END_TEST

/* A file without a name that holds these bytes. */
static int make_file(const void *bytes, size_t len)
{
    int fd = memfd_create("rdb", MFD_CLOEXEC);
    struct err err;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fs_write_all(fd, bytes, len, "memory", &err), 0);
    return fd;
}

START_TEST(a_file_cut_anywhere_is_corrupt)
{
    auto_buf struct buf rdb;
    struct err err = {0};

    buf_init(&rdb, 1 << 20);
    ck_assert_int_eq(fs_read_file(AT_FDCWD, "tests/data/rdb/redis-7.0.rdb", &rdb, &err), 0);
    for (size_t len = 0; len < rdb.len; len++) {
        auto_close int fd = make_file(rdb.data, len);
        struct rdb_ends ends = {.size = 77};

        err.kind = ERR_NONE;
        ck_assert_msg(rdb_probe_fd(fd, "x.rdb", &ends, &err) == -1, "cut at %zu", len);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(err.msg, "x.rdb"));
        ck_assert_uint_eq(ends.size, 77);
    }
}
END_TEST

START_TEST(an_opaque_file_is_no_error)
{
    static const char bytes[] = "\x28\xb5\x2f\xfd is not an RDB as we know it";
    auto_close int fd = make_file(bytes, sizeof(bytes));
    struct rdb_ends ends;
    struct err err = {0};

    ck_assert_int_eq(rdb_probe_fd(fd, "x", &ends, &err), 0);
    ck_assert_int_eq(ends.head.magic, RDB_MAGIC_OPAQUE);
    ck_assert(!ends.tail.has_eof);
    ck_assert(!rdb_is_empty(&ends.head));
}
END_TEST

static void append(struct buf *buf, const char *bytes, size_t len)
{
    struct err err;

    ck_assert_int_eq(buf_append(buf, bytes, len, &err), 0);
}

START_TEST(functions_longer_than_the_probe_leave_the_rest_unknown)
{
    auto_buf struct buf rdb;
    struct rdb_ends ends;
    struct err err = {0};

    for (uint32_t size = 8000; size <= 100000; size += 92000) {
        const uint8_t length[] = {0x80, 0, (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                                  (uint8_t)size};
        auto_free char *code = xcalloc(1, size);

        buf_init(&rdb, 1 << 20);
        append(&rdb, BYTES("REDIS0010" CTIME "\xf5"));
        append(&rdb, (const char *)length, sizeof(length));
        append(&rdb, code, size);
        append(&rdb, BYTES(TAIL));
        auto_close int fd = make_file(rdb.data, rdb.len);
        ck_assert_msg(rdb_probe_fd(fd, "x", &ends, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(ends.head.ctime_s, 100000000);
        ck_assert(ends.head.has_functions);
        ck_assert_int_eq(ends.head.body_opcode, size == 8000 ? 255 : -1);
        ck_assert_int_eq(rdb_is_empty(&ends.head), size == 8000);
        buf_release(&rdb);
    }
    buf_init(&rdb, 0);
}
END_TEST

START_TEST(an_aux_field_without_end_is_corrupt)
{
    auto_buf struct buf rdb;
    auto_free char *zeros = xcalloc(1, 100000);
    struct rdb_ends ends;
    struct err err = {0};

    buf_init(&rdb, 1 << 20);
    append(&rdb, BYTES("REDIS0010\xfa\x80\x7f\xff\xff\xff"));
    append(&rdb, zeros, 100000);
    append(&rdb, BYTES(TAIL));
    auto_close int fd = make_file(rdb.data, rdb.len);
    ck_assert_int_eq(rdb_probe_fd(fd, "x", &ends, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rdb_probe");
    TCase *tcase = tcase_create("rdb_probe");

    tcase_add_test(tcase, heads_of_all_servers_are_read);
    tcase_add_test(tcase, a_head_is_complete_or_wants_more_at_every_cut);
    tcase_add_test(tcase, what_no_server_writes_is_malformed);
    tcase_add_test(tcase, the_tail_gives_end_marker_and_checksum);
    tcase_add_test(tcase, real_files_of_redis_7_0_are_probed);
    tcase_add_test(tcase, a_file_cut_anywhere_is_corrupt);
    tcase_add_test(tcase, an_opaque_file_is_no_error);
    tcase_add_test(tcase, functions_longer_than_the_probe_leave_the_rest_unknown);
    tcase_add_test(tcase, an_aux_field_without_end_is_corrupt);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
