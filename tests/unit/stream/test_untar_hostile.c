/*
 * Hostile and broken archives, and what untar makes of them.
 */
#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "stream/untar.h"
#include "support/sample.h"
#include "support/scratch.h"
#include "support/tar_maker.h"
#include "support/untar_seen.h"

#define TAR_MAX ((size_t)64 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_corrupt(const struct buf *tar, const char *what, size_t members_seen)
{
    auto_untar_seen struct untar_seen seen = {0};
    struct err err = {0};

    int rc = untar_seen_read(tar->data, tar->len, 0, &seen, &err);
    ck_assert_msg(rc == -1, "%s: passed", what);
    ck_assert_msg(err.kind == ERR_CORRUPT, "%s: %s", what, err.msg);
    ck_assert_msg(seen.count == members_seen, "%s: %zu members seen", what, seen.count);
}

START_TEST(names_that_leave_their_place_are_corrupt)
{
    static const char *const names[] = {"../x", "/abs", "a/../b", "..",   ".",
                                        "./a",  "a//b", "a/..",   "a\nb", "a//"};

    for (size_t i = 0; i < COUNT(names); i++) {
        auto_buf struct buf plain = {.max = TAR_MAX};
        auto_buf struct buf pax = {.max = TAR_MAX};
        auto_buf struct buf gnu = {.max = TAR_MAX};

        tar_add(&plain, &(struct tar_member){.name = "good"});
        tar_add(&plain, &(struct tar_member){.name = names[i]});
        tar_end(&plain);
        assert_corrupt(&plain, names[i], 1);

        tar_add(&pax, &(struct tar_member){.name = "good"});
        tar_add_pax(&pax, "path", names[i]);
        tar_add(&pax, &(struct tar_member){.name = "innocent"});
        tar_end(&pax);
        assert_corrupt(&pax, names[i], 1);

        tar_add(&gnu, &(struct tar_member){.name = "good"});
        tar_add(&gnu, &(struct tar_member){.name = "././@LongLink",
                                           .type = 'L',
                                           .data = names[i],
                                           .len = strlen(names[i]) + 1});
        tar_add(&gnu, &(struct tar_member){.name = "innocent"});
        tar_end(&gnu);
        assert_corrupt(&gnu, names[i], 1);
    }
}
END_TEST

START_TEST(what_is_neither_file_nor_directory_is_corrupt)
{
    static const struct {
        const char *what;
        struct tar_member member;
    } rows[] = {
        {"symlink", {.name = "link", .type = '2', .target = "file"}},
        {"symlink outside", {.name = "link", .type = '2', .target = "/etc/passwd"}},
        {"hard link", {.name = "link", .type = '1', .target = "file"}},
        {"hard link with bytes",
         {.name = "link", .type = '1', .target = "file", .data = "x", .len = 1}},
        {"character device", {.name = "device", .type = '3'}},
        {"block device", {.name = "device", .type = '4'}},
        {"fifo", {.name = "fifo", .type = '6'}},
        {"no name", {.name = ""}},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_buf struct buf tar = {.max = TAR_MAX};

        tar_add(&tar, &(struct tar_member){.name = "file", .data = "hello", .len = 5});
        tar_add(&tar, &rows[i].member);
        tar_end(&tar);
        assert_corrupt(&tar, rows[i].what, 1);
    }
}
END_TEST

START_TEST(links_made_by_pax_records_are_corrupt)
{
    auto_buf struct buf tar = {.max = TAR_MAX};

    tar_add_pax(&tar, "linkpath", "/etc/passwd");
    tar_add(&tar, &(struct tar_member){.name = "link", .type = '2', .target = "file"});
    tar_end(&tar);
    assert_corrupt(&tar, "linkpath", 0);
}
END_TEST

START_TEST(a_size_that_the_stream_does_not_hold_is_corrupt)
{
    static const char *const sizes[] = {"1025", "9000000000", "9223372036854775807", "-1",
                                        "99999999999999999999"};

    for (size_t i = 0; i < COUNT(sizes); i++) {
        auto_buf struct buf tar = {.max = TAR_MAX};
        auto_untar_seen struct untar_seen seen = {0};
        struct err err = {0};

        tar_add_pax(&tar, "size", sizes[i]);
        tar_add(&tar, &(struct tar_member){.name = "a"});
        tar_end(&tar);
        int rc = untar_seen_read(tar.data, tar.len, 0, &seen, &err);
        ck_assert_msg(rc == -1 && err.kind == ERR_CORRUPT, "%s: %d %s", sizes[i], rc, err.msg);
        if (seen.count > 0)
            ck_assert(!seen.members[0].sink.finished);
    }
}
END_TEST

