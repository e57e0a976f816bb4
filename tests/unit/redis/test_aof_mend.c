/*
 * What is left out of an append-only file, by table; and that what is left of it is whole.
 */
#include "redis/aof_mend.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fs.h"
#include "base/mem.h"
#include "redis/aof_scan.h"

#define BYTES(text) text, sizeof(text) - 1
#define SET "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n" /* 27 bytes */
#define MULTI "*1\r\n$5\r\nMULTI\r\n"                   /* 15 */
#define EXEC "*1\r\n$4\r\nEXEC\r\n"                     /* 14 */
#define DB0 "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"         /* 23 */
#define DB1 "*2\r\n$6\r\nselect\r\n$1\r\n1\r\n"         /* 23 */
#define TS "#TS:1700000000\r\n"                         /* 16 */

#define NO AOF_MEND_NONE

static const struct row {
    const char *bytes;
    size_t len;
    uint64_t keep_end;
    size_t drops;
    uint64_t from; /* of the first one */
    uint64_t to;
    uint64_t doubt;
    uint64_t bad;
} rows[] = {
    {BYTES(""), 0, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET SET), 77, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET MULTI SET SET EXEC TS), 149, 0, 0, 0, NO, NO},
    /* tails */
    {BYTES(DB0 SET "*3\r\n$3\r\nse"), 50, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET "*"), 50, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET "#TS:17"), 50, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET MULTI SET), 50, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET MULTI SET "*3\r\n$3\r\nse"), 50, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET MULTI DB1 SET DB0 SET EXEC), 179, 0, 0, 0, NO, NO},
    /* holes */
    {BYTES(DB0 SET "\0\0\0\0" SET), 81, 1, 50, 54, NO, NO},
    {BYTES("\0" DB0 SET "\0\0" SET), 80, 2, 0, 1, NO, NO},
    {BYTES(DB0 SET "\0\0\0\0"), 50, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET MULTI "\0\0" SET EXEC), 108, 1, 65, 67, NO, NO},
    {BYTES(DB0 SET MULTI "\0\0" SET), 50, 0, 0, 0, NO, NO},
    /* a tail that was never written to the disk */
    {BYTES(DB0 SET "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n\0\0\0\0\0\0"), 50, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET "*3\r\n\0\0\0\0"), 50, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET "*3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 50, 0, 0, 0, NO,
     NO},
    {BYTES(DB0 SET "*3\r\n$3\r\nse\0\0\0\0\0\0\0\0"), 50, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET "#TS:1\0\0\0\0"), 50, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET "*3\r\n\0\0\0\0" SET), 50, 0, 0, 0, NO, 50},
    /* a torn transaction with commands behind it */
    {BYTES(DB0 SET MULTI SET DB0 SET SET), 169, 1, 50, 92, NO, NO},
    {BYTES(DB0 SET MULTI SET TS DB0 SET SET), 185, 1, 50, 108, NO, NO},
    {BYTES(DB0 SET MULTI DB1 SET DB1 SET), 165, 1, 50, 115, NO, NO},
    {BYTES(DB0 SET MULTI SET MULTI DB0 SET EXEC SET), 198, 1, 50, 92, NO, NO},
    {BYTES(DB0 SET MULTI SET MULTI DB1 SET EXEC SET), 198, 1, 50, 92, NO, NO},
    {BYTES(DB0 SET MULTI SET DB0 SET MULTI SET EXEC), 198, 1, 50, 92, NO, NO},
    {BYTES(DB0 SET MULTI "\0" SET DB0 SET), 143, 1, 50, 93, NO, NO},
    {BYTES(DB0 SET MULTI SET DB0 SET MULTI SET), 142, 1, 50, 92, NO, NO},
    {BYTES(DB0 SET MULTI SET MULTI DB0 SET), 50, 0, 0, 0, NO, NO},
    {BYTES(DB0 MULTI SET DB0 SET MULTI SET DB0 SET), 23 + 42 + 50 + 42 + 50, 2, 23, 65, NO, NO},
    /* the first command after a clean start is a transaction */
    {BYTES(DB0 SET MULTI DB0 SET EXEC SET), 156, 0, 0, 0, NO, NO},
    {BYTES(DB0 SET MULTI DB1 SET EXEC SET), 156, 0, 0, 0, NO, NO},
    {BYTES(MULTI DB0 SET EXEC SET), 106, 0, 0, 0, NO, NO},
    /* in doubt */
    {BYTES(DB0 SET MULTI DB0 SET), 50, 0, 0, 0, 50, NO},
    {BYTES(DB0 SET MULTI DB1 SET MULTI SET EXEC), 171, 0, 0, 0, 50, NO},
    {BYTES(DB0 SET MULTI SET MULTI DB0 SET DB1 SET), 50, 0, 0, 0, 92, NO},
    {BYTES(DB0 SET MULTI DB0 SET DB1 SET DB1 SET), 215, 0, 0, 0, 50, NO},
    {BYTES(DB0 SET MULTI SET DB1 SET), 50, 0, 0, 0, 50, NO},
    {BYTES(DB0 SET MULTI SET DB1 SET DB1 SET), 192, 0, 0, 0, 50, NO},
    {BYTES(DB0 SET MULTI SET DB1 SET MULTI SET EXEC), 198, 0, 0, 0, 50, NO},
    {BYTES(MULTI SET DB0 SET), 0, 0, 0, 0, 0, NO},
    /* bytes that are no commands */
    {BYTES(DB0 SET "x" SET), 50, 0, 0, 0, NO, 50},
    {BYTES(DB0 SET "*0\r\n" SET), 50, 0, 0, 0, NO, 50},
    {BYTES(DB0 SET "*1\r\n$2\r\nabc\r\n"), 50, 0, 0, 0, NO, 50},
    {BYTES(DB0 SET "*1\r\n$99999999999999999999\r\n"), 50, 0, 0, 0, NO, 50},
    {BYTES(DB0 SET "\0\0" SET "x"), 79, 1, 50, 52, NO, 79},
};

