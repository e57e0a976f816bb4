#include "stream/untar.h"

#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "support/memory_source.h"
#include "support/sample.h"
#include "support/scratch.h"
#include "support/tar_maker.h"
#include "support/untar_seen.h"

#define TAR_MAX ((size_t)64 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

START_TEST(a_name_is_safe_when_it_is_relative_and_stays_inside)
{
    static const struct {
        const char *name;
        bool is_safe;
    } rows[] = {
        {"dump.rdb", true},
        {"appendonlydir/appendonly.aof.1.base.rdb", true},
        {"a/b/c", true},
        {"...", true},
        {"..a", true},
        {"a..", true},
        {".hidden", true},
        {"a/.b/..c", true},
        {"with space", true},
        {"b\xc3\xa4r", true},
        {"not utf-8 \xff", true},
        {"a\\b", true},
        {"", false},
        {".", false},
        {"..", false},
        {"/", false},
        {"/abs", false},
        {"//abs", false},
        {"../x", false},
        {"a/..", false},
        {"a/../b", false},
        {"a/.", false},
        {"a/./b", false},
        {"./a", false},
        {"a//b", false},
        {"a/", false},
        {"a//", false},
        {"a\nb", false},
        {"a\tb", false},
        {"a\x01", false},
        {"\x1b[31m", false},
        {"a\x7f", false},
    };
    char longest[1026];

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(untar_name_is_safe(rows[i].name) == rows[i].is_safe, "'%s'", rows[i].name);

    memset(longest, 'x', sizeof(longest));
    longest[1024] = '\0';
    ck_assert(untar_name_is_safe(longest));
    longest[1024] = 'x';
    longest[1025] = '\0';
    ck_assert(!untar_name_is_safe(longest));
}
END_TEST

#define LONG_DIR \
    "a-directory-whose-name-is-long-enough-to-need-more-than-the-hundred-bytes-of-the-old-format"
#define LONG_NAME LONG_DIR "/" LONG_DIR "/" LONG_DIR "/file"

START_TEST(what_gnu_tar_writes_is_read_in_each_of_its_formats)
{
    static const char *const formats[] = {"ustar", "gnu", "posix", "oldgnu", "v7"};
    static const size_t chunks[] = {0, 1, 7, 512, 4096};
    auto_free uint8_t *data = sample_bytes(1, 3000);
    auto_buf struct buf told = {.max = TAR_MAX};
    struct scratch scratch;

    scratch_init(&scratch);
    scratch_write(&scratch, "file", data, 3000);
    scratch_write(&scratch, "empty", "", 0);
    ck_assert_int_eq(scratch_run(&scratch, &told, "mkdir dir && chmod 4750 file"), 0);
    for (size_t i = 0; i < COUNT(formats) * COUNT(chunks); i++) {
        auto_buf struct buf tar = {.max = TAR_MAX};
        auto_untar_seen struct untar_seen seen = {0};
        struct err err = {0};
        auto_free char *command = xasprintf(
            "tar --format=%s --mtime=@1700000000 --owner=x:42 --group=y:43 -cf %zu.tar file dir "
            "empty",
            formats[i / COUNT(chunks)], i);
        auto_free char *name = xasprintf("%zu.tar", i);

        ck_assert_msg(scratch_run(&scratch, &told, command) == 0, "%s", buf_text(&told));
        scratch_read(&scratch, name, &tar);
        int rc = untar_seen_read(tar.data, tar.len, chunks[i % COUNT(chunks)], &seen, &err);
        ck_assert_msg(rc == 0, "%s: %s", command, err.msg);
        ck_assert_uint_eq(seen.count, 3);
        ck_assert_str_eq(seen.members[0].name, "file");
        ck_assert_str_eq(seen.members[1].name, "dir");
        ck_assert_str_eq(seen.members[2].name, "empty");
        ck_assert(seen.members[1].entry.is_dir && !seen.members[0].entry.is_dir);
        ck_assert_uint_eq(seen.members[0].entry.size, 3000);
        ck_assert_uint_eq(seen.members[0].entry.mode, 0750);
        ck_assert_uint_eq(seen.members[0].entry.uid, 42);
        ck_assert_uint_eq(seen.members[0].entry.gid, 43);
        ck_assert_int_eq(seen.members[0].entry.mtime_s, 1700000000);
        ck_assert(seen.members[0].sink.finished && seen.members[2].sink.finished);
        ck_assert_uint_eq(seen.members[0].sink.bytes.len, 3000);
        ck_assert_mem_eq(seen.members[0].sink.bytes.data, data, 3000);
        ck_assert_uint_eq(seen.members[2].sink.bytes.len, 0);
    }
    scratch_release(&scratch);
}
END_TEST

