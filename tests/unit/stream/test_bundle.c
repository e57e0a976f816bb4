#include "stream/bundle.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/crc64.h"
#include "base/mem.h"
#include "support/sample.h"
#include "support/scratch.h"

#define MIB ((size_t)1 << 20)
#define TAR_MAX (64 * MIB)
#define PAGES_MAX 4096
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const size_t sizes[] = {0, 1, 511, 512, 513, MIB - 1, MIB, MIB + 1, 3 * MIB + 7};

static struct bundle_file file_of(const char *name, uint64_t size)
{
    return (struct bundle_file){
        .name = name, .size = size, .mode = 0640, .uid = 999, .gid = 1000, .mtime_s = 1700000000};
}

static void add_bytes(struct bundle *bundle, const char *name, const void *data, size_t len)
{
    struct bundle_file file = file_of(name, len);
    struct err err = {0};

    int rc = bundle_add_bytes(bundle, &file, data, &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
}

static void add_fd(struct bundle *bundle, const char *name, int fd, uint64_t size)
{
    struct bundle_file file = file_of(name, size);
    struct err err = {0};

    int rc = bundle_add_fd(bundle, &file, fd, &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
}

static void add_dir(struct bundle *bundle, const char *name)
{
    struct bundle_file dir = {.name = name, .mode = S_IFDIR | 0750};
    struct err err = {0};

    int rc = bundle_add_fd(bundle, &dir, -1, &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
}

/* Every piece in order, each read into an allocation of its own length. crc, when given, gets the
 * combined CRC64 of every member. */
static void read_all(const struct bundle *bundle, struct buf *out, uint64_t *crc)
{
    struct bundle_cursor cursor = {0};
    struct bundle_piece piece;
    struct err err = {0};

    while (bundle_next(bundle, &cursor, &piece)) {
        auto_free uint8_t *block = xmalloc(piece.len);
        uint64_t piece_crc = 1;

        ck_assert_uint_le(piece.len, bundle_piece_max(bundle));
        ck_assert_uint_le(piece.file_len, BUNDLE_PIECE);
        ck_assert_uint_eq(piece.offset % BUNDLE_PIECE, 0);
        int rc = bundle_read(bundle, &piece, block, &piece_crc, &err);
        ck_assert_msg(rc == 0, "%s", err.msg);
        ck_assert_int_eq(buf_append(out, block, piece.len, &err), 0);
        if (crc != NULL)
            crc[piece.member] = crc64_combine(crc[piece.member], piece_crc, piece.file_len);
    }
    ck_assert(!bundle_next(bundle, &cursor, &piece));
    ck_assert_uint_eq(out->len, bundle_tar_bytes(bundle));
    ck_assert_uint_le(bundle_piece_max(bundle), FRAME_CONTENT_MAX);
}

static void assert_tool(const struct scratch *scratch, const char *command, struct buf *told)
{
    int status = scratch_run(scratch, told, command);

    ck_assert_msg(status == 0, "%s: %d: %s", command, status, buf_text(told));
}

START_TEST(gnu_tar_extracts_files_of_every_size)
{
    auto_bundle struct bundle *bundle = bundle_new();
    auto_buf struct buf tar = {.max = TAR_MAX};
    auto_buf struct buf told = {.max = TAR_MAX};
    uint64_t crc[2 * COUNT(sizes)] = {0};
    int fds[COUNT(sizes)];
    struct scratch scratch;
    uint64_t total = 0;

    scratch_init(&scratch);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        auto_free uint8_t *data = sample_bytes(i, sizes[i]);
        auto_free char *name = xasprintf("file-%zu", i);
        auto_free char *bytes_name = xasprintf("bytes-%zu", i);
        fds[i] = scratch_file(&scratch, name, data, sizes[i]);
        add_fd(bundle, name, fds[i], sizes[i]);
        add_bytes(bundle, bytes_name, data, sizes[i]);
        total += 2 * sizes[i];
    }
    read_all(bundle, &tar, crc);
    ck_assert_uint_eq(bundle_count(bundle), 2 * COUNT(sizes));
    ck_assert_uint_eq(bundle_file_bytes(bundle), total);

    scratch_write(&scratch, "t.tar", tar.data, tar.len);
    assert_tool(&scratch, "mkdir out && tar -C out -xf t.tar", &told);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        auto_free uint8_t *data = sample_bytes(i, sizes[i]);
        auto_free char *name = xasprintf("out/file-%zu", i);
        auto_free char *bytes_name = xasprintf("out/bytes-%zu", i);
        auto_buf struct buf file = {.max = TAR_MAX};
        auto_buf struct buf bytes = {.max = TAR_MAX};
        scratch_read(&scratch, name, &file);
        scratch_read(&scratch, bytes_name, &bytes);
        ck_assert_uint_eq(file.len, sizes[i]);
        ck_assert_uint_eq(bytes.len, sizes[i]);
        ck_assert(sizes[i] == 0 || memcmp(file.data, data, sizes[i]) == 0);
        ck_assert(sizes[i] == 0 || memcmp(bytes.data, data, sizes[i]) == 0);
        ck_assert_uint_eq(crc[2 * i], crc64(0, data, sizes[i]));
        ck_assert_uint_eq(crc[2 * i + 1], crc64(0, data, sizes[i]));
        (void)close(fds[i]);
    }
    ck_assert_uint_eq(told.len, 0); /* and tar had nothing to say */
    scratch_release(&scratch);
}
END_TEST

static const char *const expected_listing =
    "-rw-r----- 999/1000          5 2023-11-14 22:13:20 dump.rdb\n"
    "drwxr-x--- 0/0               0 1970-01-01 00:00:00 appendonlydir/\n"
    "-rw-r----- 999/1000          0 2023-11-14 22:13:20 appendonlydir/empty\n";

START_TEST(gnu_tar_lists_owner_mode_time_and_directories)
{
    auto_bundle struct bundle *bundle = bundle_new();
    auto_buf struct buf tar = {.max = TAR_MAX};
    auto_buf struct buf told = {.max = TAR_MAX};
    struct scratch scratch;

    add_bytes(bundle, "dump.rdb", "REDIS", 5);
    add_dir(bundle, "appendonlydir");
    add_bytes(bundle, "appendonlydir/empty", NULL, 0);
    read_all(bundle, &tar, NULL);
    scratch_init(&scratch);
    scratch_write(&scratch, "t.tar", tar.data, tar.len);
    assert_tool(&scratch, "TZ=UTC tar --full-time -tvf t.tar", &told);
    ck_assert_str_eq(buf_text(&told), expected_listing);
    scratch_release(&scratch);
}
END_TEST

static char *long_name(size_t segment, size_t segments)
{
    char *name = xmalloc(segments * (segment + 1));

    memset(name, 'n', segments * (segment + 1));
    for (size_t i = 1; i <= segments; i++)
        name[i * (segment + 1) - 1] = i == segments ? '\0' : '/';
    return name;
}

START_TEST(gnu_tar_reads_long_and_foreign_names)
{
    auto_free char *name_100 = long_name(100, 1);
    auto_free char *name_101 = long_name(101, 1);
    auto_free char *name_255 = long_name(255, 1);
    auto_free char *name_256 = long_name(127, 2);
    auto_free char *name_1023 = long_name(127, 8);
    auto_free char *upto_256 = long_name(50, 5);
    const char *const names[] = {
        name_100,     name_101,  name_255,  name_256,
        upto_256,     name_1023, "a space", "k\xc3\xb6nig-\xe2\x82\xac/\xf0\x9f\x94\x91.rdb",
        "latin1-\xe4"};

    for (size_t i = 0; i < COUNT(names); i++) {
        auto_bundle struct bundle *bundle = bundle_new();
        auto_buf struct buf tar = {.max = TAR_MAX};
        auto_buf struct buf told = {.max = TAR_MAX};
        auto_buf struct buf back = {.max = TAR_MAX};
        auto_free char *expected = xasprintf("%s\n", names[i]);
        struct scratch scratch;

        add_bytes(bundle, names[i], "hello", 5);
        read_all(bundle, &tar, NULL);
        scratch_init(&scratch);
        scratch_write(&scratch, "t.tar", tar.data, tar.len);
        /* A name outside ASCII comes with a pax keyword that GNU tar does not need. */
        assert_tool(&scratch,
                    "tar --warning=no-unknown-keyword --quoting-style=literal "
                    "--show-transformed-names -tf t.tar",
                    &told);
        ck_assert_str_eq(buf_text(&told), expected);
        buf_clear(&told);
        assert_tool(&scratch, "mkdir out && tar -C out -xf t.tar", &told);
        auto_free char *path = xasprintf("out/%s", names[i]);
        scratch_read(&scratch, path, &back);
        ck_assert_str_eq(buf_text(&back), "hello");
        scratch_release(&scratch);
    }
}
END_TEST

START_TEST(an_empty_bundle_is_an_empty_archive)
{
    auto_bundle struct bundle *bundle = bundle_new();
    auto_buf struct buf tar = {.max = TAR_MAX};
    auto_buf struct buf told = {.max = TAR_MAX};
    struct scratch scratch;

    read_all(bundle, &tar, NULL);
    ck_assert_uint_eq(tar.len, 1024);
    ck_assert_uint_eq(bundle_count(bundle), 0);
    ck_assert_uint_eq(bundle_file_bytes(bundle), 0);
    scratch_init(&scratch);
    scratch_write(&scratch, "t.tar", tar.data, tar.len);
    assert_tool(&scratch, "tar -tf t.tar", &told);
    ck_assert_uint_eq(told.len, 0);
    scratch_release(&scratch);
}
END_TEST

#define BIG ((uint64_t)9 << 30)
#define TAIL "the last bytes of nine GiB"

/* A sparse file, whose bytes in the middle are never read: zeros that a sparse tar has as well. */
START_TEST(a_file_of_nine_gib_has_its_size_and_its_last_bytes)
{
    auto_bundle struct bundle *bundle = bundle_new();
    auto_buf struct buf told = {.max = TAR_MAX};
    struct bundle_cursor cursor = {0};
    struct bundle_piece piece;
    struct scratch scratch;
    struct err err = {0};
    uint64_t sum = 0;
    uint64_t header = 0;
    char tail[sizeof(TAIL)];
    size_t pieces = 0;

    scratch_init(&scratch);
    auto_close int fd = scratch_file(&scratch, "big", "", 0);
    auto_close int out = scratch_file(&scratch, "t.tar", "", 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)BIG), 0);
    ck_assert_int_eq(pwrite(fd, TAIL, strlen(TAIL), (off_t)(BIG - strlen(TAIL))),
                     (ssize_t)strlen(TAIL));
    add_fd(bundle, "big", fd, BIG);
    add_bytes(bundle, "small", "hello", 5);
    ck_assert_int_eq(ftruncate(out, (off_t)bundle_tar_bytes(bundle)), 0);
    while (bundle_next(bundle, &cursor, &piece)) {
        pieces++;
        if (piece.offset == 0 || piece.offset + piece.file_len == BIG) {
            auto_free uint8_t *block = xmalloc(piece.len);
            uint64_t crc;
            ck_assert_int_eq(bundle_read(bundle, &piece, block, &crc, &err), 0);
            ck_assert_int_eq(pwrite(out, block, piece.len, (off_t)sum), (ssize_t)piece.len);
        }
        sum += piece.len;
        header += piece.member == 0 && piece.offset == 0 ? piece.len - piece.file_len : 0;
    }
    ck_assert_uint_eq(pieces, BIG / BUNDLE_PIECE + 1);
    ck_assert_uint_eq(sum, bundle_tar_bytes(bundle));
    ck_assert_uint_eq(bundle_file_bytes(bundle), BIG + 5);

    assert_tool(&scratch, "tar -tvf t.tar | awk '{print $3, $6}'", &told);
    ck_assert_str_eq(buf_text(&told), "9663676416 big\n5 small\n");
    buf_clear(&told);
    assert_tool(&scratch, "tar -xOf t.tar small", &told);
    ck_assert_str_eq(buf_text(&told), "hello");
    ck_assert_int_eq(pread(out, tail, strlen(TAIL), (off_t)(header + BIG - strlen(TAIL))),
                     (ssize_t)strlen(TAIL));
    ck_assert_mem_eq(tail, TAIL, strlen(TAIL));
    scratch_release(&scratch);
}
END_TEST

