/*
 * Command boundaries in append-only files, whole and in every slicing.
 */
#include "redis/aof_scan.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

#define BYTES(text) text, sizeof(text) - 1

#define SET "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n" /* 27 bytes */
#define MULTI "*1\r\n$5\r\nMULTI\r\n"                   /* 15 */
#define EXEC "*1\r\n$4\r\nEXEC\r\n"                     /* 14 */
#define TS "#TS:1700000000\r\n"                         /* 16 */
#define LONG_NOTE                                                                                 \
    "#012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" \
    "\r\n"

struct row {
    const char *bytes;
    size_t len;
    uint64_t safe_end;
    uint64_t commands;
    int64_t last_ts;
    uint64_t multi_offset;
    uint64_t nested;
    uint64_t nul_offset;
    uint64_t nul_bytes;
    uint64_t bad_offset;
    bool at_boundary;
};

#define NO AOF_SCAN_NONE

static const struct row rows[] = {
    {BYTES(""), 0, 0, -1, NO, 0, NO, 0, NO, true},
    {BYTES(SET), 27, 1, -1, NO, 0, NO, 0, NO, true},
    {BYTES(SET SET), 54, 2, -1, NO, 0, NO, 0, NO, true},
    {BYTES(SET "*3\r\n$3\r\nset"), 27, 1, -1, NO, 0, NO, 0, NO, false},
    {BYTES(SET "*"), 27, 1, -1, NO, 0, NO, 0, NO, false},
    {BYTES(TS SET), 43, 1, 1700000000, NO, 0, NO, 0, NO, true},
    {BYTES(SET TS), 43, 1, 1700000000, NO, 0, NO, 0, NO, true},
    {BYTES(SET "#TS:17"), 27, 1, -1, NO, 0, NO, 0, NO, false},
    {BYTES("#TS:x\r\n#TS:\r\n#\n#TS:5\n" LONG_NOTE), 114, 0, -1, NO, 0, NO, 0, NO, true},
    /* transactions */
    {BYTES(SET MULTI SET SET EXEC SET), 137, 6, -1, NO, 0, NO, 0, NO, true},
    {BYTES(SET MULTI SET), 27, 3, -1, 27, 0, NO, 0, NO, false},
    {BYTES(SET MULTI), 27, 2, -1, 27, 0, NO, 0, NO, false},
    {BYTES(SET MULTI SET "*1\r\n$4\r\nEX"), 27, 3, -1, 27, 0, NO, 0, NO, false},
    {BYTES(MULTI TS SET EXEC), 72, 3, 1700000000, NO, 0, NO, 0, NO, true},
    {BYTES(MULTI TS SET), 0, 2, -1, 0, 0, NO, 0, NO, false},
    {BYTES("*1\r\n$5\r\nmulti\r\n" SET "*1\r\n$4\r\nexec\r\n"), 56, 3, -1, NO, 0, NO, 0, NO, true},
    {BYTES(MULTI SET MULTI SET EXEC), 98, 5, -1, NO, 1, NO, 0, NO, true},
    {BYTES(EXEC SET), 41, 2, -1, NO, 0, NO, 0, NO, true},
    {BYTES("*1\r\n$5\r\nMULTX\r\n" SET), 42, 2, -1, NO, 0, NO, 0, NO, true},
    {BYTES("*2\r\n$5\r\nMULTI\r\n$1\r\nx\r\n" SET), 49, 2, -1, NO, 0, NO, 0, NO, true},
    {BYTES("*1\r\n$0\r\n\r\n" SET), 37, 2, -1, NO, 0, NO, 0, NO, true},
    /* counts that are read at a glance, and those that are not */
    {BYTES("*1\r\n$000000001\r\na\r\n*1\r\n$0000000001\r\na\r\n" SET), 66, 3, -1, NO, 0, NO, 0, NO,
     true},
    {BYTES("*000000001\r\n$1\r\na\r\n*0000000001\r\n$1\r\na\r\n" SET), 66, 3, -1, NO, 0, NO, 0, NO,
     true},
    {BYTES(SET "*1\r\n$999999999\r\nab\r\n"), 27, 1, -1, NO, 0, NO, 0, NO, false},
    {BYTES(SET "*000\r\n" SET), 27, 1, -1, NO, 0, NO, 0, 27, false},
    /* payloads that look like protocol, or hold NULs */
    {BYTES("*2\r\n$3\r\nget\r\n$15\r\n" MULTI "\r\n" SET), 62, 2, -1, NO, 0, NO, 0, NO, true},
    {BYTES("*2\r\n$3\r\nget\r\n$4\r\n\0\r\n\0\r\n"), 23, 1, -1, NO, 0, NO, 0, NO, true},
    /* holes */
    {BYTES(SET "\0\0\0\0" SET), 58, 2, -1, NO, 0, 27, 4, NO, true},
    {BYTES(SET "\0\0\0\0"), 27, 1, -1, NO, 0, 27, 4, NO, false},
    {BYTES("\0" SET "\0\0" SET), 57, 2, -1, NO, 0, 0, 3, NO, true},
    {BYTES(MULTI "\0" SET EXEC), 57, 3, -1, NO, 0, 15, 1, NO, true},
    /* bytes that are no commands */
    {BYTES(SET "x" SET), 27, 1, -1, NO, 0, NO, 0, 27, false},
    {BYTES(SET "set a 1\r\n"), 27, 1, -1, NO, 0, NO, 0, 27, false},
    {BYTES(SET "*0\r\n" SET), 27, 1, -1, NO, 0, NO, 0, 27, false},
    {BYTES(SET "*-1\r\n" SET), 27, 1, -1, NO, 0, NO, 0, 27, false},
    {BYTES(SET "*3\n" SET), 27, 1, -1, NO, 0, NO, 0, 27, false},
    {BYTES(SET "*9999999999\r\n" SET), 27, 1, -1, NO, 0, NO, 0, 27, false},
    {BYTES(SET "*1x\r\n" SET), 27, 1, -1, NO, 0, NO, 0, 27, false},
    {BYTES(SET "*\r\n" SET), 27, 1, -1, NO, 0, NO, 0, 27, false},
    {BYTES(SET "*11111111111111111111111111111111\r\n"), 27, 1, -1, NO, 0, NO, 0, 27, false},
    {BYTES(SET "*1\r\n*1\r\n"), 27, 1, -1, NO, 0, NO, 0, 31, false},
    {BYTES(SET "*1\r\n$x\r\n"), 27, 1, -1, NO, 0, NO, 0, 31, false},
    {BYTES(SET "*1\r\n$-1\r\n"), 27, 1, -1, NO, 0, NO, 0, 31, false},
    {BYTES(SET "*1\r\n$2\r\nabc\r\n"), 27, 1, -1, NO, 0, NO, 0, 37, false},
    {BYTES(SET "*1\r\n$2\r\nab\r\r\n"), 27, 1, -1, NO, 0, NO, 0, 38, false},
    {BYTES(SET "*1\r\n$99999999999999999999\r\n"), 27, 1, -1, NO, 0, NO, 0, 31, false},
};

