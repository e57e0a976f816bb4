/*
 * A directory as a store, while system calls fail: what each leaves behind, and what it is called.
 */
// link: -Wl,--wrap=fsync,--wrap=renameat,--wrap=openat,--wrap=mkdirat,--wrap=write
// link: -Wl,--wrap=pread,--wrap=faccessat,--wrap=unlinkat,--wrap=readdir
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_openat(int fd, const char *path, int flags, mode_t mode);
int __wrap_openat(int fd, const char *path, int flags, mode_t mode);
int __real_mkdirat(int fd, const char *path, mode_t mode);
int __wrap_mkdirat(int fd, const char *path, mode_t mode);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

ssize_t __real_pread(int fd, void *out, size_t len, off_t offset);
ssize_t __wrap_pread(int fd, void *out, size_t len, off_t offset);
int __real_faccessat(int fd, const char *path, int mode, int flags);
int __wrap_faccessat(int fd, const char *path, int mode, int flags);

int __real_unlinkat(int fd, const char *path, int flags);
int __wrap_unlinkat(int fd, const char *path, int flags);
struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);

static char root[64];
static char url[80];
static int calls_until_fault = -1; /* negative: none */
static int fault_errno;
static bool is_endless; /* the same name again and again */

static bool is_hit(void)
{
    if (calls_until_fault < 0 || calls_until_fault-- > 0)
        return false;
    errno = fault_errno;
    return true;
}