START_TEST(a_file_that_became_shorter_is_corrupt)
{
    static const size_t lengths[] = {0, 1, MIB, MIB + 1, 2 * MIB + 99};
    auto_free uint8_t *data = sample_bytes(1, 2 * MIB + 100);
    struct scratch scratch;

    scratch_init(&scratch);
    auto_close int fd = scratch_file(&scratch, "file", data, 2 * MIB + 100);
    for (size_t i = COUNT(lengths); i-- > 0;) {
        auto_bundle struct bundle *bundle = bundle_new();
        auto_free uint8_t *block = NULL;
        struct bundle_cursor cursor = {0};
        struct bundle_piece piece;
        size_t corrupt = 0;

        add_fd(bundle, "file", fd, 2 * MIB + 100);
        block = xmalloc(bundle_piece_max(bundle));
        ck_assert_int_eq(ftruncate(fd, (off_t)lengths[i]), 0);
        while (bundle_next(bundle, &cursor, &piece)) {
            struct err err = {0};
            uint64_t crc = 42;
            int rc = bundle_read(bundle, &piece, block, &crc, &err);
            bool is_cut = piece.offset + piece.file_len > lengths[i];
            ck_assert_int_eq(rc, is_cut ? -1 : 0);
            ck_assert(!is_cut || (err.kind == ERR_CORRUPT && crc == 42));
            corrupt += is_cut ? 1 : 0;
        }
        ck_assert_uint_gt(corrupt, 0);
    }
    scratch_release(&scratch);
}
END_TEST