static void check_scan(size_t index, size_t how, const struct aof_scan *got)
{
    const struct row *want = &rows[index];

    ck_assert_msg(got->safe_end == want->safe_end, "row %zu/%zu: safe_end %llu", index, how,
                  (unsigned long long)got->safe_end);
    ck_assert_msg(got->commands == want->commands, "row %zu/%zu: commands", index, how);
    ck_assert_msg(got->last_ts == want->last_ts, "row %zu/%zu: last_ts %lld", index, how,
                  (long long)got->last_ts);
    ck_assert_msg(got->multi_offset == want->multi_offset, "row %zu/%zu: multi", index, how);
    ck_assert_msg(got->in_multi == (want->multi_offset != NO), "row %zu/%zu: multi", index, how);
    ck_assert_msg(got->nested_multi == want->nested, "row %zu/%zu: nested", index, how);
    ck_assert_msg(got->nul_offset == want->nul_offset, "row %zu/%zu: hole", index, how);
    ck_assert_msg(got->nul_bytes == want->nul_bytes, "row %zu/%zu: hole", index, how);
    ck_assert_msg(got->bad_offset == want->bad_offset, "row %zu/%zu: bad %llu", index, how,
                  (unsigned long long)got->bad_offset);
    ck_assert_msg((got->bad_why != NULL) == (want->bad_offset != NO), "row %zu/%zu", index, how);
    ck_assert_msg(aof_scan_at_boundary(got) == want->at_boundary, "row %zu/%zu: boundary", index,
                  how);
    if (want->bad_offset == NO)
        ck_assert_uint_eq(got->offset, want->len);
}

/* Fed in memory of its exact size, so that ASan sees a read behind the end. */
static void feed(struct aof_scan *scan, const char *bytes, size_t len)
{
    auto_free char *exact = xmalloc(len + (len == 0));

    memcpy(exact, bytes, len);
    (void)aof_scan_feed(scan, exact, len);
}

START_TEST(whole_inputs_are_scanned)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aof_scan scan;

        aof_scan_init(&scan);
        feed(&scan, rows[i].bytes, rows[i].len);
        check_scan(i, 0, &scan);
    }
}
END_TEST