START_TEST(long_and_foreign_names_are_read)
{
    static const struct {
        const char *name;
        const char *format;
    } rows[] = {
        {LONG_NAME, "gnu"},
        {LONG_NAME, "posix"},
        {"k\xc3\xb6nig-\xe2\x82\xac", "gnu"},
        {"latin1-\xe4", "gnu"},
    };
    auto_buf struct buf told = {.max = TAR_MAX};
    struct scratch scratch;

    scratch_init(&scratch);
    ck_assert_int_eq(scratch_run(&scratch, &told, "mkdir -p " LONG_DIR "/" LONG_DIR "/" LONG_DIR),
                     0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *name = rows[i].name;
        auto_buf struct buf tar = {.max = TAR_MAX};
        auto_untar_seen struct untar_seen seen = {0};
        struct err err = {0};
        auto_free char *command =
            xasprintf("rm -f '%s' t.tar; echo hello > '%s' && tar --format=%s -cf t.tar '%s'", name,
                      name, rows[i].format, name);

        ck_assert_msg(scratch_run(&scratch, &told, command) == 0, "%s", buf_text(&told));
        scratch_read(&scratch, "t.tar", &tar);
        int rc = untar_seen_read(tar.data, tar.len, 0, &seen, &err);
        ck_assert_msg(rc == 0, "%s: %s", name, err.msg);
        ck_assert_uint_eq(seen.count, 1);
        ck_assert_str_eq(seen.members[0].name, name);
        ck_assert_uint_eq(seen.members[0].sink.bytes.len, 6);
    }
    scratch_release(&scratch);
}
END_TEST