static int file_of(const char *bytes, size_t len)
{
    int fd = memfd_create("aof", MFD_CLOEXEC);
    struct err err;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fs_write_all(fd, bytes, len, "f", &err), 0);
    return fd;
}

/* What is kept is what a server loads from its first to its last byte. */
static void check_kept(size_t index, const struct row *row, const struct aof_mend *mend)
{
    struct aof_scan scan;
    uint64_t at = 0;

    if (mend->doubt_from != NO)
        return;
    aof_scan_init(&scan);
    for (size_t i = 0; i < mend->count; i++) {
        ck_assert_uint_lt(mend->drops[i].from, mend->drops[i].to);
        (void)aof_scan_feed(&scan, row->bytes + at, (size_t)(mend->drops[i].from - at));
        at = mend->drops[i].to;
    }
    (void)aof_scan_feed(&scan, row->bytes + at, (size_t)(mend->keep_end - at));
    ck_assert_msg(aof_scan_at_boundary(&scan), "row %zu: kept bytes end inside", index);
    ck_assert_msg(scan.nul_offset == AOF_SCAN_NONE, "row %zu: NULs are kept", index);
    ck_assert_msg(scan.nested_multi == 0, "row %zu: a torn one is kept", index);
}

START_TEST(what_is_left_out_is_found)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        auto_close int fd = file_of(row->bytes, row->len);
        auto_aof_mend struct aof_mend mend = {0};
        struct err err = {0};

        ck_assert_msg(aof_mend_find(fd, 0, row->len, "f", &mend, &err) == 0, "row %zu: %s", i,
                      err.msg);
        ck_assert_msg(mend.keep_end == row->keep_end, "row %zu: keep_end %llu", i,
                      (unsigned long long)mend.keep_end);
        ck_assert_msg(mend.count == row->drops, "row %zu: %zu drops", i, mend.count);
        ck_assert_msg(row->drops == 0 ||
                          (mend.drops[0].from == row->from && mend.drops[0].to == row->to),
                      "row %zu: the first is wrong", i);
        ck_assert_msg(mend.doubt_from == row->doubt, "row %zu: doubt", i);
        ck_assert_msg(mend.bad_from == row->bad, "row %zu: bad", i);
        check_kept(i, row, &mend);
    }
}
END_TEST

