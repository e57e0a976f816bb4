/*
 * Reading without a trace in the page cache, on the file system that the tests were built on.
 */
#include "base/page_cache.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "support/scratch.h"

#define FILE_BYTES ((size_t)3 * 1024 * 1024 + 777)

static struct scratch scratch;
static int fd;
static uint8_t *content;

static size_t cached_pages(void)
{
    static uint8_t pages[FILE_BYTES / 4096 + 2];
    void *map = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    size_t count = 0;

    ck_assert_ptr_ne(map, MAP_FAILED);
    ck_assert_int_eq(mincore(map, FILE_BYTES, pages), 0);
    ck_assert_int_eq(munmap(map, FILE_BYTES), 0);
    for (size_t i = 0; i < FILE_BYTES / 4096 + 1; i++)
        count += pages[i] & 1;
    return count;
}

static void set_up(void)
{
    scratch_init(&scratch);
    content = xmalloc(FILE_BYTES);
    for (size_t i = 0; i < FILE_BYTES; i++)
        content[i] = (uint8_t)(i * 31 + i / 4096);
    fd = scratch_file(&scratch, "file", content, FILE_BYTES);
    ck_assert_int_eq(fsync(fd), 0);
}

static void tear_down(void)
{
    ck_assert_int_eq(close(fd), 0);
    free(content);
    scratch_release(&scratch);
}

/* Reads everything in steps of step bytes and compares it. */
static void read_in_steps(size_t step)
{
    auto_free uint8_t *out = xmalloc(FILE_BYTES);
    struct err err;

    for (size_t at = 0; at < FILE_BYTES; at += step) {
        size_t len = FILE_BYTES - at < step ? FILE_BYTES - at : step;
        ck_assert_int_eq(page_cache_read(fd, out + at, len, at, "the file", &err), 0);
    }
    ck_assert_mem_eq(out, content, FILE_BYTES);
}

static const size_t steps[] = {FILE_BYTES, 1048576, 1000003, 65536, 9999};

START_TEST(pages_that_were_not_cached_are_not_cached_afterwards)
{
    ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    ck_assert_msg(cached_pages() == 0, "this file system keeps pages that are not needed: nothing "
                                       "can be said about the page cache there. Build on a disk");
    read_in_steps(steps[_i]);
    ck_assert_uint_eq(cached_pages(), 0);
}
END_TEST

START_TEST(pages_that_were_cached_stay_cached)
{
    size_t before = cached_pages();

    ck_assert_uint_eq(before, FILE_BYTES / 4096 + 1);
    read_in_steps(steps[_i]);
    ck_assert_uint_eq(cached_pages(), before);
}
END_TEST

START_TEST(both_ends_alone_leave_nothing)
{
    uint8_t ends[64];
    struct err err;

    ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    ck_assert_int_eq(page_cache_read(fd, ends, 9, FILE_BYTES - 9, "the file", &err), 0);
    ck_assert_mem_eq(ends, content + FILE_BYTES - 9, 9);
    ck_assert_int_eq(page_cache_read(fd, ends, sizeof ends, 0, "the file", &err), 0);
    ck_assert_mem_eq(ends, content, sizeof ends);
    ck_assert_uint_eq(cached_pages(), 0);
}
END_TEST

START_TEST(a_file_that_ends_early_is_corrupt)
{
    uint8_t byte[2];
    struct err err;

    ck_assert_int_eq(page_cache_read(fd, byte, 2, FILE_BYTES - 1, "the file", &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page_cache");
    TCase *tcase = tcase_create("page_cache");
    SRunner *runner = srunner_create(suite);
    int count = sizeof steps / sizeof steps[0];
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, pages_that_were_not_cached_are_not_cached_afterwards, 0, count);
    tcase_add_loop_test(tcase, pages_that_were_cached_stay_cached, 0, count);
    tcase_add_test(tcase, both_ends_alone_leave_nothing);
    tcase_add_test(tcase, a_file_that_ends_early_is_corrupt);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