START_TEST(a_sparse_file_is_corrupt)
{
    static const char *const options[] = {"--format=gnu", "--format=posix --sparse-version=0.0",
                                          "--format=posix --sparse-version=0.1",
                                          "--format=posix --sparse-version=1.0"};
    auto_buf struct buf told = {.max = TAR_MAX};
    struct scratch scratch;

    scratch_init(&scratch);
    ck_assert_int_eq(scratch_run(&scratch, &told,
                                 "truncate -s 1M hole && echo end >> hole && "
                                 "echo start > tail && truncate -s 1M tail"),
                     0);
    for (size_t i = 0; i < COUNT(options) * 2; i++) {
        const char *file = i % 2 == 0 ? "hole" : "tail";
        auto_buf struct buf tar = {.max = TAR_MAX};
        auto_free char *command =
            xasprintf("rm -f t.tar; tar -S %s -cf t.tar %s", options[i / 2], file);

        ck_assert_msg(scratch_run(&scratch, &told, command) == 0, "%s", buf_text(&told));
        scratch_read(&scratch, "t.tar", &tar);
        ck_assert_uint_lt(tar.len, (size_t)1 << 20); /* it is sparse indeed */
        auto_untar_seen struct untar_seen seen = {0};
        struct err err = {0};
        int rc = untar_seen_read(tar.data, tar.len, 0, &seen, &err);
        ck_assert_msg(rc == -1 && err.kind == ERR_CORRUPT, "%s: %d %s", command, rc, err.msg);
        ck_assert(!seen.members[0].has_sink || !seen.members[0].sink.finished);
    }
    scratch_release(&scratch);
}
END_TEST

START_TEST(ten_thousand_members_pass_and_one_more_is_corrupt)
{
    auto_buf struct buf tar = {.max = TAR_MAX};
    auto_untar_seen struct untar_seen seen = {0};
    struct err err = {0};

    for (size_t i = 0; i < 10000; i++)
        tar_add(&tar, &(struct tar_member){.name = "a"});
    size_t len = tar.len;
    tar_end(&tar);
    ck_assert_int_eq(untar_seen_read(tar.data, tar.len, 0, &seen, &err), 0);
    ck_assert_uint_eq(seen.count, 10000);

    tar.len = len;
    tar_add(&tar, &(struct tar_member){.name = "a"});
    tar_end(&tar);
    assert_corrupt(&tar, "10001 members", 10000);
}
END_TEST

START_TEST(what_is_no_tar_is_corrupt)
{
    auto_buf struct buf tar = {.max = TAR_MAX};
    auto_free uint8_t *noise = sample_bytes(1, 4096);
    struct err err = {0};

    assert_corrupt(&tar, "nothing", 0);
    ck_assert_int_eq(buf_append(&tar, noise, 4096, &err), 0);
    assert_corrupt(&tar, "noise", 0);
}
END_TEST

START_TEST(a_flipped_byte_is_an_error_or_other_bytes_but_never_a_crash)
{
    auto_buf struct buf tar = {.max = TAR_MAX};

    tar_add_pax(&tar, "mtime", "1700000000.5");
    tar_add(&tar, &(struct tar_member){.name = "a", .data = "hello", .len = 5});
    tar_end(&tar);
    for (size_t i = 0; i < tar.len; i++) {
        auto_untar_seen struct untar_seen seen = {0};
        struct err err = {0};
        tar.data[i] ^= 0x41;
        if (untar_seen_read(tar.data, tar.len, 100, &seen, &err) != 0)
            ck_assert_int_eq(err.kind, ERR_CORRUPT);
        tar.data[i] ^= 0x41;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("untar_hostile");
    TCase *tcase = tcase_create("untar_hostile");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, names_that_leave_their_place_are_corrupt);
    tcase_add_test(tcase, what_is_neither_file_nor_directory_is_corrupt);
    tcase_add_test(tcase, links_made_by_pax_records_are_corrupt);
    tcase_add_test(tcase, a_size_that_the_stream_does_not_hold_is_corrupt);
    tcase_add_test(tcase, a_sparse_file_is_corrupt);
    tcase_add_test(tcase, ten_thousand_members_pass_and_one_more_is_corrupt);
    tcase_add_test(tcase, what_is_no_tar_is_corrupt);
    tcase_add_test(tcase, a_flipped_byte_is_an_error_or_other_bytes_but_never_a_crash);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