/* Cut anywhere, and whole again in what is kept. */
START_TEST(every_prefix_is_mended)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t len = 0; len <= rows[i].len; len++) {
            struct row cut = rows[i];
            auto_close int fd = file_of(cut.bytes, len);
            auto_aof_mend struct aof_mend mend = {0};
            struct err err = {0};

            ck_assert_int_eq(aof_mend_find(fd, 0, len, "f", &mend, &err), 0);
            ck_assert_uint_le(mend.keep_end, len);
            check_kept(i, &cut, &mend);
        }
}
END_TEST

START_TEST(a_walk_may_begin_behind_an_rdb)
{
    static const char text[] = "REDIS....." DB0 SET "\0\0" SET;
    auto_close int fd = file_of(text, sizeof(text) - 1);
    auto_aof_mend struct aof_mend mend = {0};
    struct err err = {0};

    ck_assert_int_eq(aof_mend_find(fd, 10, sizeof(text) - 1, "f", &mend, &err), 0);
    ck_assert_uint_eq(mend.count, 1);
    ck_assert_uint_eq(mend.drops[0].from, 60);
    ck_assert_uint_eq(mend.keep_end, 89);
}
END_TEST

START_TEST(commands_longer_than_the_window_are_walked)
{
    static const char head[] = "*2\r\n$3\r\nset\r\n$1000000\r\n";
    auto_close int fd = memfd_create("aof", MFD_CLOEXEC);
    auto_free char *payload = xcalloc(1, 1000002);
    auto_aof_mend struct aof_mend mend = {0};
    struct err err = {0};
    uint64_t one = sizeof(head) - 1 + 1000002;

    memcpy(payload + 1000000, "\r\n", 2);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(fs_write_all(fd, head, sizeof(head) - 1, "f", &err), 0);
        ck_assert_int_eq(fs_write_all(fd, payload, 1000002, "f", &err), 0);
        ck_assert_int_eq(fs_write_all(fd, payload, 300000, "f", &err), 0); /* NULs */
    }
    ck_assert_int_eq(aof_mend_find(fd, 0, (one + 300000) * 3, "f", &mend, &err), 0);
    ck_assert_uint_eq(mend.count, 2);
    ck_assert_uint_eq(mend.drops[1].from, one * 2 + 300000);
    ck_assert_uint_eq(mend.drops[1].to, one * 2 + 600000);
    ck_assert_uint_eq(mend.keep_end, one * 3 + 600000);
}
END_TEST

START_TEST(too_many_places_are_refused)
{
    static const char text[] = "\0" MULTI EXEC;
    auto_close int fd = memfd_create("aof", MFD_CLOEXEC);
    auto_aof_mend struct aof_mend mend = {0};
    struct err err = {0};

    for (int i = 0; i <= AOF_DROPS_MAX; i++)
        ck_assert_int_eq(fs_write_all(fd, text, sizeof(text) - 1, "f", &err), 0);
    ck_assert_int_eq(
        aof_mend_find(fd, 0, (uint64_t)(AOF_DROPS_MAX + 1) * (sizeof(text) - 1), "f", &mend, &err),
        -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
    ck_assert_int_eq(
        aof_mend_find(fd, 0, (uint64_t)AOF_DROPS_MAX * (sizeof(text) - 1), "f", &mend, &err), 0);
    ck_assert_uint_eq(mend.count, AOF_DROPS_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aof_mend");
    TCase *tcase = tcase_create("aof_mend");

    tcase_add_test(tcase, what_is_left_out_is_found);
    tcase_add_test(tcase, every_prefix_is_mended);
    tcase_add_test(tcase, a_walk_may_begin_behind_an_rdb);
    tcase_add_test(tcase, commands_longer_than_the_window_are_walked);
    tcase_add_test(tcase, too_many_places_are_refused);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