START_TEST(pieces_can_be_read_in_any_order)
{
    auto_bundle struct bundle *bundle = bundle_new();
    auto_free uint8_t *data = sample_bytes(1, 5 * MIB + 1);
    auto_buf struct buf forward = {.max = TAR_MAX};
    struct bundle_cursor cursor = {0};
    struct bundle_piece pieces[8];
    struct err err = {0};
    size_t count = 0;

    add_bytes(bundle, "file", data, 5 * MIB + 1);
    read_all(bundle, &forward, NULL);
    while (bundle_next(bundle, &cursor, &pieces[count]))
        count++;
    size_t end = forward.len;
    while (count-- > 0) {
        auto_free uint8_t *block = xmalloc(pieces[count].len);
        uint64_t crc;
        ck_assert_int_eq(bundle_read(bundle, &pieces[count], block, &crc, &err), 0);
        end -= pieces[count].len;
        ck_assert(memcmp(forward.data + end, block, pieces[count].len) == 0);
    }
    ck_assert_uint_eq(end, 0);
}
END_TEST

/* Which pages of the file are in the page cache; returns how many. */
static size_t look_at_cache(int fd, size_t len, uint8_t cached[PAGES_MAX])
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = (len + page - 1) / page;
    size_t count = 0;
    void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);

    ck_assert_uint_le(pages, PAGES_MAX);
    ck_assert_ptr_ne(map, MAP_FAILED);
    ck_assert_int_eq(mincore(map, len, cached), 0);
    (void)munmap(map, len);
    for (size_t i = 0; i < pages; i++) {
        cached[i] &= 1;
        count += cached[i];
    }
    return count;
}