int __wrap_fsync(int fd)
{
    return is_hit() ? -1 : __real_fsync(fd);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return is_hit() ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_openat(int fd, const char *path, int flags, mode_t mode)
{
    return is_hit() ? -1 : __real_openat(fd, path, flags, mode);
}

int __wrap_mkdirat(int fd, const char *path, mode_t mode)
{
    return is_hit() ? -1 : __real_mkdirat(fd, path, mode);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    return is_hit() ? -1 : __real_write(fd, data, len);
}

ssize_t __wrap_pread(int fd, void *out, size_t len, off_t offset)
{
    return is_hit() ? -1 : __real_pread(fd, out, len, offset);
}

int __wrap_faccessat(int fd, const char *path, int mode, int flags)
{
    return is_hit() ? -1 : __real_faccessat(fd, path, mode, flags);
}

int __wrap_unlinkat(int fd, const char *path, int flags)
{
    return is_hit() ? -1 : __real_unlinkat(fd, path, flags);
}

struct dirent *__wrap_readdir(DIR *dir)
{
    static struct dirent again = {.d_name = "x"};

    if (is_hit())
        return NULL;
    return is_endless ? &again : __real_readdir(dir);
}

static void set_up(void)
{
    (void)snprintf(root, sizeof(root), "/tmp/redkeep-dir.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    (void)snprintf(url, sizeof(url), "file://%s", root);
    calls_until_fault = -1;
}

static void tear_down(void)
{
    struct err err;

    calls_until_fault = -1;
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

static int count_entry(void *context, const struct store_entry *entry, struct err *err)
{
    (void)entry;
    (void)err;
    (*(unsigned *)context)++;
    return 0;
}

START_TEST(each_failing_system_call_leaves_nothing_behind)
{
    static const int codes[] = {EIO, ENOSPC, EACCES};
    auto_free uint8_t *data = xcalloc(1, MIB);

    for (size_t c = 0; c < sizeof(codes) / sizeof(codes[0]); c++)
        for (int n = 0;; n++) {
            auto_store struct store *store = open_store();
            unsigned descriptors = peer_count_descriptors();
            struct object_parts parts = {0};
            struct err err = {0};
            unsigned objects = 0;
            bool fired;
            int rc;

            ck_assert_int_lt(n, 100);
            fault_errno = codes[c];
            calls_until_fault = n;
            rc = put(store, "a/b/c", data, MIB, &parts, &err);
            fired = calls_until_fault < 0;
            calls_until_fault = -1;
            object_parts_release(&parts);
            ck_assert_uint_eq(peer_count_descriptors(), descriptors);
            ck_assert_int_eq(rc, fired ? -1 : 0);
            if (!fired) {
                ck_assert_int_gt(n, 10);
                ck_assert_int_eq(store_remove(store, "a/b/c", &err), 0);
                break;
            }
            ck_assert_msg(err.kind == ERR_STORE || err.kind == ERR_FAILED, "%s", err.msg);
            ck_assert_int_eq(store_list(store, "", '\0', count_entry, &objects, &err), 0);
            ck_assert_uint_eq(objects, 0);
        }
}
END_TEST

/* One read after the n-th call fails with that errno; how it ends. */
static enum err_kind read_with_fault(struct store *store, bool small, int n, int code)
{
    const struct store_get_request request = {.key = "a/o", .size = 5, .chunk_bytes = 2};
    auto_source struct source *source = NULL;
    auto_buf struct buf out;
    struct err err = {0};
    const uint8_t *chunk;
    size_t len = 1;
    int rc;

    buf_init(&out, 5);
    fault_errno = code;
    calls_until_fault = n;
    rc = small ? store_get_small(store, "a/o", &out, &err)
               : store_get(store, &request, &source, &err);
    while (rc == 0 && !small && len > 0)
        rc = source_next(source, &chunk, &len, &err);
    ck_assert(rc == 0 || (calls_until_fault < 0 && strstr(err.msg, root) != NULL));
    calls_until_fault = -1;
    return rc == 0 ? ERR_NONE : err.kind;
}

START_TEST(what_the_disk_has_lost_is_said_of_the_object_the_rest_of_the_store)
{
    static const struct {
        int code;
        enum err_kind kind;
    } rows[] = {{EIO, ERR_CORRUPT},    {EBADMSG, ERR_CORRUPT}, {EUCLEAN, ERR_CORRUPT},
                {EILSEQ, ERR_CORRUPT}, {ENODATA, ERR_CORRUPT}, {EACCES, ERR_STORE},
                {ESTALE, ERR_STORE},   {ETIMEDOUT, ERR_STORE}};
    auto_store struct store *store = open_store();
    struct err err = {0};

    ck_assert_int_eq(store_put_small(store, "a/o", "hello", 5, &err), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int small = 0; small < 2; small++) { /* two directories, the object, its bytes */
            ck_assert_int_ne(read_with_fault(store, small, 0, rows[i].code), ERR_CORRUPT);
            ck_assert_int_ne(read_with_fault(store, small, 1, rows[i].code), ERR_CORRUPT);
            if (rows[i].code != ETIMEDOUT) /* opening says so of a local fault only */
                ck_assert_int_eq(read_with_fault(store, small, 2, rows[i].code), rows[i].kind);
            for (int n = 3; n < (small ? 4 : 6); n++)
                ck_assert_int_eq(read_with_fault(store, small, n, rows[i].code), rows[i].kind);
            ck_assert_int_eq(read_with_fault(store, small, 7, rows[i].code), ERR_NONE);
        }
}
END_TEST

START_TEST(what_cannot_be_removed_is_told)
{
    auto_store struct store *store = open_store();
    struct err err = {0};

    for (int n = 0;; n++) {
        bool fired;
        int rc;

        ck_assert_int_eq(store_put_small(store, "a/b", "hello", 5, &err), 0);
        fault_errno = EACCES;
        calls_until_fault = n;
        rc = store_remove(store, "a/b", &err);
        fired = calls_until_fault < 0;
        calls_until_fault = -1;
        ck_assert_msg(rc == 0 || err.kind == ERR_STORE, "%s", err.msg);
        /* the ways, the file, the fsync; after that, empty directories may stay */
        ck_assert_int_eq(rc, n < 4 ? -1 : 0);
        if (!fired)
            break;
    }
}
END_TEST

START_TEST(a_listing_is_never_not_found)
{
    static const int codes[] = {ENOENT, EIO};
    auto_store struct store *store = open_store();
    struct err err = {0};

    ck_assert_int_eq(store_put_small(store, "a/b/o", "hello", 5, &err), 0);
    for (size_t i = 0; i < 2; i++)
        for (int n = 0;; n++) {
            unsigned objects = 0;
            bool fired;
            int rc;

            fault_errno = codes[i];
            calls_until_fault = n;
            rc = store_list(store, "a/", n % 2 == 0 ? '\0' : '/', count_entry, &objects, &err);
            fired = calls_until_fault < 0;
            calls_until_fault = -1;
            ck_assert_int_eq(rc, fired && codes[i] == EIO ? -1 : 0);
            ck_assert_msg(rc == 0 || err.kind == ERR_STORE, "%s", err.msg);
            ck_assert_uint_eq(objects, fired ? 0 : 1);
            if (!fired) {
                ck_assert_int_gt(n, 4);
                break;
            }
        }
}
END_TEST

START_TEST(a_directory_of_more_names_than_can_be_held_is_told)
{
    auto_store struct store *store = open_store();
    struct err err = {0};
    unsigned objects = 0;

    is_endless = true;
    ck_assert_int_eq(store_list(store, "", '\0', count_entry, &objects, &err), -1);
    is_endless = false;
    ck_assert_msg(strstr(err.msg, root) != NULL && strstr(err.msg, "has more than") != NULL, "%s",
                  err.msg);
    ck_assert_uint_eq(objects, 0);
}
END_TEST

static int open_to_write(const char *below, struct err *err)
{
    const struct store_options options = {
        .url = url, .writes_below = below, .clock = clock_system()};
    auto_store struct store *store = NULL;

    return store_open(&options, &store, err);
}

START_TEST(a_directory_that_refuses_writes_is_told_when_it_is_opened)
{
    static const int codes[] = {EACCES, EROFS, EPERM};
    unsigned descriptors = peer_count_descriptors();
    auto_store struct store *store = open_store();
    struct err err = {0};

    ck_assert_int_eq(open_to_write("a/b", &err), 0);
    ck_assert_int_eq(store_put_small(store, "a/o", "hello", 5, &err), 0);
    ck_assert_int_eq(open_to_write("a/b", &err), 0);
    ck_assert_int_eq(open_to_write("../b", &err), -1);
    ck_assert_int_eq(open_to_write("a/o/b", &err), -1); /* a file on the way */
    ck_assert_msg(err.kind == ERR_STORE, "%s", err.msg);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        fault_errno = codes[i];
        calls_until_fault = 5; /* after the ways to a/b and to a */
        ck_assert_int_eq(open_to_write("a/b", &err), codes[i] == EPERM ? 0 : -1);
        ck_assert_int_lt(calls_until_fault, 0);
        ck_assert(codes[i] == EPERM || (err.kind == ERR_STORE && err.code == codes[i] &&
                                        strstr(err.msg, "/a:") != NULL));
        fault_errno = codes[i];
        calls_until_fault = 0; /* not asked for: nothing is looked at */
        store_free(open_store());
        calls_until_fault = -1;
    }
    ck_assert_uint_eq(peer_count_descriptors(), descriptors + 1);
}
END_TEST

static Suite *store_dir_faults_suite(void)
{
    Suite *suite = suite_create("store_dir_faults");
    TCase *tc = tcase_create("directory");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, each_failing_system_call_leaves_nothing_behind);
    tcase_add_test(tc, what_the_disk_has_lost_is_said_of_the_object_the_rest_of_the_store);
    tcase_add_test(tc, what_cannot_be_removed_is_told);
    tcase_add_test(tc, a_listing_is_never_not_found);
    tcase_add_test(tc, a_directory_of_more_names_than_can_be_held_is_told);
    tcase_add_test(tc, a_directory_that_refuses_writes_is_told_when_it_is_opened);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_dir_faults_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
