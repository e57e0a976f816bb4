/*
 * A directory as a store: what is visible when, and what is refused.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/store.h"
#include "support/s3_peer_env.h"

#define MIB ((size_t)1024 * 1024)

static char root[64];
static char url[80];
static void set_up(void)
{
    (void)snprintf(root, sizeof(root), "/tmp/redkeep-dir.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    (void)snprintf(url, sizeof(url), "file://%s", root);
}

static void tear_down(void)
{
    struct err err;

    ck_assert_int_eq(fs_remove_tree(AT_FDCWD, root, &err), 0);
}

static struct store *open_store(void)
{
    const struct store_options options = {.url = url, .clock = clock_system()};
    struct store *store = NULL;
    struct err err = {0};

    ck_assert_msg(store_open(&options, &store, &err) == 0, "%s", err.msg);
    return store;
}

static int note_entry(void *context, const struct store_entry *entry, struct err *err)
{
    return buf_printf(context, err, "%s:%llu ", entry->key, (unsigned long long)entry->size);
}

static void expect_list(struct store *store, const char *prefix, char delimiter, const char *wanted)
{
    auto_buf struct buf seen;
    struct err err = {0};

    buf_init(&seen, 10000);
    ck_assert_msg(store_list(store, prefix, delimiter, note_entry, &seen, &err) == 0, "%s",
                  err.msg);
    ck_assert_str_eq(buf_text(&seen), wanted);
}

static int put(struct store *store, const char *key, const uint8_t *data, size_t len,
               struct object_parts *parts, struct err *err)
{
    auto_sink struct sink *sink = NULL;

    if (store_put(store, key, len, parts, &sink, err) != 0)
        return -1;
    for (size_t at = 0; at < len; at += 300001)
        if (sink_write(sink, data + at, len - at < 300001 ? len - at : 300001, err) != 0)
            return -1;
    return sink_finish(sink, err);
}

START_TEST(objects_of_all_sizes_come_back_with_their_digests)
{
    static const size_t sizes[] = {0, 1, 262144, 5 * MIB, 5 * MIB + 1, 11 * MIB};
    auto_store struct store *store = open_store();
    auto_free uint8_t *data = xmalloc(11 * MIB);

    peer_fill(data, 11 * MIB, 2);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct object_parts parts = {0};
        struct err err = {0};
        uint64_t size = 99;

        ck_assert_msg(put(store, "a/b/object", data, sizes[i], &parts, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(parts.size, sizes[i]);
        ck_assert_uint_eq(parts.count, (sizes[i] + 5 * MIB - 1) / (5 * MIB));
        for (size_t part = 0; part < parts.count; part++) {
            size_t at = part * 5 * MIB;
            uint8_t digest[SHA256_BYTES];

            sha256_of(data + at, sizes[i] - at < 5 * MIB ? sizes[i] - at : 5 * MIB, digest);
            ck_assert_mem_eq(digest, parts.sha256[part], SHA256_BYTES);
        }
        object_parts_release(&parts);
        ck_assert_int_eq(store_head(store, "a/b/object", &size, &err), 0);
        ck_assert_uint_eq(size, sizes[i]);
    }
}
END_TEST

START_TEST(ranges_are_read_in_chunks)
{
    auto_store struct store *store = open_store();
    auto_free uint8_t *data = xmalloc(MIB);
    struct err err = {0};

    peer_fill(data, MIB, 3);
    ck_assert_int_eq(store_put_small(store, "o", data, MIB, &err), 0);
    for (uint64_t chunk_bytes = 1000; chunk_bytes < 3 * MIB; chunk_bytes *= 7) {
        const struct store_get_request request = {
            .key = "o", .offset = 17, .size = MIB - 20, .chunk_bytes = chunk_bytes};
        auto_source struct source *source = NULL;
        const uint8_t *chunk;
        size_t len = 1;
        size_t at = 17;

        ck_assert_int_eq(store_get(store, &request, &source, &err), 0);
        while (len > 0) {
            ck_assert_int_eq(source_next(source, &chunk, &len, &err), 0);
            ck_assert_mem_eq(chunk, data + at, len);
            at += len;
        }
        ck_assert_uint_eq(at, MIB - 3);
    }
    {
        struct source *source = NULL;

        ck_assert_int_eq(store_get(store,
                                   &(struct store_get_request){
                                       .key = "o", .offset = MIB - 1, .size = 2, .chunk_bytes = 10},
                                   &source, &err),
                         -1);
        ck_assert_int_eq(err.kind, ERR_CORRUPT);
    }
}
END_TEST

START_TEST(an_object_is_not_visible_before_it_is_finished)
{
    auto_store struct store *store = open_store();
    struct object_parts parts = {0};
    struct sink *sink = NULL;
    struct err err = {0};

    ck_assert_int_eq(store_put(store, "a/b", 10, &parts, &sink, &err), 0);
    ck_assert_int_eq(sink_write(sink, "hello", 5, &err), 0);
    expect_list(store, "", '\0', "");
    expect_list(store, "", '/', "");
    ck_assert_int_eq(sink_finish(sink, &err), 0);
    expect_list(store, "", '\0', "a/b:5 ");
    sink_free(sink);
    object_parts_release(&parts);

    ck_assert_int_eq(store_put(store, "c/d/e", 10, &parts, &sink, &err), 0);
    sink_free(sink);
    ck_assert_int_eq(store_remove(store, "a/b", &err), 0);
    ck_assert_int_eq(rmdir(root), 0); /* not even a directory is left */
    ck_assert_int_eq(mkdir(root, 0700), 0);
}
END_TEST