#define CACHED_FILE (3 * MIB + 5000)

/* On disk, and nothing of it in the page cache. */
static int cold_file(const struct scratch *scratch)
{
    auto_free uint8_t *data = sample_bytes(1, CACHED_FILE);
    uint8_t cached[PAGES_MAX];
    int fd = scratch_file(scratch, "file", data, CACHED_FILE);

    ck_assert_int_eq(fsync(fd), 0);
    ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    ck_assert_msg(look_at_cache(fd, CACHED_FILE, cached) == 0,
                  "POSIX_FADV_DONTNEED does not drop pages from the cache on the file system of "
                  "%s: nothing can be said about the page cache there. Build on a disk.",
                  scratch->path);
    ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0); /* no readahead of its own */
    return fd;
}

START_TEST(pages_that_were_not_cached_are_not_cached_afterwards)
{
    auto_bundle struct bundle *bundle = bundle_new();
    auto_buf struct buf tar = {.max = TAR_MAX};
    uint8_t cached[PAGES_MAX];
    struct scratch scratch;

    scratch_init(&scratch);
    auto_close int fd = cold_file(&scratch);
    add_fd(bundle, "file", fd, CACHED_FILE);
    read_all(bundle, &tar, NULL);
    size_t count = look_at_cache(fd, CACHED_FILE, cached);
    ck_assert_msg(count == 0, "%zu pages stayed in the cache", count);
    scratch_release(&scratch);
}
END_TEST