START_TEST(every_slicing_gives_the_same)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t piece = 1; piece <= 5; piece++) {
            struct aof_scan scan;

            aof_scan_init(&scan);
            for (size_t at = 0; at < rows[i].len; at += piece)
                feed(&scan, rows[i].bytes + at,
                     rows[i].len - at < piece ? rows[i].len - at : piece);
            check_scan(i, piece, &scan);
        }
        for (size_t cut = 0; cut <= rows[i].len; cut++) {
            struct aof_scan scan;

            aof_scan_init(&scan);
            feed(&scan, rows[i].bytes, cut);
            feed(&scan, rows[i].bytes + cut, rows[i].len - cut);
            check_scan(i, 1000 + cut, &scan);
        }
    }
}
END_TEST

START_TEST(every_prefix_ends_at_a_boundary_of_the_whole)
{
    static const char text[] = TS SET MULTI SET SET EXEC SET TS SET;
    static const uint64_t ends[] = {0, 16, 43, 126, 153, 169, 196};
    size_t next = 0;

    for (size_t len = 0; len < sizeof(text); len++) {
        struct aof_scan scan;

        while (next + 1 < sizeof(ends) / sizeof(ends[0]) && ends[next + 1] <= len)
            next++;
        aof_scan_init(&scan);
        feed(&scan, text, len);
        ck_assert_msg(scan.safe_end == ends[next], "cut at %zu: %llu", len,
                      (unsigned long long)scan.safe_end);
    }
}
END_TEST

START_TEST(an_annotation_may_have_1024_bytes)
{
    for (size_t len = 1023; len <= 1025; len++)
        for (size_t piece = 1; piece <= 2000; piece += 1999) {
            struct aof_scan scan;
            char note[1025];

            memset(note, '#', sizeof(note));
            note[len - 1] = '\n';
            aof_scan_init(&scan);
            for (size_t at = 0; at < len; at += piece)
                feed(&scan, note + at, len - at < piece ? len - at : piece);
            ck_assert_int_eq(scan.bad_why == NULL, len <= 1024);
            ck_assert_uint_eq(scan.safe_end, len <= 1024 ? len : 0);
        }
}
END_TEST

START_TEST(feeding_after_bad_bytes_changes_nothing)
{
    struct aof_scan scan;

    aof_scan_init(&scan);
    ck_assert(!aof_scan_feed(&scan, "x", 1));
    ck_assert(!aof_scan_feed(&scan, SET, 27));
    ck_assert_uint_eq(scan.offset, 0);
    ck_assert_uint_eq(scan.commands, 0);
}
END_TEST

START_TEST(a_file_of_redis_7_0_is_scanned_up_to_any_length)
{
    auto_close int fd = open("tests/data/aof/redis-7.0-incr.aof", O_RDONLY | O_CLOEXEC);
    struct aof_scan scan;
    struct err err = {0};

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(aof_scan_fd(fd, 289, "f", &scan, &err), 0);
    ck_assert(aof_scan_at_boundary(&scan));
    ck_assert_uint_eq(scan.safe_end, 289);
    ck_assert_uint_eq(scan.commands, 10);
    ck_assert_int_gt(scan.last_ts, 1500000000);
    ck_assert_uint_eq(scan.nul_offset, AOF_SCAN_NONE);
    ck_assert_int_eq(aof_scan_fd(fd, 290, "f", &scan, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
}
END_TEST

START_TEST(a_file_longer_than_the_read_buffer_is_scanned)
{
    static const char head[] = "*2\r\n$3\r\nset\r\n$1000000\r\n";
    auto_close int fd = memfd_create("aof", MFD_CLOEXEC);
    auto_free char *payload = xcalloc(1, 1000002);
    struct aof_scan scan;
    struct err err = {0};
    uint64_t one = sizeof(head) - 1 + 1000002;

    memcpy(payload + 1000000, "\r\n", 2);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(fs_write_all(fd, head, sizeof(head) - 1, "f", &err), 0);
        ck_assert_int_eq(fs_write_all(fd, payload, 1000002, "f", &err), 0);
    }
    ck_assert_int_eq(aof_scan_fd(fd, one * 3, "f", &scan, &err), 0);
    ck_assert_uint_eq(scan.safe_end, one * 3);
    ck_assert_uint_eq(scan.commands, 3);
    ck_assert_int_eq(aof_scan_fd(fd, one * 3 - 1, "f", &scan, &err), 0);
    ck_assert_uint_eq(scan.safe_end, one * 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aof_scan");
    TCase *tcase = tcase_create("aof_scan");

    tcase_add_test(tcase, whole_inputs_are_scanned);
    tcase_add_test(tcase, every_slicing_gives_the_same);
    tcase_add_test(tcase, every_prefix_ends_at_a_boundary_of_the_whole);
    tcase_add_test(tcase, an_annotation_may_have_1024_bytes);
    tcase_add_test(tcase, feeding_after_bad_bytes_changes_nothing);
    tcase_add_test(tcase, a_file_of_redis_7_0_is_scanned_up_to_any_length);
    tcase_add_test(tcase, a_file_longer_than_the_read_buffer_is_scanned);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