START_TEST(what_is_stored_is_not_for_everybody)
{
    auto_store struct store *store = open_store();
    auto_free char *path = xasprintf("%s/a/b", root);
    auto_free char *folder = xasprintf("%s/a", root);
    mode_t was = umask(0);
    struct stat st;
    struct err err;

    ck_assert_int_eq(store_put_small(store, "a/b", "x", 1, &err), 0);
    (void)umask(was);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0640);
    ck_assert_int_eq(stat(folder, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0750);
}
END_TEST

START_TEST(listings_are_in_byte_order_of_the_keys)
{
    static const char *const keys[] = {"a/x", "a-b", "a", "b/c/d", "b/c0", "b/c.d/e", "z"};
    auto_store struct store *store = open_store();
    struct err err = {0};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i], "a") != 0)
            ck_assert_msg(store_put_small(store, keys[i], "xy", i % 3, &err) == 0, "%s", err.msg);
    expect_list(store, "", '\0', "a-b:1 a/x:0 b/c.d/e:2 b/c/d:0 b/c0:1 z:0 ");
    expect_list(store, "", '/', "a-b:1 a/:0 b/:0 z:0 ");
    expect_list(store, "b/", '/', "b/c.d/:0 b/c/:0 b/c0:1 ");
    expect_list(store, "b/c/", '\0', "b/c/d:0 ");
    expect_list(store, "none/", '\0', "");
    ck_assert_int_eq(store_list(store, "../", '\0', note_entry, NULL, &err), -1);
}
END_TEST