START_TEST(pages_that_were_cached_stay_cached)
{
    static const size_t warm_offsets[] = {0, 5 * 4096, 6 * 4096, MIB - 1, 2 * MIB, CACHED_FILE - 1};
    auto_bundle struct bundle *bundle = bundle_new();
    auto_buf struct buf tar = {.max = TAR_MAX};
    uint8_t before[PAGES_MAX] = {0};
    uint8_t after[PAGES_MAX] = {0};
    struct scratch scratch;
    uint8_t byte;

    scratch_init(&scratch);
    auto_close int fd = cold_file(&scratch);
    for (size_t i = 0; i < COUNT(warm_offsets); i++)
        ck_assert_int_eq(pread(fd, &byte, 1, (off_t)warm_offsets[i]), 1);
    size_t count = look_at_cache(fd, CACHED_FILE, before);
    ck_assert_uint_ge(count, COUNT(warm_offsets));
    ck_assert_uint_lt(count, CACHED_FILE / 4096);
    add_fd(bundle, "file", fd, CACHED_FILE);
    read_all(bundle, &tar, NULL);
    (void)look_at_cache(fd, CACHED_FILE, after);
    ck_assert_mem_eq(after, before, sizeof(before));
    scratch_release(&scratch);
}
END_TEST

START_TEST(freeing_nothing_is_fine)
{
    bundle_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bundle");
    TCase *tcase = tcase_create("bundle");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 300); /* a ceiling for slow machines, not an expectation */
    tcase_add_test(tcase, gnu_tar_extracts_files_of_every_size);
    tcase_add_test(tcase, gnu_tar_lists_owner_mode_time_and_directories);
    tcase_add_test(tcase, gnu_tar_reads_long_and_foreign_names);
    tcase_add_test(tcase, an_empty_bundle_is_an_empty_archive);
    tcase_add_test(tcase, a_file_of_nine_gib_has_its_size_and_its_last_bytes);
    tcase_add_test(tcase, a_file_that_became_shorter_is_corrupt);
    tcase_add_test(tcase, pieces_can_be_read_in_any_order);
    tcase_add_test(tcase, pages_that_were_not_cached_are_not_cached_afterwards);
    tcase_add_test(tcase, pages_that_were_cached_stay_cached);
    tcase_add_test(tcase, freeing_nothing_is_fine);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