START_TEST(a_pax_size_overrides_the_header)
{
    auto_buf struct buf tar = {.max = TAR_MAX};
    auto_untar_seen struct untar_seen seen = {0};
    struct err err = {0};

    tar_add_pax(&tar, "size", "5");
    tar_add(&tar, &(struct tar_member){.name = "a", .data = "hello", .len = 5, .says = "0"});
    tar_add(&tar, &(struct tar_member){.name = "b"});
    tar_end(&tar);
    int rc = untar_seen_read(tar.data, tar.len, 0, &seen, &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_uint_eq(seen.members[0].entry.size, 5);
    ck_assert_uint_eq(seen.members[0].sink.bytes.len, 5);
    ck_assert_mem_eq(seen.members[0].sink.bytes.data, "hello", 5);
}
END_TEST

START_TEST(members_of_one_name_are_both_handed_on)
{
    auto_buf struct buf tar = {.max = TAR_MAX};
    auto_untar_seen struct untar_seen seen = {0};
    struct err err = {0};

    tar_add(&tar, &(struct tar_member){.name = "a", .data = "one", .len = 3});
    tar_add(&tar, &(struct tar_member){.name = "a", .data = "other", .len = 5});
    tar_end(&tar);
    ck_assert_int_eq(untar_seen_read(tar.data, tar.len, 0, &seen, &err), 0);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_str_eq(seen.members[1].name, "a");
    ck_assert_uint_eq(seen.members[0].sink.bytes.len, 3);
    ck_assert_uint_eq(seen.members[1].sink.bytes.len, 5);
}
END_TEST

/* Two files and a directory. */
static void make_small(struct buf *tar)
{
    tar_add(tar, &(struct tar_member){.name = "a", .data = "hello", .len = 5});
    tar_add(tar, &(struct tar_member){.name = "dir", .type = '5'});
    tar_add(tar, &(struct tar_member){.name = "b"});
    tar_end(tar);
    ck_assert_uint_eq(tar->len, 4 * 512 + 1024);
}

START_TEST(every_truncation_is_corrupt)
{
    auto_buf struct buf tar = {.max = TAR_MAX};
    auto_buf struct buf zeros = {.max = TAR_MAX};
    auto_free uint8_t *blank = xcalloc(1, 4096);

    make_small(&tar);
    tar_add(&zeros, &(struct tar_member){.name = "zeros", .data = (char *)blank, .len = 4096});
    tar_end(&zeros);
    for (size_t len = 0; len < tar.len; len++) {
        auto_untar_seen struct untar_seen seen = {0};
        struct err err = {0};
        int rc = untar_seen_read(tar.data, len, 0, &seen, &err);
        ck_assert_msg(rc == -1 && err.kind == ERR_CORRUPT, "%zu bytes: %d %s", len, rc, err.msg);
    }
    for (size_t len = 0; len < zeros.len; len += 256) {
        auto_untar_seen struct untar_seen seen = {0};
        struct err err = {0};
        int rc = untar_seen_read(zeros.data, len, 100, &seen, &err);
        ck_assert_msg(rc == -1 && err.kind == ERR_CORRUPT, "%zu bytes: %d %s", len, rc, err.msg);
    }
}
END_TEST

START_TEST(zeros_behind_the_end_pass_and_anything_else_is_corrupt)
{
    static const size_t chunks[] = {0, 1, 512, 1000};
    auto_buf struct buf tar = {.max = TAR_MAX};
    struct err err = {0};
    auto_free uint8_t *zeros = xcalloc(1, 20000);

    make_small(&tar);
    ck_assert_int_eq(buf_append(&tar, zeros, 20000, &err), 0);
    for (size_t i = 0; i < COUNT(chunks); i++) {
        auto_untar_seen struct untar_seen seen = {0};
        int rc = untar_seen_read(tar.data, tar.len, chunks[i], &seen, &err);
        ck_assert_msg(rc == 0, "%s", err.msg);
        ck_assert_uint_eq(seen.count, 3);
    }
    for (size_t at = tar.len - 20512; at < tar.len; at += at < 5000 ? 1 : 501) {
        tar.data[at] = 'x';
        auto_untar_seen struct untar_seen seen = {0};
        int rc = untar_seen_read(tar.data, tar.len, at % 2 == 0 ? 0 : 512, &seen, &err);
        ck_assert_msg(rc == -1 && err.kind == ERR_CORRUPT, "at %zu: %d", at, rc);
        tar.data[at] = 0;
    }
}
END_TEST

START_TEST(an_empty_archive_is_read)
{
    auto_buf struct buf tar = {.max = TAR_MAX};
    auto_untar_seen struct untar_seen seen = {0};
    struct err err = {0};

    tar_end(&tar);
    ck_assert_int_eq(untar_seen_read(tar.data, tar.len, 0, &seen, &err), 0);
    ck_assert_uint_eq(seen.count, 0);
}
END_TEST

START_TEST(bytes_that_nobody_wants_are_passed_over)
{
    auto_buf struct buf tar = {.max = TAR_MAX};
    auto_untar_seen struct untar_seen seen = {.pass_over = true};
    struct err err = {0};

    make_small(&tar);
    ck_assert_int_eq(untar_seen_read(tar.data, tar.len, 7, &seen, &err), 0);
    ck_assert_uint_eq(seen.count, 3);
    ck_assert_uint_eq(seen.members[0].entry.size, 5);
}
END_TEST

START_TEST(an_error_of_the_handler_passes_through)
{
    auto_buf struct buf tar = {.max = TAR_MAX};

    make_small(&tar);
    for (size_t n = 1; n <= 3; n++) {
        auto_untar_seen struct untar_seen seen = {.fail_entry = n};
        struct err err = {0};
        ck_assert_int_eq(untar_seen_read(tar.data, tar.len, 0, &seen, &err), -1);
        ck_assert_int_eq(err.kind, ERR_HOLDS_DATA);
        ck_assert_uint_eq(seen.count, n);
    }
}
END_TEST

START_TEST(an_error_of_a_sink_passes_through_and_the_sink_is_freed)
{
    auto_buf struct buf tar = {.max = TAR_MAX};
    auto_free uint8_t *data = sample_bytes(1, 3000);
    bool fired = true;

    tar_add(&tar, &(struct tar_member){.name = "a", .data = (char *)data, .len = 3000});
    tar_end(&tar);
    for (unsigned n = 1; fired; n++) {
        auto_untar_seen struct untar_seen seen = {.fail_sink = n};
        struct err err = {0};
        int rc = untar_seen_read(tar.data, tar.len, 512, &seen, &err);
        fired = seen.members[0].sink.fired;
        ck_assert_int_eq(rc, fired ? -1 : 0);
        ck_assert(seen.members[0].sink.freed);
        ck_assert(seen.members[0].sink.finished == !fired);
        if (fired)
            ck_assert_int_eq(err.kind, ERR_STORE);
        ck_assert(n < 100 && (fired || n > 6)); /* at least 6 writes and a finish */
    }
}
END_TEST

START_TEST(an_error_of_the_source_passes_through)
{
    auto_buf struct buf tar = {.max = TAR_MAX};
    bool fired = true;

    make_small(&tar);
    for (unsigned n = 1; fired; n++) {
        auto_untar_seen struct untar_seen seen = {0};
        struct memory_source state = {.data = tar.data, .len = tar.len, .chunk = 100, .fail_at = n};
        struct untar_handler handler = {.entry = untar_seen_on_entry, .context = &seen};
        struct err err = {0};
        auto_source struct source *source = memory_source_open(&state);

        int rc = untar(source, &handler, &err);
        fired = state.fired;
        ck_assert_int_eq(rc, fired ? -1 : 0);
        if (fired)
            ck_assert_msg(err.kind == ERR_STORE, "call %u: %s", n, err.msg);
        ck_assert(!state.freed); /* it stays the caller's */
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("untar");
    TCase *tcase = tcase_create("untar");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, a_name_is_safe_when_it_is_relative_and_stays_inside);
    tcase_add_test(tcase, what_gnu_tar_writes_is_read_in_each_of_its_formats);
    tcase_add_test(tcase, long_and_foreign_names_are_read);
    tcase_add_test(tcase, a_pax_size_overrides_the_header);
    tcase_add_test(tcase, members_of_one_name_are_both_handed_on);
    tcase_add_test(tcase, every_truncation_is_corrupt);
    tcase_add_test(tcase, zeros_behind_the_end_pass_and_anything_else_is_corrupt);
    tcase_add_test(tcase, an_empty_archive_is_read);
    tcase_add_test(tcase, bytes_that_nobody_wants_are_passed_over);
    tcase_add_test(tcase, an_error_of_the_handler_passes_through);
    tcase_add_test(tcase, an_error_of_a_sink_passes_through_and_the_sink_is_freed);
    tcase_add_test(tcase, an_error_of_the_source_passes_through);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