START_TEST(links_and_odd_files_are_no_objects)
{
    auto_store struct store *store = open_store();
    auto_free char *link_path = xasprintf("%s/link", root);
    auto_free char *dir_path = xasprintf("%s/linked-dir", root);
    auto_free char *fifo_path = xasprintf("%s/fifo", root);
    auto_buf struct buf out;
    struct err err = {0};

    buf_init(&out, 100000);
    ck_assert_int_eq(symlink("/etc/passwd", link_path), 0);
    ck_assert_int_eq(symlink("/etc", dir_path), 0);
    ck_assert_int_eq(mkfifo(fifo_path, 0600), 0);
    expect_list(store, "", '\0', "");
    ck_assert_int_eq(store_get_small(store, "link", &out, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_int_eq(store_get_small(store, "linked-dir/passwd", &out, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_int_eq(store_get_small(store, "fifo", &out, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_int_eq(store_put_small(store, "linked-dir/x", "x", 1, &err), -1);
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(what_is_not_there_is_not_found_and_removing_it_succeeds)
{
    auto_store struct store *store = open_store();
    auto_buf struct buf out;
    struct err err = {0};
    uint64_t size;

    buf_init(&out, 3);
    ck_assert_int_eq(store_head(store, "a/b", &size, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
    ck_assert_int_eq(store_get_small(store, "a", &out, &err), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
    ck_assert_int_eq(store_remove(store, "a/b", &err), 0);
    ck_assert_int_eq(store_put_small(store, "four", "1234", 4, &err), 0);
    ck_assert_int_eq(store_get_small(store, "four", &out, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CORRUPT);
    ck_assert_int_eq(store_get_small(store, "../four", &out, &err), -1);
    ck_assert_int_eq(store_put_small(store, "/four", "", 0, &err), -1);
}
END_TEST

START_TEST(a_repository_that_is_not_there_is_a_store_error)
{
    auto_free char *missing = xasprintf("file://%s/missing", root);
    auto_free char *file_path = xasprintf("%s/file", root);
    auto_free char *file = xasprintf("file://%s", file_path);
    const char *const urls[] = {missing, file};

    ck_assert_int_eq(close(creat(file_path, 0600)), 0);
    for (size_t i = 0; i < 2; i++) {
        const struct store_options options = {.url = urls[i], .clock = clock_system()};
        struct store *store = NULL;
        struct err err = {0};

        ck_assert_int_eq(store_open(&options, &store, &err), -1);
        ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
        ck_assert_ptr_nonnull(strstr(err.msg, urls[i] + 7));
        ck_assert((err_hint(err.msg) != NULL) == (i == 0)); /* what could be mounted, or made */
    }
}
END_TEST

START_TEST(a_repository_that_went_away_is_not_an_empty_one)
{
    auto_store struct store *store = open_store();
    auto_buf struct buf seen;
    struct err err = {0};
    uint64_t size;

    buf_init(&seen, 100);
    ck_assert_int_eq(rmdir(root), 0);
    ck_assert_int_eq(store_head(store, "a", &size, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    ck_assert_int_eq(store_list(store, "a/", '\0', note_entry, &seen, &err), -1);
    ck_assert_int_eq(store_list(store, "", '\0', note_entry, &seen, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    ck_assert_int_eq(store_put_small(store, "a", "b", 1, &err), -1);
    ck_assert_int_eq(mkdir(root, 0700), 0);
}
END_TEST

START_TEST(a_tree_without_end_is_refused)
{
    auto_store struct store *store = open_store();
    auto_buf struct buf key;
    auto_buf struct buf seen;
    struct err err = {0};

    buf_init(&key, 1000);
    buf_init(&seen, 1000);
    for (int i = 0; i < 70; i++)
        ck_assert_int_eq(buf_append(&key, "d/", 2, &err), 0);
    ck_assert_int_eq(buf_append(&key, "o", 1, &err), 0);
    ck_assert_int_eq(store_put_small(store, buf_text(&key), "x", 1, &err), 0);
    ck_assert_int_eq(store_list(store, "", '\0', note_entry, &seen, &err), -1);
    ck_assert_msg(err.kind == ERR_STORE && strstr(err.msg, "too deep") != NULL, "%s", err.msg);
    ck_assert_int_eq(store_remove(store, buf_text(&key), &err), 0);
}
END_TEST

START_TEST(slashes_behind_the_path_are_no_part_of_it)
{
    auto_free char *slashed = xasprintf("%s//", url);
    const struct store_options options = {.url = slashed, .clock = clock_system()};
    auto_store struct store *store = NULL;
    auto_free char *wanted = xasprintf("%s/o", root);
    struct err err = {0};
    uint64_t size;

    ck_assert_int_eq(store_open(&options, &store, &err), 0);
    ck_assert_int_eq(store_head(store, "o", &size, &err), -1);
    ck_assert_msg(strstr(err.msg, wanted) != NULL, "%s", err.msg);
}
END_TEST

START_TEST(parts_that_nobody_stored_are_not_allocated)
{
    auto_store struct store *store = open_store();
    auto_free char *path = xasprintf("%s/huge", root);
    struct source *source = NULL;
    struct err err = {0};

    ck_assert_int_eq(close(creat(path, 0600)), 0);
    ck_assert_int_eq(truncate(path, 3 * (off_t)STORE_PART_BYTES_MAX), 0);
    ck_assert_int_eq(store_get(store,
                               &(struct store_get_request){.key = "huge",
                                                           .size = 2 * STORE_PART_BYTES_MAX,
                                                           .chunk_bytes = STORE_PART_BYTES_MAX + 1},
                               &source, &err),
                     -1);
    ck_assert_msg(err.kind == ERR_CORRUPT, "%s", err.msg);
    ck_assert_int_eq(
        store_get(store,
                  &(struct store_get_request){.key = "huge", .size = 7, .chunk_bytes = UINT64_MAX},
                  &source, &err),
        0);
    source_free(source);
}
END_TEST

static Suite *store_dir_suite(void)
{
    Suite *suite = suite_create("store_dir");
    TCase *tc = tcase_create("directory");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, objects_of_all_sizes_come_back_with_their_digests);
    tcase_add_test(tc, ranges_are_read_in_chunks);
    tcase_add_test(tc, an_object_is_not_visible_before_it_is_finished);
    tcase_add_test(tc, what_is_stored_is_not_for_everybody);
    tcase_add_test(tc, listings_are_in_byte_order_of_the_keys);
    tcase_add_test(tc, links_and_odd_files_are_no_objects);
    tcase_add_test(tc, what_is_not_there_is_not_found_and_removing_it_succeeds);
    tcase_add_test(tc, a_repository_that_is_not_there_is_a_store_error);
    tcase_add_test(tc, a_repository_that_went_away_is_not_an_empty_one);
    tcase_add_test(tc, a_tree_without_end_is_refused);
    tcase_add_test(tc, slashes_behind_the_path_are_no_part_of_it);
    tcase_add_test(tc, parts_that_nobody_stored_are_not_allocated);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_dir_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
